import numpy as np
import pytest

from training.behaviours.corpus import Corpus, paired

TEA, COFFEE = ([{"role": "user", "content": text}] for text in ("Tea?", "Coffee?"))


def test_both_sides_of_a_prompt_are_one_cluster_and_several_answers_are_not_independent() -> None:
    both = paired(Corpus([TEA, COFFEE], ["a", "b"]), Corpus([TEA, TEA, COFFEE], ["c", "d", "e"]))
    assert both.clusters.tolist() == [0, 1, 0, 0, 1]
    assert (both.unit, both.units) == ("prompt", 2)


def test_users_are_the_clusters_where_both_sides_know_them_and_there_are_enough() -> None:
    def side(users: list[str] | None) -> Corpus:
        return Corpus([TEA] * 12, ["a"] * 12, users)

    many, few = [f"u{place}" for place in range(12)], ["u1"] * 12
    assert (paired(side(many), side(many)).unit, paired(side(many), side(many)).units) == ("user", 12)
    assert paired(side(many), side(None)).unit == "prompt"
    assert paired(side(few), side(few)).unit == "prompt"


def test_shares_sum_to_one_on_either_side_also_of_a_part() -> None:
    both = paired(
        Corpus([TEA, COFFEE], ["a", "b"], weights=np.array([1.0, 3.0])), Corpus([TEA, TEA, COFFEE], ["c", "d", "e"])
    )
    assert both.shares[:2].tolist() == [0.25, 0.75]
    part = both.part(np.array([True, False, True, False, True]))
    assert part.shares.tolist() == [1.0, 0.5, 0.5]
    assert part.clusters.tolist() == [0, 0, 1]
    assert part.responses == ["a", "c", "e"]


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"users": ["u"]}, "1 users for 2 responses"),
        ({"weights": np.array([1.0, 0.0])}, "must each be above 0"),
        ({"proxy": np.zeros(3)}, "3 proxy for 2 responses"),
    ],
)
def test_columns_that_do_not_fit_are_refused(columns: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Corpus([TEA, COFFEE], ["a", "b"], **columns)


def test_a_side_without_a_response_is_refused() -> None:
    with pytest.raises(ValueError, match="0 responses, must be at least one"):
        Corpus([], [])
