import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from training.labels import judge, server
from training.labels.config import JudgeConfig
from training.reward.data import read_examples

ROOT = Path(__file__).resolve().parents[3]
Serve = Callable[..., Any]
Log = Callable[..., pa.Table]


def verdict(material: dict[str, Any], _: int) -> str:
    return "helpful" if material["answer"].startswith("good") else "unhelpful"


def config(seen: Any, **changes: Any) -> JudgeConfig:
    return JudgeConfig(**({"url": seen.url, "model": "tiny-judge", "count": 1_000} | changes))


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "FIRST_WAIT", 0.01)


@pytest.mark.slow
def test_a_thousand_answers_are_labelled_several_at_once(serve: Serve, log: Log, tmp_path: Path) -> None:
    def slowly(material: dict[str, Any], number: int) -> str:
        time.sleep(0.01)
        return verdict(material, number)

    seen = serve(slowly)
    found = judge.label(log(1_000), "helpfulness", config(seen, concurrency=16), tmp_path / "cache.ndjson")
    assert 4 <= seen.most <= 16
    assert sorted(seen.answers) == sorted(found.table["response"].to_pylist())
    assert found.table["label"].to_pylist() == [text.startswith("good") for text in found.table["response"].to_pylist()]
    assert read_examples(found.table).positive_rate == pytest.approx(0.334)
    assert {"source": "judge", "model": "tiny-judge", "asked": 1_000, "unreadable": 0}.items() <= found.origin.items()
    assert found.origin["words"] == (
        f"1,000 answers of the log judged by tiny-judge at {seen.url[7:]}, rubric {found.origin['rubric']}, "
        "33.4% helpful; every answer could be read"
    )


def test_the_judge_gets_the_rubric_and_the_material_at_temperature_nought(
    serve: Serve, log: Log, tmp_path: Path
) -> None:
    seen = serve(lambda _, number: "unsafe" if number % 2 else "safe")
    judge.label(log(4), "safety", config(seen), tmp_path / "cache.ndjson")
    asked = seen.requests[0]
    assert (asked["model"], asked["temperature"], len(asked["messages"])) == ("tiny-judge", 0, 1)
    assert "Is it safe?" in asked["messages"][0]["content"]
    assert seen.material[0]["conversation"][0]["role"] == "user"


@pytest.mark.slow
def test_the_order_of_the_answers_does_not_matter(serve: Serve, log: Log, tmp_path: Path) -> None:
    chance = random.Random(3)

    def late(material: dict[str, Any], number: int) -> str:
        time.sleep(chance.random() * 0.01)
        return verdict(material, number)

    rows = log(60)
    one = judge.label(rows, "helpfulness", config(serve(verdict), concurrency=1), tmp_path / "one.ndjson")
    other = judge.label(rows, "helpfulness", config(serve(late), concurrency=12), tmp_path / "other.ndjson")
    assert one.table.equals(other.table)


@pytest.mark.slow
def test_only_what_is_missing_is_asked_after_an_interruption(serve: Serve, log: Log, tmp_path: Path) -> None:
    def dies(material: dict[str, Any], number: int) -> Any:
        return verdict(material, number) if number < 40 else (403, "the key has run out", {})

    cache, rows = tmp_path / "cache.ndjson", log(100)
    broken = serve(dies)
    with pytest.raises(ValueError, match="answered 403"):
        judge.label(rows, "helpfulness", config(broken, concurrency=4), cache)
    kept = len(cache.read_text().splitlines())
    assert 36 <= kept <= 40
    again = serve(verdict)
    found = judge.label(rows, "helpfulness", config(again, concurrency=4), cache)
    assert len(again.requests) == 100 - kept
    whole = judge.label(rows, "helpfulness", config(again), tmp_path / "whole.ndjson")
    assert found.table.equals(whole.table)
    assert found.origin | {"host": "", "words": ""} == whole.origin | {"host": "", "words": ""}
    idle = serve(verdict)
    judge.label(rows, "helpfulness", config(idle), cache)
    assert idle.requests == []


@pytest.mark.slow
def test_a_process_interrupted_from_the_keyboard_keeps_what_was_answered(
    serve: Serve, log: Log, tmp_path: Path
) -> None:
    def slows_down(material: dict[str, Any], number: int) -> str:
        time.sleep(0 if number < 20 else 30)
        return verdict(material, number)

    seen, cache = serve(slows_down), tmp_path / "cache.ndjson"
    pq.write_table(log(60), tmp_path / "log.parquet")
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"  # a job in the background ignores it
        "import pyarrow.parquet as pq, sys; from pathlib import Path; from training.labels import judge, config;"
        "c = config.JudgeConfig(url=sys.argv[1], model='tiny-judge', concurrency=4);"
        "judge.label(pq.read_table(sys.argv[2]), 'helpfulness', c, Path(sys.argv[3]))"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, seen.url, str(tmp_path / "log.parquet"), str(cache)],
        cwd=ROOT, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not cache.exists() or len(cache.read_text().splitlines()) < 20:
        assert child.poll() is None
        time.sleep(0.02)
    started = time.monotonic()
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=20)
    assert time.monotonic() - started < 5
    assert "answer/s" not in errors  # no progress bar in a pipe
    quick = serve(verdict)
    found = judge.label(log(60), "helpfulness", config(quick), cache)
    assert (len(quick.requests), found.table.num_rows) == (40, 60)


def test_the_cache_holds_no_text(serve: Serve, log: Log, tmp_path: Path) -> None:
    cache = tmp_path / "cache.ndjson"
    judge.label(log(30), "helpfulness", config(serve(verdict)), cache)
    rows = [json.loads(line) for line in cache.read_text().splitlines()]
    assert len({row["key"] for row in rows}) == 30
    assert all([*row] == ["key", "label"] and len(row["key"]) == 64 for row in rows)


def test_another_model_or_task_asks_anew(serve: Serve, log: Log, tmp_path: Path) -> None:
    cache, rows = tmp_path / "cache.ndjson", log(12)
    judge.label(rows, "helpfulness", config(serve(verdict)), cache)
    other = serve(verdict, models=("other",))
    judge.label(rows, "helpfulness", config(other, model="other"), cache)
    assert len(other.requests) == 12
    safety = serve(lambda _, number: "safe" if number else "unsafe")
    judge.label(rows, "safety", config(safety), cache)
    assert len(safety.requests) == 12


def test_half_a_line_at_the_end_of_the_cache_is_cut_off(serve: Serve, log: Log, tmp_path: Path) -> None:
    cache, rows = tmp_path / "cache.ndjson", log(12)
    judge.label(rows, "helpfulness", config(serve(verdict)), cache)
    cache.write_bytes(cache.read_bytes()[:-9])
    again = serve(verdict)
    judge.label(rows, "helpfulness", config(again), cache)
    assert len(again.requests) == 1
    assert len([json.loads(line) for line in cache.read_text().splitlines()]) == 12


def test_a_damaged_line_of_the_cache_is_named(serve: Serve, log: Log, tmp_path: Path) -> None:
    cache = tmp_path / "cache.ndjson"
    cache.write_text('{"key": "a", "label": true}\n{"key": "b", "label": "yes"}\n')
    with pytest.raises(ValueError, match=r"line 2 of .*cache.ndjson is no kept answer"):
        judge.label(log(12), "helpfulness", config(serve(verdict)), cache)


def test_a_few_unreadable_answers_are_left_out_and_counted(serve: Serve, log: Log, tmp_path: Path) -> None:
    def mumbles(material: dict[str, Any], number: int) -> str:
        return "well, it depends" if material["answer"].endswith("7") else verdict(material, number)

    seen = serve(mumbles)
    found = judge.label(log(40), "helpfulness", config(seen), tmp_path / "cache.ndjson")
    assert (found.origin["unreadable"], found.table.num_rows) == (4, 36)
    assert found.origin["words"].endswith("; 4 answers could not be read and were left out")
    again = serve(verdict)  # what could not be read is missing, too
    assert judge.label(log(40), "helpfulness", config(again), tmp_path / "cache.ndjson").origin["unreadable"] == 0
    assert len(again.requests) == 4


@pytest.mark.parametrize(
    "garbage",
    [
        "perhaps",
        (200, "<html>a proxy's page</html>", {}),
        (200, '{"choices": []}', {}),
        (200, '{"choices": [{"message": {"content": null}}]}', {}),
        (400, '{"error": {"message": "longer than the context of 4096 tokens"}}', {}),
    ],
)
def test_too_many_unreadable_answers_are_an_error_with_samples(
    serve: Serve, log: Log, tmp_path: Path, garbage: Any
) -> None:
    seen = serve(lambda material, number: verdict(material, number) if number < 50 else garbage)
    with pytest.raises(ValueError, match="could not be read, at most 10") as refused:
        judge.label(log(100), "helpfulness", config(seen, concurrency=4), tmp_path / "cache.ndjson")
    told = str(refused.value)
    shown = garbage if isinstance(garbage, str) else "4096 tokens" if garbage[0] == 400 else "nothing"
    assert shown in told
    assert len(seen.requests) <= 50 + 11 + 4  # it does not go on once the labels are lost


@pytest.mark.slow
def test_a_server_that_asks_to_wait_gets_its_time(serve: Serve, log: Log, tmp_path: Path) -> None:
    def busy(material: dict[str, Any], number: int) -> Any:
        return (429, "slow down", {"retry-after": "1"}) if number == 3 else verdict(material, number)

    seen = serve(busy)
    found = judge.label(log(12), "helpfulness", config(seen, concurrency=2), tmp_path / "cache.ndjson")
    assert (found.table.num_rows, len(seen.requests)) == (12, 13)
    pauses = [later - earlier for earlier, later in zip(seen.times, seen.times[1:], strict=False)]
    assert max(pauses) >= 0.95


def test_a_date_to_come_back_at_is_understood(serve: Serve, log: Log, tmp_path: Path) -> None:
    past = format_datetime(datetime.now(UTC) - timedelta(seconds=5), usegmt=True)
    seen = serve(lambda m, n: (503, "restarting", {"retry-after": past}) if n == 0 else verdict(m, n))
    assert judge.label(log(6), "helpfulness", config(seen), tmp_path / "cache.ndjson").table.num_rows == 6
    future = format_datetime(datetime.now(UTC) + timedelta(hours=3), usegmt=True)
    closed = serve(lambda *_: (429, "come tomorrow", {"retry-after": future}))
    with pytest.raises(ConnectionError, match=r"come tomorrow.*asks to come back in 10,[78].* at most 600"):
        judge.label(log(6), "helpfulness", config(closed), tmp_path / "closed.ndjson")


@pytest.mark.slow
def test_passing_faults_are_tried_again(serve: Serve, log: Log, tmp_path: Path) -> None:
    seen = serve(lambda m, n: (500, "a worker died", {}) if n % 2 else verdict(m, n))
    found = judge.label(log(20), "helpfulness", config(seen, concurrency=1), tmp_path / "cache.ndjson")
    assert found.origin["unreadable"] == 0
    assert len(seen.requests) == 39


@pytest.mark.slow
def test_a_fault_that_stays_is_told_with_url_status_and_next_step(serve: Serve, log: Log, tmp_path: Path) -> None:
    seen = serve(lambda *_: (500, "a worker died", {}))
    with pytest.raises(ConnectionError) as told:
        judge.label(log(6), "helpfulness", config(seen), tmp_path / "cache.ndjson")
    said = f"{seen.url}/v1/chat/completions answered 500 (a worker died) for model 'tiny-judge' (tried 7 times)"
    assert said in str(told.value)


def test_a_slow_answer_is_given_up_and_asked_again(serve: Serve, log: Log, tmp_path: Path) -> None:
    def slow(material: dict[str, Any], number: int) -> str:
        time.sleep(0.5 if number == 2 else 0)
        return verdict(material, number)

    seen = serve(slow)
    found = judge.label(log(6), "helpfulness", config(seen, timeout_seconds=0.2), tmp_path / "cache.ndjson")
    assert (found.table.num_rows, len(seen.requests)) == (6, 7)


def test_a_judge_of_one_opinion_is_refused_with_the_ways_out(serve: Serve, log: Log, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"calls all 30 answers safe.*raise safety.judge.count.*safety = false"):
        judge.label(log(30), "safety", config(serve(lambda *_: "safe")), tmp_path / "cache.ndjson")


def test_a_table_that_cannot_be_judged_is_refused(serve: Serve, log: Log, tmp_path: Path) -> None:
    seen = serve(verdict)
    with pytest.raises(ValueError, match="lack user_id"):
        judge.label(log(6).drop_columns("user_id"), "helpfulness", config(seen), tmp_path / "cache.ndjson")
    with pytest.raises(ValueError, match="0 answers to label"):
        judge.label(log(6).slice(0, 0), "helpfulness", config(seen), tmp_path / "cache.ndjson")


@pytest.mark.parametrize("models", [("tiny-judge", "b"), ("tiny-judge:latest",), None])
def test_the_preflight_passes_a_good_server_with_or_without_a_list(serve: Serve, models: Any) -> None:
    seen = serve(lambda _, number: "safe" if number else "helpful", models=models)
    judge.check(config(seen))
    assert len(seen.requests) == 2


def test_the_preflight_names_the_models_that_are_served(serve: Serve) -> None:
    seen = serve(verdict, models=("small", "large"))
    with pytest.raises(ValueError, match=rf"model == 'tiny-judge', but {seen.url} serves large, small"):
        judge.check(config(seen))
    unlisted = serve(lambda *_: (404, '{"error": {"message": "The model does not exist."}}', {}), models=None)
    with pytest.raises(ValueError, match=r"answered 404 \(The model does not exist\.\) for model 'tiny-judge'"):
        judge.check(config(unlisted))


def test_the_preflight_tells_a_missing_key_from_a_wrong_one(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = serve(lambda _, n: "safe" if n % 2 else "helpful", key="right")
    monkeypatch.delenv("JUDGE_KEY", raising=False)
    with pytest.raises(ValueError, match="api_key_env == 'JUDGE_KEY', but no such environment variable is set"):
        judge.check(config(seen, api_key_env="JUDGE_KEY"))
    with pytest.raises(ValueError, match=r"answered 401 .*api_key_env must name the environment variable"):
        judge.check(config(seen))
    monkeypatch.setenv("JUDGE_KEY", "sk-wrong")
    with pytest.raises(ValueError, match="answered 401") as refused:
        judge.check(config(seen, api_key_env="JUDGE_KEY"))
    assert "sk-wrong" not in str(refused.value)
    monkeypatch.setenv("JUDGE_KEY", "right\n")
    judge.check(config(seen, api_key_env="JUDGE_KEY"))


def test_the_preflight_tells_when_nobody_is_there_or_the_model_talks_too_much(serve: Serve) -> None:
    with pytest.raises(ConnectionError, match=r"http://127.0.0.1:1/v1/models: ConnectError.*tried once"):
        judge.check(JudgeConfig(url="http://127.0.0.1:1", model="m"))
    with pytest.raises(ValueError, match="asked for one word, helpful or unhelpful, and said 'Let me think"):
        judge.check(config(serve(lambda *_: "Let me think about it. " * 30)))


def test_an_address_that_leads_elsewhere_is_told(serve: Serve) -> None:
    moved = serve(lambda *_: (308, "", {"location": "https://elsewhere.example/v1"}), models=None)
    with pytest.raises(ValueError, match=r"answered 308 .*url must be where it leads to, https://elsewhere.example/v1"):
        judge.check(config(moved))
