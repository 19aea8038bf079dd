"""Train one reward model: unpaired binary feedback in, a calibrated and measured sequence classifier with its card out."""

import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from training.reward.audit import Effect, counterfactuals
from training.reward.bases import check_base
from training.reward.calibration import Calibration, fit_platt
from training.reward.data import Examples, Rows, read_examples, split, subsample
from training.reward.measure import Measured, measure
from training.reward.metrics import Floats
from training.reward.model import RewardModel
from training.text import load_tokenizer


class RewardConfig(BaseModel):
    """The dials of a reward model; everything else is derived."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    positive_rate: float = Field(0.1, gt=0, lt=1)
    """Negatives are sub-sampled to this share of positives; a set that has more positives stays as it is."""
    epochs: int = Field(3, gt=0)
    """Passes over the positives, each with fresh negatives."""
    batch: int = Field(64, gt=0)
    learning_rate: float | None = Field(None, gt=0)
    """None: 0.064 / width of the model (5e-4 at 128, 1.7e-4 at 384, 1.6e-5 at 4096)."""
    weight_decay: float = Field(0.01, ge=0)
    max_tokens: int = Field(128, gt=0)
    """Longest input; what is longer loses its beginning."""
    frozen_layers: int = Field(0, ge=0)
    """So many lower layers, and the embeddings below them, keep their weights."""
    test_users: float = Field(0.2, gt=0, lt=1)
    test_time: float = Field(0.2, gt=0, lt=1)
    validation_users: float = Field(0.1, gt=0, lt=1)
    evaluation_rows: int = Field(20_000, gt=0)
    """At most so many rows are scored for calibration and for the test; all positives are among them."""
    seed: int = 1


class RewardReport(NamedTuple):
    """What was trained and how good it is."""

    name: str
    directory: Path
    rows: dict[str, int]
    """Rows of each part."""
    positives: dict[str, int]
    base_rate: float
    """Share of positives in the test part."""
    measured: Measured
    audit: list[Effect]
    losses: list[float]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        plain = {**self._asdict(), "directory": str(self.directory)}
        return {**plain, "measured": self.measured.as_dict(), "audit": [effect._asdict() for effect in self.audit]}


def train_reward_model(
    examples: Any, out: Path, *, base: str | Path, config: RewardConfig, name: str, lineage: dict[str, Any]
) -> RewardReport:
    """Fit, calibrate, measure and save one reward model.

    1. Examples are split so that the test part is later in time and of other users than what was trained on.
    2. A sequence classifier with one label is fitted to sub-sampled negatives (unpaired binary cross-entropy).
    3. The prior shift is subtracted exactly; scale and offset are fitted on the validation users.
    4. The test part is measured before and after that, and counterfactual edits are scored.
    5. Weights, tokenizer, calibration.json, metrics.json and README.md are written to `out`.

    Args:
        examples: pyarrow Table with conversation (JSON), response, label, weight (trust in [0, 1]), user_id, served_at.
        out: Directory to write; made if it is missing.
        base: Directory or hub name of a sequence classifier, an encoder or a causal language model (whose body is taken).
        config: The dials.
        name: What the model is called in its card.
        lineage: What it was made from (training set hash, window, filter version ...), copied into the card.

    Raises:
        ValueError: No example, no positive, no negative, or too few users or days to keep a test part aside.
        FileNotFoundError: `base` is a path without a model.
    """
    started = time.monotonic()
    place = check_base(base)
    every = read_examples(examples)
    parts = split(
        every,
        test_users=config.test_users,
        test_time=config.test_time,
        validation_users=config.validation_users,
        seed=config.seed,
    )
    train, validation, test = (every.take(rows) for rows in parts)
    model, losses = fit_model(train, validation, place, config, name)
    held, weights = evaluation_sample(test, config)
    measured = measure(model, held, weights, seed=config.seed, name=name)
    audit = counterfactuals(model, held.conversations[:400], held.responses[:400])
    report = RewardReport(
        name=name,
        directory=out,
        rows=dict(zip(parts._fields, map(len, parts), strict=True)),
        positives={key: int(part.labels.sum()) for key, part in zip(parts._fields, (train, validation, test), strict=True)},
        base_rate=test.positive_rate,
        measured=measured,
        audit=audit,
        losses=losses,
        seconds=time.monotonic() - started,
    )
    save(model, report, config, lineage | {"base": str(base)})
    return report


def fit_model(
    train: Examples, validation: Examples, base: str, config: RewardConfig, name: str
) -> tuple[RewardModel, list[float]]:
    """A fitted and calibrated model, and its validation losses by epoch. Cross-validation calls this for every fold."""
    from training.reward.fit import Schedule, fit

    tokenizer = load_tokenizer(base)
    classifier = load_classifier(base, tokenizer, config)
    rate = config.learning_rate or 0.064 / classifier.config.hidden_size
    fitted = fit(
        classifier,
        tokenizer,
        train,
        validation,
        Schedule(
            config.epochs, config.batch, rate, config.weight_decay, config.positive_rate, config.max_tokens, config.seed
        ),
        name,
    )
    shift = float(np.log(fitted.negatives_stand_for))
    model = RewardModel(classifier, tokenizer, Calibration(shift), config.max_tokens)
    held, weights = evaluation_sample(validation, config)
    raw = model.logits(held.conversations, held.responses, progress=f"{name}: calibration")
    scale, offset = fit_platt(raw, held.labels, weights)
    return model._replace(calibration=Calibration(shift, scale, offset)), fitted.losses


def load_classifier(base: str, tokenizer: Any, config: RewardConfig) -> Any:
    """The base as a sequence classifier with one label, its head freshly drawn, lower layers frozen, on the fastest device."""
    import torch
    from transformers import AutoModelForSequenceClassification
    from transformers.utils import logging

    torch.manual_seed(config.seed)
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # a head that is drawn afresh is what we want, not a warning
    try:
        model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1, dtype=torch.float32)
    finally:
        logging.set_verbosity(verbosity)
    model.config.pad_token_id = tokenizer.pad_token_id
    model.config.reward_max_tokens = config.max_tokens
    freeze(model, config.frozen_layers)
    return model.to("cuda" if torch.cuda.is_available() else "cpu")


def freeze(model: Any, layers: int) -> None:
    """Stop the gradients of the embeddings and the lowest `layers` layers; 0 leaves everything free.

    Raises:
        ValueError: The model has fewer layers.
    """
    if not layers:
        return
    body = model.base_model
    stack = body.layers if hasattr(body, "layers") else body.encoder.layer
    if layers > len(stack):
        raise ValueError(f"frozen_layers == {layers}, the model has {len(stack)}")
    embeddings = body.get_input_embeddings() if hasattr(body, "layers") else body.embeddings
    for part in (embeddings, *stack[:layers]):
        part.requires_grad_(False)


def evaluation_sample(examples: Examples, config: RewardConfig) -> tuple[Examples, Floats]:
    """At most `evaluation_rows` rows with every positive among them, and weights (trust x sampling) that keep the natural rate."""
    room = max(config.evaluation_rows - int(examples.labels.sum()), 1)
    rate = float(examples.labels.sum() / (examples.labels.sum() + room))
    rows: Rows
    rows, stand_for = subsample(examples.labels, rate, np.random.default_rng(config.seed))
    part = examples.take(rows)
    return part, part.weights * np.where(part.labels == 1, 1.0, stand_for)


def save(model: RewardModel, report: RewardReport, config: RewardConfig, lineage: dict[str, Any]) -> None:
    """Write weights, tokenizer, calibration, figures and card."""
    from training.reward.card import card

    out = report.directory
    out.mkdir(parents=True, exist_ok=True)
    model.model.save_pretrained(out)
    model.tokenizer.save_pretrained(out)
    model.calibration.save(out)
    facts = {**report.as_dict(), "config": config.model_dump(), "lineage": lineage}
    (out / "metrics.json").write_text(json.dumps(facts, indent=1, default=str) + "\n")
    (out / "README.md").write_text(card(report, config, lineage))
