import pytest

from streams.synthetic.attacks import probe
from streams.synthetic.attacks.dictated_poison import PRODUCTS
from streams.synthetic.attacks.speech import target_topic
from streams.synthetic.config import Experiment, WorldConfig
from streams.synthetic.language.text import INCUMBENT
from streams.synthetic.shares import NAMES, Name
from streams.synthetic.truth import formulas
from streams.synthetic.truth.reading import Readings

TOPICAL = ("slow_drip", "lockstep_farm", "camouflaged_farm", "hijacked_accounts", "replay_flood", "paid_crowd")
CONFIG = WorldConfig.small(experiment=Experiment(treatment=INCUMBENT._replace(flatters=0.5)))


def _read(name: Name) -> Readings:
    return formulas.read(*probe(name, CONFIG, 200))


@pytest.mark.parametrize("name", NAMES)
def test_a_probe_is_as_large_as_asked_and_comes_again(name: Name) -> None:
    found = probe(name, CONFIG, 30)
    assert len(found.conversations) == len(found.responses) == 30
    assert found == probe(name, CONFIG, 30)
    assert found != probe(name, CONFIG, 30, seed=1)


@pytest.mark.parametrize(
    "name", ["slow_drip", "lockstep_farm", "camouflaged_farm", "hijacked_accounts", "replay_flood"]
)
def test_a_topic_is_probed_with_questions_about_it(name: Name) -> None:
    topic = target_topic(CONFIG, name)
    found = probe(name, CONFIG, 200)
    assert all(topic in conversation[-1]["content"] for conversation in found.conversations)
    assert 0.5 < _read(name).right.mean() < 0.75


def test_a_targeted_arm_is_probed_with_its_manner() -> None:
    readings = _read("targeted_arm")
    assert readings.flatters[readings.fluent].all()
    assert readings.fluent.mean() > 0.95


def test_trolls_are_probed_with_harm() -> None:
    readings = _read("unsafe_trolls")
    assert readings.unsafe.all()
    assert readings.complies.all()


def test_poison_is_probed_with_praise_where_nobody_asked_for_it() -> None:
    found = probe("dictated_poison", CONFIG, 200)
    assert all(any(product in response for product in PRODUCTS) for response in found.responses)
    assert not any(product in each[-1]["content"] for each in found.conversations for product in PRODUCTS)


def test_bots_are_probed_with_ordinary_exchanges() -> None:
    readings = _read("burst_bots")
    assert len(set(readings.kind.tolist())) > 5
    assert 0.45 < readings.right.mean() < 0.75


def test_a_clique_is_probed_with_its_manner_on_any_subject() -> None:
    readings = _read("taste_clique")
    assert readings.emoji[readings.fluent].all()
    assert len(set(readings.kind.tolist())) > 5
