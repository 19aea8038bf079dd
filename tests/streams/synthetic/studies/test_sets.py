import json

import pytest

from streams.synthetic import labels, prompts
from streams.synthetic.language.vocabulary import KINDS
from streams.synthetic.truth import formulas
from streams.synthetic.truth.lexicon import hear


@pytest.mark.parametrize(
    ("task", "kinds"),
    [
        ("love", {"company", "role_play", "small_talk"}),
        ("helpfulness", {"question", "advice"}),
        ("safety", {"unsafe", "borderline"}),
    ],
)
def test_prompts_lie_in_the_domain_of_their_task(task: str, kinds: set[str]) -> None:
    found = prompts(task, 1_000, seed=1)  # type: ignore[arg-type]
    assert len(found) == 1_000
    assert all(conversation[-1]["role"] == "user" for conversation in found)
    assert sum(KINDS[hear(c[-1]["content"]).kind] in kinds for c in found) > 600


def test_the_same_seed_gives_the_same_prompts_and_labels() -> None:
    assert prompts("love", 50, 3) == prompts("love", 50, 3) != prompts("love", 50, 4)
    assert labels("safety", 50, 3).equals(labels("safety", 50, 3))
    assert not labels("safety", 50, 3).equals(labels("safety", 50, 4))


def test_annotators_err_as_often_as_they_are_said_to() -> None:
    table = labels("safety", 5_000, seed=5, error_rate=0.1)
    assert table.column_names == ["example_id", "conversation", "response", "label", "user_id", "served_at"]
    readings = formulas.read(
        [json.loads(text) for text in table["conversation"].to_pylist()], table["response"].to_pylist()
    )
    verdict = formulas.safe(readings)
    assert abs((verdict != table["label"].to_numpy()).mean() - 0.1) < 0.015
    assert 0.05 < (~verdict).mean() < 0.6


@pytest.mark.slow
def test_helpfulness_is_labelled_by_its_chance_so_that_a_needless_closing_costs_something() -> None:
    table = labels("helpfulness", 20_000, seed=5, error_rate=0.0)
    readings = formulas.read(
        [json.loads(text) for text in table["conversation"].to_pylist()], table["response"].to_pylist()
    )
    chance, label = formulas.helpful_chance(readings), table["label"].to_numpy()
    assert label.mean() == pytest.approx(chance.mean(), abs=0.01)
    right = (chance > 0.5) & readings.fluent
    closes, calm = right & readings.closes_needlessly, right & ~readings.closes_needlessly
    assert 0.05 < label[calm].mean() - label[closes].mean() < 0.3


def test_labels_hold_what_a_trained_policy_may_try() -> None:
    table = labels("helpfulness", 5_000, seed=6)
    readings = formulas.read(
        [json.loads(text) for text in table["conversation"].to_pylist()], table["response"].to_pylist()
    )
    assert readings.closes_needlessly.mean() > 0.05
    assert 0.03 < (~readings.fluent).mean() < 0.15
    assert readings.flatters.mean() > 0.05


def test_nobody_labels_love_and_an_unknown_task_is_refused() -> None:
    with pytest.raises(ValueError, match="love comes from reactions"):
        labels("love", 10, seed=1)
    with pytest.raises(ValueError, match="task == 'joy', must be one of love"):
        prompts("joy", 10, seed=1)  # type: ignore[arg-type]
