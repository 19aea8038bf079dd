from collections import Counter
from collections.abc import Callable

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from training.labels.sample import spread

Log = Callable[..., pa.Table]


def days_of(table: pa.Table) -> Counter[str]:
    return Counter(str(each.date()) for each in table["served_at"].to_pylist())


def test_every_day_gives_as_many_and_no_user_speaks_twice_before_all_have_spoken(log: Log) -> None:
    found = spread(log(1_000, users=10, days=4), 40, seed=1)
    assert set(days_of(found).values()) == {10}
    assert max(Counter(found["user_id"].to_pylist()).values()) <= 8
    one_day = spread(log(1_000, users=10, days=1), 10, seed=1)
    assert len({*one_day["user_id"].to_pylist()}) == 10


def test_a_loud_user_and_a_busy_day_do_not_crowd_out_the_others(log: Log) -> None:
    quiet = log(40, users=40, days=2)
    loud = log(2_000, users=1, days=1)
    loud = loud.set_column(loud.column_names.index("response"), "response", pa.array([f"x{n}" for n in range(2_000)]))
    loud = loud.set_column(loud.column_names.index("user_id"), "user_id", pa.array(["loud"] * 2_000))
    found = spread(pa.concat_tables([loud, quiet]), 30, seed=1)
    assert sorted(days_of(found).values()) == [15, 15]
    assert Counter(found["user_id"].to_pylist())["loud"] <= 1


def test_a_short_day_gives_what_it_has(log: Log) -> None:
    rows = pa.concat_tables([log(100, days=1), log(110, days=2).slice(100).filter([n % 2 == 1 for n in range(10)])])
    assert sorted(days_of(spread(rows, 50, seed=1)).values()) == [5, 45]


def test_a_pair_is_taken_once_and_the_order_of_the_table_is_kept(log: Log) -> None:
    rows = log(50)
    found = spread(pa.concat_tables([rows, rows, rows]), 1_000, seed=1)
    assert found.equals(rows)


def test_most_of_a_sample_comes_back_when_the_log_has_grown(log: Log) -> None:
    before, after = log(2_000, days=10), pa.concat_tables([log(2_000, days=10), log(2_400, days=11).slice(2_000)])
    one, other = ({*spread(rows, 300, seed=1)["response"].to_pylist()} for rows in (before, after))
    assert len(one & other) > 200


@settings(max_examples=30, deadline=None)
@given(count=st.integers(1, 80), seed=st.integers(0, 5), order=st.permutations(range(60)))
def test_the_sample_depends_on_the_rows_and_the_seed_alone(count: int, seed: int, order: list[int]) -> None:
    served = pa.array([place * 20_000_000_000 for place in range(60)], pa.timestamp("us", tz="UTC"))
    names = [f"{place}" for place in range(60)]
    users = [f"u{place % 7}" for place in range(60)]
    rows = pa.table({"conversation": names, "response": names, "user_id": users, "served_at": served})
    found, shuffled = spread(rows, count, seed), spread(rows.take(order), count, seed)
    assert found.num_rows == min(count, 60)
    assert {*found["response"].to_pylist()} == {*shuffled["response"].to_pylist()}
