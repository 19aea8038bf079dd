"""P[Love] against the truth of the synthetic world: [--quick] [--seeds N] [--rows NAMES] [--json FILE].

For each seed the loop makes a world, its clean log and the incumbent once; then one P[Love] for each row:

    full                          the demo's settings on all of the clean log
    10000, 30000, 100000          a learning curve: so many rows
    no_dedup, no_filter, no_wait  the log without that stage: copies stay, adversaries count, late loves are missed
    heads, shift, augmented, broken, residual   the trainer's options, one at a time, on all of the log
    pairs, unpaired               helpfulness from the same rows, as pairs (Bradley-Terry) and each by itself
    300000, 1000000               the learning curve's end, on a world five times as large
    1000000_residual              the same with scores that may not follow length
    young_out, young_negative, young_corrected   of that world two days, of which the second is not mature: left out,
                                  taken as if no love would come any more, or learnt with how long loves take

P[Love] scores rows of users that it has never seen, of whom the truth says the chance of a love, so that no luck of
rare loves is in the figures. Keys, each with low and high (t over seeds): auroc (expected, of labels drawn from the
true chance), oracle_ratio (to the AUROC of the true chance itself), ece_over_base (distance from the true chance over
the base rate), length_rho_excess (|Spearman's rho| with the words of a response, less the truth's own), bt_gap (pair
accuracy of pairs less that of unpaired labels); `rows` has the same for each row, with the mean logits that a needless
goodbye buys (closing_shift). What was measured is kept in the work folder.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import harness
from reward_world_parts import figures, rows
from rluf_parts import table, world

from assets.lock import alone
from assets.run import Run
from assets.stage import source_digest
from assets.stages import models
from training.reward.config import RewardConfig
from training.reward.model import RewardModel
from training.reward.train import train_reward_model

WORK = Path.home() / ".cache" / "loveloop" / "reward_world"
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "heads": {"heads": 4, "caution": 0.5},
    "shift": {"prompt_shift": True},
    "augmented": {"augmented": 0.5},
    "broken": {"broken": 0.5},
    "residual": {"residual": ("words", "closing")},
    "1000000_residual": {"residual": ("words",)},
}
TIMES = 5
"""The large world is so many times as large."""
LARGE = ("300000", "1000000", "1000000_residual", *rows.YOUNG)
STAGES = ("no_dedup", "no_filter", "no_wait")
ROWS = (
    "full",
    "10000",
    "30000",
    "100000",
    *STAGES,
    *(each for each in OPTIONS if each not in LARGE),
    "pairs",
    "unpaired",
    *LARGE,
)
QUICK_ROWS = ("full", "no_filter", "residual", "pairs", "unpaired", "young_corrected")
HELD, PROMPTS = 15_000, 20_000
AIMS = "auroc >= .85, oracle_ratio >= .97, ece_over_base <= .1, length_rho_excess <= .05, bt_gap <= .03"


def measured(run: Run, name: str, *, quick: bool) -> dict[str, float]:
    """The figures of one row on one seed; kept beside the run."""
    config = run.recipe.p_love.config.model_copy(update={"seed": run.recipe.seed, **OPTIONS.get(name, {})})
    shared = [run.recorded(stage)["fingerprint"] for stage in ("incumbent",)]
    key = json.dumps([name, quick, shared, config.model_dump(mode="json"), source_digest("training")])
    file = run.directory / "reward-rows" / f"{name}.json"
    kept = json.loads(file.read_text()) if file.exists() else {}
    if kept.get("key") == key:
        return kept["figures"]
    place = run.directory / "reward-models" / name
    if name in ("pairs", "unpaired"):
        found = _preference(run, name, place, 2_000 if quick else PROMPTS)
    else:
        table_ = rows.examples(run, "1000000" if "1000000" in name else "full" if name in OPTIONS else name)
        report = train_reward_model(table_, place, base=_base(run), config=config, name=name, lineage={})
        held = rows.held_out(run, test_users=config.test_users, most=HELD // 5 if quick else HELD)
        found = figures.of(RewardModel.load(place), held) | {"seconds": report.seconds}
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"key": key, "figures": found}))
    return found


def _preference(run: Run, name: str, place: Path, prompts: int) -> dict[str, float]:
    loss = "bradley_terry" if name == "pairs" else "binary"
    config = RewardConfig(loss=loss, epochs=2, batch=32, max_tokens=48, positive_rate=0.5, seed=run.recipe.seed)
    made = rows.pairs(_base(run), prompts, run.recipe.seed)
    report = train_reward_model(made, place, base=_base(run), config=config, name=name, lineage={}, by="conversations")
    assert report.pair_accuracy is not None
    return {"pair_accuracy": report.pair_accuracy.value, "pairs": float(made.num_rows // 2), "seconds": report.seconds}


def _base(run: Run) -> str:
    return str(models.incumbent(run))


def _read() -> argparse.Namespace:
    read = harness.arguments(__doc__, quick="a small world, one seed, five rows; figures mean nothing")
    read.add_argument("--seeds", type=table.span, default="1-5", help="FIRST-LAST, or one (1-5)")
    read.add_argument("--rows", type=lambda told: told.split(","), help=f"with commas: {', '.join(ROWS)}")
    read.add_argument("--work", type=Path, default=WORK, help=f"where seeds and rows are kept ({WORK})")
    return read.parse_args()


def main() -> None:
    asked = _read()
    wanted = asked.rows or (QUICK_ROWS if asked.quick else ROWS)
    unknown = sorted({*wanted} - {*ROWS})
    if unknown:
        raise SystemExit(f"{', '.join(unknown)} is no row; there are {', '.join(ROWS)}")
    found: dict[str, list[dict[str, float]]] = {name: [] for name in wanted}
    for seed in (1,) if asked.quick else asked.seeds:
        for times in (1, TIMES):
            part = [name for name in wanted if (name in LARGE) == (times > 1)]
            if not part:
                continue
            run = world.opened(seed, asked.work, quick=asked.quick, times=times)
            with alone(run.directory, "bench/reward_world.py"):
                world.share(run, lambda _: None, last="incumbent")
                for name in part:
                    found[name].append(measured(run, name, quick=asked.quick))
                    shown = ", ".join(f"{key} {value:.3f}" for key, value in found[name][-1].items())
                    print(f"seed {seed}, {name}: {shown}", flush=True)
    summary = figures.summary(found)
    harness.write(asked.json, summary)
    print("\n".join([*figures.lines(summary), f"aims: {AIMS}"]))


if __name__ == "__main__":
    main()
