"""Progress: what a follower is told, how often, and that the lines of ranks tell the same."""

import contextlib
import io
from typing import NamedTuple

import pytest
import torch

from training.progress import Advance, Sparsely, Trail, read, relay


class Clock(NamedTuple):
    """Seconds that a test moves."""

    seconds: list[float]

    def __call__(self) -> float:
        return self.seconds[0]


def test_a_follower_hears_the_first_and_the_last_step_and_one_each_pause() -> None:
    heard: list[Advance] = []
    clock = Clock([0.0])
    tell = Sparsely(heard.append, pause=2.0, clock=clock)
    for what in ("round 1", "round 2"):
        for step in range(1, 11):
            clock.seconds[0] += 0.5
            tell(Advance(what, step, 10, {"loss": 1 / step}))
    assert [(each.what, each.step) for each in heard] == [
        (what, step) for what in ("round 1", "round 2") for step in (1, 5, 9, 10)
    ]


def test_a_trail_tells_each_step_with_its_loss_and_goes_on_where_it_was() -> None:
    heard: list[Advance] = []
    with Trail(3, done=1, title="p_love: training", rank=0, follow=heard.append) as trail:
        trail.ahead(0.5)
        trail.ahead(0.25)
    assert heard == [
        Advance("p_love: training", 2, 3, {"loss": 0.5}),
        Advance("p_love: training", 3, 3, {"loss": 0.25}),
    ]


def test_what_a_rank_writes_of_its_steps_is_told_as_in_one_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "0")
    heard: list[Advance] = []
    with Trail(2, done=0, title="safety: training", rank=0, follow=heard.append) as trail:
        trail.ahead(0.5)
        trail.ahead(0.125)
    assert heard == [], "under torchrun the lines tell"
    for line in capsys.readouterr().out.splitlines():
        relay(line, heard.append)
    assert heard[-1] == Advance("safety: training", 2, 2, {"loss": 0.125})


def test_a_line_that_is_no_progress_is_shown_and_tells_nothing() -> None:
    heard: list[Advance] = []
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        relay("| memory: 3.2 GiB", heard.append)
        relay("a warning of a library", heard.append)
    assert heard == []
    assert shown.getvalue().splitlines() == ["memory: 3.2 GiB"]


@pytest.mark.parametrize("value", [0.5, -2.0385, 1e-9, 12345.0, float("inf")])
def test_an_advance_is_read_back_from_its_line(value: float) -> None:
    said = Advance("love-0.3, round 1 of 2: samples", 1, 1200, {"love reward": value, "safety KL": 0.0})
    found = read(said.line)
    assert found is not None
    assert (found.what, found.step, found.of) == said[:3]
    assert found.figures == pytest.approx(said.figures, rel=1e-3)


def test_a_fit_of_a_small_policy_tells_every_step() -> None:
    import numpy as np
    from transformers import LlamaConfig, LlamaForCausalLM

    from training.cgpo.config import CgpoConfig
    from training.cgpo.epoch import learn
    from training.cgpo.lesson import Lesson, Weighted
    from training.engine.engine import OneProcess
    from training.policy.batches import EncodedAnswer

    torch.manual_seed(0)
    shape = LlamaConfig(vocab_size=16, hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=1)
    rows = [Weighted(EncodedAnswer(np.array([1, 2, 3, 4 + place]), 2), 1.0) for place in range(6)]
    heard: list[Advance] = []
    engine = OneProcess(LlamaForCausalLM(shape))
    config = CgpoConfig(batch=2, supervised=0)
    done = learn(
        engine,
        Lesson(rows, []),
        [],
        pad=0,
        config=config,
        rate=1e-3,
        seed=1,
        title="love-0: learning",
        follow=heard.append,
    )
    assert [(each.what, each.step, each.of) for each in heard] == [("love-0: learning", step, 3) for step in (1, 2, 3)]
    assert heard[-1].figures["loss"] == pytest.approx(done.loss)
