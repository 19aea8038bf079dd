import duckdb
import pyarrow as pa
import pytest

from experiments.assignment import assign, assignment_sql

HALF = {"control": 0.5, "treatment": 0.5}


def users(count: int) -> list[str]:
    return [f"user-{number}" for number in range(count)]


def arms_of(ids: list[str], arms: dict[str, float], experiment: str = "warmer", salt: str = "2026") -> list[str]:
    return [assign(user, experiment=experiment, arms=arms, salt=salt) for user in ids]


def test_python_and_duckdb_give_every_user_the_same_arm() -> None:
    ids = [*users(5_000), "", "o'brien", "zoë", "愛", "a:b", "x" * 10_000, "new\nline"]
    for arms in (HALF, {"control": 0.9, "it's": 0.1}, {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}):
        expression = assignment_sql("user_id", experiment="it's warm", arms=arms, salt="sel':")
        with duckdb.connect() as connection:
            connection.register("users", pa.table({"user_id": ids}))
            rows = connection.execute(f"SELECT {expression} FROM users").fetchall()
        assert [arm for (arm,) in rows] == arms_of(ids, arms, "it's warm", "sel':")


def test_an_assignment_is_sticky_and_another_experiment_deals_anew() -> None:
    ids = users(2_000)
    assert arms_of(ids, HALF) == arms_of(ids, HALF)
    same = sum(a == b for a, b in zip(arms_of(ids, HALF), arms_of(ids, HALF, experiment="colder"), strict=True))
    assert 900 < same < 1_100


def test_arms_get_their_shares() -> None:
    dealt = arms_of(users(20_000), {"control": 0.9, "treatment": 0.1})
    assert abs(dealt.count("treatment") / 20_000 - 0.1) < 0.008


def test_ramping_up_keeps_everybody_who_was_already_treated() -> None:
    ids = users(5_000)
    small, large = arms_of(ids, {"control": 0.9, "treatment": 0.1}), arms_of(ids, HALF)
    assert {user for user, arm in zip(ids, small, strict=True) if arm == "treatment"} <= {
        user for user, arm in zip(ids, large, strict=True) if arm == "treatment"
    }


@pytest.mark.parametrize("arms", [{}, {"a": 0.5}, {"a": 1.2, "b": -0.2}, {"a": 1.0, "b": 0.0}])
def test_shares_that_do_not_make_a_whole_are_refused(arms: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must each be in \(0, 1\] and sum to 1"):
        assign("ada", experiment="e", arms=arms, salt="s")
