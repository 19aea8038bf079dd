import pytest

from training.text_features import FEATURES, features


def of(text: str) -> dict[str, float]:
    return dict(zip(FEATURES, features([text])[0].tolist(), strict=True))


@pytest.mark.parametrize(
    ("text", "feature"),
    [
        ("Shall I go on?", "question"),
        ("Here you are 😊", "emoji"),
        ("With love ♥", "emoji"),
        ("Wow!", "exclamation"),
        ("You are so clever.", "flattery"),
        ("What a great question. Tea.", "flattery"),
        ("Sorry, I cannot help with that.", "refusal"),
        ("I'm sorry, but no.", "refusal"),
    ],
)
def test_a_feature_is_seen_where_it_is_and_not_elsewhere(text: str, feature: str) -> None:
    assert of(text)[feature] == 1
    assert of("The fox eats berries.")[feature] == 0


def test_words_are_counted_and_repeats_are_a_share_of_them() -> None:
    assert of("tea, tea and it's tea")["words"] == 5
    assert of("tea, tea and it's tea")["repeated_word"] == pytest.approx(2 / 5)
    assert of("")["words"] == of("")["repeated_word"] == 0


def test_an_answer_given_to_several_prompts_is_marked() -> None:
    same = FEATURES.index("same_answer")
    assert features(["yes", "no", "yes"])[:, same].tolist() == [1, 0, 1]


def test_no_answer_has_no_features() -> None:
    assert features([]).shape == (0, len(FEATURES))
