import re

import numpy as np

from streams.synthetic.language import text
from streams.synthetic.language.slots import slots
from streams.synthetic.language.talk import draw_talk, draw_turns
from streams.synthetic.language.vocabulary import GROUPS, KINDS
from streams.synthetic.truth.lexicon import hear


def rejoin(sentence: str) -> str:
    words = re.findall(r"\w+|[^\w\s]", sentence)
    return re.sub(r" ([.,?!])", r"\1", " ".join(words))


def test_a_world_of_thirty_two_topics_with_four_facts_fits_in_six_hundred_words() -> None:
    assert sum(len(group.topics) for group in GROUPS) == 32
    assert all(len(group.facets) == 4 for group in GROUPS)
    rng = np.random.default_rng(0)
    talk = draw_talk(rng, draw_turns(rng, 8_000))
    said = [message["content"] for thread in talk.conversations for message in thread] + talk.responses
    assert 400 < len({word for line in said for word in re.findall(r"\w+", line)}) < 700


def test_every_text_survives_a_word_level_tokenizer() -> None:
    rng = np.random.default_rng(0)
    talk = draw_talk(rng, draw_turns(rng, 2_000), habits=text.INCUMBENT._replace(garbled=0.0))
    for line in [*talk.responses, *(thread[-1]["content"] for thread in talk.conversations)]:
        assert line == line.lower()
        assert rejoin(line) == line


def test_the_word_that_makes_an_answer_right_stands_in_no_sentence_about_something_else() -> None:
    answers: dict[int, set[str]] = {}
    for slot in slots():
        answers.setdefault(slot.kind, set()).update(slot.right + slot.wrong)
    words = {line: set(re.findall(r"\w+", line)) for line in text.sentences()}
    for slot in slots():
        strangers = [line for line, held in words.items() if slot.value in held and line not in answers[slot.kind]]
        assert strangers == [], slot.value


def test_a_request_is_heard_as_what_it_asks_whatever_stands_before_it() -> None:
    rng = np.random.default_rng(3)
    kinds = text.draw_kinds(rng, 2_000)
    requests = text.draw_requests(rng, kinds, rng.random(2_000) < 0.5)
    heard = [hear(message) for message in requests.messages]
    assert [h.slot for h in heard] == requests.slots.tolist()
    assert [KINDS[h.kind] for h in heard] == [KINDS[kind] for kind in kinds]
    assert {h.closes for h in heard if KINDS[h.kind] == "goodbye"} == {True}
    assert {h.closes for h in heard if KINDS[h.kind] != "goodbye"} == {False}


def test_the_incumbent_answers_rightly_and_closes_as_often_as_its_habits_say() -> None:
    rng = np.random.default_rng(4)
    kinds = np.full(50_000, KINDS.index("question"))
    happy = rng.random(len(kinds)) < text.HAPPY
    traits = text.draw_traits(rng, kinds, happy)
    assert abs(traits.right.mean() - 0.98 * text.INCUMBENT.right) < 0.01
    assert abs(traits.closes[happy].mean() - text.INCUMBENT.closes_happy) < 0.004
    assert abs(traits.closes[~happy].mean() - text.INCUMBENT.closes_otherwise) < 0.001


def test_the_same_seed_says_the_same() -> None:
    first, second = (draw_talk(np.random.default_rng(7), np.array([1, 3, 6])) for _ in range(2))
    assert first.conversations == second.conversations
    assert first.responses == second.responses
    assert [len(thread) for thread in first.conversations] == [1, 1, 3, 5, 1, 3, 5, 7, 9, 11]
