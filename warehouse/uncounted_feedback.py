"""What is stored and counts for nothing: names that no figure knows, reactions by others, ids that are taken.

Nothing of it is an error by itself, and all of it is a sign that figures say less than the product knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from warehouse import connection
from warehouse.storage.sql_files import query

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from warehouse.connection import Target


def count(reader: DuckDBPyConnection) -> dict[str, Any]:
    """How much of it there is.

    Returns:
        `reactions_by_name` (what was added, most frequent first); `not_shown` (additions by another user than the one
        who was shown the response) and `not_shown_loves`; `ids_taken` (responses that bear the id of another one) and
        `ids_taken_reactions` (what their users added to them); `mended` (events that lost a field that no JSON can
        hold).
    """
    found: dict[str, Any] = reader.execute(query(__file__, "uncounted_feedback")).to_arrow_table().to_pylist()[0]
    names = reader.execute(
        "SELECT reaction, count(*) AS n FROM reactions WHERE action = 'added' GROUP BY ALL ORDER BY n DESC, reaction"
    ).fetchall()
    return found | {"reactions_by_name": dict(names)}


def taken_ids(target: Target, topics: Sequence[str]) -> int:
    """Responses of some topics that bear the id of another one."""
    with connection.open(target).read() as reader:
        found = reader.execute(
            "SELECT count(*) FROM responses_of_taken_id WHERE list_contains(CAST(? AS VARCHAR[]), kafka_topic)",
            [list(topics)],
        ).fetchone()
    return int(found[0]) if found else 0


def taken_ids_warning(responses: int, reactions: int = 0) -> str | None:
    """One line when responses bear the id of another one; None when all is well.

    >>> taken_ids_warning(3, 2)[:99]
    '3 responses bear the id of another one, of another user or conversation, and count for nothing, nor'
    """
    if not responses:
        return None
    lost = f", nor do {reactions:,} reactions to them" if reactions else ""
    return (
        f"{responses:,} responses bear the id of another one, of another user or conversation, and count for nothing"
        f"{lost}: a response_id names one response for good. Where ids are unique within a conversation or user only, "
        "make one of both, in responses and reactions alike: in what the product posts, or at import by "
        "--map response_id=conversation_id+message_id"
    )


def seen_instead(reader: DuckDBPyConnection, examples: pa.Table) -> str:
    """What examples without a positive earned instead, what else is stored, and the way out of each."""
    likes, dislikes = (examples.filter(examples[name]).num_rows for name in ("like", "dislike"))
    found, ways = count(reader), ["ingest reactions, or widen the window"]
    others = {name: n for name, n in found["reactions_by_name"].items() if name not in ("love", "like", "dislike")}
    if likes:
        ways.append(
            "where likes are all that people can give, learn from them: --positive like (in a recipe: "
            'positive = "like" under [training_set]); helpfulness from reactions learns from thumbs in any case'
        )
    if others:
        told = ", ".join(f"{n:,} x {name}" for name, n in list(others.items())[:5])
        told += f" and {len(others) - 5:,} others" if len(others) > 5 else ""
        ways.append(f"names that no figure counts ({told}): say at import what they mean, --map-reaction NAME=love")
    if found["not_shown_loves"]:
        loves = found["not_shown_loves"]
        ways.append(f"{loves:,} loves are by others than the user who was shown the response: post that user_id")
    return f"0 loves, {likes:,} likes, {dislikes:,} dislikes); " + "; ".join(ways)
