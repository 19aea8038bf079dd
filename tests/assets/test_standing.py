"""A reward model that is no better than chance ranks nothing: it is left out and told, or the run stops."""

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.facts.models import AuditFinding, RewardFacts
from assets.facts.stage_facts import from_json
from assets.run import Run
from assets.stage import perform
from assets.stages import models, panel, policy, report, standing


@pytest.fixture(scope="module")
def coin(tiny_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The tiny run with helpfulness labels that a coin threw: its model can be no better."""
    place = tmp_path_factory.mktemp("coin")
    drawn = random.Random(3)
    rows = pq.read_table(next(iter(tiny_run.directory.glob("training-sets/*/examples.parquet")))).slice(0, 500)
    thrown = pa.array([drawn.random() < 0.5 for _ in range(rows.num_rows)])
    pq.write_table(rows.select(["conversation", "response"]).append_column("label", thrown), place / "thrown.parquet")
    shutil.copytree(tiny_run.directory, place / "run", symlinks=True)
    told = tiny_run.recipe.model_dump()
    told["helpfulness"] |= {"labels": str(place / "thrown.parquet")}
    run = replace(tiny_run, directory=place / "run", recipe=type(tiny_run.recipe).model_validate(told))
    perform(run, models.labelled("helpfulness"))
    return run


def with_policy(run: Run, **changed: Any) -> Run:
    """The same run whose recipe has other settings of the policy."""
    told = run.recipe.model_dump()
    return replace(run, recipe=type(run.recipe).model_validate(told | {"policy": told["policy"] | changed}))


@pytest.mark.parametrize(
    ("facts", "refused"),
    [
        ({"auroc": 0.116, "auroc_ci": [0.007, 0.2]}, True),
        ({"auroc": 0.6, "auroc_ci": [0.49, 0.7]}, True),
        ({"auroc": 0.8, "auroc_ci": [0.7, 0.9]}, False),
        ({"auroc": None, "auroc_ci": [None, None]}, True),
        ({"findings": [{"finding": "length", "state": "failed", "blocks": False, "words": "-"}]}, False),
        ({"findings": [{"finding": "length", "state": "failed", "blocks": True, "words": "-"}]}, True),
        ({"findings": [{"finding": "ranking", "state": "passed", "blocks": True, "words": "-"}]}, False),
    ],
)
def test_what_may_rank_follows_from_what_its_stage_recorded(facts: dict[str, Any], refused: bool) -> None:
    assert (standing.refusal(from_json(RewardFacts, facts, "p_love")) is not None) is refused


def test_folds_decide_where_there_are_folds() -> None:
    one = AuditFinding("ranking", "failed", "one split", blocks=True)
    other = AuditFinding("length", "failed", "-", blocks=False)
    found = standing.with_ranking([one, other], 0.62, "five folds")
    assert found == [AuditFinding("ranking", "passed", "five folds", blocks=True), other]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_its_card_says_that_it_is_not_to_be_used_and_it_is_left_out_of_the_policy(coin: Run) -> None:
    card = (coin.place("helpfulness") / "README.md").read_text()
    assert "**Not to be used: ranking failed.**" in card
    facts = coin.recorded("helpfulness")
    assert "WARNING: not to be used: the audit of ranking failed" in facts["summary"]
    assert (
        json.loads((coin.place("helpfulness") / "metrics.json").read_text())["audit"]["results"][0]["state"] == "failed"
    )
    done = perform(coin, policy.stage(0.3, coin.recipe))
    assert list(done.recorded["left_out"]) == ["helpfulness"]
    assert "helpfulness left out of ranking: ranking: AUROC" in done.recorded["summary"]
    assert {task["task"] for task in done.recorded["rounds"][0]["tasks"]} == {"love", "safety"}
    assert any(note.startswith("The helpfulness model was left out of ranking") for note in report._notes(coin))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_run_stops_where_the_recipe_says_so_and_a_judge_is_never_left_out(coin: Run) -> None:
    with pytest.raises(
        standing.UnprovenRewardError,
        match=r"the helpfulness model must not rank anything: ranking: AUROC .*must lie above .5. Give more labels",
    ):
        perform(with_policy(coin, unproven="stop"), policy.stage(0.3, coin.recipe))
    judged = with_policy(coin, judges=("helper",), judge={"helper": {"use": "classifier", "model": "helpfulness"}})
    with pytest.raises(
        standing.UnprovenRewardError, match=r"judge helper uses the helpfulness model, which must not judge"
    ):
        panel.of(judged)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_at_a_love_model_no_better_than_chance_the_run_always_stops(coin: Run, tmp_path: Path) -> None:
    run = replace(coin, directory=tmp_path / "run")
    shutil.copytree(coin.directory, run.directory, symlinks=True)
    (marker,) = run.directory.glob("cycles/0001/stages/p_love.json")
    told = json.loads(marker.read_text())
    told["facts"]["findings"] = coin.recorded("helpfulness")["findings"]
    marker.write_text(json.dumps(told))
    with pytest.raises(
        standing.UnprovenRewardError, match=r"the p_love model must not rank anything.*Wait for more feedback"
    ):
        perform(run, policy.stage(0.3, run.recipe), anew=True)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_policy_of_which_no_weighted_reward_is_left_stops(coin: Run) -> None:
    told = coin.recipe.model_dump()
    only = replace(coin, recipe=type(coin.recipe).model_validate(told | {"safety": False}))
    with pytest.raises(
        standing.UnprovenRewardError, match=r"nothing is left to optimise love-0 for; helpfulness left out"
    ):
        policy._aims(only, 0.0)
