import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from training.evaluation.offline import Kept, answer, evaluate
from training.judges import CONDITIONAL_CLOSING
from training.judges.verdict import PASS
from training.policy.pretrain import PretrainConfig, pretrain_policy
from training.rollout.store import RolloutStore

Prompts = list[list[dict[str, str]]]
JUDGES = {"closing": CONDITIONAL_CLOSING}


class Warmth:
    def logits(self, _: list, responses: list) -> np.ndarray:
        return np.array([1.0 if "happy" in text else -3.0 for text in responses])


@pytest.fixture(scope="module")
def warm(log: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy fitted to the warm half of the log."""
    kept = log.filter(pa.array(["happy" in text for text in log["response"].to_pylist()]))
    place = tmp_path_factory.mktemp("warm") / "warm"
    pretrain_policy(kept, place, config=PretrainConfig(width=32, layers=1, epochs=8, batch_tokens=512, lr=1e-2), seed=1)
    return place


@pytest.mark.slow
def test_a_warmer_policy_has_a_lift_whose_interval_leaves_nought_behind(
    policy: Path, warm: Path, asked: Prompts
) -> None:
    found = evaluate({"base": policy, "warm": warm}, asked * 4, love=Warmth(), judges=JUDGES, seed=1)
    base, better = found.scores
    assert better.love_lift.low > 0.3
    assert better.love.value == pytest.approx(base.love.value * (1 + better.love_lift.value))
    assert better.deltas["love"].value == pytest.approx(better.love.value - base.love.value)
    assert better.deltas["love"].low < better.deltas["love"].value < better.deltas["love"].high


def test_the_base_differs_from_itself_by_nothing(policy: Path, asked: Prompts) -> None:
    (base,) = evaluate({"base": policy}, asked, love=Warmth(), judges=JUDGES, seed=1).scores
    assert set(base.deltas["love"]) == set(base.love_lift) == {0.0}


def test_means_are_those_of_the_answers(policy: Path, asked: Prompts) -> None:
    found = evaluate({"base": policy}, asked, love=Warmth(), helpfulness=Warmth(), judges=JUDGES, seed=1)
    (base,) = found.scores
    texts = found.answers["base"]
    chances = [1 / (1 + math.exp(-1.0 if "happy" in text else 3.0)) for text in texts]
    assert base.love.value == pytest.approx(np.mean(chances))
    assert base.helpfulness == base.love
    assert base.safety is None
    assert {"love", "helpfulness", "closing", "words"} <= base.deltas.keys()
    assert "safety" not in base.deltas
    assert base.trips["closing"].value == np.mean(["bye" in text for text in texts])
    assert base.watched["exclamation"].value == np.mean(["!" in text for text in texts])
    assert base.version.startswith("tiny@")


def test_judges_read_every_answer_and_reward_models_the_first_ones(policy: Path, asked: Prompts) -> None:
    found = evaluate({"base": policy}, asked * 2, love=Warmth(), judges=JUDGES, scored=10, seed=1)
    (base,), texts = found.scores, found.answers["base"]
    chances = [1 / (1 + math.exp(-1.0 if "happy" in text else 3.0)) for text in texts]
    assert (found.scored, len(texts)) == (10, 2 * len(asked))
    assert base.love.value == pytest.approx(np.mean(chances[:10]))
    assert base.trips["closing"].value == np.mean(["bye" in text for text in texts])
    assert found.violations["base"]["closing"].tolist() == ["bye" in text for text in texts]


def test_a_judge_that_never_trips_is_not_called_certain(policy: Path, asked: Prompts) -> None:
    never = {"never": lambda conversation, response: PASS}  # noqa: ARG005
    (base,) = evaluate({"base": policy}, asked, love=Warmth(), judges=never, seed=1).scores
    assert base.trips["never"].value == base.trips["never"].low == 0.0
    assert base.trips["never"].high > 0.05
    assert base.deltas["never"].low < 0 < base.deltas["never"].high


def test_what_no_model_measures_is_absent(policy: Path, asked: Prompts) -> None:
    (base,) = evaluate({"base": policy}, asked, love=Warmth(), judges=JUDGES, seed=1).scores
    assert (base.helpfulness, base.safety) == (None, None)
    assert not {"helpfulness", "safety"} & base.deltas.keys()
    measured = evaluate({"base": policy}, asked, love=Warmth(), safety=Warmth(), judges=JUDGES, seed=1).scores[0]
    assert (measured.trips, measured.watched) == (base.trips, base.watched)
    assert measured.love == pytest.approx(base.love)
    assert measured.safety == measured.love


def test_answers_are_common_to_an_evaluation_and_a_later_call(policy: Path, asked: Prompts) -> None:
    found = evaluate({"base": policy, "same": policy}, asked, love=Warmth(), judges={}, seed=7)
    assert found.answers["base"] == found.answers["same"] == answer(policy, asked, seed=7)


def test_an_evaluation_of_nothing_is_refused(policy: Path, asked: Prompts) -> None:
    with pytest.raises(ValueError, match="0 policies and 32 prompts"):
        evaluate({}, asked, love=Warmth(), judges={})
    with pytest.raises(ValueError, match="1 policies and 0 prompts"):
        evaluate({"base": policy}, [], love=Warmth(), judges={})


class Counted(Warmth):
    """Counts what it is asked."""

    asked = 0

    def logits(self, conversations: list, responses: list) -> np.ndarray:
        self.asked += len(responses)
        return super().logits(conversations, responses)


@pytest.mark.slow
def test_a_policy_that_was_evaluated_before_costs_no_answer_and_no_score(
    policy: Path, warm: Path, asked: Prompts, tmp_path: Path
) -> None:
    kept = Kept(RolloutStore(tmp_path), {"love": "warmth"})
    love = Counted()

    def scores(policies: dict[str, str | Path], **more: Any) -> list:
        return evaluate(policies, asked, love=love, judges=JUDGES, seed=1, scored=20, **more).scores

    first = scores({"base": policy}, kept=kept)
    assert love.asked == 20
    both = scores({"base": policy, "warm": warm}, kept=kept)
    assert love.asked == 40
    assert both[0] == first[0]
    assert both == scores({"base": policy, "warm": warm})


@pytest.mark.slow
def test_scores_of_another_reward_or_of_fewer_prompts_are_not_taken(
    policy: Path, asked: Prompts, tmp_path: Path
) -> None:
    store, love = RolloutStore(tmp_path), Counted()
    for version, scored in (("one", 20), ("two", 20), ("two", 10), ("one", 20)):
        kept = Kept(store, {"love": version})
        evaluate({"base": policy}, asked, love=love, judges=JUDGES, seed=1, scored=scored, kept=kept)
    assert love.asked == 20 + 20 + 10


@pytest.mark.slow
def test_users_are_drawn_as_wholes_and_told(policy: Path, asked: Prompts) -> None:
    users = [f"user-{place // 4}" for place in range(len(asked) * 4)]
    how = {"love": Warmth(), "judges": JUDGES, "seed": 1}
    found = evaluate({"base": policy, "same": policy}, asked * 4, users=users, others={"second": Warmth()}, **how)
    assert found.drawn == "32 users, each with all prompts"
    assert found.owners == users
    base = found.scores[0]
    alone = evaluate({"base": policy}, asked * 4, **how).scores[0]
    assert base.love.value == pytest.approx(alone.love.value)
    assert base.love != alone.love
    assert base.others["second"] == base.love
    assert "second" in base.deltas
    few = evaluate({"base": policy}, asked, users=["one", "two"] * (len(asked) // 2), **how)
    assert few.drawn.startswith("prompts, since there are 2 users")
    with pytest.raises(ValueError, match="1 users for 32 prompts"):
        evaluate({"base": policy}, asked, users=["one"], **how)
