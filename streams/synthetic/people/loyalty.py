"""Why people come again, come less, or leave for good: what the last day did to them, and all the days before it.

Two memories, in the units of one good day. `pleased` is how the last day ended, 1 or 0. `stock` is slower:
`stock <- stock + LEARNS (pleased - stock)` after each day on which somebody came. With `content = (1 - SLOW) pleased +
SLOW stock`, the weight among all who may come is `activity COMES_LESS^(stakes (1 - content))`, and after each day
they leave for good with chance `LEAVES exp(stakes HURTS (USUAL - stock))`. Newcomers join meanwhile, so that the
remaining ones are not asked to come ever more often.
"""

from datetime import date
from typing import Final

import numpy as np
import pyarrow as pa

from streams.synthetic.people.day import NEVER, Bools, Floats, Ints
from streams.synthetic.people.population import People

COMES_LESS: Final = 0.3
"""How much rarer somebody comes whom nothing pleased."""
SLOW: Final = 0.3
"""Share of the stock in being content; the last day has the rest."""
LEARNS: Final = 0.3
"""Share of a day in the stock."""
USUAL: Final = 0.54
"""Mean of the stock, and share of the days that end well."""
LEAVES: Final = 0.03
"""Chance to leave for good after a day, with the usual stock."""
HURTS: Final = 2.5
"""Log chances of leaving that one unit of stock is worth, times the stakes."""
GOES_AT_MOST: Final = 0.5


class Staying:
    """What each user remembers, and who is there.

    Attributes:
        pleased: bool[n], how the last day ended.
        stock: float64[n], in [0, 1].
        left: bool[n], for good.
        first_seen: int64[n], number of the first day on which they came, or `NEVER`; `last_seen`: of the last.
        first_satisfaction: float64[n], chance that the first day pleased; `satisfaction`: mean over all days.
    """

    def __init__(self, people: People, stakes: float, rng: np.random.Generator) -> None:
        users = len(people.ids)
        self._people, self._stakes, self._rng = people, stakes, rng
        spread = np.sqrt(USUAL * (1 - USUAL) * LEARNS / (2 - LEARNS))
        self.pleased = np.ones(users, bool)
        self.stock = np.where(people.tenure_days > 0, np.clip(rng.normal(USUAL, spread, size=users), 0, 1), USUAL)
        self._before = self.stock.copy()
        self.left = np.zeros(users, bool)
        self.first_seen, self.last_seen = np.full(users, NEVER, np.int64), np.full(users, NEVER, np.int64)
        self.first_satisfaction, self._sum, self._days = np.zeros(users), np.zeros(users), np.zeros(users, np.int64)
        self._today = np.zeros(users)

    @property
    def satisfaction(self) -> Floats:
        """Mean chance that a day pleased, over the days on which they came; 0 for who never came."""
        return self._sum / np.maximum(self._days, 1)

    def told(self, begins: date, users: int) -> dict[str, pa.Array]:
        """Columns of the truth about users: when they came, whether they left, and how content they were.

        Args:
            begins: The world's first day.
            users: Rows; those beyond the people are null.
        """
        came = self.first_seen != NEVER
        born = (np.datetime64(begins, "D") + np.floor(-self._people.tenure_days).astype(np.int64)).astype(
            "datetime64[D]"
        )
        seen = {"first_seen": self.first_seen, "last_seen": self.last_seen}
        days = {name: pa.array(np.datetime64(begins, "D") + day, mask=~came) for name, day in seen.items()}
        chances = {"first_satisfaction": self.first_satisfaction, "satisfaction": self.satisfaction}
        known = {"joined": pa.array(born), **days, "left": pa.array(self.left)}
        known |= {name: pa.array(chance, mask=~came) for name, chance in chances.items()}
        return {name: _padded(column, users) for name, column in known.items()}

    def weights(self, number: int) -> Floats:
        """How likely each is to come on day `number`, relative to each other; somebody is always there."""
        here = (self._people.tenure_days > -(number + 1)) & ~self.left
        content = (1 - SLOW) * self.pleased + SLOW * self.stock
        weights = self._people.activity * COMES_LESS ** (self._stakes * (1 - content))
        return weights * here if here.any() else weights

    def please(self, users: Ints, pleased: Bools) -> None:
        """Settle how the present day ended for these users, each named once; called again, it overrules itself."""
        self.pleased[users] = pleased
        self.stock[users] = self._before[users] + LEARNS * (pleased - self._before[users])

    def note(self, number: int, users: Ints, chance: Floats) -> None:
        """Keep the chance (float64) with which day `number` pleased these users, each named once; called again, too."""
        again = self.last_seen[users] == number
        self._sum[users] += chance - again * self._today[users]
        self._days[users] += ~again
        self._today[users], self.last_seen[users] = chance, number
        first = users[self._days[users] == 1]
        self.first_seen[first], self.first_satisfaction[first] = number, self._today[first]

    def close(self, came: Ints) -> None:
        """End the present day: some of those who came (int64, each once) leave for good, by how it ended for them."""
        chance = LEAVES * np.exp(self._stakes * HURTS * (USUAL - self.stock[came]))
        self.left[came] |= self._rng.random(len(came)) < np.minimum(chance, GOES_AT_MOST)
        self._before = self.stock.copy()


def _padded(column: pa.Array, length: int) -> pa.Array:
    return pa.concat_arrays([column, pa.nulls(length - len(column), column.type)])
