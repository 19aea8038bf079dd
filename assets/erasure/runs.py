"""One run, without the users who asked to be forgotten: derived files first, their sources last.

The sources (events, tables, training sets, the run's warehouse) say what is to be looked for in files that hold texts
without a user id. They are cleaned last, so that an interrupted erasure finds in them what it still needs.
"""

import shutil
from collections import Counter
from pathlib import Path

from assets.cycle import cycles, write_json
from assets.erasure import files, lineage
from assets.erasure.journal import Journal
from assets.erasure.request import Asked, Trace
from assets.lock import alone

_NUMBERS = {".safetensors", ".npy", ".png"}
_WAREHOUSE = "warehouse.duckdb"
_CACHES = ("rollouts", "broker")
_MADE_BY = {
    "answers.json": "offline_evaluation",
    "sentinel.json": "offline_evaluation",
    "report.html": "report",
    "report.json": "report",
    "candidates": "candidate",
}


def forget_in_run(run: Path, asked: Asked, journal: Journal) -> Trace:
    """Take these users out of a run's files.

    1. Read the sources for what is theirs; a run without any is left as it is.
    2. Note what had learnt from them or was tried on them.
    3. Remove caches and half-done work, take their prompts out of the answers, their words out of vocabularies, and
       remove whatever else still holds their texts; a stage whose file went is marked to be run again. What somebody
       else said in the same words is not theirs alone, and stays.
    4. Take their rows out of tables, training sets, events and the run's own warehouse.

    Returns:
        What was found in the sources, to search elsewhere for.

    Raises:
        ValueError: A process follows the run.
    """
    with alone(run, "loveloop erase"):
        for leftover in run.rglob(f".*{files.PART}"):
            leftover.unlink()
        trace = _trace(run, asked)
        if trace.found:
            _leave_what_others_said(run, asked, trace)
            for kind, named in lineage.seen(run):
                journal.note(kind, list(trace.found), **named)
            _drop_caches(run, trace, journal)
            _scrub_derived(run, trace, journal)
            _scrub_sources(run, asked, trace, journal)
    return trace


def find_in_run(run: Path, asked: Asked) -> bool:
    """Whether a run's sources hold rows of these users.

    Raises:
        ValueError: A process follows the run.
    """
    with alone(run, "loveloop erase"):
        return bool(_trace(run, asked).found)


def find_in_sets(folder: Path, asked: Asked) -> bool:
    """Whether a training set below a folder holds rows of these users."""
    from warehouse import erased_sets
    from warehouse.training_set import ERASED, load

    sets = erased_sets.sets_under(folder) if folder.exists() else ()
    return any(
        name is not None
        for directory in sets
        if not (directory / ERASED).exists()
        for name in files.owners_of(load(directory), asked)
    )


def forget_in_sets(folder: Path, asked: Asked, journal: Journal) -> None:
    """Take these users out of every training set below a folder; the journal names old sets and new ones."""
    import pyarrow as pa

    from warehouse import erased_sets
    from warehouse.training_set import ERASED, Manifest, load

    for directory in erased_sets.sets_under(folder):
        if (directory / ERASED).exists():
            erased_sets.clear(directory)
            continue
        owners = files.owners_of(load(directory), asked)
        gone = Counter(name for name in owners if name is not None)
        if gone:
            before = Manifest.read(directory)
            made = erased_sets.without(directory, pa.array([name is not None for name in owners], pa.bool_()))
            new = made.hash if made else None
            journal.note("training_set", gone, directory=directory, old=before.hash, new=new, was=before.replaces)


def _trace(run: Path, asked: Asked) -> Trace:
    trace = Trace()
    for file in _files(run):
        match file.suffix:
            case ".ndjson" | ".jsonl":
                files.trace_lines(file, asked, trace)
            case ".parquet":
                files.trace_table(file, asked, trace)
            case ".duckdb" if file.name == _WAREHOUSE:
                _trace_warehouse(file, asked, trace)
    return trace


def _trace_warehouse(file: Path, asked: Asked, trace: Trace) -> None:
    from warehouse import connection

    store = connection.open(file)
    store.migrate()
    with store.read() as reader:
        users = reader.execute("SELECT user_id FROM responses UNION SELECT user_id FROM reactions").fetchall()
        users += reader.execute("SELECT DISTINCT user_id FROM dead_letters WHERE user_id IS NOT NULL").fetchall()
        for user in {user for (user,) in users if asked.whose(user)}:
            rows = [row for query in _THEIRS for row in reader.execute(query, [user]).to_arrow_table().to_pylist()]
            for row in rows:
                at = row.get("served_at") or row.get("reacted_at")
                name = asked.whose(user, at, row.get("event_id"), row.get("received_at"))
                if name:
                    trace.add(name, row)


_THEIRS = (
    "FROM responses WHERE user_id = ?",
    "SELECT user_id, response_id, reacted_at, event_id, received_at FROM reactions WHERE user_id = ?",
    "SELECT user_id FROM dead_letters WHERE user_id = ?",
)


def _leave_what_others_said(run: Path, asked: Asked, trace: Trace) -> None:
    """Everything that users who stay said and were shown, in the run's training sets, is not to be looked for."""
    import pyarrow.parquet as pq

    for file in sorted((run / "training-sets").rglob("*.parquet")):
        table = pq.read_table(file)
        columns = [table[name].to_pylist() for name in ("conversation", "response")]
        for name, conversation, response in zip(files.owners_of(table, asked), *columns, strict=True):
            if name is None:
                trace.leave(conversation, response)


def _drop_caches(run: Path, trace: Trace, journal: Journal) -> None:
    for folder in [*(run / name for name in _CACHES), *run.glob("cycles/*/policies/*.work")]:
        if folder.exists():
            shutil.rmtree(folder)
            journal.note("file", list(trace.found), path=folder, did="removed: made again when it is needed")


def _scrub_derived(run: Path, trace: Trace, journal: Journal) -> None:
    for answers in sorted([*run.glob("cycles/*/answers.json"), *run.glob("cycles/*/sentinel.json")]):
        gone = files.scrub_answers(answers, trace)
        if gone:
            journal.note("file", list(trace.found), path=answers, did=f"{gone:,} answers taken out")
    _scrub_vocabularies(run, trace, journal)
    needles = trace.needles()
    for file in _files(run):
        if not file.exists():
            continue  # the marker of a stage that is to be run again
        source = file.suffix in {".parquet", ".ndjson", ".jsonl"} or file.name.startswith(_WAREHOUSE)
        source |= "training-sets" in file.relative_to(run).parts
        if not source and file.suffix not in _NUMBERS and files.holds(file, needles):
            _run_again(run, file, trace, journal)
            file.unlink(missing_ok=True)
            journal.note("file", list(trace.found), path=file, did="removed: it held their texts")


def _scrub_vocabularies(run: Path, trace: Trace, journal: Journal) -> None:
    """Words that only these users used, in tokenizers that were made from the log."""
    for file in _files(run):
        if file.name == "tokenizer.json" and files.vocabulary(file) & trace.words:
            count = files.scrub_vocabulary(file, trace.words)
            journal.note("file", list(trace.found), path=file, did=f"{count:,} words taken out of the vocabulary")


def _run_again(run: Path, file: Path, trace: Trace, journal: Journal) -> None:
    """Take away the marker of the stage that made a file: the next `loveloop run` makes it anew."""
    place = file.relative_to(run).parts
    if place[0] != "cycles" or len(place) < 3:
        return
    cycle, place = run / place[0] / place[1], place[2:]
    match place:
        case ("models", name, *_):
            stage = name
        case ("policies", name, *_):
            stage = f"policy-{name.removeprefix('love-')}"
        case ("stages", name):
            stage = name.removesuffix(".json")
        case _:
            stage = _MADE_BY.get(place[0], "")
    if stage:
        (cycle / "stages" / f"{stage}.json").unlink(missing_ok=True)
        journal.note("stage", list(trace.found), run=run, cycle=int(cycle.name), name=stage)


def _scrub_sources(run: Path, asked: Asked, trace: Trace, journal: Journal) -> None:
    for file in _files(run):
        if file.suffix == ".parquet" and not (file.parent / "manifest.json").exists():
            _note_rows(journal, file, files.scrub_table(file, asked, trace))
    forget_in_sets(run / "training-sets", asked, journal)
    _point_to_replacement(run, trace, journal)
    for file in _files(run):
        if file.suffix in {".ndjson", ".jsonl"}:
            _note_rows(journal, file, files.scrub_lines(file, asked))
        if file.name == _WAREHOUSE and file.resolve() != asked.clean:
            _note_rows(journal, file, _scrub_warehouse(file, asked, trace))


def _scrub_warehouse(file: Path, asked: Asked, trace: Trace) -> Counter[str]:
    """The run's own warehouse: told of the requests, then rewritten without the bytes."""
    from warehouse import erasure, upkeep

    mine = {name: asked.until[name] for name in trace.found}
    erasure.adopt(file, mine)
    erasure.forget_pending(file)
    upkeep.purge(file)
    for name, limit in mine.items():
        erasure.finish(
            file, name, limit.requested_at, {"user_hash": name, "receipt": "with the warehouse that was asked"}
        )
    return Counter({name: sum(erasure.effects(file, name).rows.values()) for name in mine})


def _point_to_replacement(run: Path, trace: Trace, journal: Journal) -> None:
    """The records of training sets name what took their place; without that, the stage is to be run again."""
    from warehouse import erased_sets
    from warehouse.training_set import ERASED, ErasedTrainingSetError, Manifest

    for each in cycles(run):
        content = dict(each.produced("training_set") or {})
        directory = run / content["facts"]["directory"] if content else run
        if not (directory / ERASED).exists():
            continue
        marker = each.marker_file("training_set")
        try:
            directory = erased_sets.current(directory)
        except ErasedTrainingSetError:
            _run_again(run, marker, trace, journal)
            continue
        found = Manifest.read(directory).as_dict()
        content["facts"] |= {"directory": str(directory.relative_to(run)), **found}
        write_json(marker, content)


def _note_rows(journal: Journal, file: Path, gone: Counter[str]) -> None:
    if gone:
        journal.note("file", dict(gone), path=file, did="rows taken out")


def _files(run: Path) -> list[Path]:
    return sorted(file for file in run.rglob("*") if file.is_file() and not file.is_symlink())
