"""`loveloop train`, as a user starts it: ranks under torchrun, files in and a model out."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from assets.cli import group

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ROOT = Path(__file__).resolve().parents[2]


def start(*words: object, **environment: str) -> "subprocess.Popen[str]":
    """`loveloop train` with these words."""
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "assets", "train", *map(str, words)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
    )


def ended(running: "subprocess.Popen[str]") -> tuple[int, str]:
    """Its exit code and all that it said."""
    said, _ = running.communicate()
    return running.returncode, said


def called(*words: object) -> tuple[int, str]:
    """Exit code and all that the same command says in this process, which has torch: a start costs seven seconds."""
    done = CliRunner().invoke(group, ["train", *map(str, words)])
    return done.exit_code, f"{done.output}{done.exception or ''}"


@pytest.fixture(scope="module")
def talks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Conversations about animals, a line each."""
    file = tmp_path_factory.mktemp("data") / "talks.ndjson"
    foods = {"fox": "berries", "owl": "mice", "bear": "salmon", "bee": "nectar"}
    rows = [
        {
            "conversation": [{"role": "user", "content": f"what does the {animal} eat?"}],
            "response": f"the {animal} eats {food}.",
        }
        for animal, food in foods.items()
    ] * 60
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return file


@pytest.fixture(scope="module")
def base(talks: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama that knows the words."""
    import pyarrow as pa

    from training.policy.pretrain import PretrainConfig, pretrain_policy

    place = tmp_path_factory.mktemp("models") / "base"
    rows = [json.loads(line) for line in talks.read_text().splitlines()]
    table = pa.table({name: [row[name] for row in rows] for name in ("conversation", "response")})
    pretrain_policy(table, place, config=PretrainConfig(width=32, layers=1, epochs=0.2, batch_tokens=512), seed=1)
    return place


def test_a_model_that_it_did_not_make_is_never_overwritten(base: Path, tmp_path: Path) -> None:
    before = {each.name: each.read_bytes() for each in base.iterdir() if each.is_file()}
    (tmp_path / "loves.jsonl").write_text("{}\n")
    code, said = called("reward", "--data", tmp_path / "loves.jsonl", "--base", base, "--out", base)
    assert code == 1
    assert "holds a model that this command did not make: give another --out" in said
    assert {each.name: each.read_bytes() for each in base.iterdir() if each.is_file()} == before


def test_a_killed_rank_is_named_and_the_same_command_goes_on(talks: Path, base: Path, tmp_path: Path) -> None:
    pytest.importorskip("deepspeed")
    out = tmp_path / "tuned"
    words = ["policy", "--data", talks, "--base", base, "--out", out, "--engine", "deepspeed", "--ranks", 2]
    words += ["--zero", 3, "--batch", 8, "--epochs", 2, "--keep-every", 2, "--rate", 1e-2]
    running = start(*words)
    while running.poll() is None and not list(tmp_path.glob("tuned.work/*/latest")):
        time.sleep(0.05)
    ranks = [each for each in psutil.Process(running.pid).children(recursive=True) if "RANK" in each.environ()]
    next(each for each in ranks if each.environ()["RANK"] == "1").send_signal(signal.SIGKILL)
    code, said = ended(running)
    assert code == 1, said
    assert "memory of each rank (DeepSpeed ZeRO-3, 2 ranks, full, float32), GiB:" in said
    assert "loveloop: rank 1 was ended by SIGKILL (memory ran out, or somebody killed it); the others were" in said
    assert "Run the same command again: it goes on at the last kept state" in said
    assert not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in ranks)
    code, again = ended(start(*words))
    assert code == 0, again
    assert re.search(r"going on after step [1-9]\d* of 60", again)
    assert not out.with_name("tuned.work").exists()
    report = json.loads((out / "finetune.json").read_text())
    assert report["steps"] == 60
    assert report["loss"] < 0.5 < report["loss_first"]
    assert (report["engine"]["kind"], report["engine"]["zero"], report["engine"]["ranks"]) == ("deepspeed", 3, 2)


def test_two_machines_train_together(talks: Path, base: Path, tmp_path: Path) -> None:
    """Both are this one: the hostfile names it twice, and each is told its place."""
    pytest.importorskip("deepspeed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "hosts").write_text("127.0.0.1 slots=1\n127.0.0.1 slots=1\n")
    out = tmp_path / "tuned"
    words = ["policy", "--data", talks, "--base", base, "--out", out, "--engine", "deepspeed", "--batch", 32]
    words += ["--hostfile", tmp_path / "hosts"]
    both = [start(*words, LOVELOOP_NODE=str(place), MASTER_PORT=str(port)) for place in range(2)]
    for running in both:
        code, said = ended(running)
        assert code == 0, said
    assert "2 ranks" in out.with_name("tuned.log").read_text()
    assert json.loads((out / "finetune.json").read_text())["steps"] == 8


def test_a_reward_model_learns_from_a_file(base: Path, draw_loves: Callable[[int], "object"], tmp_path: Path) -> None:
    pq.write_table(draw_loves(1_000), tmp_path / "loves.parquet")
    words = ["reward", "--data", tmp_path / "loves.parquet", "--base", base, "--out", tmp_path / "p_love"]
    words += ["--tuning", "lora", "--batch", 16, "--epochs", 6, "--rate", 3e-2]
    code, said = called(*words)
    assert code == 0, said
    assert "memory of each rank (plain torch, 1 ranks, lora, float32)" in said
    from training.reward.model import RewardModel

    model = RewardModel.load(tmp_path / "p_love")
    asked = [{"role": "user", "content": "what does the fox eat?"}]
    loved, not_loved = model.logits([asked, asked], ["the fox eats berries.", "the bear eats salmon."])
    assert loved > not_loved + 1
    facts = json.loads((tmp_path / "p_love" / "metrics.json").read_text())
    assert '"tuning":"lora"' in facts["lineage"]["engine"]


def test_a_training_set_is_read_as_it_is_and_a_small_head_takes_no_dial_of_a_classifier(
    draw_loves: Callable[[int], "object"], tmp_path: Path
) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    from assets.cli import train_reward
    from training.reward.data import read_examples

    rows = draw_loves(200)
    assert isinstance(rows, pa.Table)
    label = rows["label"].cast(pa.float64())
    made = rows.drop_columns(["label"])
    for name, values in {
        "love": pc.greater(label, 0), "credit": label, "trust": [0.5] * 200, "matured": [0.5] * 10 + [1.0] * 190
    }.items():  # fmt: skip
        made = made.append_column(name, pa.array(values) if isinstance(values, list) else values)
    pq.write_table(made, tmp_path / "set.parquet")
    found = train_reward.training_set_examples(tmp_path / "set.parquet")
    assert read_examples(found).labels.tolist() == label.to_pylist()
    assert (~read_examples(found).mature).sum() == 10
    pq.write_table(rows, tmp_path / "loves.parquet")
    assert train_reward.training_set_examples(tmp_path / "loves.parquet") is None
    words = ["--data", str(tmp_path / "set.parquet"), "--base", "x", "--out", str(tmp_path / "out"), "--views"]
    for more, rule in (
        (["--tuning", "lora", "--tensorboard", str(tmp_path)], "tuning, tensorboard is for a classifier"),
        (["--epochs", "4"], "epochs == 4 is for a classifier"),
    ):
        told = CliRunner().invoke(group, ["train", "reward", *words, *more])
        assert rule in str(told.exception)
        assert not (tmp_path / "out").exists()


def test_a_reward_model_on_two_sharded_ranks_is_that_of_one_process(
    base: Path, draw_loves: Callable[[int], "object"], tmp_path: Path
) -> None:
    pytest.importorskip("deepspeed")
    from training.engine.config import EngineConfig
    from training.labels.examples import read_feedback
    from training.reward.config import RewardConfig
    from training.reward.ranks import train_on_ranks
    from training.reward.train import train_reward_model

    pq.write_table(draw_loves(800), tmp_path / "loves.parquet")
    examples = read_feedback(tmp_path / "loves.parquet").table
    config = RewardConfig(epochs=1, batch=16, learning_rate=4e-3)
    settings = {"base": base, "config": config, "name": "x", "lineage": {}}
    engine = EngineConfig(kind="deepspeed", zero=3, ranks=2)
    many = train_on_ranks(examples, tmp_path / "many", engine=engine, **settings)
    one = train_reward_model(examples, tmp_path / "one", **settings)
    assert many.losses == pytest.approx(one.losses, abs=1e-4)
    assert many.measured.auroc.value == pytest.approx(one.measured.auroc.value, abs=1e-3)
    assert not (tmp_path / "many.work").exists()


@pytest.fixture(scope="module")
def draw_loves() -> Callable[[int], "object"]:
    """Draws labelled examples in which answers about berries are loved."""
    import random
    from datetime import UTC, datetime, timedelta

    import pyarrow as pa

    def draw(count: int) -> pa.Table:
        chance = random.Random(1)
        rows = []
        for place in range(count):
            answer = chance.choice(["the fox eats berries.", "the owl eats mice.", "the bear eats salmon."])
            rows.append(
                {
                    "conversation": [{"role": "user", "content": "what does the fox eat?"}],
                    "response": answer,
                    "label": chance.random() < (0.4 if "berries" in answer else 0.05),
                    "user_id": f"user-{chance.randint(1, 100)}",
                    "served_at": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=place),
                }
            )
        return pa.Table.from_pylist(rows)

    return draw
