"""What an import, a check and the taking back of an import say, line by line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from assets.cli.tables import counted

if TYPE_CHECKING:
    from warehouse.transfer.import_check import ImportCheck
    from warehouse.transfer.importing import ImportReport
    from warehouse.transfer.undo import Undone


def seen(found: ImportCheck) -> Iterator[str]:
    """What a check found, line by line."""
    would = f"would be refused: {found.refused}" if found.refused else f"would store {_kinds(found.kinds)}"
    yield f"  {counted(found.judged, 'row')}: {would}"
    if found.reactions:
        more = len(found.reactions) - 8
        names = ", ".join(f"{count:,} {name}" for name, count in found.reactions.most_common(8))
        yield f"  reactions: {names}" + (f" and {more:,} others" if more > 0 else "")
    for line in found.lines:
        yield f"  {line.decode(errors='backslashreplace')}"
    for reason, count in found.reasons.items():
        yield f"  {count:,} x {reason}, as in {found.examples[reason]}"
    if not found.reasons:
        yield "  all of them keep the contract"
    yield from (f"  changed: {line}" for line in _told(found.told))
    if found.twice:
        yield f"  {found.twice:,} rows have an event_id that came before in the file: copies are dropped"
    if found.stored:
        yield f"  {found.stored:,} events are in the warehouse already: copies are dropped, others refused"
    yield from (f"  {line}" for each in found.ambiguous for line in each.sentence(stored=found.imported).splitlines())
    if found.left_out:
        yield f"  left out: {', '.join(found.left_out)}"
    if found.imported:
        yield "  this file was imported before with this mapping: an import goes on where that one ended"


def done(report: ImportReport, files: int) -> Iterator[str]:
    """What an import did, line by line."""
    if report.finished_before:
        yield (
            f"{report.finished_before:,} of {files:,} files had been imported before: nothing to do for them "
            "(rows that were refused then are judged again by `loveloop dead-letters redrive`)"
        )
    yield (
        f"{report.events:,} rows: {_kinds(report.rows)}, {report.duplicates:,} duplicates dropped, "
        f"{report.erased:,} of erased users, {report.dead_letters:,} dead letters  ({report.seconds:.1f} s)"
    )
    yield from (f"changed: {line}" for line in _told(report.told))
    if report.dead_letters:
        yield "`loveloop dead-letters list` shows what broke the contract and why"
    yield from (each.sentence(stored=True) for each in report.ambiguous)


def unused(rules: Mapping[str, str], told: Mapping[str, int]) -> Iterator[str]:
    """Rules of --map-reaction that no row met: a slip, perhaps.

    >>> list(unused({"5": "love", "grat": "love"}, {"reaction 5 read as love": 2}))
    ['--map-reaction grat=love: none of the rows that were read has this reaction; names are read letter by letter']
    """
    for seen, means in rules.items():
        if seen != means and f"reaction {seen} read as {means}" not in told:
            yield (
                f"--map-reaction {seen}={means}: none of the rows that were read has this reaction; names are read "
                "letter by letter"
            )


def _kinds(rows: Mapping[str, int]) -> str:
    return ", ".join(f"{rows.get(name, 0):,} {name}" for name in ("responses", "reactions", "erasures"))


def _told(told: Mapping[str, int]) -> Iterator[str]:
    for rule, count in sorted(told.items(), key=lambda each: (-each[1], each[0])):
        yield f"{count:,} x {rule}"


def undone(found: Undone, sets: Mapping[Path, int]) -> Iterator[str]:
    """What went with an import and what rests on it, line by line."""
    went = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in found.rows.items())
    yield f"taken back {found.file}: {went}; its events can be imported again"
    for folder, rows in sets.items():
        yield f"the training set {folder} holds {rows:,} of its responses: freeze a new one, and train again"
    if found.experiments:
        yield f"its responses were served in {', '.join(found.experiments)}: read these experiments out again"
    if found.read_out:
        yield f"earlier readouts and entries of the lift ledger rest on its rows: {', '.join(found.read_out)}"
    if found.judged_from:
        yield (
            f"its rows are in the evidence of days that were judged: `loveloop quarantine update --from "
            f"{found.judged_from}` judges these again"
        )
    if found.erasures:
        yield f"{found.erasures:,} requests for erasure that it brought stand"
    if found.conflicting:
        yield (
            f"{found.conflicting:,} dead letters say that their event_id was taken, perhaps by its rows: "
            "`loveloop dead-letters redrive --reason conflicting_copy` judges them again"
        )
    if found.copies:
        yield (
            f"{found.copies:,} copies that came from elsewhere had been dropped: where they were copies of its rows, "
            "import or send them again"
        )
