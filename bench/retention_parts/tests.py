"""Many simulated A/B tests at once: each arm beside a control of users of its own, in one warehouse.

What is predicted is predicted from events alone, as `loveloop retention effect` does it; what is true is lived: the
same people under each arm, with the same chances, for five weeks.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from stored import store

from retention_parts.arms import AnswerPool
from streams.assignment import assign
from streams.synthetic import WorldConfig
from streams.synthetic.studies.serving import ServedTrial
from streams.synthetic.studies.trial_world import TrialWorld
from streams.synthetic.truth import formulas
from training.retention.entries import Entries, entries
from training.retention.last_responses import LastResponses, last_responses
from training.retention.returns import WEEK, read_user_days, returns
from training.retention.saved_model import RetentionModel
from training.retention.surrogate import ReturnEffect, difference, foretell

NAME = "retention-tests"
ENTRY_DAYS = 14
"""A user's first day lies among so many, so that the late week is lived."""
LATE = 14


@dataclass(frozen=True, slots=True)
class TestResult:
    """One A/B test.

    Attributes:
        arm: Its treatment.
        index: Foretold by the surrogate index: value and standard error.
        seen: The same difference as it was seen in the test.
        gap: Seen less foretold.
        offline: Mean score of the arm's answers less the control's: no test at all.
        love: Difference of the Love rate by response-day; `soon`: of returning within three days; `next_week`: within
            the first week; `composite`: of the composite of signals.
        true_love: Difference of the expected Love rate.
    """

    arm: str
    index: tuple[float, float]
    seen: tuple[float, float]
    gap: tuple[float, float]
    offline: float
    love: float
    soon: float
    next_week: float
    composite: float
    true_love: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def served(pool: AnswerPool, world: WorldConfig, *, users: int, exposures: int, days: int, seed: int) -> ServedTrial:
    """A test of all arms at once; half of the users are the control's."""
    treatments = [arm for arm in pool.answers if arm != "control"]
    shares = {"control": 0.5} | {arm: 0.5 / len(treatments) for arm in treatments}
    return ServedTrial(
        pool.prompts,
        pool.answers,
        {arm: arm for arm in pool.answers},
        exposures=exposures,
        users=users,
        assign=lambda user: assign(user, experiment=NAME, arms=shares, salt="loveloop"),
        experiment=NAME,
        seed=seed,
        starts_at=world.ends_at + timedelta(days=1),
        base_love_rate=world.base_love_rate,
        world=TrialWorld(days=days, stakes=world.stakes),
        follows=pool.follows,
    )


def true_returns(trial: ServedTrial) -> dict[str, float]:
    """Share of users who return 14 to 20 days after their first day, by arm, as they truly live.

    The same people with the same chances live under every arm; what is left of chance shrinks with their number.
    """
    found = {}
    for arm, came in trial.lived_visits(ENTRY_DAYS + LATE + WEEK - 1).items():
        first = came.argmax(axis=1)
        entered = came.any(axis=1) & (first < ENTRY_DAYS)
        window = first[:, None] + np.arange(LATE, LATE + WEEK)[None, :]
        late = came[np.arange(len(came))[:, None], np.minimum(window, came.shape[1] - 1)].any(axis=1)
        found[arm] = float(late[entered].mean())
    return found


def true_loves(pool: AnswerPool, base_love_rate: float) -> dict[str, float]:
    """Expected loves per answer, by arm."""
    found = {}
    for arm, played in pool.answers.items():
        asked, said = zip(*_answered(pool, played), strict=True)
        readings = formulas.read(asked, said)
        found[arm] = float(formulas.observable_love(asked, readings, base_love_rate=base_love_rate).mean())
    return found


def offline_scores(model: RetentionModel, pool: AnswerPool) -> dict[str, float]:
    """Mean score of each arm's first answers: what is known before any test."""
    found = {}
    for arm, played in pool.answers.items():
        asked, said = zip(*_answered(pool, played), strict=True)
        last = LastResponses([*asked], [*said], np.zeros(len(said), np.int64))
        found[arm] = float(model.scores(last).mean())
    return found


def _answered(pool: AnswerPool, played: list[list[list[str]]]) -> list[tuple[Any, str]]:
    """The first answer to each prompt."""
    return [(prompt, several[0][0]) for prompt, several in zip(pool.prompts, played, strict=True)]


def results(
    trial: ServedTrial,
    model: RetentionModel,
    place: Path,
    *,
    loves: Mapping[str, float],
    offline: Mapping[str, float],
    weights: Any,
    ends: Any,
) -> list[TestResult]:
    """Serve, store and read every test; see `TestResult`.

    Args:
        trial: The tests.
        model: Learnt from another log.
        place: A folder for events and warehouse.
        loves: Expected loves by arm.
        offline: Scores by arm.
        weights: Of the composite of signals.
        ends: Moment at which the log is judged.
    """
    from warehouse.retention import responses, visits

    events, warehouse = place / "events.ndjson", place / "tests.duckdb"
    with events.open("wb") as file:
        file.writelines(line + b"\n" for line in trial.lines())
    store(events, warehouse, ends)
    days = read_user_days(visits(warehouse, as_of=ends))
    rows = entries(days, model.scores(last_responses(days, responses(warehouse, as_of=ends))))
    treatments = [arm for arm in loves if arm != "control"]
    controls = np.flatnonzero(rows.arms == f"{NAME}: control")
    groups = np.random.default_rng(1).permutation(len(controls)) % len(treatments)
    found = []
    for number, arm in enumerate(treatments):
        own = np.flatnonzero(rows.arms == f"{NAME}: {arm}")
        both = rows.take(np.concatenate([own, controls[groups == number]]))
        treated = np.arange(len(both)) < len(own)
        found.append(
            _result(
                arm,
                model,
                both,
                treated,
                weights,
                known=(offline[arm] - offline["control"], loves[arm] - loves["control"]),
            )
        )
    return found


def _result(
    arm: str, model: RetentionModel, both: Entries, treated: Any, weights: Any, *, known: tuple[float, float]
) -> TestResult:
    effect = foretell(model.index, both, treated)
    offline, true_love = known
    week = returns(both.days, 1)
    soon = both.days.seen[:, 1:4].any(axis=1).astype(np.float64)
    early = both.early[:, : len(weights)] @ weights
    nothing = ReturnEffect(float("nan"), float("nan"))
    return TestResult(
        arm=arm,
        index=tuple(effect.by_index),
        seen=tuple(effect.direct or nothing),
        gap=tuple(effect.gap or nothing),
        offline=offline,
        love=difference(both.loves / both.shown, treated).value,
        soon=difference(soon, treated).value,
        next_week=difference(week.returned.astype(np.float64), treated).value,
        composite=difference(early, treated).value,
        true_love=true_love,
    )
