"""Replay flood: love events that somebody recorded are sent again, as they were and altered.

In the wild: whoever sees the traffic (a proxy, a leaked log, an over-chatty client) or holds a key of the collector can
post events; exactly-once by event id does not help against a fresh id. Floods of minutes send the recorded events with
new ids for the same response, for responses about the target that this user never saw, and for loves that their owner
has taken back since; byte-identical copies go along. A few accounts of the flooder's own clone one loved exchange many
times, with fresh response ids. Cheap: no accounts, no devices, no human time. Target: one topic. How it differs from
people: the names, devices and networks are theirs; what is loved was not shown to them, or twice, or not by them.
"""

from typing import NamedTuple

import numpy as np

from streams.synthetic.attacks.acting import Playback, Visits, own_devices, together
from streams.synthetic.attacks.base import Attack, Scene
from streams.synthetic.attacks.speech import Exchanges, examples_about, picked, slots_about, target_topic
from streams.synthetic.config import WorldConfig
from streams.synthetic.language.talk import Talk
from streams.synthetic.people.day import NEVER, REACTIONS, Day, Echoes, Ints
from streams.synthetic.people.life import HOUR
from streams.synthetic.people.population import draw_people
from streams.synthetic.shares import Name

LOVE = REACTIONS.index("love")


class ReplayFloodDials(NamedTuple):
    """Sizes of the attack.

    Attributes:
        again: Share of the loves that name the same response again, `not_shown`: that name a response about the target
            which this user never saw, `taken_back`: whose owner took the love back. The rest are cloned exchanges.
        copies: Byte-identical copies for each love; they are no loves of their own.
        floods_per_day: Floods in the mean, each within `flood_ms`.
        clones: Loves of one cloning account, about, all within `cloning_ms`; `clone_dwell_ms`: shortest and longest.
        lag_ms: Time from an event to its first use.
        memory: Latest recorded loves, and latest responses about the target, that are kept.
    """

    again: float = 0.25
    not_shown: float = 0.35
    taken_back: float = 0.1
    copies: float = 0.25
    floods_per_day: float = 2.0
    flood_ms: int = 300_000
    clones: int = 15
    cloning_ms: int = 6 * HOUR
    clone_dwell_ms: tuple[int, int] = (800, 4_000)
    lag_ms: int = 60_000
    memory: int = 5_000


class _Seen(NamedTuple):
    """One love, or one response, as it was seen on the wire; `at` is when it happened."""

    response: str
    session: str
    user: int
    at: int
    dwell_ms: int
    device: int
    network: int
    removed_at: int


class _FloodEvent(NamedTuple):
    """An event of a flood: what it says, whether it is a copy, whether it adds a love."""

    says: _Seen
    copy: bool
    adds: bool


class ReplayFlood(Attack):
    """Floods at random moments, from what was recorded before each; and cloned exchanges."""

    name: Name = "replay_flood"

    def __init__(self, scene: Scene, dials: ReplayFloodDials | None = None) -> None:
        rng, self._dials, self._scene = scene.rng, dials or ReplayFloodDials(), scene
        self.topic = target_topic(scene.config, self.name)
        self.target = f"answers about {self.topic}, right or wrong"
        kinds = (self._dials.again, self._dials.not_shown, self._dials.taken_back)
        self._parts = [round(scene.loves * share) for share in kinds]
        clones = scene.loves - sum(self._parts)
        count = max(1, round(clones / self._dials.clones))
        self.accounts = own_devices(scene, draw_people(rng, count), scene.first_number + np.arange(count))
        self._stage = Playback(scene, self.accounts)
        self._loves: list[_Seen] = []
        self._shown: list[_Seen] = []
        self._named: set[tuple[int, str]] = set()
        self._back: set[str] = set()
        self._owed = np.zeros(4, np.int64)
        self._floods, self._sizes = self._plan_floods([*self._parts, round(scene.loves * self._dials.copies)])
        self._clones = self._plan_clones(np.sort(np.arange(clones) % count))
        self._exchanges = self._exchange_of_each(count)

    def during(self, honest: Day) -> Day | None:
        """1. Record. 2. Flood with what was recorded by then. 3. Clone."""
        self._record(honest)
        due = np.flatnonzero((honest.begins <= self._floods) & (self._floods < honest.ends)).tolist()
        echoes = [event for flood in due for event in self._flood(int(self._floods[flood]), self._sizes[flood])]
        visits = self._clones.during(honest)
        talk = picked(self._exchanges, visits.user - self._scene.first_user)
        day = self._stage.play(visits, honest, talk)
        delay = self._scene.rng.integers(*self._dials.clone_dwell_ms, size=len(day.user))
        day = self._stage.reacts(day, np.full(len(day.user), LOVE), delay)
        if not echoes:
            return together([day])
        return day._replace(echoes=_echoes(echoes, self._scene.place))

    def _record(self, honest: Day) -> None:
        """What went over the wire: loves, and responses about the target."""
        loved = np.flatnonzero(honest.reaction == LOVE)
        self._loves = [*self._loves, *_rows(honest, loved)][-self._dials.memory :]
        about = np.flatnonzero(np.isin(honest.talk.slots, slots_about(self.topic)))
        self._shown = [*self._shown, *_rows(honest, about)][-self._dials.memory :]

    def _flood(self, now: int, sizes: Ints) -> list[_FloodEvent]:
        """The events of one flood. What finds nothing to alter yet is left for the next."""
        self._owed += sizes
        loves = [love for love in self._loves if love.at < now - self._dials.lag_ms]
        standing = [love for love in loves if love.removed_at == NEVER]
        taken = [love for love in loves if NEVER < love.removed_at < now and love.response not in self._back]
        shown = [response for response in self._shown if response.at < now]
        again, others, back, copies = self._owed.tolist()
        events = [
            [_FloodEvent(self._renewed(love, now), copy=False, adds=False) for love in self._some(standing, again)],
            [_FloodEvent(love, copy=False, adds=True) for love in self._misnamed(standing, shown, others, now)],
            [_FloodEvent(self._moved(love, now), copy=False, adds=True) for love in self._some(taken, back)],
            [_FloodEvent(self._moved(love, now), copy=True, adds=False) for love in self._some(loves, copies)],
        ]
        self._owed -= [len(part) for part in events]
        self._back.update(event.says.response for event in events[2])
        return [event for part in events for event in part]

    def _some(self, seen: list[_Seen], count: int) -> list[_Seen]:
        """So many of them, some more than once; none where there are none."""
        places = self._scene.rng.integers(0, len(seen), size=count if seen else 0)
        return [seen[place] for place in places.tolist()]

    def _misnamed(self, loves: list[_Seen], shown: list[_Seen], count: int, now: int) -> list[_Seen]:
        """Loves that name a response which was shown to somebody else; no pair of user and response comes twice."""
        made = []
        for love, other in zip(self._some(loves, count), self._some(shown, count), strict=False):
            if other.user != love.user and (love.user, other.response) not in self._named:
                self._named.add((love.user, other.response))
                made.append(self._moved(love, now)._replace(response=other.response, session=other.session))
        return made

    def _renewed(self, love: _Seen, now: int) -> _Seen:
        """With the recorded moment or, as often, a new one."""
        return love if self._scene.rng.random() < 0.5 else self._moved(love, now)

    def _moved(self, love: _Seen, now: int) -> _Seen:
        return love._replace(at=now + int(self._scene.rng.integers(0, self._dials.flood_ms)))

    def _plan_floods(self, sizes: list[int]) -> tuple[Ints, Ints]:
        """Moments int64[f], and how many events of each kind are due at each, int64[f, kinds]."""
        rng, scene = self._scene.rng, self._scene
        count = max(1, round(self._dials.floods_per_day * scene.config.days))
        moments = np.sort(rng.integers(scene.begins + (scene.ends - scene.begins) // 10, scene.ends - HOUR, size=count))
        moments[-1] = scene.ends - HOUR
        dealt = [np.bincount(rng.integers(0, count, size=size), minlength=count) for size in sizes]
        return moments, np.column_stack(dealt).astype(np.int64)

    def _plan_clones(self, who: Ints) -> Visits:
        """Each account repeats itself within hours."""
        rng, scene, dials = self._scene.rng, self._scene, self._dials
        begins = rng.integers(scene.begins, max(scene.begins + 1, scene.ends - dials.cloning_ms - HOUR), len(who))[who]
        return Visits.plan(
            scene.first_user + who,
            begins + rng.integers(0, dials.cloning_ms, size=len(who)),
            device=self.accounts.devices[who, 0],
            network=self.accounts.networks[who, 0],
        )

    def _exchange_of_each(self, count: int) -> Talk:
        who = np.arange(count)
        asked = self._scene.rng.choice(slots_about(self.topic), size=count)
        nothing = np.zeros(count, np.int64)
        return self._stage.talk(
            Visits.plan(self._scene.first_user + who, nothing, asked=asked, device=nothing, network=nothing)
        )


def _rows(day: Day, places: Ints) -> list[_Seen]:
    return [
        _Seen(
            response=day.names[place],
            session=day.sessions[place],
            user=int(day.user[place]),
            at=int(max(day.reacted_at[place], day.at[place])),
            dwell_ms=int(max(0, day.reacted_at[place] - day.at[place])),
            device=int(day.device[place]),
            network=int(day.network[place]),
            removed_at=int(day.removed_at[place]),
        )
        for place in places.tolist()
    ]


def _echoes(events: list[_FloodEvent], place: int) -> Echoes:
    said = [event.says for event in events]
    column = {
        name: np.array([getattr(each, name) for each in said], np.int64)
        for name in ("user", "at", "dwell_ms", "device", "network")
    }
    return Echoes(
        response_ids=[each.response for each in said],
        sessions=[each.session for each in said],
        attack=np.full(len(said), place, np.int64),
        reaction=np.full(len(said), LOVE, np.int64),
        copy=np.array([event.copy for event in events]),
        adds=np.array([event.adds for event in events]),
        **column,
    )


def probe(config: WorldConfig, count: int, rng: np.random.Generator) -> Exchanges:
    """Exchanges about the topic."""
    return examples_about(rng, count, target_topic(config, ReplayFlood.name))
