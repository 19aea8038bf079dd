"""What an arm truly does: as means over a pool of prompts, and to people who live with it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from streams.synthetic.language.talk import Conversation
from streams.synthetic.studies.answers import AnswerBook, Said
from streams.synthetic.studies.visits import ShownDay
from streams.synthetic.truth import formulas
from streams.synthetic.truth.formulas import BASE_LOVE_RATE

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TrueEffect:
    """What an arm really does, as means over responses.

    Attributes:
        love: Chance of a heart.
        helpful: Share of helpful answers; `safe`: of safe ones.
        closes_needlessly: Share of answers that say goodbye to a user who did not.
        fluent: Share of fluent ones.
        returns: Chance that the user comes back.
        words: Words in an answer.
    """

    love: float
    helpful: float
    safe: float
    closes_needlessly: float
    fluent: float
    returns: float
    words: float


@dataclass(frozen=True, slots=True)
class LivedEffect(TrueEffect):
    """What an arm really does to a test's users, had all of them been in it for as long as the test took.

    The means of `TrueEffect` are over the responses that they would be served, and know each user's taste and mood.
    Without friends, those who were in the arm live exactly as they did.

    Attributes:
        users: Who would be served.
        exposures_per_user: Responses that each is served.
        days_per_user: Days on which each comes.
        loves_per_user: Loves that each gives, in expectation.
        lovers: Share of them who give one at least, in expectation.
    """

    users: int
    exposures_per_user: float
    days_per_user: float
    loves_per_user: float
    lovers: float


def true_effects(
    prompts: Sequence[Conversation],
    answers: Mapping[str, Said],
    *,
    follows: Sequence[Sequence[str]] | None = None,
    base_love_rate: float = BASE_LOVE_RATE,
) -> dict[str, TrueEffect]:
    """What each arm really does on a pool of prompts, in expectation over mood and taste (of the world's spread).

    The true lift of b over a is `effects[b].love / effects[a].love - 1`. Prompts weigh equally by turn, however often
    they are answered.

    Args:
        prompts: The pool.
        answers: By arm, as `serving.serve` takes them.
        follows: As `serving.serve` takes them.
        base_love_rate: See `formulas.base_logit`.

    Raises:
        ValueError: As `answers.AnswerBook`.
    """
    book = AnswerBook(prompts, answers, follows or [[] for _ in prompts])
    happy = formulas.happy_chance(book.conversations)
    glum, glad = (formulas.return_chance(book.readings, np.full(len(happy), mood)) for mood in (False, True))
    love = formulas.expected_love(book.readings, happy, base_love_rate=base_love_rate)
    columns = _columns(book.readings, love, (1 - happy) * glum + happy * glad)
    effects = {}
    for number, arm in enumerate(book.arms):
        mine = book.arm == number
        effects[arm] = TrueEffect(*(float(np.average(each[mine], weights=book.weight[mine])) for each in columns))
    return effects


class LivedSums:
    """Adds up what people are shown, day by day.

    Args:
        book: What is shown.
        counts: bool[users], whose days count.
    """

    def __init__(self, book: AnswerBook, counts: Bools) -> None:
        self._book, self._counts = book, counts
        self._exposures, self._days, self._loves, self._loveless = np.zeros((4, len(counts)))
        self._sums = np.zeros(7)

    def add(self, day: ShownDay) -> None:
        """Add what was shown to those who count."""
        mine = day.take(self._counts[day.user])
        users = len(self._counts)
        columns = _columns(self._book.readings.take(mine.row), mine.love, mine.returns)
        self._sums += [float(np.sum(each)) for each in columns]
        shown = np.bincount(mine.user, minlength=users)
        self._exposures += shown
        self._days += shown > 0
        self._loves += np.bincount(mine.user, weights=mine.love, minlength=users)
        self._loveless += np.bincount(mine.user, weights=np.log1p(-mine.love), minlength=users)

    def effect(self) -> LivedEffect:
        """What was added, per response and per user who was served; NaN where nobody was."""
        came, shown = self._exposures > 0, float(self._exposures.sum())
        users = int(came.sum())
        by_user = (self._exposures, self._days, self._loves, -np.expm1(self._loveless))
        exposures, days, loves, lovers = (float(np.mean(each[came])) if users else np.nan for each in by_user)
        means = TrueEffect(*(float(each) / shown if users else np.nan for each in self._sums))
        return LivedEffect(
            **asdict(means),
            users=users,
            exposures_per_user=exposures,
            days_per_user=days,
            loves_per_user=loves,
            lovers=lovers,
        )


def _columns(readings: formulas.Readings, love: Floats, returns: Floats) -> tuple[NDArray[np.generic], ...]:
    """The figures of `TrueEffect`, one entry a response."""
    return (
        love,
        formulas.helpful(readings),
        formulas.safe(readings),
        readings.closes_needlessly,
        readings.fluent,
        returns,
        readings.words,
    )
