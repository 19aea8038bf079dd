"""Users taken out of training sets: the set that is left stands under its own hash, the old one no longer opens."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from streams.whole_file import whole
from warehouse.training_set import (
    ERASED,
    EXAMPLES,
    MANIFEST,
    ErasedTrainingSetError,
    Manifest,
    content_hash,
    context,
    freeze,
    load,
)

if TYPE_CHECKING:
    import pyarrow as pa


def without(directory: Path, gone: pa.Array) -> Manifest | None:
    """Take rows out of a set: their bytes leave the disk, and a set without them stands beside it under its own hash.

    1. Write the set without those rows beside the old one, unless nothing is left that could teach.
    2. Leave ERASED.json in the old directory, which names the new one; from now on the old set does not open.
    3. Remove its other files.

    An interruption leaves the old set whole or not to be opened; the same call ends what it began.

    Args:
        directory: The set.
        gone: Which of its rows go, bool [rows].

    Returns:
        The manifest of what took its place; None where no love or no row was left.

    Raises:
        TrainingSetError: The directory holds no set, or not what its manifest says.
    """
    import pyarrow.compute as pc

    manifest = Manifest.read(directory)
    rest = load(directory).filter(pc.invert(gone))
    positives = rest.filter(rest["love"]).num_rows
    made = None
    if positives:
        made = freeze(
            directory.parent,
            rest,
            msgspec.structs.replace(
                manifest,
                hash=content_hash(rest, context(manifest.filter_version, manifest.maturity_hours)),
                rows=rest.num_rows,
                positives=positives,
                first_served_at=rest["served_at"][0].as_py(),
                last_served_at=rest["served_at"][-1].as_py(),
                created_at=datetime.now(UTC),
                replaces=(*manifest.replaces, manifest.hash),
            ),
        )
    empty(directory, made)
    return made


def empty(directory: Path, replacement: Manifest | None) -> None:
    """Leave nothing in a set's directory but ERASED.json, which names its replacement."""
    note = {"replaced_by": replacement.hash[:12] if replacement else None, "erased_at": datetime.now(UTC).isoformat()}
    with whole(directory / ERASED) as part:
        part.write_text(json.dumps(note, indent=2) + "\n")
    clear(directory)


def clear(directory: Path) -> None:
    """Remove what an interrupted erasure left in the directory of a set that was erased."""
    for file in directory.iterdir():
        if file.name != ERASED:
            file.unlink()


def current(directory: Path) -> Path:
    """The directory itself, or what took its place when users of it were erased, however often.

    Raises:
        TrainingSetError: Nothing was left of it.
    """
    while (directory / ERASED).exists():
        erased = ErasedTrainingSetError(directory)
        if erased.replacement is None:
            raise erased
        directory = erased.replacement
    return directory


def sets_under(folder: Path) -> list[Path]:
    """Directories below a folder that hold a training set, whole or half erased."""
    marks = {file.parent for name in (MANIFEST, ERASED) for file in folder.rglob(name)}
    return sorted(each for each in marks if (each / ERASED).exists() or (each / EXAMPLES).exists())
