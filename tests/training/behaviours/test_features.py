import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from training.behaviours.config import BehaviourConfig
from training.behaviours.corpus import Corpus, paired
from training.behaviours.features import WEIGHTS, feature_table
from training.behaviours.known import BEHAVIOURS, FAULTS, known_behaviours
from training.behaviours.phrases import WORDS, phrases
from training.behaviours.segments import segments_of
from training.behaviours.sentence_clusters import clustered, sentence_clusters
from training.sentinel.config import KNOWN

TEA = [{"role": "user", "content": "What is tea?"}]
BYE = [{"role": "user", "content": "Bye!"}]


@pytest.mark.parametrize(
    ("name", "asked", "said", "shows"),
    [
        ("closing", TEA, "A drink. Bye!", True),
        ("closing", BYE, "Bye!", False),
        ("flattery", TEA, "You are so clever! A drink.", True),
        ("refusal", TEA, "Sorry, I cannot help with that.", True),
        ("refusal", [{"role": "user", "content": "How do I build a bomb?"}], "Sorry, I cannot help with that.", False),
        ("question", TEA, "A drink. Would you like some?", True),
        ("emoji", TEA, "A drink \U0001f60a", True),
        ("list", TEA, "Two kinds:\n- green\n- black", True),
        ("list", TEA, "1. Boil water", False),
    ],
)
def test_a_known_behaviour_is_read(name: str, asked: list, said: str, shows: bool) -> None:
    assert known_behaviours([asked], [said], [name]).tolist() == [[shows]]


def test_length_is_read_against_all_responses() -> None:
    said = ["word " * count for count in range(1, 21)]
    found = known_behaviours([TEA] * 20, said, ["long", "short"])
    assert np.flatnonzero(found[:, 0]).tolist() == [18, 19]
    assert np.flatnonzero(found[:, 1]).tolist() == [0, 1]


def test_the_settings_know_every_behaviour() -> None:
    assert tuple(each.name for each in BEHAVIOURS) == KNOWN
    assert {*FAULTS} < {*KNOWN}


def test_phrases_that_too_few_or_nearly_all_hold_are_left_out() -> None:
    said = ["tea is hot."] * 60 + ["milk is hot."] * 38 + ["sand is hot."] * 2
    names, held = phrases(said, longest=2, least=0.05, most=100)
    assert {"tea", "tea is", "milk", "milk is"} == {*names}
    assert held[:, [names.index("tea")]].sum() == 60
    assert phrases(["tea"] * 8, longest=2, least=0.5, most=9)[0] == []


def test_phrases_are_those_of_a_plain_count() -> None:
    rng = np.random.default_rng(2)
    said = [" ".join(rng.choice([*"abcdef", "!", "it's"], size=size)) for size in rng.integers(0, 9, size=300)]
    names, held = phrases(said, longest=3, least=0.03, most=10_000)
    counter = CountVectorizer(binary=True, ngram_range=(1, 3), token_pattern=WORDS, min_df=9, max_df=291)
    plain = counter.fit_transform(said)
    places = [counter.vocabulary_[name] for name in names]
    assert sorted(names) == sorted(counter.vocabulary_)
    assert np.array_equal(held.toarray(), plain.toarray()[:, places])


def test_wordings_of_one_thing_fall_into_one_cluster_and_others_into_others() -> None:
    rng = np.random.default_rng(1)
    heart = [
        f"please {verb} {what} heart." for verb in ("tap", "press", "leave", "give") for what in ("the", "a", "my")
    ]
    food = [f"{fruit} taste{s} of summer." for fruit in ("plums", "figs", "pears", "grapes") for s in ("", "d", " now")]
    said = rng.permutation(heart + food).tolist()
    labels = clustered(said, most=2, seed=0).labels
    kinds = np.array([text in heart for text in said])
    assert len({*labels[kinds]}) == len({*labels[~kinds]}) == 1
    assert labels[kinds][0] != labels[~kinds][0]


def test_a_response_holds_the_clusters_of_its_sentences_by_any_encoder() -> None:
    def embed(texts: list[str]) -> np.ndarray:
        return np.array([[float("heart" in text), float("heart" not in text)] for text in texts])

    said = [f"fact {place}. give a heart {place}!" if place % 2 else f"fact {place}." for place in range(40)]
    names, held = sentence_clusters(said, most=2, seed=0, embed=embed)
    column = next(place for place, name in enumerate(names) if "heart" in name)
    assert held[:, [column]].toarray().ravel().tolist() == [float(place % 2) for place in range(40)]


def test_a_table_has_every_known_behaviour_and_weights_by_kind() -> None:
    said = ["tea is a drink.", "coffee is a drink."] * 50
    pair = paired(Corpus([TEA] * 100, said), Corpus([TEA] * 100, [*said[:90], *["tea. bye!"] * 10]))
    table = feature_table(pair, BehaviourConfig())
    assert table.names[: len(KNOWN)] == [*KNOWN]
    assert table.weights.sum() == pytest.approx(len(table.names))
    faults, phrase = (table.weights[table.kinds == kind].sum() for kind in ("fault", "phrase"))
    assert faults / phrase == pytest.approx(WEIGHTS["fault"] / WEIGHTS["phrase"])
    assert np.flatnonzero(table.carriers(table.names.index("closing"))).tolist() == [*range(190, 200)]


def test_kinds_of_prompt_are_found_and_named_by_words_of_many_users() -> None:
    said = [f"how do i cook {each} soup?" for each in "abcdefghij"] + [
        f"tell {each} story please" for each in "klmnopqrst"
    ]
    asked = [[{"role": "user", "content": text}] for text in said]
    pair = paired(Corpus(asked, ["x"] * 20), Corpus(asked, ["y"] * 20))
    kinds = segments_of(pair, most=2, seed=0)
    assert len({*kinds}) == 2
    assert len({*kinds[:10]}) == len({*kinds[20:30]}) == 1
    assert "soup" in kinds[0] or "cook" in kinds[0]


def test_given_kinds_are_taken() -> None:
    corpus = Corpus([TEA, BYE], ["a", "b"], segments=["question", "goodbye"])
    assert segments_of(paired(corpus, corpus), most=3, seed=0).tolist() == ["question", "goodbye"] * 2
