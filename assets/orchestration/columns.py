"""The columns of what a stage leaves behind, read from the thing itself, with what each means."""

from typing import Any

import dagster as dg

from assets.run import Run

_MEANT = {
    "event_id": "UUIDv7 of the event; the same id twice is one event",
    "response_id": "the response that was served; reactions name it",
    "user_id": "pseudonym of the user",
    "served_at": "when the response was shown, UTC",
    "reacted_at": "when the user reacted, UTC",
    "conversation": "messages before the response, as JSON",
    "response": "the text that was shown",
    "policy": "which model gave it",
    "reaction": "love, like or dislike",
    "action": "added or removed",
    "experiment": "the A/B test it was served in, if any",
    "arm": "the arm of that test",
    "love": "whether it counts as loved (credit above 0)",
    "like": "whether it was liked",
    "dislike": "whether it was disliked",
    "trust": "how far the user's feedback counts, 0 to 1",
    "credit": "how much of a love this turn is given, 0 to 1",
    "credit_rule": "how loves were credited over the turns of a conversation",
}
_TABLES = {"ingest": {"": "responses", "reactions": "reactions"}, "clean_feedback": {"": "clean_feedback"}}


def schemas(run: Run, stage: str) -> dict[str, dg.TableSchema]:
    """Column schemas by metadata key: `dagster/column_schema`, and `columns of TABLE` for a second table."""
    if stage == "training_set":
        return {"dagster/column_schema": _of_parquet(run)}
    return {
        f"columns of {name}" if name else "dagster/column_schema": _of_table(run, table)
        for name, table in _TABLES.get(stage, {}).items()
    }


def _of_parquet(run: Run) -> dg.TableSchema:
    import pyarrow.parquet as pq

    from assets.stages import feedback
    from warehouse.training_set import EXAMPLES

    fields = pq.read_schema(feedback.training_set_directory(run) / EXAMPLES)
    return _schema([(field.name, str(field.type)) for field in fields])


def _of_table(run: Run, table: str) -> dg.TableSchema:
    from warehouse import connection

    with connection.open(run.warehouse).read() as reader:
        rows = reader.execute(f"DESCRIBE {table}").fetchall()
    return _schema([(name, kind) for name, kind, *_ in rows])


def _schema(columns: list[tuple[Any, Any]]) -> dg.TableSchema:
    return dg.TableSchema([dg.TableColumn(name, kind, description=_MEANT.get(name)) for name, kind in columns])
