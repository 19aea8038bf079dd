"""Chances of a love for each user by what other users taught."""

import json

import numpy as np
import pyarrow as pa
import pytest

from training.trust.crossfit import MOST_LOVES, CrossFit, bounded, folds
from training.trust.features import BUCKETS, features

LOVED, PLAIN = "what a wonderful warm answer this is", "here is the list that was asked for"


def day(users: int, seed: int, *, share: float = 0.3) -> tuple[pa.Table, np.ndarray]:
    """A day on which warm answers are loved in 6 % and plain ones in .5 % of the cases."""
    rng = np.random.default_rng(seed)
    warm = rng.random(users * 4) < share
    love = rng.random(users * 4) < np.where(warm, 0.06, 0.005)
    told = json.dumps([{"role": "user", "content": "please help me"}])
    texts = [LOVED if each else PLAIN for each in warm]
    names = [f"user {n // 4}" for n in range(users * 4)]
    return pa.table({"user_id": names, "conversation": [told] * len(names), "response": texts}), love


@pytest.fixture(scope="module")
def taught() -> CrossFit:
    model = CrossFit()
    for seed in range(3):
        model.learn(*day(1500, seed))
    return model


def test_the_chances_add_up_to_the_loves(taught: CrossFit) -> None:
    later, love = day(3000, 9)
    assert taught.score(later).sum() == pytest.approx(love.sum(), rel=0.2)


def test_what_is_loved_more_gets_a_higher_chance(taught: CrossFit) -> None:
    later, _ = day(200, 9)
    chance, warm = taught.score(later), np.array([text == LOVED for text in later["response"].to_pylist()])
    assert chance[warm].mean() > 5 * chance[~warm].mean()


def test_nobody_moves_their_own_chances() -> None:
    responses, love = day(400, 1)
    mine = np.array([user == "user 7" for user in responses["user_id"].to_pylist()])
    models = []
    for own in (np.zeros(4, bool), np.ones(4, bool)):
        changed = love.copy()
        changed[mine] = own
        model = CrossFit()
        model.learn(responses, changed)
        models.append(model.score(responses)[mine])
    np.testing.assert_array_equal(models[0], models[1])


def test_one_user_teaches_a_bounded_amount() -> None:
    users = pa.chunked_array([["keen"] * 100 + ["calm"] * 2])
    love = np.array([True] * 100 + [True, False])
    weight = bounded(users, love, np.full(102, 0.001))
    assert weight[:100].sum() == pytest.approx(MOST_LOVES + 0.2)
    assert weight[100:].tolist() == [1.0, 1.0]


def test_who_is_not_trusted_does_not_teach() -> None:
    responses, love = day(400, 1)
    weight = np.array([0.0 if int(user.split()[1]) < 100 else 1.0 for user in responses["user_id"].to_pylist()])
    one, other = CrossFit(), CrossFit()
    one.learn(responses, love, weight)
    other.learn(responses, np.where(weight > 0, love, True), weight)
    np.testing.assert_array_equal(one.mean, other.mean)


def test_a_model_that_was_stored_goes_on_as_if_it_had_not_been(taught: CrossFit) -> None:
    stored = taught.dump()
    again = CrossFit.load(stored)
    assert again.dump() == stored
    assert again.days == taught.days
    later, love = day(300, 4)
    straight = CrossFit.load(stored)
    straight.learn(later, love)
    again.learn(later, love)
    assert straight.dump() == again.dump()


def test_a_fresh_model_knows_the_usual_rate_and_nothing_else() -> None:
    later, _ = day(10, 0)
    assert CrossFit().score(later).tolist() == pytest.approx([0.005] * 40, rel=1e-4)


def test_folds_are_the_same_in_every_run_and_hold_about_as_many_users() -> None:
    fold = folds(pa.chunked_array([[f"user {n}" for n in range(4000)]]))
    assert np.bincount(fold).min() > 900
    assert (
        folds(pa.chunked_array([["ann", "bob", "ann"]])).tolist()[0::2] == [folds(pa.chunked_array([["ann"]]))[0]] * 2
    )


def test_the_order_of_words_and_their_repetition_are_told_apart_from_other_words() -> None:
    told = json.dumps([{"role": "user", "content": "hi"}])
    texts = ["one two", "two one", "one two one two", "", "ONE, two"]
    rows = features(pa.table({"conversation": [told] * 5, "response": texts}))
    words = [frozenset(rows[[n], :BUCKETS].indices.tolist()) for n in range(5)]
    assert words[0] != words[1]
    assert words[0] < words[2]
    assert len(words[3] - words[0]) == 1  # no word is a word, too
    assert words[4] != words[0]
