"""The judgement of one day on its users, each on their own: pure, from what was read to flags, trust and weights."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from warehouse.adversary.daily import evidence, lines, sums, trust
from warehouse.adversary.daily.days import ONE, WINDOW, Seen, start
from warehouse.adversary.daily.evidence import Evidence, EvidenceSums, Null
from warehouse.adversary.daily.lines import Chances
from warehouse.adversary.flagged import UserFlag

if TYPE_CHECKING:
    import pyarrow as pa

EVIDENCE: Final = "loves_too_much"
EVERYTHING: Final = "loves_everything"
VERSIONS: Final = {EVERYTHING: 1, EVIDENCE: 1}
FALSE_DISCOVERIES: Final = 0.1
"""Level of e-BH: users that it rejects are `proven`; at most this share of them is honest, in expectation."""
SHARE: Final = 0.5
LOVES: Final = 6.0
TIMES: Final = 5.0
"""Rule `loves_everything`: at least LOVES loves in the window, on at least SHARE of the responses shown to the user,
and at least TIMES the number expected of others."""
_WORDS: Final = {"all": "everything", "unlikely": "what others seldom love"}
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DayVerdicts:
    """What a day says of its users.

    Attributes:
        users: string[n]: whom there is something new against; a love, or a flag that still has to bear out.
        log_e: float64[n], natural logarithm of each one's e-value.
        trust: float64[n] in [0, 1], each one's weight.
        flags: One for each rule that one of them is over the line of.
        cleared: Pairs of user and rule of which an earlier flag does not bear out any more.
        null: What honest users are like today.
        line: Where the line lies: natural logarithm of an e-value.
    """

    users: pa.Array
    log_e: Floats
    trust: Floats
    flags: list[UserFlag]
    cleared: frozenset[tuple[str, str]]
    null: Null
    line: float


def judge(seen: Seen, today: pa.Table, chance: Floats, budget: float) -> DayVerdicts:
    """Judge the users of a day.

    1. Fit what honest users are like, on the users of the day who are not in quarantine.
    2. Draw from it where the line lies.
    3. Weigh the evidence against those who gave a love, or who have a flag of these rules.
    4. Flag who is over the line, give every one their trust, and clear whose flag does not bear out.

    Args:
        seen: The day.
        today: Its evidence, as `sums.day_sums` gives it.
        chance: float64[m], chance of a love of each response of the day.
        budget: Share of honest loves that may be lost here, in (0, 1).
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    active = pc.unique(today["user_id"])
    active = active.combine_chunks() if isinstance(active, pa.ChunkedArray) else active
    parts = sums.windows(active, pa.concat_tables([seen.past, today.cast(seen.past.schema)]), seen.day)
    honest = ~pc.is_in(active, pa.array(sorted(seen.quarantined), pa.string())).to_numpy(zero_copy_only=False)
    everything = _of(parts[0], honest)
    null = evidence.fit(everything.loves.sum(axis=1), everything.expected.sum(axis=1))
    usual = float(chance.mean()) if len(chance) else 0.0
    rng = np.random.default_rng(seen.day.toordinal())
    line = lines.calibrate(
        everything, Chances(chance, sums.held(chance, usual), usual / sums.UNLIKELY), null, budget, rng
    )
    flagged = pc.is_in(active, _own(seen.flagged)["user_id"]).to_numpy(zero_copy_only=False)
    asked = np.flatnonzero((parts[0].loves[:, -1] > 0) | flagged)
    users, mine = active.take(pa.array(asked)), tuple(_of(part, asked) for part in parts)
    found = evidence.weigh(mine, null)
    told = _Told(seen, users.to_pylist(), mine, found, line, len(active), budget)
    return DayVerdicts(users, found.log_e, trust.trust(found.log_e, budget), told.flags(), told.cleared(), null, line)


def _of(part: EvidenceSums, which: NDArray[Any]) -> EvidenceSums:
    return EvidenceSums(*(each[which] for each in part))


def _own(flagged: pa.Table) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    return flagged.filter(pc.is_in(flagged["rule"], pa.array(list(VERSIONS))))


@dataclass(frozen=True, slots=True)
class _Told:
    """What was found of some users, and how to tell it."""

    seen: Seen
    users: list[str]
    parts: tuple[EvidenceSums, ...]
    found: Evidence
    line: float
    tested: int
    budget: float

    def flags(self) -> list[UserFlag]:
        """One for each user and rule over its line."""
        over = np.flatnonzero(self.found.log_e >= self.line)
        proven = evidence.e_bh(self.found.log_e, FALSE_DISCOVERIES, self.tested)
        flags = [self._too_much(user, bool(proven[user])) for user in over.tolist()]
        loves, shown = (self.parts[0].loves.sum(axis=1), self.parts[0].exposures.sum(axis=1))
        share = loves / np.maximum(shown, 1)
        expected = self.parts[0].expected.sum(axis=1)
        every = np.flatnonzero((loves >= LOVES) & (share >= SHARE) & (shown >= LOVES) & (loves >= TIMES * expected))
        return flags + [self._everything(user, float(share[user])) for user in every.tolist()]

    def cleared(self) -> frozenset[tuple[str, str]]:
        """Flags given within the window of users against whom nothing is left in it."""
        first, end = start(self.seen.day) - (WINDOW - 1) * ONE, self._end()
        clear = {user for user, log_e in zip(self.users, self.found.log_e, strict=True) if log_e < 0}
        rows = _own(self.seen.flagged).to_pylist()
        rows = [row for row in rows if first < row["flagged_at"] <= end]  # a later day's flag is not its to clear
        return frozenset((row["user_id"], row["rule"]) for row in rows if row["user_id"] in clear)

    def _too_much(self, user: int, proven: bool) -> UserFlag:
        log_e, since = float(self.found.log_e[user]), self._since(user)
        told = self._sums(user, int(self.found.part[user])) | {
            "loved": _WORDS[sums.PARTS[int(self.found.part[user])]],
            "log_e": round(log_e, 2),
            "line": round(self.line, 2),
            "proven": proven,
        }
        score = log_e / self.line
        return UserFlag(EVIDENCE, VERSIONS[EVIDENCE], self.users[user], score, told, self._end(), since)

    def _everything(self, user: int, share: float) -> UserFlag:
        told = self._sums(user, 0)
        return UserFlag(EVERYTHING, VERSIONS[EVERYTHING], self.users[user], share / SHARE, told, self._end())

    def _sums(self, user: int, part: int) -> dict[str, Any]:
        total = {name: float(each[user].sum()) for name, each in self.parts[part]._asdict().items()}
        return {
            "exposures": int(total["exposures"]),
            "loves": int(total["loves"]),
            "expected": round(total["expected"], 3),
        }

    def _since(self, user: int) -> datetime | None:
        """None where the user did nothing in the window before the excess began."""
        began = int(self.found.start[user])
        if not self.parts[0].expected[user, :began].any():
            return None
        return start(self.seen.day) - timedelta(days=WINDOW - 1 - began)

    def _end(self) -> datetime:
        return start(self.seen.day) + ONE - timedelta(microseconds=1)
