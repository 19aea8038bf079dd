"""Files that hold users' rows or texts: read for traces, then written again without them. One function a format."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.erasure.request import Asked, Trace, canonical
from streams.events import MOMENTS

if TYPE_CHECKING:
    import pyarrow as pa

PART = ".erasing"
"""Ends the name of a file that is being written to take another's place."""


def trace_lines(file: Path, asked: Asked, trace: Trace) -> None:
    """Note what a file of events (one JSON object a line) says of these users."""
    for line in _lines(file):
        name, fields = _owner(line, asked)
        if name is not None:
            trace.add(name, fields)


def scrub_lines(file: Path, asked: Asked) -> Counter[str]:
    """Take their lines out of a file of events; returns how many, by user hash."""
    gone: Counter[str] = Counter()

    def write(part: Path) -> None:
        with part.open("wb") as rest:
            for line in _lines(file):
                name, _ = _owner(line, asked)
                if name is None:
                    rest.write(line)
                else:
                    gone[name] += 1

    _replace(file, write, lambda: bool(gone))
    return gone


def trace_table(file: Path, asked: Asked, trace: Trace) -> None:
    """Note what a Parquet file with a user_id says of these users."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if "user_id" not in pq.read_schema(file).names:
        return
    table = pq.read_table(file)
    owners = owners_of(table, asked)
    mine = [place for place, name in enumerate(owners) if name is not None]
    for place, row in zip(mine, table.take(pa.array(mine, pa.int64())).to_pylist(), strict=True):
        trace.add(str(owners[place]), row)


def owners_of(table: "pa.Table", asked: Asked) -> list[str | None]:
    """Whose each row is, of those who are to be forgotten: by user_id, and by moment and event_id where there are."""
    users = table["user_id"].to_pylist()
    moment = next((name for name in MOMENTS.values() if name in table.column_names), None)
    if moment is None:
        return [asked.whose(user) for user in users]
    times = map(_utc, table[moment].to_pylist())
    ids = table["event_id"].to_pylist() if "event_id" in table.column_names else [None] * table.num_rows
    return [asked.whose(*each) for each in zip(users, times, ids, strict=True)]


def scrub_table(file: Path, asked: Asked, trace: Trace) -> Counter[str]:
    """Take their rows out of a Parquet file; returns how many, by user hash.

    Rows are theirs by user_id, by response_id where that is all there is, else by a text that is theirs.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(file)
    if "user_id" in table.column_names:
        owners = owners_of(table, asked)
    else:
        mine = trace.responses if "response_id" in table.column_names else trace.texts | trace.conversations
        texts = [name for name in table.column_names if pa.types.is_string(table.schema.field(name).type)]
        columns = ["response_id"] if "response_id" in table.column_names else texts
        someone = next(iter(trace.found), None)
        rows = zip(*(table[name].to_pylist() for name in columns), strict=True) if columns else [()] * table.num_rows
        owners = [someone if any(value in mine for value in row) else None for row in rows]
    gone = Counter(name for name in owners if name is not None)
    rest = table.filter(pa.array([name is None for name in owners], pa.bool_()))
    _replace(file, lambda part: pq.write_table(rest, part, compression="zstd"), lambda: bool(gone))
    return gone


def scrub_answers(file: Path, trace: Trace) -> int:
    """Take the answers to their prompts out of a list of objects with a `prompt`; returns how many."""
    rows = json.loads(file.read_text())
    rest = [row for row in rows if canonical(row["prompt"]) not in trace.conversations]
    _replace(file, lambda part: part.write_text(json.dumps(rest, indent=1, ensure_ascii=False)), lambda: rest != rows)
    return len(rows) - len(rest)


def vocabulary(file: Path) -> set[str]:
    """The words of a word-level tokenizer, lower case, without the space before them; empty for any other."""
    model = json.loads(file.read_text()).get("model", {})
    return {word.strip() for word in model.get("vocab", {})} if model.get("type") == "WordLevel" else set()


def scrub_vocabulary(file: Path, words: set[str]) -> int:
    """Take words out of a word-level tokenizer; each leaves its number behind, so that the model goes on working."""
    content = json.loads(file.read_text())
    vocab: dict[str, int] = content["model"]["vocab"]
    rest = {f"<|erased-{place}|>" if word.strip() in words else word: place for word, place in vocab.items()}
    content["model"]["vocab"] = rest
    _replace(
        file,
        lambda part: part.write_text(json.dumps(content, ensure_ascii=False, indent=2)),
        lambda: rest != vocab,
    )
    return len(rest.keys() - vocab.keys())


def holds(file: Path, needles: Iterable[bytes]) -> bool:
    """Whether a file's bytes hold any of these."""
    content = file.read_bytes()
    pattern = b"|".join(re.escape(each) for each in sorted(needles, key=len, reverse=True))
    return bool(pattern) and re.search(pattern, content) is not None


def speaks_of(file: Path, asked: Asked, traces: Iterable[Trace]) -> set[str]:
    """Whose rows, lines, ids or texts a file of whatever kind holds, by hash."""
    trace = Trace()
    if file.suffix == ".parquet":
        trace_table(file, asked, trace)
    if file.suffix in {".ndjson", ".jsonl"}:
        trace_lines(file, asked, trace)
    return set(trace.found).union(*(each.found for each in traces if holds(file, each.needles())))


def _lines(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        yield from opened


def _owner(line: bytes, asked: Asked) -> tuple[str | None, dict[str, Any]]:
    """Whose line it is, of those who are to be forgotten, and its fields; a broken one is read leniently."""
    from warehouse.ingest.owners import users_of

    user = next((each for each in users_of(line) if asked.whose(each)), None)
    if user is None:
        return None, {}
    try:
        fields = json.loads(line)
        moment = next((_utc(datetime.fromisoformat(fields[name])) for name in MOMENTS.values() if name in fields), None)
        return asked.whose(user, moment, fields.get("event_id")), fields | {"user_id": user}
    except (ValueError, TypeError, AttributeError):
        return asked.whose(user), {"user_id": user}


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _replace(file: Path, write: Callable[[Path], object], changed: Callable[[], bool]) -> None:
    """Write beside the file and take its place, if anything changed; an interruption leaves the file as it was."""
    part = file.with_name(f".{file.name}{PART}")
    write(part)
    if changed():
        part.replace(file)
    else:
        part.unlink()
