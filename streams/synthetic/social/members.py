"""What the truth about users says of their place in society."""

from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streams.synthetic.social.society import Society

MOODS: Final = ("neutral", "enthusiast", "disenchanted")
LEAVING: Final = ("staying", "leaving", "left")


def members(society: Society, users: int) -> dict[str, pa.Array]:
    """Columns about the people of a world as they are now, in the order of their numbers.

    `community` and `second_community` on the two layers, `opinion` (+1 or -1, of the majority vote), `mood`, `leaving`.

    Args:
        society: Of the people, who come first.
        users: Rows; those beyond the people are attackers' accounts, which have no place in society: null.
    """
    moods, leaving = np.array(MOODS)[society.mood], np.array(LEAVING)[society.leaving]
    columns: dict[str, NDArray[Any]] = {
        "community": society.network.first.community,
        "second_community": society.network.second.community,
        "opinion": society.opinion,
        "mood": moods,
        "leaving": leaving,
    }
    strangers = users - len(society.opinion)
    return {name: pa.array(column.tolist() + [None] * strangers) for name, column in columns.items()}
