"""MMViT's idea as a head of the reward model, beside a plain encoder at equal compute.

    .venv/bin/python bench/multiview.py [--quick] [--sets NAMES] [--seeds 1-5] [--data DIR] [--json FILE]

Both trunks stand on the same states of MiniLM's lower three layers, which are frozen, and learn from the same rows in
the same order: plain, three layers over conversation and response as one sequence; multiview, the two as views, three
scales of half the tokens each (arXiv 2305.00104), at each of which the views read each other. The plain trunk's
widths are chosen so that all steps cost the same (torch's own count, forward and backward, padding included).

world: AUROC of labels drawn from the true chance of a love, of users that were not seen, a world a seed. convai: AUROC
of a thumb up on unseen users. hh_harmless: pair accuracy, answers learnt one by one. By set the keys plain, multiview
and difference (multiview less plain), each with value, low, high (95 %, t over seeds) and by_seed; flops_plain and
flops_multiview, means over seeds; `kept` is whether the difference's low end is above 0 on the world and both real
sets. A set that is not there says why it was skipped. What was measured is kept in the work folder.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import harness

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

from multiview_parts import learning, trials, verdict  # noqa: E402
from multiview_parts.trunks import MultiView, Plain  # noqa: E402
from real_rewards_parts import sets  # noqa: E402
from rluf_parts import table  # noqa: E402

from assets.stage import source_digest  # noqa: E402
from training.reward.data import Rows  # noqa: E402
from training.reward.frozen_layers import States  # noqa: E402

WORK = Path.home() / ".cache" / "loveloop" / "multiview"


def measured(trial: trials.Trial, lesson: learning.Lesson, test: Rows, seed: int) -> dict[str, Any]:
    """The figures of both trunks under one seed."""
    below, same = lesson.texts.states[0].shape[1], learning.equal(lesson)
    found: dict[str, Any] = {"steps": len(lesson.steps), "rows": sum(map(len, lesson.steps)), "test_rows": len(test)}
    for name, make in (
        ("plain", partial(Plain, below, same.width, same.hidden)),
        ("multiview", partial(MultiView, below)),
    ):
        split, started = name == "multiview", time.process_time()
        model, losses = learning.fitted(make, lesson, split=split, seed=seed, rate=learning.RATES[name])
        found[name] = trial.measure(learning.scores(model, lesson.texts, test, split=split))
        found[f"seconds_{name}"] = round(time.process_time() - started, 1)
        found[f"parameters_{name}"] = sum(each.numel() for each in model.parameters())
        found[f"losses_{name}"] = [round(each, 4) for each in losses]
    return found | same._asdict()


def _read() -> argparse.Namespace:
    read = harness.arguments(__doc__, quick="a part of each set, one seed, one epoch: that it runs", data=True)
    read.add_argument("--sets", default=",".join(trials.EPOCHS), help=f"of {', '.join(trials.EPOCHS)}, by commas (all)")
    read.add_argument("--seeds", type=table.span, default="1-5", help="FIRST-LAST, or one (1-5)")
    read.add_argument("--work", type=Path, default=WORK, help=f"where worlds and figures are kept ({WORK})")
    asked = read.parse_args()
    asked.sets = asked.sets.split(",")
    if unknown := [name for name in asked.sets if name not in trials.EPOCHS]:
        read.error(f"--sets names {', '.join(unknown)}, known are {', '.join(trials.EPOCHS)}")
    return asked


def over_seeds(name: str, asked: argparse.Namespace) -> dict[str, Any]:
    """A set's figures, printed seed by seed; why there are none where the set is not there."""
    if name != "world" and (reason := sets.missing(asked.data, name)):
        return {"skipped": reason}
    single: list[dict[str, Any]] = []
    known: States = {}
    for seed in (1,) if asked.quick else asked.seeds:
        if name == "world":
            known.clear()  # no two worlds have the same texts
        single.append(once(name, seed, known, asked))
        print(f"{name}, seed {seed}: {verdict.shown(single[-1])}", flush=True)
    return verdict.over_seeds(single)


def once(name: str, seed: int, known: States, asked: argparse.Namespace) -> dict[str, Any]:
    """The figures of a set under one seed; kept in the work folder under the code and settings they come from."""
    code = [source_digest(each) for each in ("training", "multiview_parts")]
    key = json.dumps([str(asked.data), asked.quick, *code])
    file = asked.work / "figures" / f"{name}-{seed}.json"
    stored = json.loads(file.read_text()) if file.exists() else {}
    if stored.get("key") != key:
        trial = trials.of(name, seed, asked.data, asked.work, quick=asked.quick)
        lesson, test = trials.lesson(trial, seed, known, quick=asked.quick)
        stored = {"key": key, "figures": measured(trial, lesson, test, seed)}
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(stored))
    figures: dict[str, Any] = stored["figures"]
    return figures


def main() -> None:
    """Measure, print, write."""
    asked = _read()
    found: dict[str, Any] = {}
    for name in asked.sets:
        found[name] = over_seeds(name, asked)
        harness.write(asked.json, found | {"kept": verdict.kept(found)})
    print("\n".join(verdict.lines(found)))


if __name__ == "__main__":
    main()
