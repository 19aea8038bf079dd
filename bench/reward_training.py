"""Rows a second of our reward fit against TRL's RewardTrainer and transformers' Trainer: same model, rows, precision.

    .venv/bin/python bench/reward_training.py [--quick] [--data DIR] [--json FILE]

MiniLM, whole, in float32, on real talks of ragged lengths (ConvAI). Contenders take turns, each in a process of its
own. Keys: train_ratio_hf, train_ratio_trl (our rows a second over theirs; the aim is 1.5), score_ratio (over batches in
the order they come, as Trainer.predict takes them), and a row for each contender with its loss and peak memory; the
same ratios by CPU time, which wander less on a busy machine. hf_grouped is Trainer with its own sorting by length.
"""

import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import harness

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

AIM = 1.5
PARTS = ROOT / "bench" / "reward_training_parts"
TRL = "trl==1.16.0"
CONTENDERS: dict[str, dict[str, Any]] = {
    "ours": {},
    "hf": {"kind": "hf"},
    "hf_grouped": {"kind": "hf", "grouped": True},
    "trl": {"kind": "trl"},
}


def measured(data: Path, folder: Path, rows: int, repeats: int) -> dict[str, Any]:
    """Every contender in turns.

    Args:
        data: Of the real data.
        folder: For what is made.
        rows: To learn from, and as many to score.
        repeats: Turns, the seeds 1, 2, ...
    """
    from ingest_parts import child, environments
    from reward_training_parts import texts

    from training.reward.bases import minilm

    file = texts.written(data, folder, rows)
    names = list(CONTENDERS)
    try:
        wanted = [TRL, *map(environments.as_here, ("torch", "transformers"))]
        python = str(environments.installed("trl", wanted))
    except environments.EnvironmentMissingError as error:
        print(f"rivals left out: {error}", flush=True)
        names, python = ["ours"], sys.executable
    seen: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for seed in range(1, repeats + 1):
        for name in names:
            given = {
                "rows": file,
                "base": minilm(),
                "batch": 32,
                "rate": 1e-4,
                "epochs": 1,
                "seed": seed,
                "out": folder,
            }
            who = {"python": sys.executable} if name == "ours" else {"python": python}
            script = "ours.py" if name == "ours" else "rival_trainers.py"
            seen[name].append(child.measure(str(PARTS / script), **who, **given, **CONTENDERS[name]))
            print(f"seed {seed}, {name}: {told(seen[name][-1])}", flush=True)
    return {"rows": rows, "repeats": repeats, **figures(seen), "aim": AIM}


def told(one: dict[str, Any]) -> str:
    """A contender's figures in words."""
    rates = one["train_rows"] / one["train_s"], one["score_rows"] / one["score_s"]
    return f"{rates[0]:.1f} rows/s learnt, {rates[1]:.1f} scored, loss {one['loss']:.4f}, {one['peak_mib']:,.0f} MiB"


def figures(seen: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Medians over turns, and our rates over the rivals'; by CPU time under names that end in `_cpu`.

    >>> ours = {"train_rows": 8, "train_s": 1, "train_cpu_s": 1, "score_rows": 8, "score_s": 1, "score_cpu_s": 1}
    >>> rival = ours | {"train_s": 2, "train_cpu_s": 3}
    >>> extra = {"loss": 0.5, "peak_mib": 9.0}
    >>> found = figures({"ours": [ours | extra], "hf": [rival | extra]})
    >>> found["train_ratio_hf"], found["train_ratio_hf_cpu"], found["score_ratio"]
    (2.0, 3.0, 1.0)
    """
    found: dict[str, Any] = {"contenders": {}}
    for name, turns in seen.items():
        row = {key: statistics.median(turn[key] for turn in turns) for key in ("loss", "peak_mib")}
        for part in ("train", "score"):
            for kind, clock in (("", "s"), ("_cpu", "cpu_s")):
                rates = [turn[f"{part}_rows"] / turn[f"{part}_{clock}"] for turn in turns]
                row[f"{part}_rate{kind}"] = statistics.median(rates)
        found["contenders"][name] = row
    ours = found["contenders"]["ours"]
    for name, row in found["contenders"].items():
        for kind in ("", "_cpu") if name != "ours" else ():
            found[f"train_ratio_{name}{kind}"] = ours[f"train_rate{kind}"] / row[f"train_rate{kind}"]
            if name == "hf":
                found[f"score_ratio{kind}"] = ours[f"score_rate{kind}"] / row[f"score_rate{kind}"]
    return found


def main() -> None:
    """Measure, print, write."""
    parser = harness.arguments(__doc__, quick="256 rows and one turn instead of 768 and three", data=True)
    wanted = parser.parse_args()
    if not (wanted.data / "convai" / "dialogues.jsonl").is_file():
        raise SystemExit(f"{wanted.data} has no convai/dialogues.jsonl: say with --data where the real data are")
    with tempfile.TemporaryDirectory() as folder:
        rows, repeats = (256, 1) if wanted.quick else (768, 3)
        found = measured(wanted.data, Path(folder), rows, repeats)
    for name, value in found.items():
        if "ratio" in name:
            print(f"{name:<28}{value:.2f}")
    harness.write(wanted.json, found)


if __name__ == "__main__":
    main()
