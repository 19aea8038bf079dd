"""The last response of each user-day: what a user takes along is how the day ended (the peak-end rule, Kahneman, 1993).

Which of a day's responses decides about coming again is not known on any product. The last one is an assumption that
costs little where it is wrong: a day's responses are alike, so that the others speak through it, more weakly.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from training.retention.returns import Ints, UserDays
from training.reward.split import uniform
from training.text import Conversation, parse

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class LastResponses:
    """One for each of n user-days.

    Attributes:
        conversations: Up to the user's last message.
        texts: The responses.
        times: int64[n], microseconds since 1970, UTC.
    """

    conversations: list[Conversation]
    texts: list[str]
    times: Ints


def last_responses(days: UserDays, shown: "pa.Table") -> LastResponses:
    """Those of these user-days.

    Args:
        days: The rows.
        shown: As `warehouse.retention.responses` gives it, for the same people at the same moment or later.

    Raises:
        ValueError: A user-day has no response.
    """
    import pyarrow as pa

    dates = shown["day"].cast(pa.int32()).to_pylist()
    places = {key: place for place, key in enumerate(zip(shown["user_id"].to_pylist(), dates, strict=True))}
    try:
        rows = [places[key] for key in zip(days.user_ids.tolist(), days.days.tolist(), strict=True)]
    except KeyError as error:
        user, day = error.args[0]
        raise ValueError(
            f"user {user} has a day ({np.datetime64(day, 'D')}) without a response: read days and responses of the "
            "same warehouse at the same moment"
        ) from None
    chosen = shown.take(rows)
    times = chosen["served_at"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
    return LastResponses([*parse(chosen["conversation"].to_pylist())], chosen["response"].to_pylist(), times)


def sampled(days: UserDays, most: int, seed: int) -> UserDays:
    """At most about so many rows, of whole users, who are chosen by a salted hash of their names."""
    share = most / max(1, len(days))
    if share >= 1:
        return days
    names, owner = np.unique(days.user_ids, return_inverse=True)
    kept = np.array([uniform(name, f"{seed}/retention") < share for name in names.tolist()])
    return days.take(kept[owner])
