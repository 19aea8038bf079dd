"""What an experiment's arms answered, in parts: text is read nowhere else of an experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
