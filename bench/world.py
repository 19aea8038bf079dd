"""What the synthetic world costs, and whether it holds what it promises: [--quick] [--json FILE].

- Speed on one core and peak memory, in processes of their own: a quarter and the whole of the responses, the same
  users, so that whatever grows with the stream shows. Nine attacks and an experiment may be added: `--attacked`.
- The same seed twice, compared by SHA-256.
- The observable oracle's AUROC: the most that a model of love can reach.
- The published hack: what a naive regression makes of a needless goodbye, what a careful one, and what it truly does.
- What safety earns: the chance of a love for a refusal of an unsafe request, and for compliance.
- Who is still there after 1, 7 and 30 days, by how content the first day left them.

Intervals are Student's t over seeds, 95 %.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import harness
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.stats import t as student

from streams.synthetic import WorldConfig, simulate
from streams.synthetic.language.talk import draw_talk, draw_turns
from streams.synthetic.shares import NAMES
from streams.synthetic.studies.hack import closing_effect
from streams.synthetic.studies.retention import retention_curve
from streams.synthetic.truth import formulas

ROOT = Path(__file__).resolve().parents[1]
LIMIT_S = 60.0
ALONE = """
import json, resource, sys, time
from pathlib import Path
from streams.synthetic import WorldConfig, simulate
config = WorldConfig(**json.loads(sys.argv[1]))
began = time.process_time()
amounts = simulate(config, Path(sys.argv[2]))
took = time.process_time() - began
print(json.dumps({"cpu_s": took, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                  "events": amounts.events, "love_rate": amounts.love_rate}))
"""

Floats = NDArray[np.float64]


def alone(place: Path, **config: Any) -> dict[str, Any]:
    """Simulate in a process of its own: CPU seconds, peak MiB, events, Love rate."""
    command = [sys.executable, "-c", ALONE, json.dumps(config), str(place)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def cost(responses: int, place: Path, attacked: bool) -> dict[str, Any]:
    """Speed and memory, at a quarter of the responses and at all of them."""
    foul = {"attacks": dict.fromkeys(NAMES, 0.025), "experiment": {}} if attacked else {}
    sizes = {"quarter": responses // 4, "whole": responses}
    runs = {name: alone(place, responses=size, users=responses // 16, **foul) for name, size in sizes.items()}
    return {"responses": responses, **runs, "s_per_million": 1e6 * runs["whole"]["cpu_s"] / responses}


def same_bytes(place: Path) -> dict[str, Any]:
    """SHA-256 of a small world's events, simulated twice, and whether they agree."""
    sums = []
    for name in ("first", "second"):
        simulate(WorldConfig(responses=20_000, users=1_250, attacks={"burst_bots": 0.05}), place / name)
        sums.append(hashlib.sha256((place / name / "events.ndjson").read_bytes()).hexdigest())
    return {"sha256": sums[0], "same": sums[0] == sums[1]}


def heard(seed: int, conversations: int) -> dict[str, float]:
    """One seed's oracle, hack and price of safety."""
    rng = np.random.default_rng([seed, 5])
    talk = draw_talk(rng, draw_turns(rng, conversations))
    readings = formulas.read(talk.conversations, talk.responses)
    full = formulas.love_chance(readings, talk.happy, np.exp(formulas.TASTE_SIGMA * rng.standard_normal(len(readings))))
    observable = formulas.observable_love(talk.conversations, readings)
    hack = closing_effect(conversations, seed)
    return {
        "oracle_auroc": expected_auroc(observable, full),
        "naive": hack.naive,
        "careful": hack.careful,
        "true": hack.true,
        "love_of_right_refusals": float(observable[readings.right_refusal].mean()),
        "love_of_compliance": float(observable[readings.unsafe & readings.complies].mean()),
    }


def expected_auroc(score: Floats, chance: Floats) -> float:
    """AUROC of a score in expectation, when each row is loved with its chance."""
    order = np.argsort(score, kind="stable")
    loved, not_loved = chance[order], 1 - chance[order]
    below = np.cumsum(not_loved) - not_loved / 2
    return float((loved * below).sum() / (loved.sum() * not_loved.sum()))


def interval(values: list[float]) -> dict[str, float | None]:
    """Mean, and the 95 % interval where there are several values."""
    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return {"mean": mean, "low": None, "high": None}
    half = float(student.ppf(0.975, count - 1) * np.std(values, ddof=1) / np.sqrt(count))
    return {"mean": mean, "low": mean - half, "high": mean + half}


def staying(place: Path, responses: int) -> dict[str, dict[str, float]]:
    """Shares of users who were seen again after 1, 7 and 30 days or later."""
    config = WorldConfig.long(responses=responses, users=responses // 6)
    simulate(config, place)
    users = pq.read_table(place / "truth" / "users.parquet")
    curve = retention_curve(users, until=(config.ends_at - timedelta(days=1)).date()).to_pylist()
    groups = {name: {f"day_{day}": 0.0 for day in (1, 7, 30)} for name in ("low", "middle", "high")}
    for row in curve:
        if row["day"] in (1, 7, 30):
            groups[row["group"]][f"day_{row['day']}"] = row["share"]
    return groups


def main() -> None:
    """Measure, print, and say whether a million responses stay under the limit."""
    parser = harness.arguments(__doc__, quick="a tenth of the responses and one seed instead of five")
    parser.add_argument("--attacked", action="store_true", help="time a world with every attack and an experiment")
    wanted = parser.parse_args()
    responses, conversations = (100_000, 20_000) if wanted.quick else (1_000_000, 60_000)
    with tempfile.TemporaryDirectory(prefix="loveloop-world-") as name:
        place = Path(name)
        costs, bytes_ = cost(responses, place / "cost", wanted.attacked), same_bytes(place)
        stays = staying(place / "long", 60_000 if wanted.quick else 300_000)
    seeds = [heard(seed, conversations) for seed in range(1, 2 if wanted.quick else 6)]
    figures = {name: interval([each[name] for each in seeds]) for name in seeds[0]}
    for size in ("quarter", "whole"):
        run = costs[size]
        print(f"{size:<8} {run['cpu_s']:6.1f} CPU s  {run['peak_mib']:6.0f} MiB  {run['events']:,} events")
    print(f"{costs['s_per_million']:.1f} CPU s for a million responses; same seed, same bytes: {bytes_['same']}")
    for name, value in figures.items():
        bounds = f" ({value['low']:+.4f} to {value['high']:+.4f})" if value["low"] is not None else ""
        print(f"{name:<24} {value['mean']:+.4f}{bounds}")
    for group, shares in stays.items():
        print(f"first day {group:<7}", "  ".join(f"{day} {share:.2f}" for day, share in shares.items()))
    print("fast enough" if costs["s_per_million"] < LIMIT_S else f"SLOWER THAN {LIMIT_S:.0f} s A MILLION")
    harness.write(wanted.json, {"cost": costs, "bytes": bytes_, **figures, "retention": stays})


if __name__ == "__main__":
    main()
