"""A reward model for little data: views of a conversation and its response over a frozen encoder, and a small head.

The views are the response's vector, the message's, the product of both, how alike they and earlier turns are, where the
response stands, and what can be counted in the text (`surface`). With a few hundred loves an encoder that is tuned
learns the place in the conversation and little else; trees over these views learn more (docs/log.md).

What a response cannot change (its place, the user's message) foretells whether anybody reacts, and ranks nothing.
A model whose scores are optimised should be judged within equal places.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from training.reward.calibration import Calibration
from training.reward.data import Examples
from training.reward.messages import MessageEncoder, Vectors
from training.reward.metrics import Floats, log_loss
from training.reward.recalibration import CalibrationRows, calibrate
from training.reward.surface import PLACE, SURFACE, place, surface
from training.reward.trees import Trees
from training.text import Conversation

FILE, HEAD = "views.json", "views.safetensors"
SIMILARITIES = (
    "response, message", "response, turn before", "message, turn before", "message, message before",
    "response, likest earlier turn", "response, likest message", "response, all messages",
    "response, all earlier turns",
)  # fmt: skip
COLUMNS = (*(f"place: {name}" for name in PLACE), *SURFACE, *(f"alike: {name}" for name in SIMILARITIES))
"""Names of the columns that trees read; a linear head reads the vectors beside them."""


class ViewsConfig(BaseModel):
    """The dials of a views head."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    head: Literal["trees", "logistic", "ridge"] = "trees"
    """Boosted trees over counts and similarities; or a linear head, which reads the vectors too."""
    place: bool = True
    """Whether the head may know where the response stands."""
    bags: int = Field(3, gt=0)
    """So many boosted models, which draw their features differently, are averaged."""
    rounds: int = Field(120, gt=0)
    """Trees of each."""
    strengths: tuple[float, ...] = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
    """Penalties of a linear head, of which the validation rows choose."""
    max_tokens: int = Field(64, gt=0)
    """Of a message; a longer one loses its end."""
    seed: int = Field(1, ge=0, lt=2**32)


class Linear(NamedTuple):
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
        config: The dials.
    """

    def __init__(
        self, encoder: MessageEncoder, heads: Sequence[Trees | Linear], calibration: Calibration, config: ViewsConfig
    ) -> None:
        self.encoder, self.heads, self.calibration, self.config = encoder, tuple(heads), calibration, config

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
            for name, value in head._asdict().items()
        }
        save_file(arrays, directory / HEAD)
        told = {"config": self.config.model_dump(mode="json"), "columns": COLUMNS}
        (directory / FILE).write_text(json.dumps(told, indent=1) + "\n")
        self.calibration.save(directory)

    @classmethod
    def load(cls, directory: str | Path) -> "ViewsReward":
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: The directory, its head or its calibration is missing.
            ValueError: The head reads other columns than this version counts.
        """
        from safetensors.numpy import load_file

        path = Path(directory)
        if not is_views(path):
            raise FileNotFoundError(f"{path / FILE} is missing: no views head lies there; fit one with fit_views")
        told = json.loads((path / FILE).read_text())
        if tuple(told["columns"]) != COLUMNS:
            raise ValueError(f"{path} reads other columns than this version counts: fit it anew")
        config, arrays = ViewsConfig(**told["config"]), load_file(path / HEAD)
        kind = Trees if config.head == "trees" else Linear
        heads = [
            kind(*(arrays[f"{number}.{name}"] for name in kind._fields))
            for number in range(len({name.split(".")[0] for name in arrays}))
        ]
        return cls(MessageEncoder(path, max_tokens=config.max_tokens), heads, Calibration.read(path), config)


def is_views(directory: Path) -> bool:
    """Whether a views head lies there rather than a sequence classifier."""
    return (directory / FILE).is_file()


def fit_views(
    train: Examples, validation: Examples, encoder: MessageEncoder, config: ViewsConfig, *, progress: str | None = None
) -> ViewsReward:
    """Fit a head on all rows of `train` (no negatives are left out, so there is no prior shift), and calibrate it.

    Args:
        train: What is learnt from; a target between 0 and 1 counts in part as each.
        validation: Other users; they choose a linear head's penalty, and calibrate.
        encoder: Reads messages; it is not changed.
        config: The dials.
        progress: Label of a progress bar; None shows none.
    """
    learnt = views(encoder, train.conversations, train.responses, config, progress=progress)
    held = views(encoder, validation.conversations, validation.responses, config, progress=progress)
    heads = fit_heads(learnt, train.labels, train.weights, (held, validation.labels, validation.weights), config)
    sample = CalibrationRows(_mean(heads, held), validation.labels, validation.weights)
    calibration = calibrate(sample, validation.users, prior_shift=0.0, seed=config.seed)
    return ViewsReward(encoder, heads, calibration, config)


def views(
    encoder: MessageEncoder,
    conversations: Sequence[Conversation],
    responses: Sequence[str],
    config: ViewsConfig,
    *,
    progress: str | None = None,
) -> Floats:
    """What the head reads, shape [pairs, columns]: `COLUMNS`, and for a linear head three vectors behind them."""
    turns = [turn["content"] for conversation in conversations for turn in conversation]
    encoder.read([*turns, *responses], progress=progress)
    shape = next(iter(encoder.known.values())).shape
    said = np.stack([encoder.known[text] for text in responses])
    asked = np.stack([_last(encoder, turns, "user", shape) for turns in conversations])
    alike = np.array([_alike(encoder, *row) for row in zip(conversations, said, asked, strict=True)])
    where = place(conversations) if config.place else np.full((len(responses), len(PLACE)), np.nan)
    rows = np.column_stack([where, surface(conversations, responses), alike])
    if config.head == "trees":
        return rows
    width = np.sqrt(shape[0])  # vectors have length 1: with this their numbers vary by about 1
    return np.column_stack([rows, said * width, asked * width, said * asked * width**2])


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


def _last(encoder: MessageEncoder, turns: Conversation, role: str, shape: Any, back: int = 1) -> Vectors:
    """The vector of the last message of a role, or of the one before; zeros where there is none."""
    texts = [turn["content"] for turn in turns if turn["role"] == role]
    return encoder.known[texts[-back]] if len(texts) >= back else np.zeros(shape, np.float32)


def _alike(encoder: MessageEncoder, turns: Conversation, said: Vectors, asked: Vectors) -> list[float]:
    """Cosines by `SIMILARITIES`; 0 where there is nothing to compare with."""
    earlier, messages = (
        np.array([encoder.known[turn["content"]] for turn in turns if turn["role"] == role] or [np.zeros_like(said)])
        for role in ("assistant", "user")
    )
    before = earlier[-1]
    older = messages[-2] if len(messages) > 1 else np.zeros_like(said)
    return [
        float(each)
        for each in (
            said @ asked, said @ before, asked @ before, asked @ older, (earlier @ said).max(), (messages @ said).max(),
            messages.mean(axis=0) @ said, earlier.mean(axis=0) @ said,
        )
    ]  # fmt: skip
