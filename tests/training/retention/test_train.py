"""A log in which a warm last answer brings people back: what reward, survival models and card make of it."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest

from training.retention.last_responses import LastResponses, last_responses, sampled
from training.retention.returns import DELAYS, read_user_days
from training.retention.saved_model import RetentionModel
from training.retention.train import RetentionReport, train_retention
from training.reward import registry
from training.reward.config import RewardConfig
from training.reward.saved_reward import SavedReward

BEGINS = date(2026, 1, 5)
ANIMALS = {"fox": "berries", "owl": "mice", "bear": "salmon", "bee": "nectar"}
LENGTH = 42
pytestmark = pytest.mark.slow


def asked(animal: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"what does the {animal} eat?"}]


def said(animal: str, *, warm: bool) -> str:
    return f"{'happy to help! ' if warm else ''}the {animal} eats {ANIMALS[animal]}."


class Log(NamedTuple):
    """Tables as the warehouse gives them, and whether each day ended warm."""

    visits: pa.Table
    shown: pa.Table
    warm: np.ndarray


def log_of(users: int, seed: int, lift: float = 1.5) -> Log:
    rng = np.random.default_rng(seed)
    visits, shown, warmth = [], [], []
    for user in range(users):
        habit, came, chance = rng.normal(-2, 0.7), [], 0.3
        for day in range(LENGTH):
            if rng.random() < chance:
                warm, animal = bool(rng.random() < 0.4), str(rng.choice(list(ANIMALS)))
                came.append(day)
                warmth.append(warm)
                at = datetime.combine(BEGINS, datetime.min.time(), UTC) + timedelta(days=day, hours=12, seconds=user)
                texts = [(said(animal, warm=not warm), at), (said(animal, warm=warm), at + timedelta(minutes=1))]
                shown += [
                    {
                        "user_id": f"u{user:04}",
                        "day": BEGINS + timedelta(days=day),
                        "served_at": moment,
                        "conversation": json.dumps(asked(animal)),
                        "response": text,
                    }
                    for text, moment in texts
                ]
                chance = 1 / (1 + np.exp(-habit - lift * warm))
        visits += [_visit(user, day, came) for day in came]
    return Log(pa.Table.from_pylist(visits), pa.Table.from_pylist(shown), np.array(warmth))


def _visit(user: int, day: int, came: list[int]) -> dict[str, object]:
    before = [each for each in came if day - 7 <= each < day]
    earlier = [each for each in came if each < day]
    followed = min(LENGTH - 1 - day, 20)
    return {
        "user_id": f"u{user:04}",
        "day": BEGINS + timedelta(days=day),
        "arm": None,
        "responses": 2,
        "conversations": 1,
        "love": False,
        "liked": False,
        "disliked": False,
        "continues": 0.5,
        "earlier_responses": 2 * len(before),
        "earlier_days": len(before),
        "earlier_love_days": 0,
        "days_since_last": day - max(earlier) if earlier else None,
        "tenure_days": day - came[0],
        "past_known": day >= 7,
        "followed": followed,
        "later_days": [each - day for each in came if 0 < each - day <= followed],
        "sentiment": None,
    }


class Trained(NamedTuple):
    """A model, what was said of it, and the log."""

    place: Path
    report: RetentionReport
    log: Log


@pytest.fixture(scope="module")
def trained(policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    log, place = log_of(300, 1), tmp_path_factory.mktemp("retention") / "model"
    config = RewardConfig(evaluation_rows=200)
    report = train_retention(log.visits, log.shown, place, base=policy, config=config, lineage={"log": "of a test"})
    return Trained(place, report, log)


def test_a_response_that_brings_people_back_scores_higher_on_every_prompt(trained: Trained) -> None:
    reward = SavedReward(trained.place)
    prompts = [asked(animal) for animal in ANIMALS]
    warm, plain = (reward.logits(prompts, [said(each, warm=kind) for each in ANIMALS]) for kind in (True, False))
    assert (warm - plain > 0.5).all()
    assert trained.report.gain > 0
    assert trained.report.reward.measured.auroc.low > 0.5


def test_the_last_response_of_a_day_counts(trained: Trained) -> None:
    days = read_user_days(trained.log.visits)
    last = last_responses(days, trained.log.shown)
    assert ["happy" in text for text in last.texts] == trained.log.warm.tolist()


def test_the_response_adds_to_the_past_on_unseen_users_and_its_effect_fades(trained: Trained) -> None:
    gains = {each.delay: each.gain for each in trained.report.accuracy if each.model == "past, day and response"}
    assert [*gains] == [*DELAYS]
    assert gains[1] is not None
    assert gains[1].low > 0
    lasting = [trained.report.lasting[delay].odds.value for delay in DELAYS]
    assert lasting[0] > max(lasting[1:])
    assert trained.report.lasting[1].odds.low > 1


def test_it_lies_on_disk_as_every_reward_model_does(trained: Trained) -> None:
    found = registry.read(trained.place)
    assert found.name == "retention"
    assert registry.changes(trained.place) == []
    assert [each.directory for each in registry.find(trained.place.parent, pytest.fail)] == [trained.place]
    card = (trained.place / "README.md").read_text()
    assert "| 14 days | past, day and response |" in card
    assert "of a test" in card
    assert found.audit.startswith(("passed", "failed"))


def test_it_is_read_again_with_the_same_scores(trained: Trained) -> None:
    model = RetentionModel(trained.place)
    prompts = [asked(animal) for animal in ANIMALS]
    texts = [said(each, warm=True) for each in ANIMALS]
    scores = model.scores(LastResponses(prompts, texts, np.zeros(4, np.int64)))
    ranks = SavedReward(trained.place).logits(prompts, texts)
    assert (np.argsort(scores) == np.argsort(ranks)).all()
    days = read_user_days(trained.log.visits)
    chances = model.chances(days, np.zeros(len(days)))
    assert [*chances] == [*DELAYS]
    assert all(((each > 0) & (each < 1)).all() for each in chances.values())
    assert model.index.delay == 14


def test_a_text_that_does_nothing_is_blocked_by_the_audit(policy: Path, tmp_path: Path) -> None:
    log = log_of(150, 2, lift=0.0)
    report = train_retention(
        log.visits, log.shown, tmp_path / "model", base=policy, config=RewardConfig(evaluation_rows=120)
    )
    assert [each.finding for each in report.reward.audit.blocking] == ["ranking"]
    odds = report.lasting[1].odds
    assert odds.low < 1.1


def test_a_log_that_is_too_short_says_what_is_left_out_and_one_far_too_short_is_refused(
    policy: Path, tmp_path: Path
) -> None:
    log = log_of(200, 3)
    days = log.visits.to_pylist()
    for row in days:
        row["followed"] = max(0, min(20 - (row["day"] - BEGINS).days, 20))
        row["later_days"] = [each for each in row["later_days"] if each <= row["followed"]]
    short = pa.Table.from_pylist([row for row in days if (row["day"] - BEGINS).days <= 20], log.visits.schema)
    told: list[str] = []
    report = train_retention(
        short, log.shown, tmp_path / "model", base=policy, config=RewardConfig(evaluation_rows=120), tell=told.append
    )
    assert 1 in report.lasting
    assert "index" in report.missing or 14 in report.lasting
    young = short.filter(pa.array([row["followed"] < 3 for row in short.to_pylist()]))
    with pytest.raises(ValueError, match=r"0 of .* user-days lie a week before the log's end, need 200"):
        train_retention(young, log.shown, tmp_path / "none", base=policy)


def test_whole_users_are_drawn(trained: Trained) -> None:
    days = read_user_days(trained.log.visits)
    some = sampled(days, len(days) // 2, 1)
    assert 0.35 < len(some) / len(days) < 0.65
    for user in np.unique(some.user_ids)[:20]:
        assert (some.user_ids == user).sum() == (days.user_ids == user).sum()
    assert sampled(days, 10 * len(days), 1) is days


def test_a_folder_without_a_retention_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no retention model lies there; `loveloop retention train` makes one"):
        RetentionModel(tmp_path)
