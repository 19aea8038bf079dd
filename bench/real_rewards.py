"""Reward models on real data: what is learnt from unpaired labels, beside simple predictors and paired labels.

    .venv/bin/python bench/real_rewards.py [--quick] [--sets NAMES] [--seeds N] [--data DIR] [--json FILE]

convai: a thumb up against the rest on unseen users (AUROC). upworthy: headlines of later randomised tests (accuracy on
significant pairs). hh_harmless: pairs of people's preference; diasafety and xstest: AUROC of unsafe and of refusing
answers. By set the keys ours, baseline, reference, each with value, low and high (95 %, bootstrap over users, tests or
conversations), and further figures under their names. A set that is not there says why it was skipped. What was
computed lies under ~/.cache/loveloop/real_rewards: a run that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import harness

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

from real_rewards_parts import sets  # noqa: E402

WHERE = {
    "convai": "convai",
    "upworthy": "upworthy",
    "hh_harmless": "harmless",
    "diasafety": "unsafe",
    "xstest": "refusals",
}
"""By set, the part that measures it."""


def main() -> None:
    """Measure, print, write."""
    parser = harness.arguments(__doc__, quick="a part of each set, one seed, one epoch: that it runs", data=True)
    parser.add_argument("--sets", default=",".join(WHERE), help=f"of {', '.join(WHERE)}, by commas (all)")
    parser.add_argument("--seeds", type=int, default=3, help="of models and folds (3)")
    wanted = parser.parse_args()
    names = wanted.sets.split(",")
    if unknown := [name for name in names if name not in WHERE]:
        parser.error(f"--sets names {', '.join(unknown)}, known are {', '.join(WHERE)}")
    found: dict[str, Any] = {}
    for name in names:
        reason = sets.missing(wanted.data, name)
        if reason:
            found[name] = {"skipped": reason}
        else:
            part = import_module(f"real_rewards_parts.{WHERE[name]}")
            found[name] = part.measured(wanted.data, wanted.seeds, quick=wanted.quick)
        print("\n".join(lines(name, found[name])), flush=True)
        harness.write(wanted.json, found)


def lines(name: str, figures: dict[str, Any]) -> list[str]:
    """What is printed of a set.

    >>> lines("convai", {"skipped": "not there"})
    ['convai: skipped, not there']
    >>> lines("convai", {"ours": {"value": 0.7, "low": 0.65, "high": 0.75}, "rows": 9})
    ['convai                ours                            0.700 [0.650, 0.750]']
    """
    if "skipped" in figures:
        return [f"{name}: skipped, {figures['skipped']}"]
    flat = {key: each for key, each in figures.items() if isinstance(each, dict) and "low" in each}
    for part, inner in figures.items():
        if isinstance(inner, dict) and "low" not in inner:
            flat |= {f"{part}: {key}": each for key, each in inner.items() if isinstance(each, dict)}
    return [
        f"{name:<22}{key:<32}{each['value']:.3f} [{each['low']:.3f}, {each['high']:.3f}]" for key, each in flat.items()
    ]


if __name__ == "__main__":
    main()
