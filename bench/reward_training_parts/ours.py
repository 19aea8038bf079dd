"""Our fit and our scoring, as `train_reward_model` calls them.

    python ours.py '{"rows": FILE, "base": DIR, "batch": 32, "rate": 3e-4, "epochs": 2, "seed": 1}'

The clock of training covers drawing, batching and stepping, of scoring batching too; neither covers reading a model.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from peers_parts.memory import peak_mib

from training.reward.classifier import fit_classifier
from training.reward.config import RewardConfig
from training.reward.data import Examples
from training.reward.encoded_rows import EncodedRows
from training.reward.fit import RewardFit


def main(wanted: dict[str, Any]) -> None:
    """Train, score, and print the figures as the last line."""
    told = json.loads(Path(wanted["rows"]).read_text())
    count, labels = told["learn"], np.array(told["labels"])
    every = Examples(
        told["conversations"], told["responses"], labels, np.ones(len(labels)),
        np.array(["user"] * len(labels)), np.arange(len(labels)),
    )  # fmt: skip
    config = RewardConfig(
        epochs=wanted["epochs"], batch=wanted["batch"], learning_rate=wanted["rate"], positive_rate=0.01,
        max_tokens=told["max_tokens"], seed=wanted["seed"],
    )  # fmt: skip
    clock = {"seconds": 0.0, "cpu": 0.0}
    passing = RewardFit._pass

    def timed(self: RewardFit, part: EncodedRows, *rest: Any) -> None:
        before = time.perf_counter(), time.process_time()
        passing(self, part, *rest)
        clock["seconds"] += time.perf_counter() - before[0]
        clock["cpu"] += time.process_time() - before[1]

    RewardFit._pass = timed  # type: ignore[method-assign]
    learnt = every.take(np.arange(count))
    watched = every.take(np.concatenate([np.flatnonzero(labels == kind)[:4] for kind in (0, 1)]))
    fit, _ = fit_classifier(learnt, watched, base=wanted["base"], config=config, name="ours")
    peak = peak_mib()
    fit.settled()
    ids = told["ids"][count:]
    before = time.perf_counter(), time.process_time()
    raw = fit.raw(ids)
    seconds, cpu = time.perf_counter() - before[0], time.process_time() - before[1]
    held = labels[count:]
    figures = {
        "train_rows": count * wanted["epochs"], "train_s": clock["seconds"], "train_cpu_s": clock["cpu"],
        "score_rows": len(ids), "score_s": seconds, "score_cpu_s": cpu, "peak_mib": peak,
        "loss": float(np.mean(np.logaddexp(0, raw) - held * raw)),
    }  # fmt: skip
    print(json.dumps(figures))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
