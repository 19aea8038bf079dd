"""Erasure from end to end: warehouse, training sets, runs, and a receipt of what went and of what had seen the user.

Requests come by event or by hand; whoever asked is known by a hash from then on. Everything can be interrupted and done
again: what is not finished has no receipt, and what has none is done again.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from assets.erasure.files import speaks_of
from assets.erasure.journal import Journal
from assets.erasure.receipt import write as write_receipt
from assets.erasure.request import Asked, Trace
from assets.erasure.runs import find_in_run, find_in_sets, forget_in_run, forget_in_sets

__all__ = ["erase", "finish_pending", "found_outside"]


def erase(
    target: str | Path, user_id: str, *, homes: Iterable[Path], sets: Iterable[Path], say: Callable[[str], object]
) -> list[Path]:
    """Forget a user: store the request, then finish it and every other one that is pending.

    Args:
        target: The warehouse.
        user_id: Whom; the name is not written anywhere.
        homes: Folders in which runs lie.
        sets: Folders in which other training sets lie.
        say: Told what happens.

    Returns:
        The receipts' files.

    Raises:
        WarehouseError: The warehouse cannot be written; nothing else was touched.
        ValueError: A process follows one of the runs.
    """
    from warehouse import erasure

    erasure.request(target, user_id)
    return finish_pending(target, homes=homes, sets=sets, say=say)


def found_outside(user_id: str, *, homes: Iterable[Path], sets: Iterable[Path]) -> bool:
    """Whether a run, a training set or another file of the homes holds rows of a user; nothing is changed.

    Arguments and errors as `erase`.
    """
    from warehouse.ingest.erased_rows import Limit, user_hash

    asked = Asked({user_hash(user_id): Limit(datetime.max.replace(tzinfo=UTC))})
    homes = [home for home in homes if home.exists()]
    runs = _runs(homes)
    others = (file for home in homes for file in _files_outside(home, runs))
    return (
        any(find_in_sets(folder, asked) for folder in sets)
        or any(find_in_run(run, asked) for run in runs)
        or any(speaks_of(file, asked, ()) for file in others)
    )


def finish_pending(
    target: str | Path, *, homes: Iterable[Path], sets: Iterable[Path], say: Callable[[str], object]
) -> list[Path]:
    """Finish every request that has no receipt yet, whether it came by event or by hand.

    1. Take out rows that are there all the same, and rewrite the warehouse without the bytes of deleted rows.
    2. Take the users out of training sets, then out of every run.
    3. Look into the homes' other files; what still names a user is not ours to change and is listed.
    4. Write the receipts, and store them in the warehouse: the requests are done.

    Arguments and errors as `erase`.
    """
    from tqdm import tqdm

    from warehouse import erasure

    sets = list(sets)
    clean = None if _is_lake(target) else Path(target).resolve()
    asked = Asked(erasure.pending(target), erasure.copies(target), clean)
    if not asked.until:
        return []
    homes = [home for home in homes if home.exists()]
    journal = Journal(_folder(target, homes))
    everyone = list(asked.until)
    _clean_warehouse(target, everyone, journal)
    for folder in sets:
        if folder.exists():
            forget_in_sets(folder, asked, journal)
    runs = _runs(homes)
    traces = [forget_in_run(run, asked, journal) for run in tqdm(runs, desc="erase", unit="run", disable=None)]
    _name_models_elsewhere(runs, journal)
    ours = [*runs, *sets, journal.folder, *([] if _is_lake(target) else [Path(target)])]
    _list_what_is_left(homes, [place.resolve() for place in ours], asked, traces, journal)
    findings = journal.findings()
    written = [
        write_receipt(target, name, limit.requested_at, journal.folder, findings.get(name, {}))
        for name, limit in asked.until.items()
    ]
    journal.end()
    for file in written:
        say(f"erased: {file}  ({_went(file)})")
    return written


def _files_outside(home: Path, runs: list[Path]) -> Iterator[Path]:
    for file in sorted(home.rglob("*")):
        if file.is_file() and not any(file.resolve().is_relative_to(run) for run in runs):
            yield file


def _went(receipt: Path) -> str:
    """What the receipt says that went, in a few words."""
    found = json.loads(receipt.read_text())
    rows = ", ".join(
        f"{count:,} {table.replace('_', ' ')}" for table, count in found["warehouse"]["rows"].items() if count
    )
    elsewhere = len(found["training_sets"]) + len(found["files"])
    files = f"; {elsewhere:,} training sets and files were changed" if elsewhere else ""
    since = ", all requests of this user taken together" if found["earlier_receipts"] else ""
    return f"{rows or '0 rows'} in the warehouse{since}{files}"


def _folder(target: str | Path, homes: list[Path]) -> Path:
    """Beside the warehouse's file; a lake has no place of its own, so in the first home."""
    if not _is_lake(target):
        return Path(target).parent / "erasures"
    return (homes[0] if homes else Path("runs")) / "erasures"


def _is_lake(target: str | Path) -> bool:
    return str(target).startswith("ducklake:")


def _clean_warehouse(target: str | Path, everyone: list[str], journal: Journal) -> None:
    from warehouse import erasure, upkeep

    erasure.forget_pending(target)
    done = upkeep.purge(target)
    steps = {name: count for name, count in done.steps.items() if count}
    journal.note("warehouse", everyone, steps=steps, before=str(done.before), after=str(done.after))


def _runs(homes: list[Path]) -> list[Path]:
    found = {file.parent for home in homes for pattern in ("run.json", "*/run.json") for file in home.glob(pattern)}
    return sorted(run.resolve() for run in found)


def _name_models_elsewhere(runs: list[Path], journal: Journal) -> None:
    """Models in any run that were trained on a set that held one of these users, wherever the set lay."""
    from assets.erasure import lineage

    replaced = {
        user: {old for each in found.get("training_set", []) for old in (each["old"], *each["was"])}
        for user, found in journal.findings().items()
    }
    for run in runs:
        sets = lineage.sets_named(run)
        users = [user for user, old in replaced.items() if old & sets]
        for kind, named in lineage.seen(run) if users else ():
            journal.note(kind, users, **named)


def _list_what_is_left(
    homes: list[Path], ours: list[Path], asked: Asked, traces: list[Trace], journal: Journal
) -> None:
    """Files of the homes that are not ours to change, where they hold an id, a row or a text of these users."""
    found = [trace for trace in traces if trace.found]
    for file in sorted(file for home in homes for file in home.rglob("*") if file.is_file()):
        inside = any(file.resolve().is_relative_to(place) for place in ours)
        users = set() if inside else speaks_of(file, asked, found)
        if users:
            journal.note("left", sorted(users), path=file, why="it speaks of the user and is no file of a run")
