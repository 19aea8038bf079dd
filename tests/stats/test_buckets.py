import hashlib

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import kstest

from stats.buckets import BUCKETS, bucket, bucket_sql, buckets, ends, quoted


def test_a_bucket_is_the_first_52_bits_of_the_sha256_of_prefix_and_name() -> None:
    digest = hashlib.sha256("2026:warmer:zoë".encode()).hexdigest()
    assert bucket("2026:warmer:", "zoë") == int(digest[:13], 16) == 2165355926468395


def test_many_names_fall_where_each_alone_does() -> None:
    names = ["ada", "", "zoë", "愛", "👩‍👩‍👧", "e\u0301", "a\0b", "x" * 10_000]
    assert buckets("s:", names).tolist() == [bucket("s:", name) for name in names]
    assert buckets("s:", np.array(["ada", "bob"])).tolist() == [bucket("s:", "ada"), bucket("s:", "bob")]
    assert buckets("s:", []).shape == (0,)


def test_buckets_are_uniform_and_another_prefix_deals_anew() -> None:
    names = [str(number) for number in range(20_000)]
    one, other = buckets("a:", names) / BUCKETS, buckets("b:", names) / BUCKETS
    assert kstest(one, "uniform").pvalue > 0.001
    assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(20_000)


def test_an_accent_composed_and_combining_are_two_names() -> None:
    assert bucket("s:", "\u00e9") != bucket("s:", "e\u0301")


def test_sql_takes_any_expression_as_its_column() -> None:
    with duckdb.connect() as connection:
        connection.register("users", pa.table({"name": ["ada", None]}))
        expression = bucket_sql("s:", "CASE WHEN name = 'ada' THEN 'b' || 'ob' END")
        assert connection.execute(f"SELECT {expression} FROM users").fetchall() == [(bucket("s:", "bob"),), (None,)]


@pytest.mark.parametrize("name", [None, 7, "\ud800"])
def test_what_is_no_text_is_dealt_nowhere(name: object) -> None:
    with pytest.raises(ValueError, match="must be text that UTF-8 can hold"):
        bucket("s:", name)
    with pytest.raises(ValueError, match="must be text that UTF-8 can hold"):
        buckets("s:", ["ada", name])


def test_the_last_share_ends_with_the_range_whatever_the_rounding() -> None:
    assert list(ends({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}).values())[-1] == BUCKETS
    assert list(ends({"a": 0.3333333, "b": 0.3333333, "c": 0.3333333}).values())[-1] == BUCKETS


def test_a_nul_cannot_be_written_in_sql() -> None:
    with pytest.raises(ValueError, match="holds a NUL"):
        quoted("a\0b")
