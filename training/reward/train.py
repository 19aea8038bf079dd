"""Train one reward model: unpaired binary feedback in, a calibrated and measured classifier with its card out."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from training import pretrained, template
from training.engine.config import EngineConfig
from training.engine.steps import silent
from training.policy.load import fingerprint
from training.progress import Follow, nobody
from training.reward.audit import counterfactuals
from training.reward.bases import check_base
from training.reward.calibration import Calibration, fit_platt
from training.reward.card import card
from training.reward.config import RewardConfig
from training.reward.data import Examples, Split, opening, read_examples, split, split_labels, subsample
from training.reward.measure import measure
from training.reward.metrics import Estimate, Floats, auroc, bootstrap_over_users
from training.reward.model import RewardModel
from training.reward.registry import write_manifest
from training.reward.report import RewardReport
from training.reward.usage import usage
from training.text import load_tokenizer, whole

if TYPE_CHECKING:
    from training.reward.fit import Fit, Fitted
    from training.reward.frozen import States

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
) -> RewardReport:
    """Fit, calibrate, measure and save one reward model.

    1. Examples are split so that the test part is later in time and of other users than what was trained on; labels of
       a few annotators by conversation.
    2. A sequence classifier with one label is fitted to sub-sampled negatives (unpaired binary cross-entropy, on soft
       targets where loves were credited in part).
    3. The prior shift is subtracted (exactly, where targets are 1 or 0); scale and offset are fitted on the validation
       users.
    4. The test part is measured before and after that (AUROC and PR-AUC take every target above 0 as a positive,
       chances are held against the target itself), and counterfactual edits are scored.
    5. Weights, tokenizer, calibration.json, metrics.json, README.md and a manifest of them are written to `out`.

    Under torchrun every rank calls this with the same arguments; from step 3 on rank 0 works alone.

    Args:
        examples: pyarrow Table with conversation (JSON), response, label (true or false, or a target in [0, 1]), weight
            (trust in [0, 1]), user_id, served_at.
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

    Raises:
        ValueError: No example, no positive, no negative, a row that cannot be read, or too few users or days to keep a
            test part aside; conversations that the chat template refuses; frozen layers with ZeRO-3 or LoRA.
        FileNotFoundError: `base` is a path without a model.
    """
    started = time.monotonic()
    place = check_base(base)
    every = read_examples(examples)
    retold = template.changed(load_tokenizer(place), [*map(whole, every.conversations, every.responses)])
    parts = divided(every, config, by)
    train, validation, test = (every.take(rows) for rows in parts[:3])
    fit, fitted = fit_classifier(
        train, validation, base=place, config=config, name=name, engine=engine, state=state, tell=tell, follow=follow
    )

    def finish() -> RewardReport:
        model = calibrated(fit, fitted, validation)
        held, weights = evaluation_sample(test, config)
        measured = measure(model, held, weights, seed=config.seed, name=name)
        trim = {"train": fitted.trim, "test": fit.encoded(held).trim}
        audit = counterfactuals(model, held.conversations[:400], held.responses[:400])
        report = RewardReport(
            name=name,
            directory=out,
            rows={key: len(part.labels) for key, part in zip(parts._fields, (train, validation, test), strict=False)},
            positives={
                key: int(part.positives.sum())
                for key, part in zip(parts._fields, (train, validation, test), strict=False)
            },
            by=by,
            trim=trim,
            retold=retold,
            later=_later(model, every.take(parts.later), config, name) if len(parts.later) else None,
            base_rate=test.positive_rate,
            measured=measured,
            audit=audit,
            losses=fitted.losses,
            seconds=time.monotonic() - started,
        )
        save(model, report, config, lineage | {"base": _named(base)})
        for line in report.warnings:
            tell(line)
        return report

    return fit.runner.shared(finish)


def _named(base: str | Path) -> str:
    """A base by name and weights; never by where it lay, which is nobody's place once the model was moved."""
    return f"{Path(base).name}@{fingerprint(base)}" if Path(base).is_dir() else str(base)


def divided(every: Examples, config: RewardConfig, by: Literal["users", "conversations"]) -> Split:
    """The parts of examples, as the dials of a training put them aside: the same rows give the same parts."""
    if by == "conversations":
        begun = list(map(opening, every.conversations, every.responses))
        shares = {"test": config.test_users, "validation": config.validation_users}
        return split_labels(every.labels, begun, **shares, seed=config.seed)
    return split(
        every,
        test_users=config.test_users,
        test_time=config.test_time,
        validation_users=config.validation_users,
        seed=config.seed,
    )


def _later(model: RewardModel, later: Examples, config: RewardConfig, name: str) -> Estimate:
    """AUROC on all rows of the later days: more of them than of unseen users, and an easier question."""
    held, weights = evaluation_sample(later, config)
    logits = model.logits(held.conversations, held.responses, progress=f"{name}: later, all users")
    labels = held.positives
    return bootstrap_over_users(
        lambda rows: auroc(labels[rows], logits[rows], weights[rows]), held.users, seed=config.seed
    )


def fit_model(
    train: Examples,
    validation: Examples,
    *,
    base: str,
    config: RewardConfig,
    name: str,
    states: "States | None" = None,
) -> tuple[RewardModel, "Fit", list[float]]:
    """A fitted and calibrated model, the fit that made it, and its validation losses by epoch.

    Args:
        train: What is learnt from.
        validation: Other users, for early stopping and calibration.
        base: See `check_base`.
        config: The dials.
        name: For the progress bars.
        states: Outputs of frozen layers, by text; the folds of a cross-validation share them.
    """
    fit, fitted = fit_classifier(train, validation, base=base, config=config, name=name, states=states)
    return calibrated(fit, fitted, validation), fit, fitted.losses


def fit_classifier(
    train: Examples,
    validation: Examples,
    *,
    base: str,
    config: RewardConfig,
    name: str,
    states: "States | None" = None,
    engine: EngineConfig | None = None,
    state: Path | None = None,
    tell: Callable[[str], None] = silent,
    follow: Follow = nobody,
) -> "tuple[Fit, Fitted]":
    """Fit a classifier through the engine; the fit holds the best epoch's weights, on rank 0."""
    from training.engine.memory import ModelSize, advised, planned, room_of
    from training.engine.placing import device_of, place
    from training.engine.schedule import reward_course
    from training.engine.start import start
    from training.reward.fit import Fit

    engine = engine or EngineConfig()
    if config.frozen_layers and (engine.tuning == "lora" or (engine.kind == "deepspeed" and engine.zero == 3)):
        raise ValueError(
            f"frozen_layers == {config.frozen_layers} goes neither with LoRA nor with ZeRO-3: set it to 0, or train "
            "with zero = 2 and tuning = 'full'"
        )
    tokenizer = load_tokenizer(base)
    classifier = place(load_classifier(base, tokenizer, config), engine, kind="reward", seed=config.seed)
    plan = planned(ModelSize.of(classifier), engine)
    for line in plan.lines(engine, room_of(device_of(engine.device), engine.ranks)):
        tell(line)
    with advised(plan, engine):
        runner = start(
            classifier, engine, weight_decay=config.weight_decay, betas=(0.9, 0.98), course=reward_course, fused=True
        )
        fit = Fit(
            runner,
            classifier,
            tokenizer,
            config,
            states={} if states is None else states,
            name=name,
            tokens=engine.tokens,
            state=state,
            follow=follow,
        )
        fitted = fit.run(train, validation)
    return fit, fitted


def calibrated(fit: "Fit", fitted: "Fitted", validation: Examples) -> RewardModel:
    """The model of the fit's best epoch, calibrated on the validation users; on rank 0 alone."""
    config, model = fit.config, fit.settled()
    held, weights = evaluation_sample(validation, config)
    shifted = fit.raw(fit.encoded(held).ids, f"{fit.name}: calibration") - np.log(fitted.stands_for)
    scale, offset = fit_platt(shifted, held.labels, weights)
    calibration = Calibration(float(np.log(fitted.stands_for)), scale, offset)
    return RewardModel(model.eval(), fit.tokenizer, calibration, config.max_tokens)


def load_classifier(base: str, tokenizer: Any, config: RewardConfig) -> Any:
    """The base as a sequence classifier with one label: fresh head, frozen lower layers."""
    import torch
    from transformers import AutoModelForSequenceClassification
    from transformers.utils import logging

    from training.reward.frozen import freeze

    torch.manual_seed(config.seed)
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # a head that is drawn afresh is what we want, not a warning
    try:
        model = pretrained.load(AutoModelForSequenceClassification, base, num_labels=1, dtype=torch.float32)
    finally:
        logging.set_verbosity(verbosity)
    model.config.pad_token_id = tokenizer.pad_token_id
    model.config.reward_max_tokens = config.max_tokens
    model.config.use_cache = False
    freeze(model, config.frozen_layers)
    return model


def evaluation_sample(examples: Examples, config: RewardConfig) -> tuple[Examples, Floats]:
    """At most `evaluation_rows` rows, and weights (trust x sampling) that keep the natural rate.

    Where positives are rare all of them are kept and negatives fill the rest; else rows are drawn alike.
    """
    random = np.random.default_rng(config.seed)
    rows = len(examples.labels)
    wanted = float(examples.positives.sum()) / config.evaluation_rows
    if rows <= config.evaluation_rows:
        return examples, examples.weights
    if wanted > 0.5:
        drawn = examples.take(np.sort(random.choice(rows, config.evaluation_rows, replace=False)))
        return drawn, drawn.weights
    kept, stands_for = subsample(examples.labels, wanted, random)
    part = examples.take(kept)
    return part, part.weights * np.where(part.labels > 0, 1.0, stands_for)


def save(model: RewardModel, report: RewardReport, config: RewardConfig, lineage: dict[str, Any]) -> None:
    """Write weights, tokenizer, calibration, figures and card."""
    out = report.directory
    out.mkdir(parents=True, exist_ok=True)
    pretrained.save(out, model.model, model.tokenizer)
    model.calibration.save(out)
    facts = {**report.as_dict(), "config": config.model_dump(), "lineage": lineage}
    (out / "metrics.json").write_text(json.dumps(facts, indent=1, default=str) + "\n")
    told = usage(model.tokenizer, max_tokens=model.max_tokens, command=lineage.get("command"))
    (out / "README.md").write_text(card(report, config, lineage) + told)
    write_manifest(out)
