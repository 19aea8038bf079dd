"""Between what happened and what arrives: delay, repetition, disorder and spoilt lines, in amounts counted exactly."""

from collections.abc import Sequence
from hashlib import blake2b
from itertools import islice
from typing import Final, Literal, NamedTuple

import numpy as np

from streams.synthetic.config import WorldConfig
from streams.synthetic.moments import event_ids, names_of
from streams.synthetic.people.day import NEVER, NO_ARM, REACTIONS, Bools, Day, Echoes, Ints
from streams.synthetic.people.life import HOUR
from streams.synthetic.people.population import People
from streams.synthetic.wire.faults import spoil
from streams.synthetic.wire.lines import LineQueue, reacted, served
from streams.synthetic.wire.tally import LOVE, Tally

OVERTAKES_BY: Final = 900_000
"""A reaction that overtakes its response does so by at most this many milliseconds."""
REPEATS_AFTER: Final = 600_000
"""Mean milliseconds after which a copy arrives."""
REMEMBERED: Final = 20_000
"""Latest honest loves whose lines are kept at least, for attackers who record the traffic."""
ARMS: Final = ("control", "treatment")


class Loves(NamedTuple):
    """Love events that were posted, each once; one entry each.

    Attributes:
        event_ids: Names of the events; `response_ids`: of the responses.
        user: int64[m], who loved; `at`: int64[m], when; `attack`: int64[m], as in `Day`.
        adds: bool[m], as in `Echoes`.
    """

    event_ids: list[str]
    response_ids: list[str]
    user: Ints
    at: Ints
    attack: Ints
    adds: Bools


class ResponseOrigin(NamedTuple):
    """What an event says of who served a response; None outside of every experiment."""

    policy: str
    experiment: str | None
    arm: str | None


class _Marks(NamedTuple):
    """Reactions as the wire wants them; columns of equal length."""

    response_ids: list[str]
    sessions: list[str]
    user: Ints
    at: Ints
    reaction: Ints
    dwell_ms: Ints
    device: Ints
    network: Ints


class Network:
    """Posts what people do, or what one attack does, with chances of its own; keeps count."""

    def __init__(self, config: WorldConfig, rng: np.random.Generator, people: People) -> None:
        self._config, self._people = config, people
        self._delays, self._ids, self._faults = rng.spawn(3)
        self.tally = Tally(config, len(people.ids))
        self.remembered: dict[str, bytes] = {}
        """Lines of the latest loves, by response."""

    def named(self, day: Day) -> Day:
        """The stretch with names for its responses and sessions, where it has none."""
        if day.names or not len(day.user):
            return day
        names = names_of(self._ids, day.at)
        return day._replace(names=names, sessions=[names[f] for f in (np.arange(len(names)) - day.talk.turn).tolist()])

    def post(self, day: Day, outbox: LineQueue, recorded: dict[str, bytes] | None = None) -> Loves:
        """Post a stretch's events and their copies.

        1. Serve its responses, add and remove the reactions to them, all with their delays; some lines come twice.
        2. Post the echoes: new lines, and lines of `recorded` once more.
        3. Count.

        Args:
            day: Responses have names.
            outbox: Takes the lines.
            recorded: Lines of loves by response, for echoes that are copies.

        Returns:
            The loves that were added.
        """
        shown = self._shown(day)
        added, removed = np.flatnonzero(day.reacted_at != NEVER), np.flatnonzero(day.removed_at != NEVER)
        at_shown, at_added, at_removed = self._arrivals(day, added, removed)
        marks = _marks(day, added, day.reacted_at)
        ids, adds = self._lines(marks, "added")
        _, takes_back = self._lines(_marks(day, removed, day.removed_at), "removed")
        self._send(outbox, [*shown, *adds, *takes_back], np.concatenate([at_shown, at_added, at_removed]))
        self._remember(marks, adds)
        overtaken = np.sum(at_added < at_shown[added]) + np.sum(at_removed < at_shown[removed])
        self.tally.day(day, len(removed), int(overtaken))
        loved = np.flatnonzero(marks.reaction == LOVE)
        loves = _loves(ids, marks, loved, day.attack[added[loved]], np.ones(len(loved), bool))
        return _both(loves, self._echo(day.echoes, outbox, recorded or {})) if day.echoes else loves

    def disturb(self, day: Day, outbox: LineQueue) -> None:
        """Post what nobody did, as much as is due: loves for lost responses, and lines that break the contract."""
        if not len(day.at):
            return
        self._lose(day, outbox)
        for number in range(self.tally.amounts.dead_letters, self._due(self._config.malformed)):
            place = int(self._faults.integers(0, len(day.at)))
            reason, line = spoil(self._shown(day, [place])[0], number)
            outbox.post([int(day.at[place]) + int(self._faults.integers(0, HOUR))], [line])
            self.tally.spoilt(reason)

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

    def _shown(self, day: Day, places: Sequence[int] | None = None) -> list[bytes]:
        """Lines of the responses at these places (all, without any)."""
        take = np.arange(len(day.at)) if places is None else np.array(places)
        chance = self._ids if places is None else self._faults
        users, talk, turns = self._people.ids, day.talk, self._turns(day)
        columns = (column[take].tolist() for column in (day.at, day.user, turns, day.arm))
        origins = {arm: self._origin(arm) for arm in np.unique(day.arm[take]).tolist()}
        return [
            served(
                event_id=name,
                at=at,
                response_id=day.names[place],
                conversation_id=f"c{day.sessions[place][1:]}",
                turn=turn,
                user_id=users[who],
                session_id=f"s{day.sessions[place][1:]}",
                conversation=talk.conversations[place],
                response=talk.responses[place],
                policy=origins[arm].policy,
                experiment=origins[arm].experiment,
                arm=origins[arm].arm,
            )
            for place, name, at, who, turn, arm in zip(
                take.tolist(), event_ids(chance, day.at[take]), *columns, strict=True
            )
        ]

    def _turns(self, day: Day) -> Ints:
        """Which response of its conversation each is, from 0."""
        return day.talk.turn

    def _origin(self, arm: int) -> ResponseOrigin:
        """What the events of an arm, or of `NO_ARM`, say of who served."""
        test = self._config.experiment
        if test is None or arm == NO_ARM:
            return ResponseOrigin(self._config.policy, None, None)
        return ResponseOrigin(test.policy if arm == 1 else self._config.policy, test.name, ARMS[arm])

    def _lines(self, marks: _Marks, action: Literal["added", "removed"]) -> tuple[list[str], list[bytes]]:
        """Event ids and lines."""
        ids = event_ids(self._ids, marks.at)
        columns = (marks.user, marks.at, marks.reaction, marks.dwell_ms, marks.device, marks.network)
        rows = zip(ids, marks.response_ids, marks.sessions, *(column.tolist() for column in columns), strict=True)
        return ids, [
            reacted(
                event_id=name,
                at=at,
                response_id=response,
                user_id=self._people.ids[user],
                session_id=f"s{session[1:]}",
                reaction=REACTIONS[reaction],
                action=action,
                dwell_ms=dwell,
                device_id=self._opaque("d", device),
                network_id=self._opaque("n", network),
            )
            for name, response, session, user, at, reaction, dwell, device, network in rows
        ]

    def _opaque(self, what: str, number: int) -> str:
        """What a product would send: a salted hash."""
        return what + blake2b(f"{self._config.seed}:{what}:{number}".encode(), digest_size=8).hexdigest()

    def _echo(self, echoes: Echoes, outbox: LineQueue, recorded: dict[str, bytes]) -> Loves:
        fresh, copies = np.flatnonzero(~echoes.copy), np.flatnonzero(echoes.copy).tolist()
        names, sessions = ([column[place] for place in fresh.tolist()] for column in echoes[:2])
        marks = _Marks(names, sessions, *(getattr(echoes, name)[fresh] for name in _Marks._fields[2:]))
        ids, lines = self._lines(marks, "added")
        self._send(outbox, lines, marks.at + self._jitter(len(lines)))
        known = [place for place in copies if echoes.response_ids[place] in recorded]
        outbox.post(echoes.at[known].tolist(), [recorded[echoes.response_ids[place]] for place in known])
        self.tally.amounts.duplicates += len(known)
        self.tally.reactions(echoes.user, echoes.attack[fresh], marks.reaction)
        loved = np.flatnonzero(marks.reaction == LOVE)
        return _loves(ids, marks, loved, echoes.attack[fresh[loved]], echoes.adds[fresh[loved]])

    def _lose(self, day: Day, outbox: LineQueue) -> None:
        due = self._due(self._config.orphans) - self.tally.amounts.orphans
        if due <= 0:
            return
        user = self._faults.integers(0, self._config.users, size=due)
        at = day.at[self._faults.integers(0, len(day.at), size=due)]
        names = names_of(self._faults, at)
        devices, networks = self._people.devices[user, 0], self._people.networks[user, 0]
        dwell = self._faults.integers(1_000, 20_000, size=due)
        marks = _Marks(names, names, user, at, np.full(due, LOVE, np.int64), dwell, devices, networks)
        _, lines = self._lines(marks, "added")
        self._send(outbox, lines, at + self._jitter(due))
        self.tally.amounts.orphans += due
        self.tally.amounts.reactions += due

    def _send(self, outbox: LineQueue, lines: list[bytes], arrivals: Ints) -> None:
        """Post events, and some of them again."""
        again = np.flatnonzero(self._delays.random(len(lines)) < self._config.duplicates)
        later = arrivals[again] + 1 + self._delays.exponential(REPEATS_AFTER, size=len(again)).astype(np.int64)
        outbox.post(arrivals.tolist(), lines)
        outbox.post(later.tolist(), [lines[place] for place in again.tolist()])
        self.tally.amounts.duplicates += len(again)

    def _remember(self, marks: _Marks, lines: list[bytes]) -> None:
        for place in np.flatnonzero(marks.reaction == LOVE).tolist():
            self.remembered[marks.response_ids[place]] = lines[place]
        if len(self.remembered) > 2 * REMEMBERED:
            self.remembered = dict(islice(self.remembered.items(), len(self.remembered) - REMEMBERED, None))

    def _due(self, share: float) -> int:
        """How many of something there have to be by now; rounded to the nearest."""
        return round(share * self.tally.amounts.responses)


def _marks(day: Day, places: Ints, at: Ints) -> _Marks:
    """The reactions at these places, changed at those moments (one a response)."""
    names, sessions = ([column[place] for place in places.tolist()] for column in (day.names, day.sessions))
    moments = at[places]
    dwell = moments - day.at[places]
    return _Marks(
        names, sessions, day.user[places], moments, day.reaction[places], dwell, day.device[places], day.network[places]
    )


def _loves(ids: list[str], marks: _Marks, loved: Ints, attack: Ints, adds: Bools) -> Loves:
    events, responses = ([column[place] for place in loved.tolist()] for column in (ids, marks.response_ids))
    return Loves(events, responses, marks.user[loved], marks.at[loved], attack, adds)


def _both(first: Loves, second: Loves) -> Loves:
    joined = (np.concatenate(pair) for pair in zip(first[2:], second[2:], strict=True))
    return Loves(first.event_ids + second.event_ids, first.response_ids + second.response_ids, *joined)
