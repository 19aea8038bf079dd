"""The daily job against adversaries: what takes longer to see than one batch.

One call judges every day of event time that is over and not judged yet, in order, imported history as well. A day costs
in proportion to the day and to a window of days before it, whatever the length of the log. The warehouse is held only
while it is read and while it is written; the work in between holds nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from streams.record_fields import fields_of
from warehouse import connection
from warehouse.adversary import groups
from warehouse.adversary.daily import days, gaps, judgement, standing_flags, sums
from warehouse.adversary.daily.days import DayMemory, Seen
from warehouse.adversary.daily.judgement import DayVerdicts
from warehouse.adversary.flagged import UserFlag
from warehouse.storage.transaction import WarehouseConflictError

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from warehouse.connection import Target

VERSIONS: Final = judgement.VERSIONS | {"lockstep": groups.VERSION, "dense_block": groups.VERSION}
"""The periodic rules with their versions; part of the filter version of training sets."""
SHARES: Final = {"evidence": 0.6, "lockstep": 0.2, "dense_block": 0.2}
"""How the honest loss is split over the rules that have a line to derive; the rest is left to the online rules."""
LATENESS: Final = timedelta(hours=2)
"""A day is over when the log's newest response is so much younger than its end."""
ATTEMPTS: Final = 5
Floats = NDArray[np.float64]


class LoveModel(Protocol):
    """Which responses are loved, for each user by what other users taught it; `training.trust.CrossFit` is one."""

    days: int

    def score(self, responses: pa.Table) -> Floats:
        """The chance that each response is loved; reads user_id, conversation and response."""

    def learn(self, responses: pa.Table, love: NDArray[np.bool_], weight: Floats) -> None:
        """Learn one day's responses, each as far as its weight allows."""

    def dump(self) -> bytes:
        """Everything the model is."""


@dataclass(frozen=True, slots=True)
class DayReport:
    """What the judgement of one day did.

    Attributes:
        day: Which day, UTC.
        rows: Rows read, by kind.
        users: Users who were judged.
        flags: Users flagged for the first time, by rule.
        seconds: CPU seconds by part: read, score, evidence, groups, learn, write.
        null: The spread of honest users' tastes: shape and mean.
        lines: Where the lines lay, by rule (natural logarithm of the e-value, and what `groups` says of its own).
        sentences: What may remain undetected.
    """

    day: date
    rows: dict[str, int]
    users: int
    flags: dict[str, int]
    seconds: dict[str, float]
    null: tuple[float, float]
    lines: dict[str, float]
    sentences: tuple[str, ...]


def run(
    target: Target,
    model_from: Callable[[bytes | None], LoveModel],
    *,
    until: date | None = None,
    honest_loss: float = 0.01,
    say: Callable[[str], object] | None = None,
) -> list[DayReport]:
    """Judge all days that are pending, in order.

    Args:
        target: The warehouse.
        model_from: Makes the model from what was stored of it; None for a fresh one.
        until: The last day to judge; if left out, the last one that is over by the log's own clock.
        honest_loss: The expected share of honest loves that the filter may cost; the one dial.
        say: Gets one line a day; where there is none, a terminal shows a bar.

    Returns:
        One report for each day judged.

    Raises:
        ValueError: `honest_loss` is no share.
        WarehouseError: As `Warehouse.read` and `Warehouse.transaction`.
    """
    if not 0 < honest_loss < 0.5:
        raise ValueError(f"honest_loss == {honest_loss:g}, must lie in (0, 0.5): the share of honest loves to be lost")
    reports = []
    with tqdm(desc="adversary", unit="day", disable=True if say else None, leave=False) as bar:
        if not bar.disable:
            bar.reset(_pending(target, until))
        while (report := judge_next(target, model_from, until=until, honest_loss=honest_loss)) is not None:
            bar.update()
            if say:
                say(f"{report.day}: users judged: {report.users:,}; newly flagged: {told(report.flags)}")
            reports.append(report)
    return reports


def told(flags: Mapping[str, int]) -> str:
    """How many users each rule flagged, in words.

    >>> told({"loves_too_much": 1, "evidence": 1200}), told({})
    ('1,200 by evidence, 1 by loves_too_much', 'nobody')
    """
    return ", ".join(f"{count:,} by {rule}" for rule, count in sorted(flags.items()) if count) or "nobody"


def _pending(target: Target, until: date | None) -> int:
    """How many days wait to be judged."""
    with connection.open(target).read() as reader:
        last = until or days.last_over(reader, LATENESS)
        return gaps.pending(reader, last) if last else 0


def judge_next(
    target: Target, model_from: Callable[[bytes | None], LoveModel], *, until: date | None, honest_loss: float
) -> DayReport | None:
    """Judge the earliest pending day; None when there is none. Arguments as `run`.

    1. Read what the day needs, in one snapshot, and let the warehouse go.
    2. Score the day by models that learnt from earlier days of other users. Lost models learn the last days again; the
       very first day teaches them beforehand.
    3. Judge the users, each on their own; look for groups.
    4. Let the models learn the day from those who are trusted.
    5. Write all of it in one transaction, unless somebody else judged the day meanwhile, or a user asked to be erased:
       then nothing is written, and it begins anew.

    Raises:
        WarehouseConflictError: That happened `ATTEMPTS` times over.
    """
    for _ in range(ATTEMPTS):
        report, stored = _attempt(target, model_from, until, honest_loss)
        if stored:
            return report
    raise WarehouseConflictError(
        f"the warehouse changed {ATTEMPTS} times while a day was judged, nothing of it was stored; try again"
    )


def _attempt(
    target: Target, model_from: Callable[[bytes | None], LoveModel], until: date | None, honest_loss: float
) -> tuple[DayReport | None, bool]:
    """One attempt at the next day: what it found, None for no day, and whether that is settled."""
    clock = _Clock()
    warehouse = connection.open(target)
    with warehouse.read() as reader:
        last = until or days.last_over(reader, LATENESS)
        day = gaps.next_day(reader, last) if last else None
        if day is None:
            return None, True
        seen, window = days.read(reader, day), groups.read(reader, day)
    clock.lap("read")
    model = model_from(seen.model)
    work = _work(seen, window, model, honest_loss, clock)
    with warehouse.transaction() as writer:
        if (days.judged(writer), days.erasures(writer)) != (seen.judged, seen.erasures):
            return None, False
        _write(writer, work, honest_loss, clock)
    return work.report(clock), True


@dataclass(frozen=True, slots=True)
class _Work:
    """Everything that a day comes to, before it is written."""

    seen: Seen
    learnt: DayMemory
    judged: DayVerdicts
    groups: groups.Judgement
    new: list[UserFlag]

    @property
    def flags(self) -> list[UserFlag]:
        """All flags of the day."""
        return self.judged.flags + self.groups.flags

    def report(self, clock: _Clock) -> DayReport:
        counts = {name: sum(flag.rule == name for flag in self.new) for name in VERSIONS}
        return DayReport(
            self.seen.day,
            self.seen.rows | {"group_loves": self.groups.window.loves.num_rows},
            len(self.judged.users),
            {name: count for name, count in counts.items() if count},
            clock.seconds,
            (self.judged.null.shape, self.judged.null.mean),
            {judgement.EVIDENCE: self.judged.line, **self.groups.lines},
            self.groups.sentences,
        )


def _work(seen: Seen, window: groups.JudgedWindow, model: LoveModel, honest_loss: float, clock: _Clock) -> _Work:
    love = sums.loved_at_all(seen.responses, seen.loves)
    for lesson in seen.lessons:
        model.learn(lesson.responses, sums.loved_at_all(*lesson), _teaches(lesson.responses, seen.quarantined, {}))
    fresh = model.days == 0
    if fresh:
        model.learn(seen.responses, love, _teaches(seen.responses, seen.quarantined, {}))
    chance, chance_loved = model.score(seen.responses), model.score(seen.loved)
    clock.lap("score")
    today = sums.day_sums(seen, chance, chance_loved)
    judged = judgement.judge(seen, today, chance, SHARES["evidence"] * honest_loss)
    clock.lap("evidence")
    found = groups.judge(
        window, lockstep_loss=SHARES["lockstep"] * honest_loss, block_loss=SHARES["dense_block"] * honest_loss
    )
    clock.lap("groups")
    flags = judged.flags + found.flags
    if not fresh:
        trusted = dict(zip(judged.users.to_pylist(), np.exp(-np.maximum(judged.log_e, 0)).tolist(), strict=True))
        model.learn(
            seen.responses,
            love,
            _teaches(seen.responses, seen.quarantined, trusted | {flag.user_id: 0.0 for flag in flags}),
        )
    learnt = DayMemory(today, _counted(seen), _trust_rows(seen, judged, flags), model.dump())
    clock.lap("learn")
    known = set(zip(seen.flagged["user_id"].to_pylist(), seen.flagged["rule"].to_pylist(), strict=True))
    return _Work(seen, learnt, judged, found, [flag for flag in flags if (flag.user_id, flag.rule) not in known])


def _teaches(responses: pa.Table, quarantined: frozenset[str], trust: dict[str, float]) -> Floats:
    """How much each response may teach: one over its user's e-value where that is above 1, nothing in quarantine."""
    users = responses["user_id"].to_pylist()
    return np.array([0.0 if user in quarantined else trust.get(user, 1.0) for user in users], np.float64)


def _counted(seen: Seen) -> pa.Table:
    """The loves whose response is known: they are in the evidence now."""
    import pyarrow as pa
    import pyarrow.compute as pc

    told = pa.concat_arrays([each["response_id"].combine_chunks() for each in (seen.responses, seen.loved)])
    return seen.loves.filter(pc.is_in(seen.loves["response_id"], told))


def _trust_rows(seen: Seen, judged: DayVerdicts, flags: list[UserFlag]) -> pa.Table:
    """Rows of `user_trust`. Whose flag names a moment is trusted before it: quarantine does the rest."""
    import pyarrow as pa

    dated = {flag.user_id for flag in flags if flag.since is not None}
    users = judged.users.to_pylist()
    weights = [1.0 if user in dated else weight for user, weight in zip(users, judged.trust.tolist(), strict=True)]
    reasons = [json.dumps({judgement.EVIDENCE: {"log_e": round(log_e, 2)}}) for log_e in judged.log_e.tolist()]
    columns = [judged.users, pa.array(weights, pa.float64()), pa.array([seen.day] * len(users), pa.date32()), reasons]
    return pa.table(columns, names=["user_id", "trust", "day", "reasons"])


def _write(writer: DuckDBPyConnection, work: _Work, honest_loss: float, clock: _Clock) -> None:
    """One day, in the order in which it can be followed.

    1. The memory: evidence, counted loves, trust, models; the groups' state.
    2. Flags: those that do not bear out fall; a stronger one takes the place of a weaker one; the others stay.
    3. The day's row, which says that it is done.
    """
    days.write(writer, work.seen.day, work.learnt)
    groups.store(writer, work.groups)
    standing_flags.write(writer, work.flags, work.seen.flagged.to_pylist(), work.judged.cleared)
    clock.lap("write")
    report = fields_of(work.report(clock))
    versions = "+".join(f"{name}-{version}" for name, version in VERSIONS.items())
    values = [work.seen.day, versions, honest_loss, json.dumps(report, default=str)]
    writer.execute("INSERT INTO adversary_days VALUES (?, ?, ?, ?)", values)


class _Clock:
    """CPU seconds by part."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.process_time()

    def lap(self, name: str) -> None:
        """What was used since the last lap was `name`'s."""
        now = time.process_time()
        self.seconds[name] = round(self.seconds.get(name, 0.0) + now - self._last, 3)
        self._last = now
