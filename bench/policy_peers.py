"""Our optimisers against TRL's at equal policy, prompts, rewards and number of responses.

    python bench/policy_peers.py [--quick] [--only trl_grpo,crraft] [--json FILE]

TRL comes into an environment of its own, which uv makes. One Llama of the demo's shape is fitted to a made-up log; then
contenders take turns, each in a process of its own, and all are read alike on prompts that none of them saw.
Both rewards, of which Love takes a goodbye for a reason of Love, are one file that both sides load. Keys: step_ratio
(seconds of a step of CRRAFT over those of the fastest GRPO), closing_ratio (needless goodbyes of CRRAFT over those of
TRL's GRPO at equal true Love), and a row for each contender. rollout_ratio is bench/rollouts.py's.
"""

import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import harness

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

STEP_AIM, CLOSING_AIM = 0.8, 0.5
PARTS = ROOT / "bench" / "peers_parts"
TRL = "trl==1.16.0"
SAMPLES, NEW_TOKENS, PROMPTS_A_STEP = 8, 48, 32
STEP = SAMPLES * PROMPTS_A_STEP
RIVALS: dict[str, dict[str, Any]] = {
    "trl_grpo": {"method": "grpo", "beta": 0.0},
    "trl_grpo_kl": {"method": "grpo", "beta": 0.04},
    "trl_grpo_judged": {"method": "grpo", "beta": 0.0, "judged": True},
    "trl_online_dpo": {"method": "online_dpo", "beta": 0.1},
}
"""GRPO as TRL has it by default, with a reference as ours has, and with our judge's reading as a third reward."""
OURS: dict[str, dict[str, Any]] = {
    "crraft": {"optimiser": "crraft", "judge": True, "pairs": True, "steps_a_round": 4},
    "crpg": {"optimiser": "crpg", "judge": True, "pairs": True, "steps_a_round": 2},
    "crraft_alone": {"optimiser": "crraft", "judge": False, "pairs": False, "steps_a_round": 4},
}
"""The product's way, its policy gradient, and what CRRAFT does without judge and minimal pairs."""
NAMES = (*RIVALS, *OURS)


class Size(NamedTuple):
    """How much is run.

    Attributes:
        log: Conversations that the incumbent is fitted to.
        steps: Of each contender, `STEP` responses each.
        seeds: Turns.
        answers: Read of every policy.
    """

    log: int
    steps: int
    seeds: int
    answers: int


FULL, QUICK = Size(3000, 16, 3, 4000), Size(2000, 4, 1, 1000)


class Scene(NamedTuple):
    """What all contenders share.

    Attributes:
        folder: For all that is made.
        size: How much is run.
        rate: Learning rate of ours; `trl_rate` of TRL's.
        incumbent: The policy's directory.
        prompts: A file of the prompts that all learn from.
        trl: The Python of TRL's environment; None without one.
    """

    folder: Path
    size: Size
    rate: float
    trl_rate: float
    incumbent: Path
    prompts: Path
    trl: Path | None


def scene(folder: Path, size: Size, rates: tuple[float, float], *, rivals: bool) -> Scene:
    """Fit the incumbent, write the prompts, and make TRL's environment."""
    import pyarrow as pa
    from ingest_parts import environments
    from peers_parts import texts

    from training.policy.pretrain import PretrainConfig, pretrain_policy

    asked, said = texts.logged(size.log, seed=1)
    log = pa.table({"conversation": [json.dumps(each) for each in asked], "response": said})
    pretrain_policy(log, folder / "incumbent", config=PretrainConfig(epochs=3, batch_tokens=1024, lr=3e-3), seed=1)
    prompts = folder / "prompts.json"
    prompts.write_text(json.dumps(texts.asked(size.steps * PROMPTS_A_STEP, seed=5)))
    try:
        wanted = [TRL, *map(environments.as_here, ("torch", "transformers"))]
        trl = environments.installed("trl", wanted) if rivals else None
    except environments.EnvironmentMissingError as error:
        print(f"TRL left out: {error}", flush=True)
        trl = None
    return Scene(folder, size, *rates, folder / "incumbent", prompts, trl)


def run(name: str, here: Scene, seed: int) -> dict[str, Any]:
    """One contender's training, in a process of its own."""
    from ingest_parts import child
    from peers_parts import rewards

    out = here.folder / f"{name}-{seed}"
    common = {
        "policy": here.incumbent, "prompts": here.prompts, "out": out, "samples": SAMPLES, "new_tokens": NEW_TOKENS,
        "rate": here.rate, "seed": seed,
    }  # fmt: skip
    if name in OURS:
        rounds = max(1, here.size.steps // OURS[name]["steps_a_round"])
        return child.measure(str(PARTS / "ours.py"), **common, **OURS[name], rounds=rounds)
    weights = rewards.JUDGED if RIVALS[name].get("judged") else rewards.WEIGHTS
    common["rate"], steps = here.trl_rate, here.size.steps
    keep = sorted({max(1, steps * part // 4) for part in (1, 2, 3, 4)})
    rival = {"weights": weights, "steps": steps, "prompts_a_step": PROMPTS_A_STEP, "keep": keep}
    return child.measure(str(PARTS / "rival_trl.py"), python=str(here.trl), **common, **RIVALS[name], **rival)


def course(figures: dict[str, Any], here: Scene, start: Any) -> list[Any]:
    """The policies of a training, from the incumbent on, as they answer."""
    from peers_parts import reading, texts

    kept = figures["kept"]
    places = list(kept.values()) if isinstance(kept, dict) else [kept]
    held_out = texts.asked(here.size.answers, seed=99)
    return [start, *(reading.read(each, held_out, seed=7) for each in places)]


def measure(here: Scene, names: list[str]) -> dict[str, Any]:
    """Every contender in turns, each read, and their figures."""
    from peers_parts import reading, texts

    start = reading.read(here.incumbent, texts.asked(here.size.answers, seed=99), seed=7)
    seen: dict[str, list[tuple[dict[str, Any], list[Any]]]] = {name: [] for name in names}
    for seed in range(1, here.size.seeds + 1):
        for name in names:
            found = run(name, here, seed)
            seen[name].append((found, course(found, here, start)))
            last = seen[name][-1][1][-1]
            print(
                f"seed {seed}, {name}: {found['seconds']:.1f} s, Love {last.true_love:.3f}, {last.closings:.2%}",
                flush=True,
            )
    rows = {"incumbent": start._asdict(), **{name: row(some) for name, some in seen.items()}}
    settings = {"steps": here.size.steps, "seeds": here.size.seeds, "rate": here.rate, "trl_rate": here.trl_rate}
    return {"rows": rows, **ratios(rows, seen), **settings}


def row(some: list[tuple[dict[str, Any], list[Any]]]) -> dict[str, Any]:
    """A contender's figures: medians over seeds of what it cost, means of what its last policies say."""
    from peers_parts.figures import a_step

    cost = [found for found, _ in some]
    lasts = [policies[-1] for _, policies in some]
    return {
        "step_s": statistics.median(a_step(each["seconds"], each["responses"], STEP) for each in cost),
        "step_cpu_s": statistics.median(a_step(each["cpu_seconds"], each["responses"], STEP) for each in cost),
        "tokens_s": statistics.median(each["tokens"] / each["seconds"] for each in cost),
        "peak_mib": statistics.median(each["peak_mib"] for each in cost),
        "updates": cost[0]["updates"],
        "tokens": cost[0]["tokens"],
        **{key: statistics.mean(getattr(each, key) for each in lasts) for key in lasts[0]._fields},
        "course": [[each._asdict() for each in policies] for _, policies in some],
    }


def ratios(rows: dict[str, Any], seen: dict[str, list[tuple[dict[str, Any], list[Any]]]]) -> dict[str, Any]:
    """Ours against TRL; None where one of the two was not measured."""
    from peers_parts.figures import closing_ratio

    fastest = min((rows[name]["step_s"] for name in rows if name.startswith("trl_grpo")), default=None)
    leanest = min((rows[name]["step_cpu_s"] for name in rows if name.startswith("trl_grpo")), default=None)
    found: dict[str, Any] = {"step_ratio": None, "closing_ratio": None}
    for mine in (name for name in OURS if name in rows):
        prefix = "" if mine == "crraft" else f"{mine}_"
        if fastest and leanest:
            found[f"{prefix}step_ratio"] = rows[mine]["step_s"] / fastest
            found[f"{prefix}step_cpu_ratio"] = rows[mine]["step_cpu_s"] / leanest
        for rival in (name for name in RIVALS if name in rows):
            lasts, courses = [each[1][-1] for each in seen[mine]], [each[1] for each in seen[rival]]
            value, reached = closing_ratio(lasts, courses)
            key = f"{prefix}closing_ratio{'' if rival == 'trl_grpo' else '_to_' + rival}"
            found |= {key: value.value, f"{key}_low": value.low, f"{key}_high": value.high, f"{key}_reached": reached}
    return found


def table(figures: dict[str, Any]) -> str:
    """The rows as they are printed."""
    columns = ("step_s", "step_cpu_s", "tokens_s", "peak_mib", "updates", "true_love", "love", "right", "words")
    lines = [f"{'':<16}" + "".join(f"{each:>11}" for each in columns) + f"{'closings':>11}"]
    for name, each in figures["rows"].items():
        cells = "".join(f"{each[key]:>11,.3g}" if key in each else f"{'-':>11}" for key in columns)
        lines.append(f"{name:<16}{cells}{each['closings']:>11.2%}")
    return "\n".join(lines)


def verdict(figures: dict[str, Any]) -> str:
    """The aims, each kept, missed or not measured."""
    lines = []
    for key, aim in (("step_ratio", STEP_AIM), ("closing_ratio", CLOSING_AIM)):
        value = figures[key]
        said = "not measured" if value is None else f"{value:.2f}, {'kept' if value <= aim else 'MISSED'}"
        reached = figures.get(f"{key}_reached", True)
        lines.append(f"{key} (aim: at most {aim}): {said}{'' if reached else ' (TRL does not reach our Love)'}")
    lines.append("figures of a CPU that others may use at the same time; rollout_ratio is bench/rollouts.py's")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write."""
    parser = harness.arguments(__doc__, quick="one seed of 4 steps instead of three of 16")
    parser.add_argument("--seeds", type=int, help="turns, instead of three (--quick: one)")
    parser.add_argument("--only", default=",".join(NAMES), help=f"contenders, of {', '.join(NAMES)}")
    parser.add_argument("--rate", type=float, default=5e-4, help="learning rate (5e-4)")
    parser.add_argument("--trl-rate", type=float, help="of TRL, where it is to be another one")
    wanted = parser.parse_args()
    names = wanted.only.split(",")
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        parser.error(f"--only names {', '.join(unknown)}; contenders are {', '.join(NAMES)}")
    os.environ |= {"HF_HUB_OFFLINE": "1", "TRL_EXPERIMENTAL_SILENCE": "1"}
    size = QUICK if wanted.quick else FULL
    size = size._replace(seeds=wanted.seeds or size.seeds)
    with tempfile.TemporaryDirectory() as folder:
        rates = wanted.rate, wanted.trl_rate or wanted.rate
        here = scene(Path(folder), size, rates, rivals=any(name in RIVALS for name in names))
        figures = measure(here, [name for name in names if name in OURS or here.trl])
    print(table(figures))
    print(verdict(figures))
    harness.write(wanted.json, figures)


if __name__ == "__main__":
    main()
