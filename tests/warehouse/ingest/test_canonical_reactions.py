"""Rows that were stored under version 1 of the contract get the names that their lines get today."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from streams.upcasters import ALIASES, WHITE_SPACE, canonical_reaction
from warehouse import connection
from warehouse.storage import migrate

SAMPLES = Path(__file__).parents[2] / "streams" / "samples" / "v1"
SQL = "".join(each.sql for each in migrate.migrations() if each.version in (4, 18))


def renamed(names: list[str], version: int = 1) -> list[str]:
    """What the migration makes of the names of stored reactions."""
    with duckdb.connect() as database:
        rows = pa.table({"place": range(len(names)), "reaction": names, "schema_version": [version] * len(names)})
        database.register("rows", rows)
        database.execute("CREATE TABLE reactions AS FROM rows")
        database.execute("CREATE TABLE flags (source VARCHAR, rule VARCHAR, rule_version INTEGER)")
        database.execute(SQL)
        return [row[0] for row in database.execute("SELECT reaction FROM reactions ORDER BY place").fetchall()]


def odd_names() -> list[str]:
    letters = ["a", "Z", "_", "\N{LATIN CAPITAL LETTER E WITH ACUTE}", "\u2764", "\ufe0f", "\N{THUMBS UP SIGN}"]
    signs = [*letters, *WHITE_SPACE]
    pairs = [first + second for first in signs for second in signs]
    dressed = [edit(name) for name in ALIASES for edit in (str, str.upper, lambda name: f" {name}\u3000\n")]
    return [*signs, *pairs, *("a" + pair + "b" for pair in pairs), *dressed]


def test_the_migration_and_the_upcaster_give_the_same_names() -> None:
    posted = [json.loads(line).get("reaction") for line in (SAMPLES / "lines.ndjson").read_bytes().splitlines()]
    names = [*(name for name in posted if name), *odd_names()]
    assert renamed(names) == [canonical_reaction(name) for name in names]
    assert renamed(renamed(names)) == renamed(names)


def test_rows_of_other_versions_keep_their_names() -> None:
    assert renamed(["Love", "heart"], version=2) == ["Love", "heart"]


@pytest.mark.slow
def test_an_old_warehouse_counts_the_hearts_that_it_had_stored(feed: Any, product: Any, targets: Any) -> None:
    loves = [product.reacted(f"r{n}", at=product.noon + timedelta(minutes=n)) for n in range(20)]
    feed.pour(*(product.served(f"r{n}", at=product.noon) for n in range(20)), *loves)
    old = connection.open(targets.new("old"))
    with old.connect(create=True) as writer:
        writer.execute(migrate.migrations()[0].sql)
        writer.execute("INSERT INTO schema_migrations VALUES (1, '001_tables', now())")
        for table in ("responses", "reactions"):
            with feed.warehouse.read() as reader:
                rows = reader.execute(f"SELECT * FROM {table}").to_arrow_table()
            writer.register("rows", rows)
            writer.execute(f"INSERT INTO {table} SELECT * FROM rows")
            writer.unregister("rows")
        writer.execute("UPDATE reactions SET reaction = ' Hearts', schema_version = 1")
    old.migrate()
    asked = "SELECT DISTINCT reaction FROM reactions", "SELECT rule, rule_version, user_id, score, evidence FROM flags"
    with old.read() as reader, feed.warehouse.read() as other:
        assert reader.execute(asked[0]).fetchall() == [("love",)]
        assert reader.execute(asked[1]).fetchall() == other.execute(asked[1]).fetchall() != []
    assert old.migrate() == []


@pytest.mark.slow
def test_flags_of_another_version_of_a_rule_are_made_anew(feed: Any, product: Any) -> None:
    feed.pour(*product.day())
    flags = feed.ask("SELECT * FROM flags ORDER BY ALL")
    assert flags
    with feed.warehouse.transaction() as writer:
        writer.execute("UPDATE flags SET rule_version = 0, score = 99")
    feed.warehouse.migrate()
    assert feed.ask("SELECT * FROM flags ORDER BY ALL") == flags


@pytest.mark.slow
def test_judging_the_log_anew_month_by_month_changes_no_flag(feed: Any, product: Any) -> None:
    ends: list[datetime] = [datetime(2026, month, 1, tzinfo=product.noon.tzinfo) for month in (2, 3)]
    lines = [product.served(f"r{n}", at=end - timedelta(seconds=1)) for n, end in enumerate(ends)]
    lines += [product.reacted(f"r{n}", at=end + timedelta(seconds=1), dwell_ms=10) for n, end in enumerate(ends)]
    feed.pour(*product.day(), *lines)
    flags = feed.ask("SELECT * FROM flags ORDER BY ALL")
    with feed.warehouse.transaction() as writer:
        from warehouse.adversary import online

        online.flag_all(writer)
    assert feed.ask("SELECT * FROM flags ORDER BY ALL") == flags
