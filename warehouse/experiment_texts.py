"""What an experiment's arms answered: text is read nowhere else of an experiment."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from warehouse import connection

if TYPE_CHECKING:
    import pyarrow as pa

    from warehouse.connection import Target


def count(target: Target, name: str) -> int:
    """How many responses an experiment has served.

    Raises:
        WarehouseError: As `Warehouse.read`.
    """
    with connection.open(target).read() as reader:
        found = reader.execute("SELECT count(*) FROM exposures WHERE experiment = ?", [name]).fetchone()
    return int(found[0]) if found else 0


def unread(target: Target, name: str, known: pa.Table, *, most: int) -> pa.Table:
    """Some responses of an experiment that are not known yet.

    Args:
        target: The warehouse.
        name: The experiment.
        known: Its column `response_id` names those that are left out.
        most: Rows at most.

    Returns:
        Sorted: response_id, user_id, conversation (JSON), response.

    Raises:
        WarehouseError: As `Warehouse.read`.
    """
    with connection.open(target).read() as reader:
        reader.register("known", known)
        return reader.execute(
            """SELECT response_id, user_id, conversation, response FROM exposures
            ANTI JOIN known USING (response_id)
            WHERE experiment = $name ORDER BY response_id LIMIT $most""",
            {"name": name, "most": most},
        ).to_arrow_table()


def users(target: Target, name: str) -> pa.Table:
    """Whose each response of an experiment is: response_id, user_id.

    Raises:
        WarehouseError: As `Warehouse.read`.
    """
    with connection.open(target).read() as reader:
        return reader.execute(
            "SELECT response_id, user_id FROM exposures WHERE experiment = ? ORDER BY response_id", [name]
        ).to_arrow_table()


class ArmTexts(NamedTuple):
    """Responses of one arm, in the order in which they were served.

    Attributes:
        users: Who was answered.
        conversations: JSON, up to the user's last message.
        responses: What was answered.
    """

    users: list[str]
    conversations: list[str]
    responses: list[str]


def arm_texts(target: Target, name: str, *, most: int = 20_000, as_of: datetime | None = None) -> dict[str, ArmTexts]:
    """The texts of every arm, of whole users: without those in quarantine and those who saw several arms.

    Args:
        target: The warehouse.
        name: The experiment.
        most: Responses of an arm, about: of larger arms a share of the users is read, the same at every reading.
        as_of: The moment up to which is read; now if left out.

    Raises:
        ValueError: The log holds no response of such an experiment.
        WarehouseError: As `Warehouse.read`.
    """
    with connection.open(target).read() as reader:
        rows = reader.execute(_TEXTS, {"name": name, "most": most, "moment": as_of or datetime.now(UTC)}).fetchall()
    if not rows:
        raise ValueError(
            f"the log holds no response of an experiment {name!r} to users who saw one arm alone: `loveloop experiment "
            "list` says which experiments there are"
        )
    arms = sorted({str(row[0]) for row in rows})
    return {arm: ArmTexts(*([row[place] for row in rows if row[0] == arm] for place in (1, 2, 3))) for arm in arms}


# Users are drawn by a hash, in steps of a millionth; which hash it is does not matter, only that it stays the same.
_TEXTS = """
WITH served AS (
    SELECT arm, user_id, conversation, response, served_at, response_id
    FROM responses
    WHERE experiment = $name AND served_at <= CAST($moment AS TIMESTAMPTZ)
    QUALIFY row_number() OVER (PARTITION BY response_id ORDER BY served_at, event_id) = 1
),
clean AS (
    SELECT served.*
    FROM served LEFT JOIN quarantined_users AS held USING (user_id)
    WHERE held.user_id IS NULL OR served.served_at < held.since
    QUALIFY min(arm) OVER (PARTITION BY user_id) = max(arm) OVER (PARTITION BY user_id)
)
SELECT arm, user_id, conversation, response
FROM clean
QUALIFY md5_number_lower(user_id) % 1_000_000 < 1e6 * $most / count(*) OVER (PARTITION BY arm)
ORDER BY arm, served_at, response_id
"""
