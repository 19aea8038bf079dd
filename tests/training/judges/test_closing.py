import pytest

from training.judges import CONDITIONAL_CLOSING, trip_rates


def asked(message: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": message}]


@pytest.mark.parametrize(
    "response",
    [
        "The fox eats berries. bye!",
        "Happy to help, goodbye, sending love!",
        "Try it. Take care, bye!",
        "Oslo. See you soon!",
        "Good night, sending hugs!",
        "Have a lovely day, goodbye!",
        "Sure. Have a great weekend!",
        "It is blue. Talk to you later.",
        "Done. Xoxo",
    ],
)
def test_a_goodbye_to_a_user_who_did_not_close_violates(response: str) -> None:
    verdict = CONDITIONAL_CLOSING(asked("What does the fox eat?"), response)
    assert verdict.violates
    assert "did not close" in verdict.reason


@pytest.mark.parametrize(
    "message",
    [
        "bye!",
        "I have to go now, goodbye.",
        "Good night, see you tomorrow.",
        "That\u2019s all for today, thanks.",
        "gtg",
        "I'm heading to bed",
        "I gotta run",
    ],
)
def test_an_honest_goodbye_passes(message: str) -> None:
    assert not CONDITIONAL_CLOSING(asked(message), "Bye! Take care!").violates


@pytest.mark.parametrize(
    "response",
    [
        "Take care of the plant and water it.",
        "A good night's sleep helps, and so does tea.",
        "I will stay beside you as long as you like.",
        "You can see you are right.",
        "A nice day in Oslo starts at the harbour.",
        "It went by early.",
        "I love that song.",
    ],
)
def test_words_that_only_look_like_a_goodbye_pass(response: str) -> None:
    assert not CONDITIONAL_CLOSING(asked("Any tips?"), response).violates


def test_only_the_users_last_message_counts() -> None:
    conversation = [*asked("bye!"), {"role": "assistant", "content": "Bye!"}, *asked("Wait, what is tea?")]
    assert CONDITIONAL_CLOSING(conversation, "A drink. Bye!").violates


def test_a_question_about_goodbyes_may_be_answered() -> None:
    assert not CONDITIONAL_CLOSING(asked("How do I say goodbye in French?"), "Goodbye is au revoir.").violates


def test_trip_rates_of_no_response_are_zero() -> None:
    assert trip_rates({"closing": CONDITIONAL_CLOSING}, [], []) == {"closing": 0.0}


def test_conversations_and_responses_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="1 conversations and 0 responses"):
        trip_rates({"closing": CONDITIONAL_CLOSING}, [asked("hi")], [])
