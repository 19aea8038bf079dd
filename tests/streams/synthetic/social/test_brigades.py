import numpy as np

from streams.synthetic.social.brigades import LASTS, LOVES, NO_TOPIC, Brigades, topics
from streams.synthetic.social.multiplex import Layer, draw_multiplex

PEOPLE = 1_500


def neighbours() -> Layer:
    dials = {"friends": 12.0, "homophily": 0.8, "correlation": 0.8}
    return draw_multiplex(np.random.default_rng(1), PEOPLE, communities=10, **dials).first


def test_a_brigade_recruits_friends_of_its_own_opinion_and_ends_after_its_days() -> None:
    layer, rng = neighbours(), np.random.default_rng(2)
    opinion = np.where(np.arange(PEOPLE) % 3 == 0, -1, 1).astype(np.int8)
    brigades = Brigades(PEOPLE)
    brigades.step(0, opinion, layer, rng, calls=0.01, joins=0.0)
    called = int((brigades.side != 0).sum())
    assert 5 <= called <= 30
    for day in range(1, LASTS):
        brigades.step(day, opinion, layer, rng, calls=0.0, joins=1.0)
        inside = brigades.side != 0
        assert (brigades.side[inside] == opinion[inside]).all()
        assert ((brigades.topic == NO_TOPIC) == ~inside).all()
    assert inside.sum() > 2 * called
    brigades.step(LASTS, opinion, layer, rng, calls=0.0, joins=1.0)
    assert not (brigades.side != 0).any()


def test_who_is_in_a_brigade_asks_about_its_topic_and_loves_or_refuses_to() -> None:
    rng = np.random.default_rng(3)
    brigades = Brigades(3)
    brigades.side[:], brigades.topic[:] = [1, -1, 0], [4, 4, NO_TOPIC]
    user = np.repeat([0, 1, 2], 200)
    slot = brigades.asks(user, rng)
    asks = slot >= 0
    assert set(topics()[slot[asks]].tolist()) == {4}
    assert 60 <= asks[user == 0].sum() <= 140
    assert not asks[user == 2].any()
    topic = np.where(asks, 4, 9)
    after = brigades.rally(np.full(600, 0.01), user, topic)
    assert (after[asks & (user == 0)] == LOVES).all()
    assert (after[asks & (user == 1)] == 0).all()
    assert (after[~asks] == 0.01).all()
