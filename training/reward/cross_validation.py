"""P[Love] on small data: every row scored by a model that never saw its user, beside simple predictors."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from stats.bootstrap import bootstrap_over_users
from stats.estimate import Estimate, Floats
from stats.metrics import auroc, auroc_within, sigmoid
from training.reward.agreement import PolicyRow, policy_table
from training.reward.baselines import Baseline, baselines
from training.reward.bases import check_base
from training.reward.config import RewardConfig
from training.reward.data import Examples, Rows, read_examples
from training.reward.split import uniform, user_folds

if TYPE_CHECKING:
    from training.reward.frozen_layers import States
    from training.reward.messages import Vectors


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """Out-of-fold figures; intervals by a bootstrap over users."""

    auroc: Estimate
    auroc_by_fold: list[float]
    baselines: dict[str, Estimate]
    policies: list[PolicyRow]
    """Mean P[Love] beside Love rate of each policy."""
    logits: Floats
    """Of each row, from the model that did not see its user, shape [rows]."""
    folds: Rows
    seconds: float


def cross_validate(
    examples: Any, policies: Sequence[str], *, base: str | Path, config: RewardConfig, folds: int, name: str
) -> CrossValidation:
    """Fit one model a fold of users on the other folds, and score the rows that it did not see.

    1. Users are dealt into folds by a salted hash; frozen layers run once over every text, for all folds.
    2. Each fold's model is fitted and calibrated without the fold (a tenth of the other users stops it early).
    3. Its users' rows are scored; AUROC compares rows of one fold only (`auroc_within`).
    4. The same folds serve the simple predictors, which are fitted without the fold too.

    Args:
        examples: As `train_reward_model` takes them.
        policies: The policy that wrote each row, shape [rows].
        base: See `train_reward_model`.
        config: The dials; the split's are not used, but for `validation_users`.
        folds: At least 2.
        name: For the progress bars.

    Raises:
        ValueError: Fewer than 2 folds, a young row, or a fold without a positive or negative beside it.
    """
    import time

    if folds < 2:
        raise ValueError(f"folds == {folds}, must be at least 2")
    started = time.monotonic()
    every = read_examples(examples)
    if not every.mature.all():
        raise ValueError(
            f"{(~every.mature).sum():,} of {len(every.labels):,} rows are young, and folds measure every row: leave "
            "young rows out (training_set.young = false), or set folds = 0"
        )
    owner = user_folds(every.users, folds, config.seed)
    logits = _out_of_fold(every, owner, check_base(base), config, name)
    table = policy_table(policies, every.positives, sigmoid(logits))
    rivals = {
        rival: over_users(every, scores, owner)
        for rival, scores in _rivals(every, policies, owner, config.seed).items()
    }
    return CrossValidation(
        auroc=over_users(every, logits, owner),
        auroc_by_fold=[auroc(every.positives[owner == fold], logits[owner == fold]) for fold in range(folds)],
        baselines=rivals,
        policies=table,
        logits=logits,
        folds=owner,
        seconds=time.monotonic() - started,
    )


def over_users(examples: Examples, scores: Floats, folds: Rows) -> Estimate:
    """AUROC of scores within folds, with its interval over users.

    Each fold has a model of its own, whose scores are on a scale of their own: a pair across folds would compare two
    models with each other (Forman and Scholz, *Apples-to-apples in cross-validation studies*, 2010).
    """

    def figure(rows: Rows) -> float:
        return auroc_within(examples.positives[rows], scores[rows], examples.weights[rows], folds[rows])

    return bootstrap_over_users(figure, examples.users)


def _out_of_fold(every: Examples, owner: Rows, base: str, config: RewardConfig, name: str) -> Floats:
    from training.reward.classifier import calibrated, fit_classifier
    from training.reward.views_reward import views_model

    logits = np.zeros(len(every.labels))
    states: States = {}
    known: dict[str, Vectors] = {}
    for fold in range(int(owner.max()) + 1):
        inside = np.flatnonzero(owner == fold)
        train, validation = _without(every, owner != fold, config, fold)
        title = f"{name}, fold {fold + 1}"
        if config.model == "views":
            held = every.take(inside)
            small = views_model(train, validation, base, config, name=title, known=known)
            logits[inside] = small.logits(held.conversations, held.responses, progress=f"{title}: unseen users")
            continue
        fit, fitted = fit_classifier(train, validation, base=base, config=config, name=title, states=states)
        model = calibrated(fit, fitted, validation)
        raw = fit.raw(fit.encoded(every.take(inside)).ids, f"{title}: unseen users")
        logits[inside] = model.calibration.apply(raw)
    return logits


def _without(
    every: Examples, outside: npt.NDArray[np.bool_], config: RewardConfig, fold: int
) -> tuple[Examples, Examples]:
    draw = np.array([uniform(user, f"{config.seed}/{fold}/validation") for user in every.users])
    watched = outside & (draw < config.validation_users)
    return every.take(np.flatnonzero(outside & ~watched)), every.take(np.flatnonzero(watched))


def _rivals(every: Examples, policies: Sequence[str], owner: Rows, seed: int) -> dict[str, Floats]:
    found = {rival: np.zeros(len(every.labels)) for rival in baselines()}
    names = np.array(policies)
    for fold in range(int(owner.max()) + 1):
        train, inside = np.flatnonzero(owner != fold), np.flatnonzero(owner == fold)
        for rival, predict in baselines().items():
            found[rival][inside] = predict(_rows(every, names, train), _rows(every, names, inside), seed)
    return found


def _rows(every: Examples, policies: npt.NDArray[np.str_], rows: Rows) -> Baseline:
    return Baseline(every.take(rows), policies[rows])
