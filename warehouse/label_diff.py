"""What changed between two training sets: rows that came or went, labels that flipped, and why.

A late reaction, a retraction, a quarantine or an erasure corrects labels that were frozen before it was known. A set is
never changed for it (but for erasure): the next one says something else, and this is where the two are compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from streams.record_fields import fields_of
from warehouse import connection
from warehouse.ingest.erased_rows import Limit
from warehouse.ingest.suppression import erased_until
from warehouse.storage.sql_files import query

if TYPE_CHECKING:
    import pyarrow as pa

    from warehouse.connection import Target
    from warehouse.training_set import Manifest

Kind = Literal["added", "removed", "flipped", "recredited"]
Reason = Literal[
    "matured", "arrived late", "quarantine lifted", "outside the window", "quarantined", "erased", "late love",
    "retracted", "love quarantined", "credit rule", "love elsewhere in the conversation", "unknown",
]  # fmt: skip
"""Why a row or a label changed; `unknown` where neither the sets nor the warehouse can tell."""


@dataclass(frozen=True, slots=True)
class LabelChange:
    """One row that the two sets do not share as it is.

    Attributes:
        kind: `added` and `removed` rows; `flipped` labels; `recredited` rows keep their label at another credit.
        response_id: Which response.
        user_id: Who was shown it.
        served_at: When.
        before: Its credit in the old set, None where it has no such row.
        after: The same in the new set.
        reason: Why, as far as one can tell.
    """

    kind: Kind
    response_id: str
    user_id: str
    served_at: datetime
    before: float | None
    after: float | None
    reason: Reason = "unknown"


@dataclass(frozen=True)
class LabelDiff:
    """The changes from one set to another, by time of serving.

    Attributes:
        old: Rows of the old set.
        new: Rows of the new one.
        changes: One each.
    """

    old: int
    new: int
    changes: list[LabelChange]

    def counts(self) -> dict[str, dict[str, int]]:
        """How many changes, by kind and reason, the most frequent first."""
        found: dict[str, Counter[str]] = {}
        for change in self.changes:
            name = change.kind
            if name == "flipped":
                name = "flipped to loved" if change.after else "flipped to not loved"  # type: ignore[assignment]
            found.setdefault(name, Counter())[change.reason] += 1
        return {kind: dict(reasons.most_common()) for kind, reasons in sorted(found.items())}

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "old_rows": self.old,
            "new_rows": self.new,
            "counts": self.counts(),
            "changes": [fields_of(change) for change in self.changes],
        }


def diff(old: pa.Table, new: pa.Table) -> LabelDiff:
    """Compare two training sets, row by row.

    Args:
        old: Columns response_id, user_id, served_at, love, and credit where the set has it.
        new: The same, of the later set.

    Returns:
        The changes with the reason `unknown`; see `explain`.
    """
    before, after = _rows(old), _rows(new)
    changes: list[LabelChange] = []
    for key in before.keys() | after.keys():
        was, now = before.get(key), after.get(key)
        kind = _kind(was, now)
        if kind:
            shown = now or was
            assert shown is not None
            changes.append(LabelChange(kind, key, shown[0], shown[1], was and was[2], now and now[2]))
    return LabelDiff(old.num_rows, new.num_rows, sorted(changes, key=lambda each: (each.served_at, each.response_id)))


_Row = tuple[str, datetime, float]


def _rows(table: pa.Table) -> dict[str, _Row]:
    credit = table["credit" if "credit" in table.column_names else "love"].to_pylist()
    columns = [table[name].to_pylist() for name in ("response_id", "user_id", "served_at")]
    return {key: (user, at, float(given)) for key, user, at, given in zip(*columns, credit, strict=True)}


def _kind(was: _Row | None, now: _Row | None) -> Kind | None:
    if was is None:
        return "added"
    if now is None:
        return "removed"
    if (was[2] > 0) != (now[2] > 0):
        return "flipped"
    return "recredited" if was[2] != now[2] else None


def explain(found: LabelDiff, target: Target, old: Manifest, new: Manifest) -> LabelDiff:
    """The same changes with their reasons, by what the two manifests and the warehouse say.

    Args:
        found: As `diff` gives it.
        target: The warehouse from which both sets were frozen.
        old: The manifest of the old set.
        new: That of the new one.

    Raises:
        WarehouseError: The warehouse cannot be read.
    """
    known = _Known.read(target, found.changes, old, new)
    return LabelDiff(
        found.old, found.new, [replace(each, reason=_why(each, known, old, new)) for each in found.changes]
    )


@dataclass(frozen=True)
class _Known:
    """What the warehouse says of the changed rows.

    Attributes:
        erased: Users who asked to be erased, and how far their requests reach.
        held: Responses that are in the warehouse still.
        quarantined: Users in quarantine.
        late: Responses that were read after the old set was frozen, by its positions.
        loves: The user's own love by response: action, when, whether quarantined, whether read after the old set.
    """

    erased: Mapping[str, Limit]
    held: Collection[str]
    quarantined: set[str]
    late: set[str]
    loves: Mapping[str, tuple[str, datetime, bool, bool]]

    @classmethod
    def read(cls, target: Target, changes: list[LabelChange], old: Manifest, new: Manifest) -> _Known:
        with connection.open(target).read() as reader:
            reader.register("changed", _pairs(changes))
            reader.register("frozen", _frozen(old))
            users = reader.execute("SELECT user_id FROM quarantined_users SEMI JOIN changed USING (user_id)").fetchall()
            held = reader.execute("SELECT response_id FROM responses SEMI JOIN changed USING (response_id)").fetchall()
            loves = reader.execute(query(__file__, "changed_loves"), {"moment": new.as_of}).fetchall()
            return cls(
                erased=erased_until(reader, (each.user_id for each in changes)),
                held={name for (name,) in held},
                quarantined={user for (user,) in users},
                late={row[0] for row in reader.execute(_LATE).fetchall()},
                loves={row[0]: row[1:] for row in loves},
            )


def _pairs(changes: list[LabelChange]) -> pa.Table:
    import pyarrow as pa

    names = ("response_id", "user_id")
    return pa.table({name: pa.array([getattr(each, name) for each in changes], pa.string()) for name in names})


def _frozen(old: Manifest) -> pa.Table:
    import pyarrow as pa

    ends: dict[tuple[str, int], int] = {}
    for each in old.positions:
        key = each["topic"], each["partition"]
        ends[key] = max(ends.get(key, 0), each["next_offset"])
    columns = [[topic for topic, _ in ends], [partition for _, partition in ends], list(ends.values())]
    types = (pa.string(), pa.int32(), pa.int64())
    arrays = [pa.array(values, kind) for values, kind in zip(columns, types, strict=True)]
    return pa.table(arrays, names=["kafka_topic", "kafka_partition", "next_offset"])


_LATE = """
SELECT response_id FROM served
SEMI JOIN changed USING (response_id)
LEFT JOIN frozen USING (kafka_topic, kafka_partition)
WHERE kafka_offset >= coalesce(next_offset, 0)
"""


def _why(change: LabelChange, known: _Known, old: Manifest, new: Manifest) -> Reason:
    match change.kind:
        case "added":
            return _why_added(change, known, old)
        case "removed":
            return _why_removed(change, known, new)
        case _:
            return _why_changed(change, known, old, new)


def _why_added(change: LabelChange, known: _Known, old: Manifest) -> Reason:
    if change.response_id in known.late:
        return "arrived late"
    if change.served_at > old.as_of - timedelta(hours=old.maturity_hours):
        return "matured"
    return "outside the window" if change.served_at < old.first_served_at else "quarantine lifted"


def _why_removed(change: LabelChange, known: _Known, new: Manifest) -> Reason:
    limit = known.erased.get(change.user_id)
    if limit and (change.served_at <= limit.requested_at or change.response_id not in known.held):
        return "erased"
    if change.user_id in known.quarantined:
        return "quarantined"
    inside = new.first_served_at <= change.served_at <= new.as_of - timedelta(hours=new.maturity_hours)
    return "unknown" if inside else "outside the window"


def _why_changed(change: LabelChange, known: _Known, old: Manifest, new: Manifest) -> Reason:
    if (old.credit, old.decay) != (new.credit, new.decay):
        return "credit rule"
    if change.response_id not in known.loves:
        return "unknown" if new.credit == "last_turn" else "love elsewhere in the conversation"
    action, reacted_at, caught, read_later = known.loves[change.response_id]
    if action != "added":  # taken back, or replaced by a dislike
        return "retracted"
    if caught:
        return "love quarantined"
    if reacted_at > old.as_of:
        return "late love"
    return "arrived late" if read_later else "quarantine lifted"
