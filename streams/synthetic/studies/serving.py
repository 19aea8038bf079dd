"""The simulated A/B test: text, user and chance decide how an arm's answers are received, never its name."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.synthetic.language.talk import Conversation
from streams.synthetic.moments import event_ids, milliseconds
from streams.synthetic.people.day import REACTIONS
from streams.synthetic.people.population import People, draw_people
from streams.synthetic.truth import formulas
from streams.synthetic.truth.formulas import BASE_LOVE_RATE, Readings
from streams.synthetic.wire.lines import LineQueue, reacted, served

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

PAUSE: Final = 2_000
"""Mean milliseconds between two exposures, over all users."""
_CHUNK: Final = 20_000


class TrueEffect(NamedTuple):
    """What an arm really does, as means over the pool.

    Attributes:
        love: Chance of a heart, in expectation over mood and taste.
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


class _Pool(NamedTuple):
    """Every arm's answers, arm after arm: the answer of arm a to prompt i stands at `a * len(prompts) + i`."""

    prompts: Sequence[Conversation]
    happy: Floats
    arms: list[str]
    policies: list[str]
    answers: list[str]
    readings: Readings


class _ExposureVisits(NamedTuple):
    """Exposures in the order of time, one entry each; drawn without a look at any arm."""

    user: Ints
    prompt: Ints
    happy: NDArray[np.bool_]
    at: Ints
    delay: Floats
    chance: Floats


def serve(
    prompts: Sequence[Conversation],
    answers: Mapping[str, list[str]],
    policies: Mapping[str, str],
    *,
    exposures: int,
    users: int,
    assign: Callable[[str], str],
    experiment: str,
    seed: int,
    starts_at: datetime,
    base_love_rate: float = BASE_LOVE_RATE,
) -> Iterator[bytes]:
    """Serve an A/B test and yield its event lines in the order of arrival.

    Users come as often as their activity says, see a prompt drawn from the pool with their own arm's answer, and react
    as the truth says. Of some 20,000 exposures none repeats a prompt before all of the pool have been shown. What is
    drawn depends on the seed and the experiment's name: two experiments of one seed have visits and ids of their own,
    and with the arms' names swapped reactions are the same.

    Args:
        prompts: The pool.
        answers: For each arm, its answer to every prompt.
        policies: For each arm, the version of the policy that wrote them.
        exposures: Responses served, exact.
        users: People who may be served.
        assign: Gives a user's arm; asked once for each user.
        experiment: Its name; another name gives other people, visits and ids.
        seed: With the experiment's name the only source of chance.
        starts_at: When the first exposure happens.
        base_love_rate: See `formulas.base_logit`.

    Raises:
        ValueError: An arm lacks answers or a policy, or `assign` names an arm that has none.
    """
    pool = _pool(prompts, answers, policies)
    rng = _chance(77, seed, experiment)
    scene = _Scene(rng, _chance(78, seed, experiment), draw_people(rng, users), pool, experiment, base_love_rate)
    arm = _assigned(scene.people, assign, pool.arms)
    at, outbox = milliseconds(starts_at), LineQueue()
    for first in range(0, exposures, _CHUNK):
        visits = scene.draw(min(_CHUNK, exposures - first), at)
        names = [f"r{experiment}-{seed:x}-{number:08x}" for number in range(first, first + len(visits.user))]
        place = arm[visits.user] * len(prompts) + visits.prompt
        outbox.post(*scene.show(visits, place, names))
        outbox.post(*scene.react(visits, place, names))
        at = int(visits.at[-1])
        yield from outbox.take(at)
    yield from outbox.take()


def true_effects(
    prompts: Sequence[Conversation], answers: Mapping[str, Sequence[str]], *, base_love_rate: float = BASE_LOVE_RATE
) -> dict[str, TrueEffect]:
    """What each arm really does on a pool of prompts.

    The true lift of b over a is `effects[b].love / effects[a].love - 1`.
    """
    happy = formulas.happy_chance(prompts)
    effects = {}
    for arm, texts in answers.items():
        readings = formulas.read(prompts, texts)
        calm, glad = (formulas.return_chance(readings, np.full(len(texts), mood)) for mood in (False, True))
        columns = (
            formulas.observable_love(prompts, readings, base_love_rate=base_love_rate),
            formulas.helpful(readings),
            formulas.safe(readings),
            readings.closes_needlessly,
            readings.fluent,
            (1 - happy) * calm + happy * glad,
            readings.words,
        )
        effects[arm] = TrueEffect(*(float(np.mean(column)) for column in columns))
    return effects


def _pool(prompts: Sequence[Conversation], answers: Mapping[str, Sequence[str]], policies: Mapping[str, str]) -> _Pool:
    for arm, texts in answers.items():
        if len(texts) != len(prompts) or not texts:
            raise ValueError(f"arm {arm!r} has {len(texts)} answers to {len(prompts)} prompts, must have one to each")
        if arm not in policies:
            raise ValueError(f"arm {arm!r} has no policy; policies names {', '.join(policies) or 'none'}")
    texts = [text for arm in answers for text in answers[arm]]
    readings = formulas.read([*prompts] * len(answers), texts)
    return _Pool(
        prompts, formulas.happy_chance(prompts), [*answers], [policies[arm] for arm in answers], texts, readings
    )


def _assigned(people: People, assign: Callable[[str], str], arms: list[str]) -> Ints:
    """Number of each user's arm."""
    numbers = {arm: number for number, arm in enumerate(arms)}
    names = [assign(user) for user in people.ids]
    unknown = set(names) - numbers.keys()
    if unknown:
        raise ValueError(f"assign gave {sorted(unknown)}, must be one of {', '.join(arms)}, the arms with answers")
    return np.array([numbers[name] for name in names], np.int64)


def _chance(salt: int, seed: int, experiment: str) -> np.random.Generator:
    """The chance of one purpose (77 in people, visits and reactions, 78 in event ids)."""
    name = hashlib.sha256(experiment.encode()).digest()
    return np.random.default_rng([seed, salt, int.from_bytes(name[:8], "big")])


class _Scene(NamedTuple):
    """Where the test happens."""

    rng: np.random.Generator
    id_rng: np.random.Generator
    people: People
    pool: _Pool
    experiment: str
    base_love_rate: float

    def draw(self, count: int, at: int) -> _ExposureVisits:
        """The next visits after `at`."""
        rng, people, pool = self.rng, self.people, self.pool
        user = rng.choice(len(people.ids), size=count, p=people.activity / people.activity.sum())
        rounds = -(-count // len(pool.prompts))
        prompt = np.concatenate([rng.permutation(len(pool.prompts)) for _ in range(rounds)])[:count]
        happy = rng.random(count) < pool.happy[prompt]
        moments = at + np.cumsum(1 + rng.exponential(PAUSE, size=count)).astype(np.int64)
        return _ExposureVisits(
            user, prompt, happy, moments, np.exp(rng.normal(1.0, 0.7, size=count)), rng.random((3, count))
        )

    def show(self, visits: _ExposureVisits, place: Ints, names: list[str]) -> tuple[list[int], list[bytes]]:
        """Moments and lines of the exposures."""
        pool, ids = self.pool, self.people.ids
        columns = (visits.at, visits.user, visits.prompt, place)
        rows = zip(event_ids(self.id_rng, visits.at), names, *(column.tolist() for column in columns), strict=True)
        lines = [
            served(
                event_id=event_id,
                at=at,
                response_id=name,
                conversation_id=f"c{name}",
                turn=len(pool.prompts[prompt]) // 2,
                user_id=ids[user],
                session_id=f"s{name}",
                policy=pool.policies[answer // len(pool.prompts)],
                conversation=pool.prompts[prompt],
                response=pool.answers[answer],
                experiment=self.experiment,
                arm=pool.arms[answer // len(pool.prompts)],
            )
            for event_id, name, at, user, prompt, answer in rows
        ]
        return visits.at.tolist(), lines

    def react(self, visits: _ExposureVisits, place: Ints, names: list[str]) -> tuple[list[int], list[bytes]]:
        """Moments and lines of the reactions: hearts first, then thumbs, at most one to a response."""
        people, readings = self.people, self.pool.readings.take(place)
        reaction = self._reactions(visits, readings)
        wait = (1_000 * (readings.words / people.speed[visits.user] + visits.delay)).astype(np.int64)
        ids = event_ids(self.id_rng, visits.at + wait)
        places = np.flatnonzero(reaction).tolist()
        lines = [
            reacted(
                event_id=ids[here],
                at=int(visits.at[here] + wait[here]),
                response_id=names[here],
                user_id=people.ids[visits.user[here]],
                session_id=f"s{names[here]}",
                reaction=REACTIONS[reaction[here]],
                dwell_ms=int(wait[here]),
            )
            for here in places
        ]
        return (visits.at + wait)[places].tolist(), lines

    def _reactions(self, visits: _ExposureVisits, readings: Readings) -> Ints:
        """Places in `REACTIONS`."""
        happy, chance, taste = visits.happy, visits.chance, self.people.taste[visits.user]
        loved = chance[0] < formulas.love_chance(readings, happy, taste, base_love_rate=self.base_love_rate)
        liked = ~loved & (chance[1] < formulas.like_chance(readings, happy))
        disliked = ~loved & ~liked & (chance[2] < formulas.dislike_chance(readings, happy))
        return np.asarray(loved * 1 + liked * 2 + disliked * 3, np.int64)
