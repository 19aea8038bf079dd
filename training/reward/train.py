"""Train one reward model: unpaired binary feedback in, a calibrated and measured classifier with its card out."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from stats.bootstrap import bootstrap_over_users
from stats.estimate import Estimate
from stats.metrics import auroc
from training import template
from training.engine.config import EngineConfig
from training.engine.steps import silent
from training.policy.load import fingerprint
from training.progress import Follow, nobody
from training.reward.bases import check_base
from training.reward.card import card
from training.reward.classifier import calibrated, evaluation_sample, fit_classifier
from training.reward.config import RewardConfig
from training.reward.data import Examples, read_examples
from training.reward.examination import examine
from training.reward.leakage import check
from training.reward.model import RewardModel, Scorer
from training.reward.pairs import coupled, pair_accuracy
from training.reward.prompt_shift import shift_weights
from training.reward.registry import CARD, write_manifest
from training.reward.report import RewardReport
from training.reward.split import divided
from training.reward.trim import Trim
from training.reward.usage import usage, views_usage
from training.reward.views_reward import ViewsReward, views_model
from training.text import load_tokenizer, whole

__all__ = ["RewardConfig", "RewardReport", "train_reward_model"]


def train_reward_model(
    examples: Any,
    out: Path,
    *,
    base: str | Path,
    config: RewardConfig,
    name: str,
    lineage: dict[str, Any],
    by: Literal["users", "conversations"] = "users",
    engine: EngineConfig | None = None,
    state: Path | None = None,
    tell: Callable[[str], None] = silent,
    follow: Follow = nobody,
    small: Callable[[Examples, Examples], ViewsReward] | None = None,
) -> RewardReport:
    """Fit, calibrate, measure and save one reward model.

    1. Examples are split so that the test part is later in time and of other users than what was trained on; labels of
       a few annotators by conversation.
    2. A sequence classifier is fitted to sub-sampled negatives (unpaired binary cross-entropy, on soft targets where
       loves were credited in part) or to pairs, as the dials say; or a small head over a frozen encoder.
    3. The prior shift is subtracted (exactly, where targets are 1 or 0); what follows it is chosen on the validation
       users, see `recalibration`.
    4. The test part is measured before and after that (AUROC and PR-AUC take every target above 0 as a positive,
       chances are held against the target itself), by slice and by week, and audited, see `examination`.
    5. Weights, tokenizer, calibration.json, metrics.json, README.md and a manifest of them are written to `out`.

    Under torchrun every rank calls this with the same arguments; from step 3 on rank 0 works alone.

    Args:
        examples: pyarrow Table with conversation (JSON), response, label (true or false, or a target in [0, 1]), weight
            (trust in [0, 1]), user_id, served_at; for pairs also pair.
        out: Directory to write; made if it is missing.
        base: Directory or hub name of a sequence classifier, an encoder or a causal language model (whose body is
            taken).
        config: The dials.
        name: What the model is called in its card.
        lineage: What it was made from (training set hash, window, filter version ...), copied into the card; with
            `command`, what made it as it was typed.
        by: What keeps train and test apart: users and time, for reactions; conversations, for labels.
        engine: Which engine, ranks, precision; plain torch in float32 by default.
        state: A folder in which an interrupted training keeps its state, and from which it goes on; None keeps none.
        tell: Takes the memory plan and warnings, line by line.
        follow: Told the loss of every step.
        small: Fits and calibrates the head of `config.model == "views"` from the training and the validation part;
            `views_model` if left out.

    Raises:
        LeakageError: The test part holds what is trained on.
        ValueError: No example, no positive, no negative, a row that cannot be read, or too few users or days to keep a
            test part aside; conversations that the chat template refuses; frozen layers with ZeRO-3 or LoRA.
        FileNotFoundError: `base` is a path without a model.
    """
    started = time.monotonic()
    place = check_base(base)
    every = read_examples(examples)
    retold = template.changed(load_tokenizer(place), [*map(whole, every.conversations, every.responses)])
    parts = divided(every, config, by)
    leakage = check(every, parts, by=by, limits=config.audit, seed=config.seed)
    train, validation, test = (every.take(rows) for rows in parts[:3])
    if config.prompt_shift:
        train = replace(train, weights=train.weights * shift_weights(train, seed=config.seed))

    def finish(
        model: RewardModel | ViewsReward, losses: list[float], trim: Callable[[Examples], dict[str, Trim]]
    ) -> RewardReport:
        found = examine(model, examples, every, parts, leakage=leakage, by=by, config=config, name=name)
        three = dict(zip(parts._fields, (train, validation, test), strict=False))
        report = RewardReport(
            name=name,
            directory=out,
            rows={key: len(part.labels) for key, part in three.items()},
            positives={key: int(part.positives.sum()) for key, part in three.items()},
            by=by,
            trim=trim(found.held),
            unread=model.encoder.unread if isinstance(model, ViewsReward) else "",
            retold=retold,
            later=_later(model, every.take(parts.later), config, name) if len(parts.later) else None,
            pair_accuracy=_pair_accuracy(model, test, config, name),
            residual=model.residual.words if isinstance(model, RewardModel) and model.residual else "",
            contexts=model.gains if isinstance(model, ViewsReward) else {},
            base_rate=test.positive_rate,
            measured=found.measured,
            audit=found.audit,
            slices=found.slices,
            weeks=found.weeks,
            calibration=model.calibration,
            losses=losses,
            seconds=time.monotonic() - started,
        )
        save(model, report, config, lineage | {"base": _named(base)})
        for line in report.warnings:
            tell(line)
        return report

    if config.model == "views":
        fitted_head = small or partial(views_model, base=place, config=config, name=name, engine=engine)
        return finish(fitted_head(train, validation), [], lambda _: {})
    fit, fitted = fit_classifier(
        train, validation, base=place, config=config, name=name, engine=engine, state=state, tell=tell, follow=follow
    )

    def both(held: Examples) -> dict[str, Trim]:
        return {"train": fitted.trim, "test": fit.encoded(held).trim}

    return fit.runner.shared(lambda: finish(calibrated(fit, fitted, validation), fitted.losses, both))


def _named(base: str | Path) -> str:
    """A base by name and weights; never by where it lay, which is nobody's place once the model was moved."""
    return f"{Path(base).name}@{fingerprint(base)}" if Path(base).is_dir() else str(base)


def _pair_accuracy(model: Scorer, test: Examples, config: RewardConfig, name: str) -> Estimate | None:
    """Of the test part's pairs; None where it has none."""
    rows = coupled(test.pairs, test.labels > 0)
    if not len(rows):
        return None
    part, members = test.take(rows.ravel()), np.arange(rows.size).reshape(-1, 2)
    logits = model.logits(part.conversations, part.responses, progress=f"{name}: pairs")
    return pair_accuracy(members, logits, part.users, seed=config.seed)


def _later(model: Scorer, later: Examples, config: RewardConfig, name: str) -> Estimate:
    """AUROC on all rows of the later days: more of them than of unseen users, and an easier question."""
    held, weights = evaluation_sample(later, config)
    logits = model.logits(held.conversations, held.responses, progress=f"{name}: later, all users")
    labels = held.positives
    return bootstrap_over_users(
        lambda rows: auroc(labels[rows], logits[rows], weights[rows]), held.users, seed=config.seed
    )


def save(model: RewardModel | ViewsReward, report: RewardReport, config: RewardConfig, lineage: dict[str, Any]) -> None:
    """Write weights, tokenizer, calibration, figures and card."""
    out = report.directory
    out.mkdir(parents=True, exist_ok=True)
    model.save(out)
    facts = {**report.as_dict(), "config": config.model_dump(), "lineage": lineage}
    (out / "metrics.json").write_text(json.dumps(facts, indent=1, default=str) + "\n")
    command = lineage.get("command")
    if isinstance(model, ViewsReward):
        told = views_usage(command)
    else:
        told = usage(
            model.tokenizer,
            max_tokens=model.max_tokens,
            command=command,
            heads=config.heads,
            residual=model.residual is not None,
        )
    (out / CARD).write_text(card(report, config, lineage) + told)
    write_manifest(out)
