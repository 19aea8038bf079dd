"""Society: what friends do to each other from day to day, and what that does to hearts and visits.

Once a day, after everybody has been seen:

1. Whose day ended well may turn enthusiast, whose day ended badly may turn disenchanted; both spread on the first layer
   and exclude each other (`contagion.spread_opinions`).
2. Leaving spreads on the second layer, hastened by disenchantment and slowed by enthusiasm
   (`contagion.spread_leaving`).
3. Tastes follow the majority of friends (`majority.step`); enthusiasts vote for hearts and the disenchanted against,
   as long as they are.
4. Brigades form and end (`brigades`).

The next day the odds of love are multiplied by `taste`, the weight with which somebody comes by `leaves`.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.synthetic.social import contagion, majority
from streams.synthetic.social.brigades import NO_TOPIC, Brigades, topics
from streams.synthetic.social.config import SocialConfig
from streams.synthetic.social.contagion import ANTI, PRO, Leaving, Opinion
from streams.synthetic.social.multiplex import Multiplex, draw_multiplex

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

HERDING: Final = 0.8
"""Log-odds of love that an opinion of +1 adds and one of -1 takes."""
MOODS: Final = 1.0
"""Log-odds that enthusiasm adds and disenchantment takes."""
SPARKS: Final = 0.3
"""Rate at which a day that ended well (badly) makes an enthusiast (a disenchanted user)."""
USUAL_FRIENDS: Final = 12
"""Friends for whom the rates of passing on hold; with more friends each counts less."""
PASSES: Final = 0.06
"""Rate a day at which one friend passes either on."""
FORGETS: Final = 0.4
"""Rate a day at which either wears off."""
GIVES_UP: Final = 0.003
"""Rate at which a day that ended badly makes somebody begin to leave."""
LEAVES: Final = Leaving(catch=0.02, go=0.2, slows=0.4, hastens=2.5, win_back=0.05)
COMES: Final = np.array([1.0, 0.5, 0.02])
"""Factor on the weight of coming: staying, leaving, left."""
JOINS: Final = 0.7
"""Chance to join the brigade of the friend that one hears on a day, when of the same opinion."""
WARM_UP: Final = 30
"""Rounds of votes before the first day."""


class Society:
    """The influence of people on each other.

    Attributes:
        network: Who is friends with whom; `network.first.community` is int64[users].
        opinion: int8[users], +1 or -1, of the majority vote; `mood`: int8[users], NEUTRAL, PRO or ANTI of the
            competing contagions; `leaving`: int8[users], STAYING, LEAVING or LEFT.
        taste: float64[users], factor on the odds of love.
        leaves: float64[users], factor on the weight with which somebody comes.
        brigades: Who goes for or against what.
    """

    def __init__(self, config: SocialConfig, users: int, rng: np.random.Generator) -> None:
        self._config = config
        drawing, self._moods, self._votes, self._calls = rng.spawn(4)
        self.network: Multiplex = draw_multiplex(
            drawing,
            users,
            communities=min(users, max(2, round(users / config.community_size))),
            friends=config.friends,
            homophily=config.homophily,
            correlation=config.correlation,
        )
        self._vote = majority.Vote(config.noise, config.preference)
        sides = (drawing.integers(0, 2, size=users) * 2 - 1).astype(np.int8)
        self.opinion = sides[self.network.first.community]
        self.opinion = majority.run(self.opinion, self.network, self._vote, drawing, WARM_UP)
        self.mood = np.zeros(users, np.int8)
        self.leaving = np.zeros(users, np.int8)
        self.brigades = Brigades(users)
        self.taste, self.leaves = self._felt()

    @property
    def brigade(self) -> Bools:
        """Who is in a brigade, bool[users]."""
        return np.asarray(self.brigades.side != 0)

    def step(self, day: int, came: Ints, pleased: Bools) -> None:
        """Let friends influence each other after a day, in the order that the module's note gives.

        Args:
            day: Its number.
            came: int64[m], who came, each once.
            pleased: bool[m], whether their day ended well.
        """
        well, badly = np.zeros((2, len(self.mood)))
        well[came], badly[came] = pleased, ~pleased
        self._spread_moods(well, badly)
        self._spread_leaving(badly)
        self._vote_on_taste()
        self._gather(day)
        self.taste, self.leaves = self._felt()

    def asks(self, user: Ints) -> Ints:
        """The slot with which each of these users opens a conversation, int64[m]; -1 for any."""
        return self.brigades.asks(user, self._calls)

    def rally(self, p_love: Floats, user: Ints, slot: Ints) -> Floats:
        """The chances of a heart once brigades have their way, float64[m].

        Args:
            p_love: float64[m], chances without them.
            user: int64[m], who is shown the response.
            slot: int64[m], number of the slot that the user asked for; -1 for none.
        """
        return self.brigades.rally(p_love, user, np.where(slot >= 0, topics()[slot], NO_TOPIC))

    def _spread_moods(self, well: Floats, badly: Floats) -> None:
        passes = self._per_friend(PASSES)
        rates, sparks = Opinion(passes, passes, FORGETS), {"pro_spark": SPARKS * well, "anti_spark": SPARKS * badly}
        self.mood = contagion.spread_opinions(self.mood, self.network.first, rates, self._moods, **sparks)

    def _spread_leaving(self, badly: Floats) -> None:
        rates, spark = LEAVES._replace(catch=self._per_friend(LEAVES.catch)), self._config.influence * GIVES_UP * badly
        layer = self.network.second
        self.leaving = contagion.spread_leaving(self.leaving, self.mood, layer, rates, self._moods, spark=spark)

    def _vote_on_taste(self) -> None:
        voted = majority.step(self.opinion, self.network, self._vote, self._votes)
        self.opinion = np.select([self.mood == PRO, self.mood == ANTI], [1, -1], voted).astype(np.int8)

    def _gather(self, day: int) -> None:
        calls, joins = self._config.influence * self._config.brigades, min(1.0, self._config.influence * JOINS)
        self.brigades.step(day, self.opinion, self.network.first, self._calls, calls=calls, joins=joins)

    def _per_friend(self, rate: float) -> float:
        return self._config.influence * rate * USUAL_FRIENDS / self._config.friends

    def _felt(self) -> tuple[Floats, Floats]:
        """`taste` and `leaves`, from the states; where as many are for as are against, the mean taste is 1."""
        mood = (self.mood == PRO) * 1.0 - (self.mood == ANTI)
        herding, moods = self._config.influence * HERDING, self._config.influence * MOODS
        balanced = np.cosh(herding) * (1 + np.abs(mood).mean() * (np.cosh(moods) - 1))
        return np.exp(herding * self.opinion + moods * mood) / balanced, COMES[self.leaving]
