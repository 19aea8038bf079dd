"""What is stored of a batch's ids, wherever copies lie: each look and each range must tell truly."""

import random
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from streams.events import new_event_id
from warehouse.ingest import dedup


@pytest.mark.parametrize("stored_share", [0.0, 0.05, 0.5, 1.0])
@pytest.mark.parametrize("spread", [1.0, 500.0, 1e6])
def test_every_copy_is_found_among_old_young_and_straggling_ids(spread: float, stored_share: float) -> None:
    chance = random.Random(f"{spread} {stored_share}")
    begin = datetime(2015, 1, 1, tzinfo=UTC)
    connection = duckdb.connect()
    connection.execute("CREATE TABLE responses (event_id UUID, content_hash UBIGINT)")
    stored: dict[str, int] = {}
    for _ in range(12):
        moments = [begin + timedelta(minutes=chance.expovariate(1 / spread)) for _ in range(chance.randrange(1, 200))]
        new = [new_event_id(at, chance.getrandbits(74)) for at in moments]
        batch = new + chance.sample([*stored], int(stored_share * len(stored)))
        chance.shuffle(batch)
        ids = pa.chunked_array([pa.array(batch)])
        found = dedup._known(connection, "responses", ids, np.sort(dedup._as_bytes(ids)))
        assert dict(zip(*found.to_pydict().values(), strict=True)) == {
            each: stored[each] for each in batch if each in stored
        }
        hashes = {each: chance.getrandbits(64) for each in new}
        connection.register("rows", pa.table({"id": [*hashes], "hash": pa.array(hashes.values(), pa.uint64())}))
        connection.execute("INSERT INTO responses SELECT CAST(id AS UUID), hash FROM rows")
        stored |= hashes
        begin += timedelta(minutes=chance.choice([0, 1, 1_000]))


def test_a_batch_of_new_events_joins_nothing() -> None:
    """Younger than all that is stored: one look, which reads no row, ends it."""
    connection = duckdb.connect()
    connection.execute("CREATE TABLE responses (event_id UUID, content_hash UBIGINT)")
    old, new = (
        np.array([new_event_id(datetime(year, 1, 1, tzinfo=UTC), n) for n in range(50)], "S36") for year in (2020, 2021)
    )
    connection.execute("INSERT INTO responses SELECT unnest($1)::UUID, 1", [[each.decode() for each in old.tolist()]])
    assert dedup._doubtful(connection, "responses", np.sort(new)) == 0
    assert dedup._doubtful(connection, "responses", np.sort(np.r_[old[:3], new])) == 5
    assert dedup._doubtful(connection, "responses", np.sort(old)) == 50


def test_gaps_that_hold_few_rows_make_no_ranges_of_their_own() -> None:
    connection = duckdb.connect()
    connection.execute("CREATE TABLE few AS SELECT 1 AS event_id FROM range(1000)")
    connection.execute("CREATE TABLE many AS SELECT 1 AS event_id FROM range(5000000)")
    days = [datetime(2020, 1, 1 + day, tzinfo=UTC) for day in range(0, 30, 3)]
    ids = np.sort(np.array([new_event_id(day, 1) for day in days], "S36"))
    assert len(dedup._worthwhile(connection, "few", ids)) == 1
    assert len(dedup._worthwhile(connection, "many", ids)) == 8
