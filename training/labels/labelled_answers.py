"""Labelled answers and where they came from."""

from typing import Any, NamedTuple


class Labelled(NamedTuple):
    """Examples for a reward model.

    Attributes:
        table: pyarrow Table: conversation (JSON list of messages), response, label (bool), weight (0 to 1), user_id,
            served_at (UTC).
        origin: Where the labels came from, as plain values for cards and lineage; at least `source`, and `words`, one
            sentence for people.
    """

    table: Any
    origin: dict[str, Any]
