"""Between what happened and what arrives: delay, repetition, disorder and spoilt lines, in amounts counted exactly."""

from collections import Counter
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from streams.synthetic.config import Amounts, WorldConfig
from streams.synthetic.faults import spoil
from streams.synthetic.life import HOUR, NEVER, REACTIONS, Day
from streams.synthetic.lines import Outbox, random_bits, reacted, served
from streams.synthetic.people import People

Ints = NDArray[np.int64]

OVERTAKES_BY: Final = 900_000
"""A reaction that overtakes its response does so by at most this many milliseconds."""
REPEATS_AFTER: Final = 600_000
"""Mean milliseconds after which a copy arrives."""


class Network:
    """Posts each day's lines and keeps count."""

    def __init__(self, config: WorldConfig, rng: np.random.Generator, people: People) -> None:
        self._config, self._people = config, people
        self._delays, self._ids, self._faults = rng.spawn(3)
        self._seen = np.zeros(len(people.ids), bool)
        self._malformed: Counter[str] = Counter()
        self._amounts = Amounts(bot_users=config.bots)
        self._responses = 0

    def post(self, day: Day, outbox: Outbox) -> list[str]:
        """Post a day's events, their copies and the spoilt lines; gives the ids of its responses."""
        names = [f"r{self._config.seed:x}-{number:08x}" for number in range(day.first, day.first + len(day.user))]
        self._responses += len(names)
        shown = self._shown(day, names)
        added, removed = np.flatnonzero(day.reacted_at != NEVER), np.flatnonzero(day.removed_at != NEVER)
        at_shown, at_added, at_removed = self._arrivals(day, added, removed)
        orphans, at_orphans = self._orphans(day)
        lines = [*shown, *self._reactions(day, names, added, "added"), *self._reactions(day, names, removed, "removed")]
        self._send(outbox, [*lines, *orphans], np.concatenate([at_shown, at_added, at_removed, at_orphans]))
        self._spoil(outbox, day, shown)
        overtaken = np.sum(at_added < at_shown[added]) + np.sum(at_removed < at_shown[removed])
        self._tally(day, len(removed), len(orphans), int(overtaken))
        return names

    def amounts(self) -> Amounts:
        """What was posted so far."""
        amounts, bots = self._amounts, self._people.is_bot
        amounts.malformed = dict(sorted(self._malformed.items()))
        amounts.dead_letters = self._malformed.total()
        amounts.users = int(np.sum(self._seen & ~bots))
        parts = (amounts.honest_loves, amounts.bot_loves, amounts.likes, amounts.dislikes)
        amounts.reactions = sum(parts) + amounts.retractions + amounts.orphans
        amounts.events = amounts.responses + amounts.reactions + amounts.duplicates + amounts.dead_letters
        people = amounts.responses - amounts.bot_responses
        amounts.love_rate = amounts.honest_loves / people if people else 0.0
        return amounts

    def _arrivals(self, day: Day, added: Ints, removed: Ints) -> tuple[Ints, Ints, Ints]:
        """Moments of arrival: reactions after their response (but for the early share), removals after the reaction."""
        rng = self._delays
        shown = day.at + self._jitter(len(day.at))
        reaction = np.maximum(day.reacted_at[added] + self._jitter(len(added)), shown[added] + 1)
        early = rng.random(len(added)) < self._config.early
        shown[added[early]] = reaction[early] + rng.integers(1, OVERTAKES_BY, size=int(early.sum()))
        known = np.zeros(len(day.at), np.int64)
        known[added] = reaction
        return shown, reaction, np.maximum(day.removed_at[removed] + self._jitter(len(removed)), known[removed] + 1)

    def _jitter(self, count: int) -> Ints:
        return (50 + self._delays.exponential(800, size=count)).astype(np.int64)

    def _shown(self, day: Day, names: list[str]) -> list[bytes]:
        ids, users = random_bits(self._ids, len(names)), self._people.ids
        rows = zip(ids, day.at.tolist(), names, day.user.tolist(), day.talk.turn.tolist(), strict=True)
        talks = zip(day.talk.conversations, day.talk.responses, self._talk_names(day), strict=True)
        return [
            served(
                bits=bits,
                at=at,
                response_id=name,
                conversation_id=f"c{talk}",
                turn=turn,
                user_id=users[user],
                session_id=f"s{talk}",
                policy=self._config.policy,
                conversation=conversation,
                response=response,
            )
            for (bits, at, name, user, turn), (conversation, response, talk) in zip(rows, talks, strict=True)
        ]

    def _talk_names(self, day: Day) -> list[str]:
        """A conversation is called after its first response."""
        first = day.first + np.arange(len(day.user)) - day.talk.turn
        return [f"{self._config.seed:x}-{number:08x}" for number in first.tolist()]

    def _reactions(self, day: Day, names: list[str], places: Ints, action: Literal["added", "removed"]) -> list[bytes]:
        moments = day.reacted_at if action == "added" else day.removed_at
        talks, ids = self._talk_names(day), random_bits(self._ids, len(places))
        return [
            reacted(
                bits=bits,
                at=int(moments[place]),
                response_id=names[place],
                user_id=self._people.ids[day.user[place]],
                session_id=f"s{talks[place]}",
                reaction=REACTIONS[day.reaction[place]],
                action=action,
                dwell_ms=int(moments[place] - day.at[place]),
            )
            for place, bits in zip(places.tolist(), ids, strict=True)
        ]

    def _orphans(self, day: Day) -> tuple[list[bytes], Ints]:
        """Loves for responses that were never served; as many as are due by now."""
        due = self._due(self._config.orphans) - self._amounts.orphans
        who = self._faults.integers(0, self._config.users, size=due).tolist()
        at = day.at[self._faults.integers(0, len(day.at), size=due)] if due else np.zeros(0, np.int64)
        ids = random_bits(self._ids, due)
        lines = [
            reacted(
                bits=bits,
                at=moment,
                response_id=f"r{self._config.seed:x}-lost-{bits & 0xFFFFFFFF:08x}",
                user_id=self._people.ids[user],
                session_id=f"s{self._config.seed:x}-lost",
                reaction="love",
            )
            for bits, moment, user in zip(ids, at.tolist(), who, strict=True)
        ]
        return lines, at + self._jitter(due)

    def _send(self, outbox: Outbox, lines: list[bytes], arrivals: Ints) -> None:
        """Post events, and some of them again."""
        again = np.flatnonzero(self._delays.random(len(lines)) < self._config.duplicates)
        later = arrivals[again] + 1 + self._delays.exponential(REPEATS_AFTER, size=len(again)).astype(np.int64)
        outbox.post(arrivals.tolist(), lines)
        outbox.post(later.tolist(), [lines[place] for place in again.tolist()])
        self._amounts.duplicates += len(again)

    def _spoil(self, outbox: Outbox, day: Day, shown: list[bytes]) -> None:
        done = self._malformed.total()
        for number in range(done, self._due(self._config.malformed)):
            place = int(self._faults.integers(0, len(shown)))
            reason, line = spoil(shown[place], number)
            outbox.post([int(day.at[place]) + int(self._faults.integers(0, HOUR))], [line])
            self._malformed[reason] += 1

    def _due(self, share: float) -> int:
        """How many of something there have to be by now; rounded to the nearest."""
        return round(share * self._responses)

    def _tally(self, day: Day, removed: int, orphans: int, early: int) -> None:
        amounts, is_bot = self._amounts, self._people.is_bot[day.user]
        names = {name: day.reaction == place for place, name in enumerate(REACTIONS)}
        self._seen[day.user] = True
        amounts.responses += len(day.user)
        amounts.bot_responses += int(np.sum(is_bot))
        amounts.honest_loves += int(np.sum(names["love"] & ~is_bot))
        amounts.bot_loves += int(np.sum(names["love"] & is_bot))
        amounts.likes += int(np.sum(names["like"]))
        amounts.dislikes += int(np.sum(names["dislike"]))
        amounts.late_reactions += int(np.sum((day.reaction > 0) & (day.reacted_at - day.at >= HOUR)))
        amounts.retractions += removed
        amounts.orphans += orphans
        amounts.early_reactions += early
