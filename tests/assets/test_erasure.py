"""Forgetting a user, over every byte on disk: a warehouse, training sets, and a run with everything that runs hold."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from assets import erasure
from assets.cli import group
from assets.cycle import write_json
from assets.erasure import runs
from assets.pipeline import prepare, reopen
from assets.run import Run
from assets.stage import perform
from assets.stages import feedback
from streams.events import ErasureRequested, Message, ReactionChanged, ResponseServed, encode, new_event_id
from streams.topics import TOPICS
from warehouse import connection, training_set
from warehouse import erasure as requests
from warehouse.ingest.commit import commit
from warehouse.ingest.decoding import decode_batch
from warehouse.ingest.erased_rows import user_hash
from warehouse.ingest.records import Record, TopicPartition

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=200)
ANN = "user-quokkaphil"
SECRET = "my quokka is called zanzibar"
MARKS = (b"quokka", b"zanzibar")
pytestmark = pytest.mark.slow
RECIPE = Path(__file__).with_name("tiny.toml")


def said(user: str, text: str, number: int, at: datetime = NOON) -> list[bytes]:
    """A served response and a love for it."""
    common: dict[str, Any] = {"user_id": user, "session_id": "s", "response_id": f"r-{user}-{number}"}
    served = ResponseServed(
        event_id=new_event_id(at), served_at=at, conversation_id=f"c-{user}", turn=number, policy="incumbent",
        conversation=[Message("user", text)], response=f"You said: {text}", experiment="warmer", arm="control",
        **common,
    )  # fmt: skip
    love = ReactionChanged(event_id=new_event_id(at), reacted_at=at, reaction="love", action="added", **common)
    return [encode(served), encode(love)]


def log() -> list[bytes]:
    """Events of the user to be forgotten and of three others, and a line of hers that broke."""
    lines = [line for n in range(4) for line in said(ANN, f"{SECRET} {n}", n, NOON + timedelta(minutes=n))]
    for other in ("bea", "cem", "dana"):
        lines += [line for n in range(4) for line in said(other, f"how do I grow roses {n}?", n)]
    return [*lines, f'{{"user_id":"{ANN}","text":"{SECRET}", broken'.encode()]


def pour(target: Path, lines: list[bytes], first: int = 0) -> None:
    records = [Record(TOPICS.events, 0, first + n, int(LATER.timestamp() * 1000), line) for n, line in enumerate(lines)]
    commit(connection.open(target), decode_batch(records), {TopicPartition(TOPICS.events, "t", 0): first})


def texts_in(file: Path) -> Iterator[bytes]:
    """The bytes of a file and, where they are compressed, what they say."""
    yield file.read_bytes()
    if file.suffix == ".parquet":
        yield json.dumps(pq.read_table(file).to_pylist(), default=str).encode()
    if file.suffix == ".duckdb":
        with connection.open(file).read() as reader:
            for (name,) in reader.execute("SELECT table_name FROM duckdb_tables() WHERE NOT temporary").fetchall():
                yield json.dumps(reader.execute(f'FROM "{name}"').fetchall(), default=str).encode()


def holding(place: Path) -> set[str]:
    """Files below a folder that hold a mark of hers."""
    files = [file for file in place.rglob("*") if file.is_file()]
    return {
        str(file.relative_to(place))
        for file in files
        if any(mark in text.lower() for text in texts_in(file) for mark in MARKS)
    }


@pytest.fixture(scope="module")
def first_target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a warehouse that has read the log, and a training set of it elsewhere; to be copied."""
    place = tmp_path_factory.mktemp("first") / "data"
    connection.open(place / "warehouse.duckdb").migrate()
    pour(place / "warehouse.duckdb", log())
    training_set.build(place / "warehouse.duckdb", place / "sets", as_of=LATER)
    return place


@pytest.fixture
def target(first_target: Path, tmp_path: Path) -> Path:
    """A warehouse that has read the log, and a training set of it elsewhere."""
    return shutil.copytree(first_target, tmp_path / "data") / "warehouse.duckdb"


@pytest.fixture
def run(first_run: Path, tmp_path: Path) -> Run:
    """A run as its stages leave it, but for the weights of its models."""
    return reopen(shutil.copytree(first_run, tmp_path / "runs" / "r1", symlinks=True))


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of such a run; to be copied."""
    made = prepare(tmp_path_factory.mktemp("first") / "runs" / "r1", RECIPE, None)
    (made.world / "truth").mkdir(parents=True)
    (made.world / "events.ndjson").write_bytes(b"".join(line + b"\n" for line in log()))
    users = [ANN, "bea", "cem", "dana"]
    pq.write_table(pa.table({"user_id": users, "taste": [1.0] * 4}), made.world / "truth" / "users.parquet")
    connection.open(made.warehouse).migrate()
    pour(Path(made.warehouse), log())
    perform(made, feedback.TRAINING_SET)
    _models(made)
    prompts = [[{"content": f"{text} 1", "role": "user"}] for text in (SECRET, "how do I grow roses")]
    answers = [{"prompt": prompt, "incumbent": "Fine."} for prompt in prompts]
    (made.cycle_directory / "answers.json").write_text(json.dumps(answers))
    (made.cycle_directory / "sentinel.json").write_text(json.dumps([each | {"response": "Bye."} for each in answers]))
    (made.directory / "rollouts").mkdir()
    pq.write_table(pa.table({"text": [f"Oh, {SECRET}!"]}), made.directory / "rollouts" / "rollouts-1.parquet")
    (made.cycle_directory / "report.html").write_text(f"<p>{SECRET} 3</p>")
    finish(made, "report", html="cycles/0001/report.html")
    return made.directory


def finish(run: Run, stage: str, **facts: Any) -> None:
    """Record a stage as finished, as `perform` would."""
    assert run.cycle is not None
    marker = {"stage": stage, "key": "k", "parts": {}, "version": "k", "needs": [], "seconds": 0.0}
    moment = datetime.now(UTC).isoformat()
    write_json(run.cycle.marker_file(stage), {**marker, "finished_at": moment, "facts": {"summary": "", **facts}})


def _models(run: Run) -> None:
    place, lineage = run.models / "incumbent", {"training_set": run.recorded("training_set")["hash"]}
    words = {"<|unknown|>": 0, " my": 1, " quokka": 2, " is": 3, " called": 4, " zanzibar": 5, " roses": 6}
    for directory in (place, run.models / "p_love", run.policy(0.3)):
        directory.mkdir(parents=True)
        tokenizer = {"model": {"type": "WordLevel", "vocab": words}}
        (directory / "tokenizer.json").write_text(json.dumps(tokenizer))
    finish(run, "incumbent", base=None, place=run.relative(place), fingerprint="f0")
    finish(run, "p_love", place=run.relative(run.models / "p_love"), fingerprint="f1")
    (run.models / "p_love" / "metrics.json").write_text(json.dumps({"lineage": lineage | {"base": str(place)}}))
    (run.policy(0.3) / "policy.json").write_text(json.dumps({"policy": "love-0.3-v1"}))
    candidate = run.cycle_directory / "candidates" / "love-0.3-abc"
    candidate.mkdir(parents=True)
    (candidate / "lineage.json").write_text(json.dumps(lineage))
    finish(run, "exposures", name="ab-love-0.3-abc")


def forget(target: Path, run: Run, **options: Any) -> dict[str, Any]:
    homes, sets = [run.directory.parent], [target.parent / "sets"]
    files = erasure.erase(target, ANN, homes=homes, sets=sets, say=lambda _: None, **options)
    receipt: dict[str, Any] = json.loads(files[-1].read_text())
    return receipt


def test_after_an_erasure_no_byte_on_disk_is_the_user_s(target: Path, run: Run, tmp_path: Path) -> None:
    before = holding(tmp_path)
    assert {Path(name).name for name in before} >= {
        "warehouse.duckdb", "examples.parquet", "events.ndjson", "users.parquet", "answers.json", "report.html",
        "tokenizer.json", "rollouts-1.parquet",
    }  # fmt: skip
    forget(target, run)
    assert holding(tmp_path) == set()


def test_everybody_else_stays_where_they_were(target: Path, run: Run) -> None:
    forget(target, run)
    for place in (target, Path(run.warehouse)):
        with connection.open(place).read() as reader:
            left = reader.execute("SELECT count(*), count(DISTINCT user_id) FROM clean_feedback").fetchone()
        assert left == (12, 3)
    directory = feedback.training_set_directory(run)
    assert training_set.Manifest.read(directory).rows == training_set.load(directory).num_rows == 12
    assert len((run.world / "events.ndjson").read_bytes().splitlines()) == 24
    assert pq.read_table(run.world / "truth" / "users.parquet").num_rows == 3
    for file in ("answers.json", "sentinel.json"):
        rows = json.loads((run.cycle_directory / file).read_text())
        assert [each["prompt"][0]["content"] for each in rows] == ["how do I grow roses 1"]
    vocabulary = json.loads((run.models / "incumbent" / "tokenizer.json").read_text())["model"]["vocab"]
    assert (vocabulary[" roses"], vocabulary["<|erased-5|>"], len(vocabulary)) == (6, 5, 7)


def test_the_receipt_says_what_went_and_what_had_seen_the_user_and_names_nobody(target: Path, run: Run) -> None:
    old = run.recorded("training_set")["hash"]
    receipt = forget(target, run)
    assert receipt["user_hash"] == user_hash(ANN)
    assert receipt["warehouse"]["rows"] == {
        "dead_letters": 1,
        "experiment_users": 1,
        "reactions": 4,
        "responses": 4,
    }
    assert receipt["warehouse"]["experiments"] == {"warmer/control": 4}
    replaced = {each["old"]: each["new"] for each in receipt["training_sets"]}
    assert replaced[old] == run.recorded("training_set")["hash"]
    seen = {kind: [each["name"] for each in found] for kind, found in receipt["seen_by"].items()}
    assert seen == {
        "incumbent": ["incumbent"],
        "reward_model": ["p_love"],
        "policy": ["love-0.3"],
        "candidate": ["love-0.3-abc"],
        "experiment": ["ab-love-0.3-abc"],
    }
    assert [each["name"] for each in receipt["stages_to_run_again"]] == ["report"]
    assert run.finished("report") is None
    assert receipt["left"] == []
    assert any("broker" in line for line in receipt["beyond_reach"])
    assert not any(mark in json.dumps(receipt).encode() for mark in MARKS)
    assert requests.receipts(target, ANN) == [receipt]
    assert requests.pending(target) == {}


def test_the_old_training_set_no_longer_opens_and_names_its_replacement(target: Path, run: Run) -> None:
    old = run.directory / run.recorded("training_set")["directory"]
    forget(target, run)
    with pytest.raises(training_set.ErasedTrainingSetError, match="was erased") as error:
        training_set.load(old)
    assert error.value.replacement == feedback.training_set_directory(run)
    assert [file.name for file in old.iterdir()] == ["ERASED.json"]


@pytest.mark.parametrize("step", ["forget_in_sets", "_scrub_derived", "_scrub_warehouse", "_point_to_replacement"])
def test_an_erasure_that_died_in_the_middle_is_finished_by_the_next_and_its_receipt_is_whole(
    target: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(runs, step, die)
        with pytest.raises(KeyboardInterrupt):
            forget(target, run)
    assert list(requests.pending(target)) == [user_hash(ANN)]
    homes, sets = [run.directory.parent], [target.parent / "sets"]
    files = erasure.finish_pending(target, homes=homes, sets=sets, say=lambda _: None)
    assert holding(tmp_path) == set()
    receipt = json.loads(files[0].read_text())
    assert len(receipt["training_sets"]) == 2
    assert [each["name"] for each in receipt["seen_by"]["reward_model"]] == ["p_love"]
    assert erasure.finish_pending(target, homes=homes, sets=sets, say=lambda _: None) == []


def test_a_request_by_event_is_finished_later_and_what_comes_after_it_counts(
    target: Path, run: Run, tmp_path: Path
) -> None:
    request = ErasureRequested(event_id=new_event_id(LATER), user_id=ANN, requested_at=LATER)
    pour(target, [encode(request)], first=len(log()))
    erasure.finish_pending(target, homes=[tmp_path / "runs"], sets=[tmp_path / "data" / "sets"], say=lambda _: None)
    assert holding(tmp_path) == set()
    pour(target, [*log(), *said(ANN, "good morning", 9, LATER + timedelta(minutes=1))], first=len(log()) + 1)
    with connection.open(target).read() as reader:
        found = reader.execute("SELECT response_id FROM responses WHERE user_id = ?", [ANN]).fetchall()
    assert found == [(f"r-{ANN}-9",)]


def test_a_run_that_is_being_followed_is_not_touched(target: Path, run: Run) -> None:
    from assets.lock import alone

    with alone(run.directory, "loveloop run"), pytest.raises(ValueError, match="works in"):
        forget(target, run)
    assert list(requests.pending(target)) == [user_hash(ANN)]


def test_a_strange_file_that_holds_her_text_is_named_and_left(target: Path, run: Run) -> None:
    notes, export = run.directory.parent / "notes.txt", run.directory.parent / "export.parquet"
    notes.write_text(f"Remember: {SECRET} 2")
    pq.write_table(pa.table({"user_id": [ANN, "bea"]}), export)
    receipt = forget(target, run)
    assert [each["path"] for each in receipt["left"]] == [str(export), str(notes)]
    assert notes.exists()


def test_what_somebody_else_said_in_the_same_words_stays(target: Path, run: Run) -> None:
    shared = "how do I grow roses 1?"
    lines = said(ANN, shared, 8)
    (run.world / "events.ndjson").write_bytes(b"".join(line + b"\n" for line in [*log(), *lines]))
    (run.cycle_directory / "report.html").write_text(f"<p>{shared}</p>")
    receipt = forget(target, run)
    assert (run.cycle_directory / "report.html").read_text() == f"<p>{shared}</p>"
    assert receipt["stages_to_run_again"] == []


def test_the_nightly_job_finishes_what_was_asked_by_event(target: Path, run: Run) -> None:
    import dagster as dg

    from assets.asset import RunResource
    from assets.orchestration.erasure_job import finish_erasures

    request = ErasureRequested(event_id=new_event_id(LATER), user_id=ANN, requested_at=LATER)
    pour(Path(run.warehouse), [encode(request)], first=len(log()))
    done = finish_erasures.execute_in_process(resources={"run": RunResource(directory=str(run.directory))})
    assert done.success
    assert requests.pending(run.warehouse) == {}
    assert holding(run.directory) == set()
    (receipt,) = requests.receipts(run.warehouse, ANN)
    assert [each["name"] for each in receipt["seen_by"]["policy"]] == ["love-0.3"]
    assert isinstance(finish_erasures, dg.JobDefinition)


def test_the_command_forgets_posts_the_request_and_says_where_the_receipt_is(
    target: Path, run: Run, tmp_path: Path, tansu: str
) -> None:
    from assets.cli.erase import erase
    from streams import topics
    from warehouse import queries, sink

    topics.create_topics(tansu, 1)
    places = ["--warehouse", str(target), "--home", str(tmp_path / "runs"), "--training-sets", str(tmp_path / "data")]
    done = CliRunner().invoke(erase, [ANN, *places, "--post", "--bootstrap", tansu])
    assert done.exit_code == 0, done.output
    assert f"erased: {target.parent / 'erasures'}" in done.output
    assert "(1 dead letters, 1 experiment users, 4 reactions, 4 responses in the warehouse; " in done.output
    assert holding(tmp_path) == set()
    sink.ingest(target, tansu, until_caught_up=True)
    assert queries.counts(target)["duplicates_dropped"] == 1
    again = CliRunner().invoke(erase, ["--pending", *places])
    assert "nothing is pending" in again.output
    assert "give either a USER or --pending" in CliRunner().invoke(erase, places).output


def test_a_name_that_nobody_has_is_refused_and_nothing_is_recorded(target: Path, run: Run, tmp_path: Path) -> None:
    places = ["--warehouse", str(target), "--home", str(tmp_path / "runs"), "--training-sets", str(tmp_path / "data")]
    done = CliRunner().invoke(group, ["erase", ANN.upper(), *places])
    assert done.exit_code == 1
    assert f"nobody of the name {ANN.upper()!r} is known; did you mean {ANN!r}?" in done.output
    assert "(0 rows)" in done.output
    assert not requests.known(target, ANN.upper()).there
    assert requests.known(target, ANN).there
    assert not (target.parent / "erasures").exists()


def test_a_name_that_nobody_has_yet_is_recorded_by_force(target: Path, tmp_path: Path) -> None:
    places = ["--warehouse", str(target), "--home", str(tmp_path / "runs"), "--training-sets", str(tmp_path / "data")]
    done = CliRunner().invoke(group, ["erase", "zoe", *places, "--force"])
    assert done.exit_code == 0, done.output
    assert "(0 rows in the warehouse)" in done.output
    pour(target, said("zoe", "a question of mine", 1), first=len(log()))
    with connection.open(target).read() as reader:
        assert reader.execute("SELECT count(*) FROM responses WHERE user_id = 'zoe'").fetchone() == (0,)
    assert CliRunner().invoke(group, ["erase", "zoe", *places]).exit_code == 0, "a name that asked before is known"


@pytest.mark.parametrize("place", ["run", "set", "export"])
def test_a_user_whom_only_a_run_or_a_set_or_an_export_knows_is_no_stranger(
    run: Run, tmp_path: Path, place: str
) -> None:
    other, sets = tmp_path / "other.duckdb", tmp_path / "sets"
    connection.open(other).migrate()
    homes = [run.directory.parent] if place == "run" else [tmp_path / "elsewhere"]
    homes[0].mkdir(exist_ok=True)
    if place == "set":
        training_set.build(run.warehouse, sets, as_of=LATER)
    if place == "export":
        pq.write_table(pa.table({"user_id": [ANN]}), homes[0] / "export.parquet")
    assert not requests.known(other, ANN).there
    assert erasure.found_outside(ANN, homes=homes, sets=[sets])
    assert not erasure.found_outside("zoe", homes=homes, sets=[sets])


def test_a_run_that_holds_only_what_the_user_did_after_the_request_is_left_as_it_is(
    target: Path, tmp_path: Path
) -> None:
    later = prepare(tmp_path / "runs" / "later", RECIPE, None)
    connection.open(later.warehouse).migrate()
    after = datetime.now(UTC) + timedelta(hours=1)
    lines = said(ANN, SECRET, 20, after)  # said and received after the request
    records = [Record(TOPICS.events, 0, n, int(after.timestamp() * 1000), x) for n, x in enumerate(lines)]
    commit(connection.open(later.warehouse), decode_batch(records), {TopicPartition(TOPICS.events, "t", 0): 0})
    (later.directory / "rollouts").mkdir()
    receipt = forget(target, later)
    assert receipt["seen_by"]["policy"] == receipt["files"] == []
    assert (later.directory / "rollouts").exists()
    with connection.open(later.warehouse).read() as reader:
        assert reader.execute("SELECT count(*) FROM responses").fetchone() == (1,)
