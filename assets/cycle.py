"""A cycle: one pass of the loop within a run. Cycles follow each other; nothing of an earlier one is overwritten.

runs/NAME/cycles/0001/cycle.json        when and why it was opened, and which results of earlier cycles it uses
runs/NAME/cycles/0001/stages/STAGE.json what a stage recorded that ran in this cycle
runs/NAME/cycles/0001/...               models, policies, candidates, answers and report that it made
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from streams.whole_file import whole

LAST = "report"
"""The stage with which a cycle ends."""
Marker = Mapping[str, Any]
"""What a stage left when it finished: stage, key, parts of the key, version of its result, needs, seconds,
finished_at, facts."""


_MARKED = ("stage", "key", "parts", "version", "needs", "seconds", "finished_at", "facts")


def write_json(file: Path, content: Any) -> None:
    """Write JSON whole or not at all."""
    with whole(file) as part:
        part.write_text(json.dumps(content, indent=1, default=_json))


def read_json(file: Path, *fields: str) -> dict[str, Any]:
    """Read a record of a run.

    Args:
        file: JSON, as `write_json` wrote it.
        fields: What it must hold.

    Raises:
        ValueError: It is damaged, or something else than a record of this version.
    """
    try:
        found: dict[str, Any] = json.loads(file.read_bytes())
        lacking = [name for name in fields if name not in found]
    except (ValueError, TypeError) as error:
        raise ValueError(f"{file} is damaged ({error}): {_MEND}") from None
    if lacking or not isinstance(found, dict):
        raise ValueError(f"{file} is no record of a run (it lacks {', '.join(lacking) or 'its fields'}): {_MEND}")
    return found


_MEND = (
    "put back a copy of it; without one, remove it if it is a stage's record (in stages/), which is then run again, "
    "else give the run another --name"
)


@dataclass(frozen=True)
class Cycle:
    """One pass of the loop.

    Attributes:
        directory: `runs/NAME/cycles/NUMBER`.
        number: From 1.
    """

    directory: Path
    number: int

    def marker_file(self, stage: str) -> Path:
        """Where a stage that ran in this cycle leaves its marker."""
        return self.directory / "stages" / f"{stage}.json"

    def produced(self, stage: str) -> Marker | None:
        """The marker of a stage that ran in this cycle, or None."""
        file = self.marker_file(stage)
        return read_json(file, *_MARKED) if file.exists() else None

    def finished(self, stage: str) -> Marker | None:
        """The marker that holds in this cycle: its own, or that of the earlier cycle whose result it uses."""
        own = self.produced(stage)
        if own is not None:
            return own
        earlier = self.uses().get(stage)
        return None if earlier is None else self.sibling(earlier).produced(stage)

    @property
    def ended(self) -> bool:
        """Whether its report was written: nothing runs in this cycle any more."""
        return self.marker_file(LAST).exists()

    def sibling(self, number: int) -> "Cycle":
        """Another cycle of the same run."""
        return cycle(self.directory.parents[1], number)

    def uses(self) -> dict[str, int]:
        """Stages whose results come from an earlier cycle, and from which."""
        uses: dict[str, int] = self.opened()["uses"]
        return {name: number for name, number in uses.items() if name != LAST}  # a report is of one cycle

    def opened(self) -> dict[str, Any]:
        """`number`, `opened_at` (ISO, UTC), `why` and `uses`."""
        return read_json(self.directory / "cycle.json", "opened_at", "why", "uses")

    def use(self, stages: Mapping[str, int]) -> None:
        """Take results of earlier cycles for these stages."""
        opened = self.opened()
        write_json(self.directory / "cycle.json", opened | {"uses": opened["uses"] | dict(stages)})

    def drop(self, stages: Iterable[str]) -> None:
        """Use the earlier results of these stages no longer."""
        opened, dropped = self.opened(), set(stages)
        kept = {name: number for name, number in opened["uses"].items() if name not in dropped}
        write_json(self.directory / "cycle.json", opened | {"uses": kept})

    def stages(self) -> dict[str, int]:
        """Every stage with a result in this cycle, and the cycle in which it ran."""
        own = {file.stem: self.number for file in (self.directory / "stages").glob("*.json")}
        return {name: number for name, number in self.uses().items() if self.finished(name)} | own

    def downstream(self, stage: str) -> set[str]:
        """Stages with a result in this cycle that read this one's, directly or through others."""
        needs = {name: set((self.finished(name) or {}).get("needs", ())) for name in self.stages()}
        found: set[str] = set()
        while grown := {name for name, each in needs.items() if each & (found | {stage})} - found:
            found |= grown
        return found


def cycle(run: Path, number: int) -> Cycle:
    """The cycle of that number of the run in a directory."""
    return Cycle(run / "cycles" / f"{number:04}", number)


def cycles(run: Path) -> list[Cycle]:
    """Every cycle of the run in a directory, oldest first."""
    folders = [file.parent for file in run.glob("cycles/*/cycle.json") if file.parent.name.isdigit()]
    return [Cycle(folder, int(folder.name)) for folder in sorted(folders, key=lambda each: int(each.name))]


def open_cycle(run: Path, why: str, uses: Mapping[str, int]) -> Cycle:
    """Begin the next cycle of the run in a directory.

    Args:
        run: The run's directory.
        why: What made it necessary, in words.
        uses: Results of earlier cycles that hold in this one, by stage.
    """
    before = cycles(run)
    made = cycle(run, before[-1].number + 1 if before else 1)
    opened_at = datetime.now(UTC).isoformat(timespec="seconds")
    content = {"number": made.number, "opened_at": opened_at, "why": why, "uses": dict(uses)}
    write_json(made.directory / "cycle.json", content)
    return made


def cycle_for(run: Path, stage: str, why: str) -> Cycle:
    """The cycle in which a stage may run (or be taken from an earlier cycle) without overwriting anything.

    That is the newest one, unless it has ended with its report, or this stage or one that reads its result has run
    there already; then the next cycle is opened, which goes on using every result that this stage does not flow into.
    """
    found = cycles(run)
    if not found:
        return open_cycle(run, why, {})
    newest = found[-1]
    flows_into = newest.downstream(stage) | {stage}
    if newest.ended or any(newest.produced(name) for name in flows_into):
        return open_cycle(
            run, why, {n: number for n, number in newest.stages().items() if n not in flows_into | {LAST}}
        )
    newest.drop(flows_into)
    return newest


def with_key(run: Path, stage: str, key: str) -> Iterator[Cycle]:
    """Cycles in which the stage ran with this key, newest first."""
    for each in reversed(cycles(run)):
        marker = each.produced(stage)
        if marker is not None and marker["key"] == key:
            yield each


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if hasattr(value, "item"):  # a number of numpy's
        return value.item()
    raise TypeError(f"{value!r} is no JSON value, facts hold plain ones")
