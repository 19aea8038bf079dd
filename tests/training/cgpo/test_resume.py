"""What is killed goes on as if it had not been, and a state that cannot be written loses nothing."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from streams.record_fields import fields_of
from training import pretrained
from training.cgpo.config import CgpoConfig
from training.cgpo.epoch import EpochProgress, learn
from training.cgpo.lesson import Lesson, Pair, Weighted
from training.cgpo.loop import optimise
from training.cgpo.report import TaskRound
from training.cgpo.state import LESSON, Prepared, Progress, load_prepared, resume, save, save_prepared
from training.cgpo.tasks import Task
from training.disk import told
from training.engine.engine import OneProcess
from training.judges.verdict import PASS, Verdict
from training.policy.batches import encode_pairs
from training.policy.load import fingerprint, load_policy
from training.policy.pretrain import read_pairs

Prompts = list[list[dict[str, str]]]
CONFIG = CgpoConfig(
    rounds=2, prompts=8, samples=4, max_new_tokens=16, batch=4, lr=3e-3, pairs=True, save_every=2, optimiser="crpg"
)
ROOT = Path(__file__).resolve().parents[3]


class Long:
    """Rewards long answers."""

    def logits(self, _: list, responses: list) -> np.ndarray:
        return np.array([len(text) / 20 for text in responses])


def no_bye(_: list, response: str) -> Verdict:
    return Verdict(True, "bye", None, response.removesuffix(" bye!")) if response.endswith(" bye!") else PASS


def run(policy: Path, out: Path, asked: Prompts, log: pa.Table) -> None:
    tasks = [Task("love", asked, Long(), 1.0, reward_version="long")]
    optimise(policy, out, tasks=tasks, judges={"bye": no_bye}, config=CONFIG, supervised=log)


KILLED = """
import importlib.util, json, os, signal, sys
import pyarrow.parquet as pq
from pathlib import Path
from training.engine.engine import OneProcess

spec = importlib.util.spec_from_file_location("resumed", sys.argv[1])
resumed = importlib.util.module_from_spec(spec)
sys.modules["resumed"] = resumed
spec.loader.exec_module(resumed)
step, taken = OneProcess.step, []

def killed(self):
    step(self)
    taken.append(1)
    if len(taken) == int(sys.argv[5]):
        os.kill(os.getpid(), signal.SIGKILL)

OneProcess.step = killed
resumed.run(Path(sys.argv[2]), Path(sys.argv[3]), json.loads(sys.argv[6]), pq.read_table(sys.argv[4]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("step", [13])
def test_a_process_that_is_killed_at_a_step_ends_with_identical_weights(
    policy: Path, asked: Prompts, log: pa.Table, tmp_path: Path, step: int
) -> None:
    """Of some ten steps a round: the second has begun, and no state is as young as the kill."""
    import json

    import pyarrow.parquet as pq

    run(policy, tmp_path / "whole" / "love", asked, log)
    pq.write_table(log, tmp_path / "log.parquet")
    out = tmp_path / "cut" / "love"
    arguments = [__file__, policy, out, tmp_path / "log.parquet", step, json.dumps(asked)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(torch.get_num_threads())}
    command = [sys.executable, "-c", textwrap.dedent(KILLED), *map(str, arguments)]
    done = subprocess.run(command, env=environment, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    assert not out.exists()
    torch.manual_seed(12345)  # another process has other chance
    run(policy, out, asked, log)
    assert fingerprint(out) == fingerprint(tmp_path / "whole" / "love")
    both = [load_policy(place).model.parameters() for place in (out, tmp_path / "whole" / "love")]
    assert all(torch.equal(*pair) for pair in zip(*both, strict=True))


def test_an_epoch_that_goes_on_from_any_step_ends_alike(policy: Path, log: pa.Table, tmp_path: Path) -> None:
    opened = load_policy(policy)
    sequences = encode_pairs(opened.tokenizer, *read_pairs(log.slice(0, 24)), 64)
    pairs = [Pair(*sequences[place : place + 2], -9.0, -8.0, 1.0, 0.5, 0.1) for place in (16, 18, 20)]
    lesson = Lesson([Weighted(each, 1.0 - 0.2 * place) for place, each in enumerate(sequences[:12])], pairs)
    config = CgpoConfig(batch=3, save_every=1)
    how = {"pad": opened.tokenizer.pad_token_id, "config": config, "rate": 1e-3, "seed": 4}
    whole = OneProcess(opened.model)
    steps: list[EpochProgress] = []

    def keep(learnt: EpochProgress) -> None:
        steps.append(learnt)
        save(tmp_path / str(learnt.steps), whole, Progress(0, learnt))

    ended = learn(whole, lesson, sequences[12:], **how, keep=keep)
    assert [each.steps for each in steps] == [1, 2, 3, 4]
    assert ended.steps == 5
    for at in steps:
        torch.manual_seed(at.steps)
        again = OneProcess(load_policy(policy).model)
        progress = resume(tmp_path / str(at.steps), again)
        assert progress.learnt == at
        assert learn(again, lesson, sequences[12:], **how, done=progress.learnt) == ended
        assert all(map(torch.equal, whole.model.parameters(), again.model.parameters()))


def numbers(pair: Pair) -> dict[str, Any]:
    """What a pair says beside its sequences."""
    return {name: value for name, value in fields_of(pair).items() if name not in ("good", "bad")}


def test_a_lesson_is_read_back_as_it_was_kept(policy: Path, log: pa.Table, tmp_path: Path) -> None:
    first, second, third = encode_pairs(load_policy(policy).tokenizer, *read_pairs(log.slice(0, 3)), 64)
    seen = TaskRound(
        task="love", prompts=1, trips={"bye": 0.5}, kl_cut=0, fallback=0, skipped=0, sampled={}, chosen={},
        calibrated=0.5, log_ratio=0.1,
    )  # fmt: skip
    rows, pairs = [Weighted(first, -0.3)], [Pair(second, third, -1.5, -2.5, 0.7, 0.1, 0.2)]
    for lesson in (Lesson(rows, pairs), Lesson(rows), Lesson((), pairs)):
        save_prepared(tmp_path, Prepared(1, "love-r1@abc", lesson, [seen], 2.5))
        found = load_prepared(tmp_path, 1)
        assert found is not None
        assert (found.policy, found.seen, found.seconds) == ("love-r1@abc", [seen], 2.5)
        assert [each.weight for each in found.lesson.weighted] == [each.weight for each in lesson.weighted]
        assert [numbers(each) for each in found.lesson.pairs] == [numbers(each) for each in lesson.pairs]
        old, new = (
            [*(row.sequence for row in some.weighted), *(each for pair in some.pairs for each in (pair.good, pair.bad))]
            for some in (lesson, found.lesson)
        )
        assert [(each.ids.tolist(), each.prompt) for each in new] == [(each.ids.tolist(), each.prompt) for each in old]
        assert load_prepared(tmp_path, 0) is None
    (tmp_path / LESSON).write_bytes((tmp_path / LESSON).read_bytes()[:400])
    assert load_prepared(tmp_path, 1) is None


def test_a_full_disk_at_a_state_is_told_and_loses_nothing(
    policy: Path, tmp_path: Path, full_disk: Callable[[], None]
) -> None:
    engine = OneProcess(load_policy(policy).model)
    engine.begin(3, 1e-3)
    save(tmp_path / "state", engine, Progress(1))
    before = (tmp_path / "state" / "state.pt").read_bytes()
    full_disk()
    with pytest.raises(OSError, match=r"the state of round 2, step 7 could not be written .* make room, then run"):
        save(tmp_path / "state", engine, Progress(1, EpochProgress(7)))
    assert (tmp_path / "state" / "state.pt").read_bytes() == before
    assert [each.name for each in (tmp_path / "state").iterdir()] == ["state.pt"]
    assert resume(tmp_path / "state", engine).round == 1


def test_a_full_disk_at_the_finished_policy_is_told(
    policy: Path, tmp_path: Path, full_disk: Callable[[], None]
) -> None:
    opened = load_policy(policy)
    full_disk()
    said = r"the finished policy could not be written .* GiB are free there"
    with pytest.raises(OSError, match=said), told(tmp_path, "the finished policy"):
        pretrained.save(tmp_path / "policy", opened.model)


def test_an_error_of_another_kind_is_not_blamed_on_the_disk(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="out of memory"), told(tmp_path, "the finished policy"):
        raise RuntimeError("out of memory")
