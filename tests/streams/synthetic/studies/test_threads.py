import numpy as np
import pytest

from streams.synthetic import prompts, true_effects
from streams.synthetic.language.talk import Conversation
from streams.synthetic.studies.answers import AnswerBook
from streams.synthetic.studies.chance import keyed, normal, uniform
from streams.synthetic.studies.placement import control_of
from streams.synthetic.studies.threads import follow_ups, play
from streams.synthetic.truth.lexicon import hear

POOL = prompts("all", 300, seed=3)


def echo(asked: list[Conversation], samples: int, turn: int) -> list[list[str]]:
    """Says how much it has heard, and which sample and round it is."""
    return [[f"{len(said)} messages, sample {place}, round {turn}." for place in range(samples)] for said in asked]


def test_each_playthrough_answers_in_its_own_context() -> None:
    follows = follow_ups(POOL, 1, longest=2)
    for prompt, after, several in zip(POOL, follows, play(POOL, follows, echo, samples=2), strict=True):
        for place, own in enumerate(several):
            later = [f"{len(prompt) + 2 * turn} messages, sample 0, round {turn}." for turn in range(1, 1 + len(after))]
            assert own == [f"{len(prompt)} messages, sample {place}, round 0.", *later]


def test_conversations_go_on_as_long_as_asked_for_and_not_after_a_goodbye() -> None:
    follows = follow_ups(POOL, 1, longest=2)
    assert {*map(len, follows)} == {0, 1, 2}
    assert not any(follow_ups(POOL, 1, longest=0))
    assert follow_ups(POOL, 1, longest=2) == follows != follow_ups(POOL, 2, longest=2)
    goodbyes = [after for prompt, after in zip(POOL, follows, strict=True) if hear(prompt[-1]["content"]).closes]
    assert goodbyes
    assert not any(goodbyes)
    assert all(hear(message).kind >= 0 for after in follows for message in after)


def test_an_arm_must_answer_every_turn() -> None:
    follows = [["and you?"], *([[]] * 299)]
    whole = play(POOL, follows, echo, samples=1)
    with pytest.raises(ValueError, match=r"arm 'b' answers 1 turns of prompt 0, which has 2"):
        AnswerBook(POOL, {"a": whole, "b": ["yes."] * 300}, follows)
    with pytest.raises(ValueError, match="arm 'a' answers no turns of prompt 1"):
        AnswerBook(POOL, {"a": [whole[0], [], *whole[2:]]}, follows)
    with pytest.raises(ValueError, match="2 lists of follow-ups for 300 prompts"):
        AnswerBook(POOL, {"a": whole}, follows[:2])


def test_a_prompt_weighs_as_much_however_often_it_is_answered() -> None:
    once = true_effects(POOL[:2], {"a": ["so it is.", "it was good to talk."]})["a"]
    often = true_effects(POOL[:2], {"a": [[["so it is."]] * 3, [["it was good to talk."]]]})["a"]
    assert often.words == pytest.approx(once.words) == pytest.approx(4.0)


def test_who_likes_a_kind_asks_about_it_and_who_is_happy_says_so() -> None:
    book, rows = AnswerBook(POOL, {"a": ["yes."] * 300}, [[]] * 300), 4_000
    chance = np.random.default_rng(1).random((2, rows))
    kinds = np.array([hear(prompt[-1]["content"]).kind for prompt in POOL])
    wanted = int(np.bincount(kinds[kinds >= 0]).argmax())
    taste = np.where(np.arange(10) == wanted, 9.0, 1.0)[None].repeat(rows, axis=0)
    even, glad = np.ones((rows, 2)), np.tile([0.0, 1.0], (rows, 1))
    about, _ = book.prompts_for(taste, even, chance)
    assert np.mean(kinds[about] == wanted) > 2 * np.mean(kinds == wanted)
    flat, mood = book.prompts_for(np.ones((rows, 10)), even, chance)
    assert np.bincount(flat, minlength=300).std() < 6  # each about 13 times
    assert 0.1 < mood.mean() < 0.4
    happy, mood = book.prompts_for(np.ones((rows, 10)), glad, chance)
    assert mood.all()
    shows = np.array([any(hear(m["content"]).cheers for m in prompt if m["role"] == "user") for prompt in POOL])
    assert shows[happy].mean() > 2 * shows[flat].mean()


def test_chance_belongs_to_its_key_and_purpose() -> None:
    keys = keyed(7, np.arange(50_000), 3)
    assert len(np.unique(keys)) == 50_000
    assert (keyed(7, np.array([5]), 3) == keys[5]).all()
    assert keyed(7, 3, 5)[0] != keyed(7, 5, 3)[0]
    first, second = uniform(keys, 1), uniform(keys, 2)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.02
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 0.02
    assert (first.min() > 0, first.max() < 1) == (True, True)
    assert normal(keys, 3).std() == pytest.approx(1, abs=0.02)


def test_the_arm_called_control_serves_outsiders_and_else_the_first() -> None:
    assert (control_of(["b", "control"]), control_of(["b", "c"])) == (1, 0)
