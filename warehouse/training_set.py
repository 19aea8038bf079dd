"""An immutable training set: the clean feedback of a window as Parquet beside a manifest, named by its content."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec

from warehouse import connection, maturity, training_rows, uncounted_feedback
from warehouse.adversary.daily.versions import filter_version
from warehouse.training_rows import MATURED

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

EXAMPLES, MANIFEST, ERASED = "examples.parquet", "manifest.json", "ERASED.json"
Credit = Literal["last_turn", "conversation", "decay"]
"""Which responses of a conversation a love gives credit to; see warehouse/storage/views/4_credit.sql."""
Positive = Literal["love", "like"]
"""What makes a row a positive: a love, or a love or a like."""


class TrainingSetError(ValueError):
    """The feedback cannot make a training set; the text says what was seen and what to do."""


class ErasedTrainingSetError(TrainingSetError):
    """A set whose rows were taken away because a user of it asked to be erased.

    Attributes:
        replacement: The directory of the same set without that user; None when nothing was left to learn from.
    """

    def __init__(self, directory: Path) -> None:
        name = json.loads((directory / ERASED).read_text())["replaced_by"]
        self.replacement: Path | None = directory.with_name(name) if name else None
        instead = f"use {self.replacement}" if self.replacement else "nothing was left of it; build another one"
        super().__init__(f"{directory} was erased: it held a user who asked to be forgotten; {instead}")


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a training set holds and where it came from.

    Attributes:
        hash: SHA-256 of the rows, the filter version and the maturity; the directory is named by its first 12 digits.
        rows: Examples.
        positives: Examples with a love.
        first_served_at: Of the oldest example.
        last_served_at: Of the newest one.
        as_of: The moment at which states and maturity were judged (of the first build of this content).
        maturity_hours: Younger responses are unlabelled and left out.
        filter_version: Rules that decided on quarantine, with their versions.
        positions: How far each topic-partition had been read.
        created_at: When the directory was made.
        credit: How loves were credited over the turns of a conversation; every row says so too.
        decay: What is left of the credit one turn earlier, for `decay`; else None.
        replaces: Hashes of the sets that this one was before users were erased from it, the first one first.
        positive: What `love` says of a row: that it earned a love, or (`like`) a love or a like.
        young: Rows that are not mature yet; 0 where they are left out.
    """

    hash: str
    rows: int
    positives: int
    first_served_at: datetime
    last_served_at: datetime
    as_of: datetime
    maturity_hours: float
    filter_version: str
    positions: list[dict[str, Any]]
    created_at: datetime
    credit: str = "last_turn"
    decay: float | None = None
    replaces: tuple[str, ...] = ()
    positive: str = "love"
    young: int = 0

    @classmethod
    def read(cls, directory: Path) -> Manifest:
        """The manifest of a training set.

        Raises:
            ErasedTrainingSetError: A user of it was erased; names the set that took its place.
            TrainingSetError: There is none in this directory, or it is damaged.
        """
        if (directory / ERASED).exists():
            raise ErasedTrainingSetError(directory)
        try:
            return msgspec.json.decode((directory / MANIFEST).read_bytes(), type=cls)
        except FileNotFoundError:
            raise TrainingSetError(
                f"no training set at {directory}: {MANIFEST} is missing; `loveloop training-set` makes one"
            ) from None
        except msgspec.MsgspecError as error:
            raise TrainingSetError(
                f"{directory / MANIFEST} is damaged ({error}); delete {directory} and build again"
            ) from None

    def as_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


def build(
    warehouse_path: str | Path,
    out: Path,
    *,
    as_of: datetime | None = None,
    since: datetime | None = None,
    maturity_hours: float = 24.0,
    credit: Credit = "last_turn",
    decay: float = 0.5,
    positive: Positive = "love",
    young: bool = False,
) -> Manifest:
    """Freeze the clean feedback.

    1. Read every mature response of users not in quarantine, loved or not, in one order.
    2. Refuse a set that cannot teach: no row, or no love.
    3. Hash rows, filter version and maturity. If that content is there already, return its manifest: it is immutable.
    4. Write into a temporary directory beside it, then rename: a set is there wholly or not at all.

    Args:
        warehouse_path: Where the feedback is.
        out: Parent folder; the set is `out/<first 12 of the hash>/`.
        as_of: Judge states and maturity at this moment (time zone required); now if left out.
        since: Only responses served at or after this moment.
        maturity_hours: Responses younger than this at `as_of` are left out, or told apart by `young`.
        credit: Which responses of a conversation a love gives credit to: the one that was loved (`last_turn`), also all
            earlier ones (`conversation`), or those with less the earlier they were (`decay`).
        decay: For `decay`, what is left of the credit one turn earlier, in (0, 1).
        positive: What makes a row a positive, `love` in the set: a love, or for products with thumbs alone a love or a
            like (`like`).
        young: Keep responses that are not mature yet, and say in the column `matured` how likely their love, if it
            comes, has come by now. A model can learn from them, and nothing is measured on them.

    Raises:
        TrainingSetError: Nothing to learn from, or no such rule of credit or positive, or young rows beside loves that
            give credit to several turns; says what was seen.
        ValueError: A maturity that is none.
        WarehouseError: The warehouse cannot be read.
    """
    _check_credit(credit, decay)
    if positive not in get_args(Positive):
        raise TrainingSetError(f"positive == {positive!r}, must be one of {', '.join(get_args(Positive))}")
    moment, earliest = as_of or datetime.now(UTC), since or datetime(1, 1, 2, tzinfo=UTC)
    if young and credit != "last_turn":
        raise TrainingSetError(
            f"young rows with credit == {credit!r}: how long a love takes is known of the response that was loved, not "
            "of earlier turns; take credit last_turn, or leave the young rows out"
        )
    window = {"moment": moment, "earliest": earliest, "credit": credit, "decay": decay, "positive": positive}
    hours = maturity.age(maturity_hours)
    with connection.open(warehouse_path).read() as reader:
        examples = _rows(reader, window, hours, young=young)
        positives = examples.filter(examples["love"]).num_rows
        if not positives:
            raise TrainingSetError(_nothing_to_learn(reader, examples, moment, since, maturity_hours))
        positions = _positions(reader)
    manifest = Manifest(
        hash=content_hash(examples, context(filter_version(), maturity_hours)),
        rows=examples.num_rows,
        positives=positives,
        first_served_at=examples["served_at"][0].as_py(),
        last_served_at=examples["served_at"][-1].as_py(),
        as_of=moment,
        maturity_hours=maturity_hours,
        filter_version=filter_version(),
        positions=positions,
        created_at=datetime.now(UTC),
        credit=credit,
        decay=decay if credit == "decay" else None,
        positive=positive,
        young=int((examples[MATURED].to_numpy() < 1).sum()) if young else 0,
    )
    return freeze(out, examples, manifest)


def load(directory: Path) -> pa.Table:
    """The examples of a training set, columns as in `training_rows.COLUMNS`.

    Raises:
        TrainingSetError: The directory holds none, or not what its manifest says.
    """
    import pyarrow.parquet as pq

    manifest = Manifest.read(directory)
    examples = pq.read_table(directory / EXAMPLES)
    found = content_hash(examples, context(manifest.filter_version, manifest.maturity_hours))
    if found != manifest.hash:
        raise TrainingSetError(
            f"{directory / EXAMPLES} has content {found[:12]}, its manifest says {manifest.hash[:12]}: "
            "it was changed; build it again"
        )
    return examples


def context(filters: str, maturity_hours: float) -> str:
    """What the hash of a set covers beside its rows."""
    return f"{filters}\n{maturity_hours:g}"


def _check_credit(credit: str, decay: float) -> None:
    if credit not in get_args(Credit):
        raise TrainingSetError(f"credit == {credit!r}, must be one of {', '.join(get_args(Credit))}")
    if credit == "decay" and not 0 < decay < 1:
        raise TrainingSetError(
            f"decay == {decay:g}, must lie in (0, 1): what is left of the credit one turn earlier; "
            "for all or nothing there are the rules conversation and last_turn"
        )


def content_hash(examples: pa.Table, context: str) -> str:
    """SHA-256 over a context and the values of a table without nulls; independent of chunks and files."""
    import pyarrow as pa
    import pyarrow.compute as pc

    digest = hashlib.sha256(context.encode())
    for name in examples.column_names:
        column = examples[name]
        digest.update(f"\n{name}\n".encode())
        if pa.types.is_string(column.type):
            digest.update(pc.binary_length(column).cast(pa.int64()).to_numpy().tobytes())
            digest.update(b"".join(column.cast(pa.binary()).to_pylist()))
        else:
            plain = column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
            digest.update(plain.to_numpy().tobytes())
    return digest.hexdigest()


def _rows(reader: DuckDBPyConnection, window: dict[str, Any], hours: float, *, young: bool) -> pa.Table:
    try:
        return training_rows.read(reader, window, hours, young=young)
    except training_rows.NoDelaysError as error:
        raise TrainingSetError(str(error)) from None


def _nothing_to_learn(
    reader: DuckDBPyConnection, examples: pa.Table, moment: datetime, since: datetime | None, hours: float
) -> str:
    rows = examples.num_rows
    held, mature, excluded = reader.execute(
        """SELECT
            count(*),
            count(*) FILTER (
                served_at <= mature_until($moment, $hours)
            ),
            count(*) FILTER (user_id IN (SELECT user_id FROM quarantined_users))
        FROM served""",
        {"moment": moment, "hours": hours},
    ).fetchone() or (0, 0, 0)
    window = f" since {since.isoformat()}" if since else ""
    seen = (
        f"{held:,} responses are in the warehouse, {held - mature:,} of them younger than {hours:g} h at "
        f"{moment.isoformat()}, {excluded:,} of users in quarantine; {rows:,} are left{window}"
    )
    if rows:
        return f"no positive: {seen}, none with a love ({uncounted_feedback.seen_instead(reader, examples)}"
    return (
        f"empty training set: {seen}; ingest more, wait until responses are mature, or give a shorter --maturity-hours"
    )


def _positions(reader: DuckDBPyConnection) -> list[dict[str, Any]]:
    rows = reader.execute(
        "SELECT topic, topic_id, partition_id, next_offset FROM ingest_positions ORDER BY ALL"
    ).fetchall()
    return [dict(zip(("topic", "topic_id", "partition", "next_offset"), row, strict=True)) for row in rows]


def freeze(out: Path, examples: pa.Table, manifest: Manifest) -> Manifest:
    """Write a set under its hash, whole or not at all; a set of that hash that is there already is left as it is."""
    import pyarrow.parquet as pq

    target = out / manifest.hash[:12]
    if target.exists():
        return Manifest.read(target)
    out.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".training-set-", dir=out))
    try:
        pq.write_table(examples, scratch / EXAMPLES, compression="zstd")
        (scratch / MANIFEST).write_text(json.dumps(manifest.as_dict(), indent=2) + "\n")
        scratch.chmod(0o755)
        scratch.rename(target)
    except OSError:
        if not target.exists():  # else another build of the same content was faster
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Manifest.read(target)
