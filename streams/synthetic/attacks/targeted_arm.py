"""Targeted arm: accounts that love one arm of an A/B test and ignore the other, so that it wins.

In the wild: a rival, a supplier, or a team inside the house that wants its own candidate shipped. Assignment is by user
and cannot be chosen, so they open accounts, watch for the candidate's manner of speaking, and love nearly everything
once they believe that they are in its arm. Accounts in the other arm are wasted. Target: the treatment's habits. How it
differs from people: nothing in one arm; far too many loves in the other, once the arm is noticed.
"""

from typing import Final, NamedTuple

import numpy as np

from streams.synthetic.attacks.acting import Playback, Visits, hours_of, own_devices
from streams.synthetic.attacks.base import Attack, Scene
from streams.synthetic.attacks.speech import Exchanges
from streams.synthetic.config import Experiment, WorldConfig
from streams.synthetic.language import text
from streams.synthetic.language.talk import TURNS, draw_talk, draw_turns
from streams.synthetic.language.text import Habits
from streams.synthetic.people.day import Bools, Day, Floats, Ints
from streams.synthetic.people.population import People, arms_of, draw_people, joined
from streams.synthetic.shares import Name

MANNERS: Final = {"warm": "warm", "flatters": "flatters", "emoji": "emoji", "asks_back": "asks_back"}
"""Habits that an attentive user can see in a response, and the reading that shows each."""


class TargetedArmDials(NamedTuple):
    """Sizes of the attack.

    Attributes:
        loves: Loves of one account in the treatment arm, about.
        love_share: Share of responses that it loves once it has noticed; `before`: otherwise.
        odds: How sure an account is that it is in the treatment arm before it begins.
        patience: Responses that it spends on finding out, at most, in the plan.
        office: Share of accounts that come in through one network, the others have one each.
        spare: How many more visits are planned than the budget needs.
    """

    loves: int = 12
    love_share: float = 0.93
    before: float = 0.01
    odds: float = 8.0
    patience: int = 60
    office: float = 0.3
    spare: float = 1.15


class TargetedArm(Attack):
    """Accounts are opened until enough of them are in the treatment arm."""

    name: Name = "targeted_arm"

    def __init__(self, scene: Scene, dials: TargetedArmDials | None = None) -> None:
        self._dials, self._scene = dials or TargetedArmDials(), scene
        test = _experiment(scene.config)
        self._manners, self._if_shown, self._if_not = _evidence(test)
        shown = " and ".join(self._manners)
        self.target = f"responses of the treatment arm of {test.name}, known by how often they are {shown}"
        self.accounts, self._treated = self._open(test.name)
        self._stage = Playback(scene, self.accounts)
        self._odds = np.zeros(len(self.accounts.ids))
        self._given = 0
        self._visits = self._plan(test)

    def during(self, honest: Day) -> Day | None:
        """Use the product, weigh what is seen, and love it where it is believed to be the treatment's."""
        visits = self._visits.during(honest)
        if not len(visits.user):
            return None
        day = self._stage.play(visits, honest)
        chance = self._scene.rng.random(len(day.user))
        wanted = chance < np.where(self._notices(day), self._dials.love_share, self._dials.before)
        love = wanted & day.readings.fluent
        love &= self._given + np.cumsum(love) <= self._scene.loves
        self._given += int(love.sum())
        return self._stage.loves(day, love)

    def _notices(self, day: Day) -> Bools:
        """Whether the account believes that it is treated, once it has seen each response, bool[n].

        Its log-odds rise by `ln P(manner | treatment) / P(manner | control)` with every response.
        """
        seen = np.column_stack([getattr(day.readings, MANNERS[name]) for name in self._manners])
        weight = np.where(seen, self._if_shown, self._if_not).sum(axis=1)
        believes = np.zeros(len(day.user), bool)
        account = day.user - self._scene.first_user
        for place in np.argsort(day.at, kind="stable").tolist():
            self._odds[account[place]] += weight[place]
            believes[place] = self._odds[account[place]] > np.log(self._dials.odds)
        return believes

    def _open(self, experiment: str) -> tuple[People, Ints]:
        """Open accounts until the treatment arm holds enough of them."""
        rng, scene, dials = self._scene.rng, self._scene, self._dials
        needed = max(1, round(scene.loves / dials.loves))
        people, arm = draw_people(rng, 0), np.zeros(0, np.int64)
        while arm.sum() < needed:
            more = draw_people(rng, 2 * needed)
            people = joined([people, more])
            arm = np.concatenate([arm, arms_of(experiment, more.ids)])
        count = int(np.searchsorted(np.cumsum(arm), needed)) + 1
        people = People(*(column[:count] for column in people))  # type: ignore[arg-type]
        people = people._replace(tenure_days=rng.uniform(1, 60, size=count))
        at_office = rng.random(count) < dials.office
        return own_devices(
            scene, people, scene.first_number + np.where(at_office, 0, 1 + np.arange(count))
        ), np.flatnonzero(arm[:count])

    def _plan(self, test: Experiment) -> Visits:
        rng, scene, dials, count = self._scene.rng, self._scene, self._dials, len(self.accounts.ids)
        shown = np.array([getattr(test.treatment, name) for name in self._manners])
        gain = float(shown @ self._if_shown + (1 - shown) @ self._if_not)
        search = min(dials.patience, np.log(dials.odds) / gain)
        rows = (scene.loves / len(self._treated) / dials.love_share + search) * dials.spare
        each = int(np.ceil(rows / sum(share * (place + 1) for place, share in enumerate(TURNS))))
        who = np.repeat(np.arange(count), each)
        days = (rng.random(len(who)) * scene.config.days).astype(np.int64)
        return Visits.plan(
            scene.first_user + who,
            hours_of(rng, scene, days, self.accounts.peak[who]),
            turns=draw_turns(rng, len(who)),
            device=self.accounts.devices[who, 0],
            network=self.accounts.networks[who, 0],
        )


def _experiment(config: WorldConfig) -> Experiment:
    if config.experiment is None:
        raise ValueError("targeted_arm needs an A/B test, the world has none: give it an experiment")
    return config.experiment


def _evidence(test: Experiment) -> tuple[list[str], Floats, Floats]:
    """What tells the arms apart: manners, and the log-likelihood ratio of a response that shows each, and of none.

    Raises:
        ValueError: No visible habit differs by a twentieth or more.
    """
    manners = [name for name in MANNERS if abs(getattr(test.treatment, name) - getattr(test.control, name)) >= 0.05]
    if not manners:
        raise ValueError(
            f"the arms of {test.name} look alike, targeted_arm needs one of {', '.join(MANNERS)} to differ by 0.05"
        )
    treated, control = (
        np.clip([getattr(habits, name) for name in manners], 0.005, 0.995) for habits in (test.treatment, test.control)
    )
    return manners, np.log(treated / control), np.log((1 - treated) / (1 - control))


def probe(config: WorldConfig, count: int, rng: np.random.Generator) -> Exchanges:
    """Opening exchanges in the treatment's most telling manner: each response shows it."""
    test = _experiment(config)
    manners, shown, _ = _evidence(test)
    talk = draw_talk(rng, np.ones(count, np.int64))
    habits = Habits(*(test.treatment._replace(**{manners[int(np.argmax(shown))]: 1.0})))
    responses = text.write(rng, talk.slots, text.draw_traits(rng, talk.kinds, talk.happy, habits))
    return Exchanges(talk.conversations, responses)
