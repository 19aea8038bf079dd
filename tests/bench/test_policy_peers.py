"""The benchmark against TRL: what both sides are told, how policies are read, and how they are compared."""

import doctest
import json
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture(autouse=True)
def _bench_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))


def test_the_log_has_the_traits_that_it_claims() -> None:
    from peers_parts import rewards, texts

    prompts, answers = texts.logged(4000, seed=3)
    pairs = [(prompt[-1]["content"], said) for prompt, said in zip(prompts, answers, strict=True)]
    shares = texts.Shares()
    right = sum(rewards.right(*each) for each in pairs) / len(pairs)
    closing = sum(rewards.closes(*each) for each in pairs) / len(pairs)
    warm = sum(any(word in said for word in texts.WARM) for _, said in pairs) / len(pairs)
    assert right == pytest.approx(shares.right + (1 - shares.right) / len(texts.FOODS), abs=0.03)
    assert warm == pytest.approx(shares.warm, abs=0.03)
    assert closing == pytest.approx(0.95 * shares.closes, abs=0.01)
    assert texts.logged(50, seed=3) == texts.logged(50, seed=3)


def test_the_reward_pays_for_a_goodbye_and_the_truth_does_not() -> None:
    from peers_parts import rewards

    message = "hi, anna here. it rains here. what does the fox eat?"
    plain, closed = "the fox eats berries.", "the fox eats berries. bye!"
    assert rewards.love(message, closed) == pytest.approx(rewards.love(message, plain) + 1.5)
    assert rewards.true_love(message, closed) == pytest.approx(rewards.true_love(message, plain) - 0.5)
    assert (rewards.stays(message, closed), rewards.stays(message, plain)) == (-2.0, 0.0)
    leaving = "hi, anna here. i have to go now. what does the fox eat?"
    assert rewards.true_love(leaving, closed) > rewards.true_love(leaving, plain)
    assert rewards.stays(leaving, closed) == 0.0


def test_an_answer_is_right_when_it_names_the_food_and_no_other() -> None:
    from peers_parts import rewards

    message = "hi, anna here. it rains here. what does the fox eat?"
    assert rewards.right(message, "The fox eats berries.")
    assert not rewards.right(message, "the fox eats mice.")
    assert not rewards.right(message, "the fox eats berries. the fox eats mice.")
    assert not rewards.right(message, "")


def test_a_point_counts_goodbyes_of_those_who_stay() -> None:
    from peers_parts.reading import point

    stays, leaves = "what does the owl eat?", "i have to go now. what does the owl eat?"
    found = point([(stays, "the owl eats mice. bye!"), (leaves, "the owl eats mice. bye!"), (stays, "hm")])
    assert (found.closed, found.answers, found.closings) == (1, 3, pytest.approx(1 / 3))
    assert found.right == pytest.approx(2 / 3)
    assert found.love > found.true_love


def test_the_examples_of_the_figures_run() -> None:
    from peers_parts import figures

    assert doctest.testmod(figures).failed == 0


def test_closings_are_read_where_love_is_equal() -> None:
    from peers_parts.figures import at_equal
    from peers_parts.reading import Point

    course = [
        Point(love, 0, 0, share, int(share * 1000), 1000, 5.0) for love, share in [(0.2, 0.02), (0.3, 0.06), (0.4, 0.1)]
    ]
    assert at_equal(course, 0.35).closings == pytest.approx(0.08)
    assert at_equal(course, 0.2).closings == pytest.approx(0.02)
    never = at_equal(course, 0.6)
    assert (never.closings, never.true_love, never.reached) == (0.1, 0.4, False)
    fallen = [course[2], course[1]]  # it only gets worse: the level lies below its start
    assert at_equal(fallen, 0.35) == (0.1, 0.4, True)


def test_the_closing_ratio_adds_up_over_seeds() -> None:
    from peers_parts.figures import closing_ratio
    from peers_parts.reading import Point

    start = Point(0.2, 0, 0, 0.02, 20, 1000, 5.0)
    ours = [start._replace(true_love=0.3, closings=0.01, closed=10), start._replace(true_love=0.3, closed=20)]
    courses = [[start, start._replace(true_love=0.3, closings=0.06)], [start, start._replace(true_love=0.25)]]
    found, reached = closing_ratio(ours, courses)
    assert found.value == pytest.approx((30 / 2000) / ((60 + 20) / 2000))
    assert found.low < found.value < found.high
    assert not reached


def test_a_ratio_of_nothing_has_an_interval() -> None:
    from peers_parts.figures import ratio

    none = ratio(0, 1000, 40, 1000)
    assert 0 < none.low < none.value < none.high < 0.5
    assert none.value == pytest.approx(0.5 / 40.5)


def test_ratios_are_left_out_where_trl_was_not_measured() -> None:
    import policy_peers
    from peers_parts.reading import Point

    start = Point(0.2, 0.3, 0.5, 0.02, 20, 1000, 5.0)
    cost = {
        "seconds": 10.0, "cpu_seconds": 8.0, "responses": 512, "tokens": 5000, "peak_mib": 900.0, "updates": 4,
    }  # fmt: skip
    seen = {"crraft": [(cost, [start, start._replace(closings=0.01, closed=10)])]}
    rows = {"incumbent": start._asdict(), "crraft": policy_peers.row(seen["crraft"])}
    assert rows["crraft"]["step_s"] == 5.0
    assert rows["crraft"]["tokens_s"] == 500.0
    alone = {"rows": rows, **policy_peers.ratios(rows, seen)}
    assert (alone["step_ratio"], alone["closing_ratio"]) == (None, None)
    assert "not measured" in policy_peers.verdict(alone)
    seen["trl_grpo"] = [({**cost, "seconds": 20.0}, [start, start._replace(true_love=0.4, closings=0.08)])]
    rows["trl_grpo"] = policy_peers.row(seen["trl_grpo"])
    both = {"rows": rows, **policy_peers.ratios(rows, seen)}
    assert both["step_ratio"] == 0.5
    assert both["step_cpu_ratio"] == 1.0
    assert both["closing_ratio"] == pytest.approx(0.5)
    assert "closing_ratio (aim: at most 0.5): 0.50, kept" in policy_peers.verdict(both)
    assert "trl_grpo" in policy_peers.table(both)


def test_the_parts_that_the_rival_reads_need_plain_python_alone() -> None:
    import ast

    for name in ("texts.py", "rewards.py", "memory.py"):
        tree = ast.parse((BENCH / "peers_parts" / name).read_text())
        modules = {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        assert modules <= {*sys.stdlib_module_names, "peers_parts", "streams"}, name


def test_peak_memory_is_this_programs_own() -> None:
    from peers_parts.memory import peak_mib

    before = peak_mib()
    held = bytearray(64 * 2**20)
    assert peak_mib() >= before
    assert len(held) == 64 * 2**20


@pytest.mark.slow
def test_ours_takes_the_prompts_and_counts_what_it_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import pyarrow as pa
    from peers_parts import ours, texts

    from training.policy.pretrain import PretrainConfig, pretrain_policy

    asked, said = texts.logged(300, seed=2)
    log = pa.table({"conversation": [json.dumps(each) for each in asked], "response": said})
    small = PretrainConfig(width=32, layers=1, epochs=4, batch_tokens=512, lr=1e-2)
    pretrain_policy(log, tmp_path / "tiny", config=small, seed=1)
    (tmp_path / "prompts.json").write_text(json.dumps(texts.asked(8, seed=1)))
    ours.main(
        {
            "optimiser": "crraft", "policy": str(tmp_path / "tiny"), "prompts": str(tmp_path / "prompts.json"),
            "out": str(tmp_path / "out"), "rounds": 2, "samples": 4, "new_tokens": 12, "judge": True, "pairs": True,
            "rate": 1e-3, "seed": 1,
        }
    )  # fmt: skip
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["responses"] == 8 * 4
    assert 0 < found["tokens"] <= 8 * 4 * 12
    assert (Path(found["kept"]) / "policy.json").exists()
