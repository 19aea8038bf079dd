"""A user's own metrics: one number for each user from a file, read beside those of the log."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from experiments.metrics import Metric


class OwnMetrics(NamedTuple):
    """The users' table with a column for each metric, the metrics, and sentences on what the files lacked."""

    users: "pa.Table"
    metrics: "tuple[Metric, ...]"
    told: tuple[str, ...]


def join(users: "pa.Table", files: Mapping[str, Path]) -> OwnMetrics:
    """Add a column for each file: of those users who are not in it, 0.

    A file is CSV, NDJSON or Parquet with a column `user_id` and one of the metric's name, or only one other column. A
    mean per assigned user is read from it; its numbers must be of the time of the test, and 0 or more.

    Raises:
        ValueError: A file that cannot be read, lacks a column, names a user twice, or holds what is no number of 0 or
            more.
    """
    from experiments.metrics import Metric

    metrics, told = [], []
    for name, file in files.items():
        users, missing = _joined(users, name, file)
        metrics.append(Metric(name, name, per=None, title=f"{name} per user"))
        if missing:
            users_are = "1 user of the test has" if missing == 1 else f"{missing:,} users of the test have"
            told.append(f"{users_are} no {name} in {file.name}: taken as 0")
    return OwnMetrics(users, tuple(metrics), tuple(told))


def _joined(users: "pa.Table", name: str, file: Path) -> "tuple[pa.Table, int]":
    import duckdb
    import pyarrow as pa

    if name in users.column_names:
        raise ValueError(f"metric {name!r} is a column of every reading already: give yours another name")
    if not file.is_file():
        raise ValueError(f"--metric {name}={file}: no such file")
    rows = rows_of(file)
    column = _column(name, file, rows.column_names)
    with duckdb.connect() as joiner:
        joiner.register("users", users.append_column("place", pa.array(range(len(users)))))
        joiner.register("own", rows.select(["user_id", column]).rename_columns(["user_id", "own"]))
        twice = joiner.execute("SELECT user_id FROM own GROUP BY user_id HAVING count(*) > 1 LIMIT 1").fetchone()
        if twice:
            raise ValueError(f"{file} names user {twice[0]!r} twice, must have one row for each: sum them up first")
        _refuse_no_numbers(joiner, name, file)
        found = joiner.execute(
            """SELECT coalesce(CAST(own AS DOUBLE), 0) AS own, own IS NULL AS missing
            FROM users LEFT JOIN own ON CAST(own.user_id AS VARCHAR) = users.user_id ORDER BY place"""
        ).to_arrow_table()
    missing = sum(found["missing"].to_pylist())
    return users.append_column(name, found["own"].combine_chunks()), missing


def _refuse_no_numbers(joiner: "duckdb.DuckDBPyConnection", name: str, file: Path) -> None:
    """Refuse what is no finite number of 0 or more, before it is joined: the row's user is told."""
    wrong = joiner.execute(
        """SELECT CAST(user_id AS VARCHAR), CAST(own AS VARCHAR) FROM own
        WHERE own IS NOT NULL AND NOT coalesce(TRY_CAST(own AS DOUBLE) BETWEEN 0 AND 1.7e308, false) LIMIT 1"""
    ).fetchone()
    if wrong:
        raise ValueError(
            f"{file} has {wrong[1]!r} as {name} of user {wrong[0]!r}, must be a number of 0 or more: shift what can be "
            "negative, leave out what is not known"
        )


def rows_of(file: Path) -> "pa.Table":
    """The rows of a CSV, NDJSON or Parquet file, known by its suffix.

    Raises:
        ValueError: It cannot be read as that.
    """
    import duckdb

    with duckdb.connect() as reader:
        try:
            if file.suffix == ".parquet":
                return reader.read_parquet(str(file)).to_arrow_table()
            if file.suffix in (".ndjson", ".jsonl", ".json"):
                return reader.read_json(str(file)).to_arrow_table()
            return reader.read_csv(str(file)).to_arrow_table()
        except duckdb.Error as error:
            raise ValueError(f"{file} cannot be read as {file.suffix or 'CSV'}: {error}") from None


def _column(name: str, file: Path, columns: list[str]) -> str:
    others = [each for each in columns if each != "user_id"]
    if "user_id" not in columns or not (name in others or len(others) == 1):
        raise ValueError(f"{file} has the columns {', '.join(columns)}, must have user_id and {name}")
    return name if name in others else others[0]
