"""The simulated A/B test: text, user and chance decide how an arm's answers are received, never its name.

It goes on for days. People come at their hours, again when they were pleased and less when not; they talk for several
turns; a few come very often; loves come late or are taken back; friends and attackers may join. `docs/world.md` says
what each of these is.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from itertools import count
from typing import Final, NamedTuple, Required, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from streams.synthetic.config import Amounts
from streams.synthetic.language.talk import Conversation, Talk
from streams.synthetic.moments import milliseconds
from streams.synthetic.people.day import HONEST, NO_ARM, Day
from streams.synthetic.people.life import DAY
from streams.synthetic.studies.answers import AnswerBook, Said
from streams.synthetic.studies.chance import key_of
from streams.synthetic.studies.effects import LivedEffect, LivedSums, TrueEffect, true_effects
from streams.synthetic.studies.intruders import Intruders
from streams.synthetic.studies.placement import placed
from streams.synthetic.studies.trial_network import ServedArms, TrialNetwork, trial_config
from streams.synthetic.studies.trial_world import TrialWorld
from streams.synthetic.studies.visitors import draw_visitors
from streams.synthetic.studies.visits import ShownDay, TrialLife, TrialSetting
from streams.synthetic.truth import formulas
from streams.synthetic.truth.formulas import BASE_LOVE_RATE
from streams.synthetic.wire.lines import LineQueue
from streams.synthetic.wire.tally import together

__all__ = ["ServedTrial", "TrueEffect", "serve", "true_effects"]

Ints = NDArray[np.int64]

_PASSES: Final = 3
"""How often the days are lived to find the rate at which the exposures fill them."""
_FASTER: Final = 4.0
"""The most by which one of these changes the rate: a count of few conversations says little."""


class ServedTrial:
    """An A/B test that is served to simulated people: its event lines, and the truth about it.

    Everything is drawn from the seed and the experiment's name: two experiments of one seed have people, visits and
    ids of their own, and with the arms' names swapped reactions are the same.

    Attributes:
        accounts: After `lines`: attack by the name of each attacker's account.
    """

    def __init__(
        self,
        prompts: Sequence[Conversation],
        answers: Mapping[str, Said],
        policies: Mapping[str, str],
        *,
        exposures: int,
        users: int,
        assign: Callable[[str], str],
        experiment: str,
        seed: int,
        starts_at: datetime,
        base_love_rate: float = BASE_LOVE_RATE,
        world: TrialWorld | None = None,
        follows: Sequence[Sequence[str]] | None = None,
    ) -> None:
        """Read the answers and deal the people to the arms.

        Args:
            prompts: The pool.
            answers: For each arm, its answer to every prompt; or for every prompt several playthroughs, each with an
                answer to the prompt and to each of its follow-ups (`threads.play`).
            policies: For each arm, the version of the policy that wrote them.
            exposures: Responses served to people under the experiment, exact. Those to users outside come on top.
            users: People who may come.
            assign: Gives a user's arm, or `out` or `holdout`; asked once for each user.
            experiment: Its name; another name gives other people, visits and ids.
            seed: With the experiment's name the only source of chance.
            starts_at: When the first day begins.
            base_love_rate: Loves per response of the incumbent's log with these people, in expectation.
            world: How the test goes.
            follows: What users say after the answer to each prompt, see `threads.follow_ups`; nothing if left out.

        Raises:
            ValueError: An arm lacks answers or a policy, `assign` names an arm that has none or puts nobody into any,
                or there is no exposure or user.
        """
        if exposures < 1 or users < 1:
            raise ValueError(f"{exposures} exposures to {users} users, must be 1 or more of each")
        self._exposures, self._assign = exposures, assign
        book = AnswerBook(prompts, answers, follows or [[] for _ in prompts])
        self._test = ServedArms.of(experiment, book.arms, policies)
        self._key, world = key_of(seed, experiment), world or TrialWorld()
        people = np.random.default_rng([self._key, 77])
        visitors = draw_visitors(people, users, world, self._key, base_love_rate)
        self._setting = TrialSetting(visitors, book, world, milliseconds(starts_at), base_love_rate)
        self._arm = placed(visitors.people.ids, assign, book.arms)
        if np.all(self._arm == NO_ARM):
            raise ValueError(f"assign put all {users:,} users outside the arms: nobody would be exposed")
        self._name = f"r{experiment}-{seed:x}"
        self._config = trial_config(self._setting, exposures, starts_at)
        self._amounts: Amounts | None = None
        self.accounts: dict[str, str] = {}

    def lines(self) -> Iterator[bytes]:
        """The event lines in the order of arrival."""
        outbox, rng = LineQueue(), np.random.default_rng([self._key, 78])
        people = self._setting.visitors.people
        network = TrialNetwork(self._config, rng, people, self._test)
        intruders = Intruders(self._config, people, self._setting.book, self._test, self._assign)
        self.accounts = dict(intruders.accounts)
        life = self._life(self._arm, self._rate)
        for number in range(self._end.day + 1):
            day = self._day(number, life)
            network.post(day, outbox)
            intruders.join(day, outbox, network.remembered)
            yield from outbox.take(day.ends)
        self._amounts = together(self._config, network.tally, intruders.tallies)
        yield from outbox.take()

    @property
    def amounts(self) -> Amounts:
        """What the lines really hold, by kind and by attack.

        Raises:
            ValueError: The lines have not been taken yet.
        """
        if self._amounts is None:
            raise ValueError("nothing was served yet: take all `lines` first, then ask for the amounts")
        return self._amounts

    def lived_effects(self) -> dict[str, LivedEffect]:
        """What each arm truly does to the test's users, had they all been in it; by expected values, without attacks.

        `lift of b over a = effects[b].love / effects[a].love - 1` per exposure, of `loves_per_user` per user. With
        friends this is the total effect, which two arms side by side do not show. Users outside are served the control.
        """
        book, inside, effects = self._setting.book, self._arm != NO_ARM, {}
        for number, arm in enumerate(book.arms):
            sums, life = LivedSums(book, inside), self._life(np.where(inside, number, NO_ARM), self._rate)
            for day in range(self._end.day + 1):
                sums.add(self._served(day, life.live(day)))
            effects[arm] = sums.effect()
        return effects

    def lived_visits(self, days: int) -> dict[str, NDArray[np.bool_]]:
        """On which of the first days each of the test's users would come, had all been in an arm, and for so long.

        A user's chance is the user's own (`chance`), so that two arms are compared person by person.

        Args:
            days: How many, from the test's first on; the test itself may end before.

        Returns:
            By arm, bool[users, days], of the users who are dealt to some arm.
        """
        inside, found = np.flatnonzero(self._arm != NO_ARM), {}
        for number, arm in enumerate(self._setting.book.arms):
            life = self._life(np.full(len(self._arm), number), self._rate)
            came = np.zeros((len(self._arm), days), bool)
            for day in range(days):
                came[life.live(day).user, day] = True
            found[arm] = came[inside]
        return found

    @cached_property
    def _rate(self) -> float:
        """Conversations a day of somebody of activity 1, such that the exposures take about the days of the world.

        `rate <- rate exposures / (exposures of these days at that rate)`, a few times: loyalty hardly depends on it.
        """
        visitors, days = self._setting.visitors, self._setting.world.days
        rate = self._exposures / (np.mean(self._setting.book.turns) * visitors.people.activity.sum() * days)
        for _ in range(_PASSES):
            life = self._life(self._arm, rate)
            shown = sum(int(self._inside(life.live(number)).sum()) for number in range(days))
            rate *= float(np.clip(self._exposures / max(shown, 1), 1 / _FASTER, _FASTER))
        return float(rate)

    @cached_property
    def _end(self) -> "_End":
        life, missing = self._life(self._arm, self._rate), self._exposures
        for number in count():
            day = life.live(number)
            moments = np.sort(day.at[self._inside(day)])
            if len(moments) >= missing:
                last = int(moments[missing - 1])
                return _End(number, last, int(np.sum(moments <= last)) - missing)
            missing -= len(moments)
        raise AssertionError("days do not end")

    def _served(self, number: int, day: ShownDay) -> ShownDay:
        """What of a day is served before the test ends; of its very last moment, as much as the exposures have room."""
        if number < self._end.day:
            return day
        kept = day.at <= self._end.last
        surplus = np.flatnonzero(self._inside(day) & (day.at == self._end.last))
        kept[surplus[len(surplus) - self._end.surplus :]] = False
        return day.take(kept)

    def _inside(self, day: ShownDay) -> NDArray[np.bool_]:
        return np.asarray(self._arm[day.user] != NO_ARM)

    def _life(self, arm: Ints, rate: float) -> TrialLife:
        shown = np.where(arm == NO_ARM, self._test.control, arm)
        return TrialLife(self._setting, shown, rate)

    def _day(self, number: int, life: TrialLife) -> Day:
        """What happens on a day, as the network and attackers know it."""
        shown = self._served(number, life.live(number))
        book, people, places = self._setting.book, self._setting.visitors.people, shown.row.tolist()
        readings, reactions = book.readings.take(shown.row), life.react(shown)
        names = [f"{self._name}-{key:016x}" for key in shown.key.tolist()]
        conversations = [book.conversations[place] for place in places]
        texts = [book.texts[place] for place in places]
        ends = shown.opens + DAY if number < self._end.day else self._end.last + 1
        return Day(
            begins=shown.opens,
            ends=ends,
            names=names,
            sessions=[names[first] for first in (np.arange(len(names)) - shown.turn).tolist()],
            talk=Talk(shown.talk, shown.turn, readings.kind, book.slot[shown.row], shown.happy, conversations, texts),
            readings=readings,
            user=shown.user,
            attack=np.full(len(names), HONEST, np.int64),
            at=shown.at,
            arm=self._arm[shown.user],
            device=people.devices[shown.user, 0],
            network=people.networks[shown.user, 0],
            p_love=shown.love,
            p_observable=formulas.observable_love(conversations, readings, base_love_rate=self._setting.base_love_rate),
            reaction=reactions.kind,
            reacted_at=reactions.at,
            removed_at=reactions.removed_at,
        )


class _End(NamedTuple):
    """The test's last `day`, the moment of its `last` exposure, and how many at that moment are not served."""

    day: int
    last: int
    surplus: int


def serve(
    prompts: Sequence[Conversation],
    answers: Mapping[str, Said],
    policies: Mapping[str, str],
    **how: Unpack["_How"],
) -> Iterator[bytes]:
    """Serve an A/B test and yield its event lines in the order of arrival; arguments and errors as `ServedTrial`."""
    yield from ServedTrial(prompts, answers, policies, **how).lines()


class _How(TypedDict, total=False):
    """The words of `ServedTrial`."""

    exposures: Required[int]
    users: Required[int]
    assign: Required[Callable[[str], str]]
    experiment: Required[str]
    seed: Required[int]
    starts_at: Required[datetime]
    base_love_rate: float
    world: TrialWorld | None
    follows: Sequence[Sequence[str]] | None
