"""Train a retention model: user-days and their last responses in, a reward, survival models and an index out."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stats.estimate import Floats
from training.engine.steps import silent
from training.retention.accuracy import Accuracy, accuracies
from training.retention.card import section
from training.retention.entries import entries
from training.retention.hazard import Hazard, fit_hazard
from training.retention.last_responses import LastResponses, last_responses, sampled
from training.retention.odds import ReturnOdds, ranked
from training.retention.response_reward import (
    FittedReward,
    by_key,
    dials_of,
    fit_response_reward,
    halves_of,
)
from training.retention.returns import DELAYS, PAST, Bools, UserDays, read_user_days, returns
from training.retention.saved_model import COLUMNS, FILE, SCORE, columns_of
from training.retention.surrogate import fit_index
from training.reward.config import RewardConfig
from training.reward.data import Examples
from training.reward.messages import MessageEncoder
from training.reward.registry import CARD, write_manifest
from training.reward.report import RewardReport
from training.reward.split import uniform
from training.reward.train import train_reward_model
from training.reward.views import views
from training.reward.views_reward import ViewsReward

if TYPE_CHECKING:
    import pyarrow as pa

LEAST_ROWS = 200
"""User-days whose first week is over, below which nothing is trained."""
STARTS = (0, 7, 14)
"""Days after the log's first one at which spans begin whose entries the index learns from."""
MOST_ROWS = 40_000


@dataclass(frozen=True, slots=True)
class RetentionReport:
    """What was trained and how good it is.

    Attributes:
        reward: Of the reward of a response.
        accuracy: Of the survival models on unseen users, by delay and model: Kaplan-Meier, past alone, all.
        lasting: By delay, the odds ratio of one standard deviation of the last response's score.
        missing: What could not be fitted, with the reason, by name.
        rows: User-days; of `users` users, `held` of them unseen by any model.
        users: See rows.
        held: See rows.
        gain: Log-likelihood that the text adds to the past, nats a row, on validation users.
    """

    reward: RewardReport
    accuracy: list[Accuracy]
    lasting: dict[int, ReturnOdds]
    missing: dict[str, str]
    rows: int
    users: int
    held: int
    gain: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; the reward's own stand in `metrics.json`."""
        return {
            "rows": self.rows,
            "users": self.users,
            "held": self.held,
            "gain": self.gain,
            "missing": self.missing,
            "accuracy": [each.as_dict() for each in self.accuracy],
            "lasting": {str(delay): [*each.odds] for delay, each in self.lasting.items()},
        }


@dataclass(slots=True)
class _Survival:
    """Survival models, and how they do on held users."""

    hazards: dict[int, Hazard] = field(default_factory=dict)
    accuracy: list[Accuracy] = field(default_factory=list)
    lasting: dict[int, ReturnOdds] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def train_retention(
    visits: "pa.Table",
    shown: "pa.Table",
    out: Path,
    *,
    base: str | Path,
    config: RewardConfig | None = None,
    name: str = "retention",
    lineage: dict[str, Any] | None = None,
    most_rows: int = MOST_ROWS,
    tell: Callable[[str], None] = silent,
) -> RetentionReport:
    """Fit, measure and save a retention model.

    1. Whole users are drawn until about `most_rows` user-days are there.
    2. The reward of a response is fitted to the return within the first week, beyond what the past foretells
       (`response_reward`), and split, calibrated, measured, audited and saved as every reward model is.
    3. Survival models of the return after 1, 7 and 14 days on past, signals and the response's score are fitted to all
       but the test's users, and measured on these (`accuracy`).
    4. The surrogate index is fitted to the entries of the same users.

    Users of the test have no part in anything that is fitted. What the log is too short for is told and left out.

    Args:
        visits: As `warehouse.retention.visits` gives it.
        shown: As `warehouse.retention.responses` gives it.
        out: Directory to write.
        base: A frozen encoder.
        config: The dials; `model` is always `views`.
        name: What the model is called in its card.
        lineage: What it was made from, copied into the card.
        most_rows: User-days that are learnt from.
        tell: Takes warnings, line by line.

    Raises:
        ValueError: Too few user-days whose first week is over, or as `train_reward_model`.
        FileNotFoundError: `base` is a path without a model.
    """
    given = config or RewardConfig()
    dials = given.model_copy(update={"model": "views", "views": dials_of(given)})
    days = sampled(read_user_days(visits), most_rows, dials.seed)
    week = returns(days, DELAYS[0])
    over = week.complete
    if int(over.sum()) < LEAST_ROWS:
        raise ValueError(
            f"{int(over.sum()):,} of {len(days):,} user-days lie a week before the log's end, need {LEAST_ROWS}: "
            "ingest more, or give a later --as-of"
        )
    last = last_responses(days, shown)
    texts = _Texts(days, last, dials, base)
    examples = _examples(days, last, over, week.returned)
    report = train_reward_model(
        examples, out, base=base, config=dials, name=name, lineage=lineage or {}, tell=tell, small=texts.fit
    )
    scores = texts.scores()
    held = np.array([uniform(user, dials.seed) < dials.test_users for user in days.user_ids.tolist()])
    found = _survival(days, scores, held)
    index = _index(days.take(~held), scores[~held], found.missing)
    made = RetentionReport(
        reward=report,
        accuracy=found.accuracy,
        lasting=found.lasting,
        missing=found.missing,
        rows=len(days),
        users=len(np.unique(days.users)),
        held=len(np.unique(days.users[held])),
        gain=texts.fitted.gain,
    )
    for what, why in found.missing.items():
        tell(f"WARNING: no {what}: {why}")
    _save(out, made, found.hazards, index)
    return made


class _Texts:
    """The last responses' views, read once, and the reward that is fitted to them."""

    fitted: FittedReward

    def __init__(self, days: UserDays, last: LastResponses, config: RewardConfig, base: str | Path) -> None:
        self._days, self._last, self._config = days, last, config.views
        self._encoder = MessageEncoder(base, max_tokens=self._config.max_tokens)
        self._views = views(
            self._encoder, last.conversations, last.texts, self._config, progress="retention: responses"
        )
        self._learnt: list[str] = []

    def fit(self, train: Examples, validation: Examples) -> ViewsReward:
        """Fit the reward beyond the past, which a survival model of the training users' own rows foretells."""
        ids, times = self._days.user_ids.tolist(), self._last.times
        own = self._days.take(np.isin(self._days.user_ids, train.users))
        past = fit_hazard(own, own.past, PAST, DELAYS[0])
        expected = past.expected(self._days.past, returns(self._days, DELAYS[0]).periods)
        self.fitted = fit_response_reward(
            train,
            validation,
            self._encoder,
            self._config,
            read=by_key(ids, times, self._views),
            past=by_key(ids, times, expected),
        )
        self._learnt = sorted(set(train.users.tolist()))
        return self.fitted.model

    def scores(self) -> Floats:
        """Log hazards of every user-day's last response, by heads that have not seen its user, float64[n]."""
        return self.fitted.scores(self._views, halves_of(self._days.user_ids.tolist(), self._learnt))


def _examples(days: UserDays, last: LastResponses, over: Bools, returned: Bools) -> "pa.Table":
    import pyarrow as pa

    rows = np.flatnonzero(over).tolist()
    return pa.table(
        {
            "conversation": [json.dumps(last.conversations[row], ensure_ascii=False) for row in rows],
            "response": [last.texts[row] for row in rows],
            "label": pa.array(returned[over]),
            "weight": pa.array(np.ones(len(rows))),
            "user_id": days.user_ids[over].tolist(),
            "served_at": pa.array(last.times[over], pa.timestamp("us", tz="UTC")),
        }
    )


def _survival(days: UserDays, scores: Floats, held: Bools) -> _Survival:
    """Models of every delay on the users that are not held, and their accuracy on the others."""
    found = _Survival()
    learnt, unseen = days.take(~held), days.take(held)
    columns = columns_of(days, scores)
    scale = float(scores[~held].std()) or 1.0
    for delay in DELAYS:
        try:
            nothing = fit_hazard(learnt, np.zeros((len(learnt), 0)), (), delay)
            past = fit_hazard(learnt, learnt.past, PAST, delay)
            every = fit_hazard(learnt, columns[~held], COLUMNS, delay)
            measured = accuracies(
                unseen,
                delay,
                {
                    "Kaplan-Meier": nothing.chance(np.zeros((len(unseen), 0))),
                    "past": past.chance(unseen.past),
                    "past, day and response": every.chance(columns[held]),
                },
            )
            controls = np.column_stack([learnt.past, learnt.amounts])
            (lasting,) = ranked(learnt, scores[~held, None] / scale, [SCORE], controls, delay)
        except ValueError as error:
            found.missing[f"return after {delay} days"] = str(error)
            continue
        found.hazards[delay], found.lasting[delay] = every, lasting
        found.accuracy += measured
    return found


def _index(days: UserDays, scores: Floats, missing: dict[str, str]) -> Hazard | None:
    try:
        return fit_index(entries(days, scores, since=STARTS))
    except ValueError as error:
        missing["index"] = str(error)
        return None


def _save(out: Path, made: RetentionReport, hazards: dict[int, Hazard], index: Hazard | None) -> None:
    told = made.as_dict() | {
        "hazards": {str(delay): each.as_dict() for delay, each in hazards.items()},
        "index": None if index is None else index.as_dict(),
    }
    (out / FILE).write_text(json.dumps(told, indent=1) + "\n")
    card = out / CARD
    card.write_text(card.read_text() + section(made))
    write_manifest(out)
