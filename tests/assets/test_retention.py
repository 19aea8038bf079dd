"""Commands about people coming back, on the events of small worlds."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from assets.cli import group
from assets.pipeline import stages
from assets.recipe import Recipe
from assets.stages import policy
from streams.synthetic import WorldConfig
from streams.synthetic.config import Experiment
from tests.assets.stored_world import store_world
from warehouse import connection

WORLD = WorldConfig.long(responses=4_000, users=700, experiment=Experiment())
AS_OF = f"{WORLD.ends_at:%Y-%m-%d}"


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with the events of a world in which an experiment runs."""
    return store_world(WORLD, tmp_path_factory.mktemp("retention"))


@pytest.fixture(scope="module")
def encoder(stored: Path) -> Path:
    """A tiny model fitted to the log."""
    from training.policy.pretrain import PretrainConfig, pretrain_policy

    with connection.open(stored).read() as reader:
        rows = reader.execute("SELECT conversation, response FROM served LIMIT 600").to_arrow_table()
    pretrain_policy(rows, stored.parent / "encoder", config=PretrainConfig(width=32, layers=1), seed=1)
    return stored.parent / "encoder"


def invoke(*words: str | Path) -> str:
    done = CliRunner().invoke(group, [str(each) for each in words])
    assert done.exit_code == 0, f"{done.output} {done.exception!r}"
    return done.output


@pytest.mark.slow
def test_a_model_is_trained_from_a_warehouse_and_foretells_what_an_experiment_does(
    stored: Path, encoder: Path, tmp_path: Path
) -> None:
    out, file = tmp_path / "model", tmp_path / "figures.json"
    given = ("--warehouse", stored, "--as-of", AS_OF)
    said = invoke("retention", "train", "--base", encoder, "--out", out, "--rows", "1000", *given, "--json", file)
    assert "return after" in said
    assert "unseen by any model" in said
    assert {each["delay"] for each in json.loads(file.read_text())["accuracy"]} == {1, 7, 14}
    assert "all as they were saved" in invoke("models", "show", out)
    told = invoke("retention", "effect", "warmer", "--model", out, *given, "--json", file)
    assert "hold it against tests that are over" in told
    (arm,) = json.loads(file.read_text())
    assert arm["arm"] == "treatment"
    assert min(arm["users"], arm["control_users"]) > 100
    assert abs(arm["effect"]["by_index"]["value"]) < 0.2
    assert arm["effect"]["direct"]["error"] > arm["effect"]["by_index"]["error"] > 0
    again = CliRunner().invoke(group, ["retention", "train", "--base", str(encoder), "--out", str(out)])
    assert "holds a model already" in str(again.exception)
    other = CliRunner().invoke(group, [str(each) for each in ("retention", "effect", "colder", "--model", out, *given)])
    assert "the log has no arm 'control' of experiment 'colder'; its arms are: warmer: control" in str(other.exception)


@pytest.mark.slow
def test_signals_are_ranked_and_weighed_by_the_return(stored: Path, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    said = invoke("signals", "--warehouse", stored, "--as-of", AS_OF, "--return-after", "1", "--json", file)
    assert "odds of a return" in said
    assert "Love alone" in said
    found = json.loads(file.read_text())
    assert {each["name"] for each in found["alone"]} == {"love", "liked", "disliked", "continues", "sentiment"}
    assert len(found["composite"]["weights"]) == 5
    assert found["alone"] == sorted(found["alone"], key=lambda each: -each["odds"]["value"])
    refused = CliRunner().invoke(group, ["signals", "--return-after", "1", "--plot", "x.png"])
    assert "leave it or --return-after out" in refused.output


def test_a_recipe_that_asks_for_retention_trains_its_model_before_the_policies() -> None:
    plain = Recipe.model_validate({"source": "warehouse"})
    asked = Recipe.model_validate({"source": "warehouse", "policy": {"retention": 0.2}})
    names = [stage.name for stage in stages(asked)]
    assert "retention" not in [stage.name for stage in stages(plain)]
    assert names.index("p_love") < names.index("retention") < names.index("policy-0.1")
    assert policy.weights(asked, 0.3)["retention"] == 0.2
    assert "retention" not in policy.weights(plain, 0.3)
    needs = next(stage for stage in stages(asked) if stage.name == "policy-0.1").needs
    assert "retention" in needs


def test_a_simulated_log_too_short_for_a_return_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match=r"world.days is 14: a return within a week needs 15 days"):
        Recipe.model_validate({"source": "world", "policy": {"retention": 0.2}})
