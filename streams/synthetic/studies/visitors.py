"""Who takes part in a simulated A/B test: people with lasting tastes, and how often they come."""

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from streams.synthetic.language import text
from streams.synthetic.language.talk import draw_talk, draw_turns
from streams.synthetic.people.population import ACTIVITY_SIGMA, People, draw_people
from streams.synthetic.studies.answers import GROUPS
from streams.synthetic.studies.chance import keyed, normal
from streams.synthetic.studies.trial_world import TrialWorld
from streams.synthetic.truth import formulas
from streams.synthetic.truth.formulas import MOOD, TASTE_SIGMA

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

KIND_SIGMA: Final = 0.8
"""Standard deviation over users of the ln of how often they bring up a kind of request; an assumption."""
LASTING_MOOD, MOOD_OF_THE_DAY = 0.5, 0.5
"""Standard deviation of the logit of being happy over users, and over a user's days; assumptions."""
_NODES: Final = 100


class Visitors(NamedTuple):
    """People of a test.

    Attributes:
        people: They; taste and activity have the world's spreads.
        kinds: float64[n, GROUPS], how much each likes each kind of request.
        cheer: float64[n], logits that a user's nature adds to being happy.
        key: Of their chance.
    """

    people: People
    kinds: Floats
    cheer: Floats
    key: int

    def odds(self, user: Ints, day: int) -> Floats:
        """Factor on the chance of another and of a happy mood, for these users' conversations of a day, [n, 2]."""
        moody = MOOD_OF_THE_DAY * normal(keyed(self.key, user, day), 12)
        happy = expit(logit(text.HAPPY) + self.cheer[user] + moody)
        return np.column_stack([(1 - happy) / (1 - text.HAPPY), happy / text.HAPPY])


def draw_visitors(rng: np.random.Generator, users: int, world: TrialWorld, key: int, base_love_rate: float) -> Visitors:
    """Draw people.

    Tastes are scaled so that these people, as often as they come, love the incumbent's responses at the base rate in
    expectation: `mean over users, weighted by activity, of P(love | taste) = base_love_rate`, on the incumbent's log
    of the grammar. With heavy tails, a few people's tastes would else decide about the rate.

    Args:
        rng: Of the people; all else hangs on `key`.
        users: How many.
        world: Its spreads and days.
        key: Of their chance.
        base_love_rate: Loves per response of the incumbent.
    """
    people = draw_people(rng, users, days=world.days)
    activity = people.activity ** (world.activity_sigma / ACTIVITY_SIGMA)
    taste = people.taste ** (world.taste_sigma / TASTE_SIGMA)
    taste = taste * np.exp(_shift(np.log(taste), activity, base_love_rate))
    mine = np.arange(users)
    kinds = np.column_stack([normal(keyed(key, mine, kind), 10) for kind in range(GROUPS)])
    cheer = LASTING_MOOD * normal(keyed(key, mine), 11)
    return Visitors(people._replace(activity=activity, taste=taste), np.exp(KIND_SIGMA * kinds), cheer, key)


def _shift(taste: Floats, weight: Floats, rate: float) -> float:
    """What to add to ln taste (float64[n]) so that the weighted mean of P(love) is the rate.

    Solved by `shift <- shift + ln(rate / mean(shift))` as `formulas.base_logit` is, over `_NODES` weighted quantiles.
    """
    order = np.argsort(taste)
    reached = np.cumsum(weight[order]) / weight.sum()
    middles = (np.arange(_NODES) + 0.5) / _NODES
    nodes = taste[order][np.minimum(np.searchsorted(reached, middles), len(taste) - 1)]
    eta, fluent, happy = _incumbent_log()
    eta, shift = formulas.base_logit(rate) + eta + MOOD * happy, 0.0
    for _ in range(200):
        step = float(np.log(rate / np.mean(fluent[:, None] * expit(eta[:, None] + nodes + shift))))
        shift += step
        if abs(step) < 1e-6:
            break
    return shift


@lru_cache(maxsize=1)
def _incumbent_log() -> tuple[Floats, Floats, Floats]:
    """What 1,000 conversations of the incumbent add to the logit of love, whether each turn is fluent, and happy."""
    rng = np.random.default_rng(20_260_102)
    talk = draw_talk(rng, draw_turns(rng, 1_000))
    readings = formulas.read(talk.conversations, talk.responses)
    return formulas.love_logit(readings), readings.fluent.astype(np.float64), talk.happy.astype(np.float64)
