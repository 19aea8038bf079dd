import pickle
from dataclasses import replace

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from scipy.stats import chi2_contingency

from streams.assignment import Layout, assign, assignment_sql, bucket, overlaps

HALF = {"control": 0.5, "treatment": 0.5}
ODD_IDS = (
    "", "o'brien", '"', "zoë", "zoe\u0308", "愛", "👩‍👩‍👧", "a:b", "a|b", "x" * 10_000, "new\nline", "nul\0inside",
    " ada", "ada ", "%s", "\\", "$1", "\u202eada", "\uffff",
)  # fmt: skip
LAYOUT = Layout("warmer", "2026", HALF, coverage=0.5, namespace="tone", start=0.3, end=0.7, holdout=0.1)


def users(count: int) -> list[str]:
    return [f"user-{number}" for number in range(count)]


def arms_of(ids: list[str], arms: dict[str, float], experiment: str = "warmer", salt: str = "2026") -> list[str]:
    return [assign(user, experiment=experiment, arms=arms, salt=salt) for user in ids]


def by_sql(expression: str, ids: list[str] | list[str | None]) -> npt.NDArray[np.object_]:
    """The expression over a column user_id, in the order of the ids."""
    with duckdb.connect() as connection:
        connection.register("given", pa.table({"user_id": pa.array(ids, pa.string())}))
        connection.execute("CREATE TABLE users AS FROM given")
        return np.array([place for (place,) in connection.execute(f"SELECT {expression} FROM users").fetchall()])


def test_python_and_duckdb_give_every_user_the_same_arm() -> None:
    ids = [*users(5_000), *ODD_IDS]
    for arms in (HALF, {"control": 0.9, "it's": 0.1}, {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}):
        expression = assignment_sql("user_id", experiment="it's warm", arms=arms, salt="sel':")
        assert by_sql(expression, ids).tolist() == arms_of(ids, arms, "it's warm", "sel':")


@pytest.mark.parametrize(
    ("user", "place", "half", "three"),
    [
        ("ada", 3693994214068075, "treatment", "b"),
        ("bob", 2875866943098043, "treatment", "c"),
        ("zoë", 2165355926468395, "control", "b"),
        ("o'brien", 431725419378512, "control", "b"),
        ("", 646480894033729, "control", "c"),
        ("愛", 1791038770482662, "control", "a"),
    ],
)
def test_nobody_who_is_in_an_experiment_today_ever_moves(user: str, place: int, half: str, three: str) -> None:
    assert bucket(user, experiment="warmer", salt="2026") == place
    assert assign(user, experiment="warmer", arms=HALF, salt="2026") == half
    assert Layout("warmer", "2026", HALF).place(user) == half
    thirds = {"a": 0.2, "b": 0.3, "c": 0.5}
    assert assign(user, experiment="kinder:2", arms=thirds, salt="loveloop") == three


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


@pytest.mark.slow
def test_python_and_duckdb_place_a_million_users_alike() -> None:
    ids = [*users(1_000_000 - len(ODD_IDS)), *ODD_IDS]
    places = LAYOUT.places(ids)
    with duckdb.connect() as connection:
        connection.register("given", pa.table({"user_id": ids, "place": places}))
        connection.execute("CREATE TABLE users AS FROM given")
        (other,) = connection.execute(
            f"SELECT count(*) FROM users WHERE place IS DISTINCT FROM {LAYOUT.sql('user_id')}"
        ).fetchone()
    assert other == 0
    assert set(places) == {"holdout", "out", "control", "treatment"}


@pytest.mark.parametrize(
    "layout",
    [
        Layout("it's warm", "sel':", {"it's": 0.2, "b": 0.3, "c": 0.5}, coverage=0.7),
        Layout("e", "s", {"all": 1.0}, holdout=0.5),
        Layout("e", "s", HALF, coverage=0.0),
        Layout("愛", "s", HALF, namespace="n's", start=0.25, end=0.75),
        LAYOUT,
    ],
)
def test_one_user_many_users_and_sql_agree_on_odd_ids(layout: Layout) -> None:
    ids = [*users(300), *ODD_IDS]
    one = [layout.place(user) for user in ids]
    assert layout.places(ids).tolist() == one
    assert by_sql(layout.sql("user_id"), ids).tolist() == one


def test_nobody_has_no_place() -> None:
    assert by_sql(LAYOUT.sql("user_id"), [None]).tolist() == [None]
    assert by_sql(Layout("e", "s", {"all": 1.0}).sql("user_id"), [None]).tolist() == [None]
    with pytest.raises(ValueError, match="the name to deal is None"):
        LAYOUT.places(["ada", None])
    with pytest.raises(ValueError, match="the name to deal is None"):
        LAYOUT.place(None)


def test_a_layout_of_everybody_gives_the_arms_that_assign_gives() -> None:
    ids = users(500)
    assert Layout("warmer", "2026", HALF).places(ids).tolist() == arms_of(ids, HALF)
    assert Layout("warmer", "2026", HALF).places([]).tolist() == []


def test_a_ramp_only_adds_users_and_moves_nobody_between_arms() -> None:
    ids = users(20_000)
    before = replace(LAYOUT, coverage=0.0).places(ids)
    assert set(before) == {"holdout", "out"}
    for coverage in (0.01, 0.1, 0.5, 1.0):
        now = replace(LAYOUT, coverage=coverage).places(ids)
        was_in = ~np.isin(before, ["holdout", "out"])
        assert (now[was_in] == before[was_in]).all()
        assert np.isin(now, [*HALF]).sum() > was_in.sum()
        before = now


def test_a_wider_range_of_the_namespace_only_adds_users() -> None:
    ids = users(20_000)
    narrow, wide = LAYOUT.places(ids), replace(LAYOUT, start=0.2, end=0.8).places(ids)
    was_in = np.isin(narrow, [*HALF])
    assert (wide[was_in] == narrow[was_in]).all()
    assert np.isin(wide, [*HALF]).sum() > was_in.sum()


def test_experiments_of_one_namespace_share_no_user_and_others_do() -> None:
    ids = users(20_000)
    first = Layout("warmer", "2026", HALF, namespace="tone", end=0.1 + 0.2)
    second = Layout("shorter", "2026", HALF, namespace="tone", start=0.3)
    inside = [np.isin(layout.places(ids), [*HALF]) for layout in (first, second, replace(second, namespace="length"))]
    assert (inside[0] ^ inside[1]).all()
    assert (inside[0] & inside[2]).mean() == pytest.approx(0.3 * 0.7, abs=0.015)


def test_overlapping_ranges_are_named_by_pairs() -> None:
    first = Layout("warmer", "2026", HALF, namespace="tone", end=0.1 + 0.2)
    second = Layout("shorter", "2026", HALF, namespace="tone", start=0.3)
    assert overlaps([first, second]) == ()
    assert overlaps([first, replace(second, start=0.29)]) == (("warmer", "shorter"),)
    assert overlaps([first, replace(second, start=0.29, namespace="length")]) == ()
    assert overlaps([Layout("a", "s", HALF), Layout("b", "s", HALF)]) == ()


def test_ranges_that_are_cut_from_two_salts_overlap() -> None:
    first = Layout("warmer", "2026", HALF, namespace="tone", end=0.3)
    assert overlaps([first, Layout("shorter", "2027", HALF, namespace="tone", start=0.3)]) == (("warmer", "shorter"),)


def test_the_holdout_is_the_same_users_in_every_experiment() -> None:
    ids = users(20_000)
    layouts = [LAYOUT, Layout("shorter", "2026", HALF, holdout=0.1), replace(LAYOUT, namespace="length", coverage=1.0)]
    held = [layout.places(ids) == "holdout" for layout in layouts]
    assert (held[0] == held[1]).all()
    assert (held[0] == held[2]).all()
    assert held[0].mean() == pytest.approx(0.1, abs=4 * np.sqrt(0.1 * 0.9 / 20_000))


def test_every_share_is_met_within_binomial_error() -> None:
    ids = users(100_000)
    places = replace(LAYOUT, arms={"control": 0.9, "treatment": 0.1}).places(ids)
    inside = 0.9 * 0.4 * 0.5
    for place, share in (("holdout", 0.1), ("control", inside * 0.9), ("treatment", inside * 0.1)):
        assert (places == place).mean() == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 100_000)), place


def test_neither_holdout_nor_range_nor_coverage_tells_the_arm() -> None:
    ids = users(50_000)
    arm = Layout("warmer", "2026", HALF).places(ids) == "treatment"
    answers = [
        Layout("warmer", "2026", HALF, holdout=0.3).places(ids) == "holdout",
        Layout("warmer", "2026", HALF, namespace="tone", end=0.5).places(ids) == "out",
        Layout("warmer", "2026", HALF, coverage=0.5).places(ids) == "out",
    ]
    for one, other in [(arm, each) for each in answers] + [(answers[0], answers[1]), (answers[1], answers[2])]:
        cells = np.bincount(2 * one + other, minlength=4).reshape(2, 2)
        assert chi2_contingency(cells).pvalue > 0.001


def test_whoever_changes_the_dictionary_of_arms_later_moves_nobody() -> None:
    arms = {"control": 0.9, "treatment": 0.1}
    layout = Layout("warmer", "2026", arms)
    arms["treatment"] = 0.5
    assert layout.arms == {"control": 0.9, "treatment": 0.1}
    assert pickle.loads(pickle.dumps(layout)) == layout


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"experiment": ""}, "experiment == '', must be a text of at least one character"),
        ({"experiment": "a|b"}, r"experiment == 'a\|b', must be a text"),
        ({"salt": ""}, "salt == '', must be a text"),
        ({"salt": "a\0"}, "must be a text of at least one character, without"),
        ({"namespace": ""}, "namespace == '', must be a text"),
        ({"namespace": None}, "of no namespace: name it, or leave the range out"),
        ({"arms": {"control": 0.5}}, "they sum to 0.5"),
        ({"arms": {"control": 50, "treatment": 50}}, "per cent over 100"),
        ({"arms": {"control": 0.5, "holdout": 0.5}}, r"arms are called \['holdout'\], must be texts other than"),
        ({"coverage": 5}, r"coverage == 5, must be in \[0, 1\]"),
        ({"coverage": float("nan")}, r"coverage == nan, must be in \[0, 1\]"),
        ({"coverage": True}, r"coverage == True, must be in \[0, 1\]"),
        ({"coverage": "0.5"}, r"coverage == '0.5', must be in \[0, 1\]"),
        ({"holdout": -0.1}, r"holdout == -0.1, must be in \[0, 1\]"),
        ({"holdout": 1}, "nobody would be left"),
        ({"start": 0.7}, "must hold users: start below end"),
        ({"end": 1.1}, r"end == 1.1, must be in \[0, 1\]"),
    ],
)
def test_a_layout_that_deals_otherwise_than_it_reads_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(LAYOUT, **changes)
