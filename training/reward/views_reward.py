"""A small head over views, averaged where it is bagged; saved and read as a reward model is."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stats.bootstrap import bootstrap_over_users
from stats.estimate import Estimate, Floats
from stats.metrics import log_loss
from streams.record_fields import fields_of
from training.engine.config import EngineConfig
from training.reward.calibration import Calibration
from training.reward.classifier import evaluation_sample
from training.reward.config import Context, RewardConfig, ViewsConfig
from training.reward.data import Examples, subsample
from training.reward.messages import MessageEncoder, Vectors
from training.reward.recalibration import CalibrationRows, calibrate
from training.reward.registry import check_complete
from training.reward.trees import Trees
from training.reward.views import COLUMNS, masked, views
from training.text import Conversation

FILE, HEAD = "views.json", "views.safetensors"


@dataclass(frozen=True, slots=True)
class Linear:
    """`(row - mean) / scale @ weight + offset`."""

    mean: Floats
    scale: Floats
    weight: Floats
    offset: Floats

    def logits(self, rows: Floats) -> Floats:
        """Shape [rows]."""
        known = np.where(np.isnan(rows), self.mean, rows)
        return np.asarray((known - self.mean) / self.scale @ self.weight + self.offset[0], dtype=np.float64)


class ViewsReward:
    """Scores as `RewardModel` does.

    Args:
        encoder: Reads messages.
        heads: Averaged.
        calibration: From their mean to logits.
        config: The dials; its contexts are those that were kept.
        gains: What each context that was tried took off the log loss on validation users, in nats a row.
    """

    def __init__(
        self,
        encoder: MessageEncoder,
        heads: Sequence[Trees | Linear],
        calibration: Calibration,
        config: ViewsConfig,
        gains: Mapping[str, Estimate] | None = None,
    ) -> None:
        self.encoder = encoder
        self.heads = tuple(heads)
        self.calibration = calibration
        self.config = config
        self.gains = gains or {}

    def logits(
        self, conversations: Sequence[Conversation], responses: Sequence[str], *, progress: str | None = None
    ) -> Floats:
        """Calibrated logits, shape [pairs]: their sigmoid is the chance that the label is positive.

        Args:
            conversations: Each up to the user's last message.
            responses: As many.
            progress: Label of a progress bar; None shows none.
        """
        if not responses:
            return np.zeros(0)
        rows = views(self.encoder, conversations, responses, self.config, progress=progress)
        return self.calibration.apply(_mean(self.heads, rows))

    def save(self, directory: Path) -> None:
        """Write the encoder with its tokenizer, the head, its settings and calibration.json."""
        from safetensors.numpy import save_file

        directory.mkdir(parents=True, exist_ok=True)
        self.encoder.save(directory)
        arrays = {
            f"{number}.{name}": np.ascontiguousarray(value)
            for number, head in enumerate(self.heads)
            for name, value in fields_of(head).items()
        }
        save_file(arrays, directory / HEAD)
        told = {"config": self.config.model_dump(mode="json"), "columns": COLUMNS, "gains": self.gains}
        (directory / FILE).write_text(json.dumps(told, indent=1) + "\n")
        self.calibration.save(directory)

    @classmethod
    def load(cls, directory: str | Path) -> "ViewsReward":
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: The directory, its head or its calibration is missing.
            ValueError: The head reads other columns than this version counts, or a file is missing or cut.
        """
        from safetensors.numpy import load_file

        path = Path(directory)
        if not is_views(path):
            raise FileNotFoundError(f"{path / FILE} is missing: no views head lies there; fit one with fit_views")
        check_complete(path)
        told = json.loads((path / FILE).read_text())
        if tuple(told["columns"]) != COLUMNS:
            raise ValueError(f"{path} reads other columns than this version counts: fit it anew")
        config, arrays = ViewsConfig(**told["config"]), load_file(path / HEAD)
        kind = Trees if config.head == "trees" else Linear
        heads = [
            kind(**{each.name: arrays[f"{number}.{each.name}"] for each in fields(kind)})
            for number in range(len({name.split(".")[0] for name in arrays}))
        ]
        gains = {name: Estimate(*each) for name, each in told["gains"].items()}
        return cls(MessageEncoder(path, max_tokens=config.max_tokens), heads, Calibration.read(path), config, gains)


def is_views(directory: Path) -> bool:
    """Whether a views head lies there rather than a sequence classifier."""
    return (directory / FILE).is_file()


def fit_views(
    train: Examples,
    validation: Examples,
    encoder: MessageEncoder,
    config: ViewsConfig,
    *,
    stands_for: float = 1.0,
    progress: str | None = None,
) -> ViewsReward:
    """Fit a head, with those contexts that help on validation users, and calibrate it.

    1. A head without any context, and one with each, are fitted to the same rows.
    2. A context is kept if the log loss on validation users falls by more than chance: the interval of the paired
       difference, over users, lies above 0.
    3. The head with all that were kept is fitted and calibrated.

    Args:
        train: What is learnt from; a target between 0 and 1 counts in part as each.
        validation: Other users; they choose contexts and a linear head's penalty, and calibrate.
        encoder: Reads messages; it is not changed.
        config: The dials.
        stands_for: How many negatives each negative of `train` stands for.
        progress: Label of a progress bar; None shows none.
    """
    learnt = views(encoder, train.conversations, train.responses, config, known=train.context, progress=progress)
    told = views(
        encoder, validation.conversations, validation.responses, config, known=validation.context, progress=progress
    )
    shift = float(np.log(stands_for))

    def fitted(contexts: tuple[Context, ...], some: ViewsConfig) -> tuple[list[Trees | Linear], Floats]:
        seen, held = (masked(rows, contexts) for rows in (learnt, told))
        heads = fit_heads(seen, train.labels, train.weights, (held, validation.labels, validation.weights), some)
        return heads, _mean(heads, held) - shift

    quick = config.model_copy(update={"bags": 1})
    gains: dict[str, Estimate] = {}
    without = log_loss(validation.labels, fitted((), quick)[1]) if config.context else np.zeros(0)
    for context in config.context:
        gain = without - log_loss(validation.labels, fitted((context,), quick)[1])
        gains[context] = _mean_over_users(gain, validation, config.seed)
    kept = tuple(context for context in config.context if gains[context].low > 0)
    heads, logits = fitted(kept, config)
    sample = CalibrationRows(logits, validation.labels, validation.weights)
    calibration = calibrate(sample, validation.users, prior_shift=shift, seed=config.seed)
    return ViewsReward(encoder, heads, calibration, config.model_copy(update={"context": kept}), gains)


def _mean_over_users(gain: Floats, part: Examples, seed: int) -> Estimate:
    def mean(rows: Any) -> float:
        return float(np.average(gain[rows], weights=part.weights[rows]))

    return bootstrap_over_users(mean, part.users, seed=seed)


def views_model(
    train: Examples,
    validation: Examples,
    base: str,
    config: RewardConfig,
    *,
    name: str,
    engine: EngineConfig | None = None,
    known: dict[str, Vectors] | None = None,
) -> ViewsReward:
    """The small head of a training: mature rows, negatives drawn as a classifier's are.

    Args:
        train: What is learnt from.
        validation: Other users.
        base: A frozen encoder, see `check_base`.
        config: The dials.
        name: For the progress bar.
        engine: Must be one process: nothing of a frozen encoder is worth ranks.
        known: Vectors of messages by text, which new ones are added to; the folds of a cross-validation share them.

    Raises:
        ValueError: An engine of several ranks.
    """
    if engine is not None and engine.kind == "deepspeed":
        raise ValueError(
            f"model == 'views' with engine.kind == {engine.kind!r}: a frozen encoder learns in one process"
        )
    random = np.random.default_rng(config.seed)
    mature = train.take(np.flatnonzero(train.mature))
    rows, stands_for = subsample(mature.labels, config.positive_rate, random)
    held, weights = evaluation_sample(validation, config)
    return fit_views(
        mature.take(rows),
        replace(held, weights=weights),
        MessageEncoder(base, max_tokens=config.views.max_tokens, known=known),
        config.views.model_copy(update={"seed": config.seed}),
        stands_for=stands_for,
        progress=f"{name}: messages",
    )


def fit_heads(
    rows: Floats,
    labels: Floats,
    weights: Floats,
    held: tuple[Floats, Floats, Floats],
    config: ViewsConfig,
) -> list[Trees | Linear]:
    """Heads on views that were made already.

    Args:
        rows: [rows, columns].
        labels: Targets in [0, 1].
        weights: Trust.
        held: Rows, targets and weights that choose a linear head's penalty.
        config: The dials.
    """
    if config.head == "trees":
        return [_trees(rows, labels, weights, config, config.seed * 1_000 + bag) for bag in range(config.bags)]
    found = [_linear(rows, labels, weights, config, strength) for strength in config.strengths]
    loss = [np.average(log_loss(held[1], head.logits(held[0])), weights=held[2]) for head in found]
    return [found[int(np.argmin(loss))]]


def _trees(rows: Floats, labels: Floats, weights: Floats, config: ViewsConfig, seed: int) -> Trees:
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=config.rounds, learning_rate=0.05, max_leaf_nodes=8, min_samples_leaf=30, l2_regularization=5.0,
        max_features=0.3, early_stopping=False, random_state=seed,
    )  # fmt: skip
    some = np.any(~np.isnan(rows), axis=0)  # a column that is missing everywhere would not be taken; 0 says as little
    return Trees.of(model.fit(*_doubled(np.where(some, rows, 0.0), labels, weights)))


def _linear(rows: Floats, labels: Floats, weights: Floats, config: ViewsConfig, strength: float) -> Linear:
    from sklearn.linear_model import LogisticRegression, Ridge

    some = np.any(~np.isnan(rows), axis=0)
    mean = np.nanmean(np.where(some, rows, 0.0), axis=0)
    known = np.where(np.isnan(rows), mean, rows)
    scale = known.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    known = (known - mean) / scale
    if config.head == "ridge":
        rate = float(np.average(labels, weights=weights))
        ridge = Ridge(alpha=strength * 10).fit(known, labels, sample_weight=weights)
        steep = rate * (1 - rate)  # the logit's slope at the mean rate
        return Linear(mean, scale, ridge.coef_ / steep, np.array([np.log(rate / (1 - rate))]))
    model = LogisticRegression(C=1 / (10 * strength), max_iter=300)
    model.fit(*_doubled(known, labels, weights))
    return Linear(mean, scale, model.coef_[0], model.intercept_)


def _doubled(rows: Floats, labels: Floats, weights: Floats) -> tuple[Floats, npt.NDArray[np.int64], Floats]:
    """Rows of a class each: a target of .3 counts by .3 as a positive and by .7 as a negative."""
    soft = (labels > 0) & (labels < 1)
    kind = np.concatenate([labels > 0, np.zeros(int(soft.sum()), bool)]).astype(np.int64)
    share = np.concatenate([np.where(labels > 0, labels, 1.0), 1 - labels[soft]])
    return np.concatenate([rows, rows[soft]]), kind, share * np.concatenate([weights, weights[soft]])


def _mean(heads: Sequence[Trees | Linear], rows: Floats) -> Floats:
    return np.asarray(np.mean([head.logits(rows) for head in heads], axis=0), dtype=np.float64)
