"""A stage: one step of the loop, what its result depends on, and how a run brings it up to date."""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from assets.cycle import LAST, Cycle, Marker, cycle_for, with_key, write_json
from assets.facts.stage_facts import RecordedFacts, as_json
from assets.recipe import Recipe
from assets.run import RECIPE, Run


class Key(NamedTuple):
    """What a stage's result depends on; two results with one digest are the same.

    Attributes:
        digest: Of all parts, 16 hexadecimal digits.
        parts: A short digest each of `settings`, `inputs` (what it reads of the outside), `code`, and each stage that
            it needs.
        inputs: What it reads of the outside, as it is.
    """

    digest: str
    parts: dict[str, str]
    inputs: Any = None

    def changed(self, earlier: dict[str, str]) -> list[str]:
        """Names of the parts that differ from an earlier key's."""
        return sorted(name for name in self.parts.keys() | earlier.keys() if self.parts.get(name) != earlier.get(name))


def _nothing(run: Run) -> Any:  # noqa: ARG001  (the signature of Stage.inputs)
    return None


@dataclass(frozen=True)
class Stage:
    """One step of the loop, the same for the command line and for Dagster.

    Attributes:
        name: Also the marker's file name.
        title: What a person reads while it runs.
        work: Does it; whatever it left half-done the last time, it mends or does again. What reads a result is kept
            where the stage ran anew and recorded the same `content_version`.
        needs: Stages whose results it reads; when the version of one of them changes, it runs anew.
        settings: The part of the recipe that it obeys.
        inputs: What it reads of the outside: how far the warehouse has come, what people decided, files.
        code: Packages of ours whose source code decides about the result; the stage's own module is always one.
        libraries: Distributions whose version decides about it.
    """

    name: str
    title: str
    work: Callable[[Run], RecordedFacts]
    needs: tuple[str, ...] = ()
    settings: Callable[[Recipe], Any] = lambda _: None
    inputs: Callable[[Run], Any] = _nothing
    code: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()

    def key(self, run: Run) -> Key:
        """What the result of this stage would depend on if it ran now."""
        inputs = _plain(self.inputs(run))
        parts = {
            "settings": [run.recipe.seed, _plain(self.settings(run.recipe))],
            "inputs": inputs,
            "code": self._sources(),
            **{name: (run.finished(name) or {}).get("version") for name in self.needs},
        }
        digests = {name: _digest(part) for name, part in parts.items()}
        return Key(_digest(digests), digests, inputs)

    def code_version(self) -> str:
        """A digest of the code and libraries that decide about the result, as the key's part `code` has it."""
        return _digest(self._sources())

    def _sources(self) -> list[str]:
        return [*map(source_digest, (self.work.__module__, *self.code)), *map(_version, self.libraries)]


class Performed(NamedTuple):
    """What became of a stage.

    Attributes:
        recorded: What it recorded, as JSON.
        ran: It ran just now.
        cycle: The cycle in which it ran.
        why: What had changed, in words; empty where it never ran before, or was kept.
    """

    recorded: dict[str, Any]
    ran: bool
    cycle: int
    why: str = ""


def perform(run: Run, stage: Stage, *, anew: bool = False, snapshot: bool = False) -> Performed:
    """Bring a stage's result up to date.

    1. Keep the result of this cycle when its key is what it would be now.
    2. Else take the result of an earlier cycle with that key.
    3. Else run the stage, in this cycle or in one that is opened for it, so that nothing is overwritten.

    Args:
        run: The run.
        stage: The stage.
        anew: Run it whatever its key says.
        snapshot: Keep the result of this cycle although what it read of the outside has grown since: an interrupted
            cycle ends with the feedback that it began with.
    """
    key, marker = stage.key(run), _whole(run, run.finished(stage.name))
    changed = key.changed(marker["parts"]) if marker else []
    if marker and not anew and (not changed or (snapshot and changed == ["inputs"])):
        return Performed(dict(marker["facts"]), False, _cycle_of(run, stage.name))
    if marker:
        why = _why(stage, changed, _news(marker.get("inputs"), key.inputs))
    else:
        why = f"{stage.name}: what it had made is gone" if run.finished(stage.name) else ""
    earlier = None if anew or stage.name == LAST else _earlier(run, stage, key)
    cycle_for(run.directory, stage.name, why or _first(run, stage))
    if earlier is not None:
        assert run.cycle is not None  # cycle_for opened one
        run.cycle.use({stage.name: earlier.number})
        return Performed(run.recorded(stage.name), False, earlier.number)
    started = time.perf_counter()
    facts = stage.work(run)
    record(run, stage, key, time.perf_counter() - started, facts)
    return Performed(run.recorded(stage.name), True, _cycle_of(run, stage.name), why)


def record(run: Run, stage: Stage, key: Key, seconds: float, facts: RecordedFacts) -> None:
    """Note in the newest cycle that a stage finished; written whole or not at all."""
    found = run.cycle
    assert found is not None  # perform opened one
    content = {
        "stage": stage.name,
        "key": key.digest,
        "parts": key.parts,
        "inputs": key.inputs,
        "version": facts.content_version or key.digest,
        "needs": list(stage.needs),
        "seconds": round(seconds, 2),
        "finished_at": datetime.now(UTC).isoformat(),
        "facts": as_json(facts),
    }
    write_json(found.marker_file(stage.name), content)
    write_json(found.directory / RECIPE, run.recipe.model_dump(mode="json"))


def _whole(run: Run, marker: Marker | None) -> Marker | None:
    """The marker, unless what the stage made is gone: a folder that was removed by hand is made again."""
    made = [marker["facts"][name] for name in _MADE if marker["facts"].get(name)] if marker else []
    return marker if all((run.directory / str(each)).exists() for each in made) else None


_MADE = ("place", "directory", "html")
"""Facts that name what a stage made, relative to the run's directory."""


def _earlier(run: Run, stage: Stage, key: Key) -> Cycle | None:
    """The newest cycle in which the stage ran with this key, and what it made is there."""
    found = with_key(run.directory, stage.name, key.digest)
    return next((each for each in found if _whole(run, each.produced(stage.name))), None)


def _first(run: Run, stage: Stage) -> str:
    """Why a cycle is opened for a stage without a result, in words."""
    return "the first cycle" if run.cycle is None else f"{stage.name} had not run"


def _cycle_of(run: Run, stage: str) -> int:
    return run.cycle.stages()[stage] if run.cycle else 0


def _why(stage: Stage, changed: list[str], news: str) -> str:
    """Why a stage that has a result runs again, in words."""
    told = {"settings": "the recipe", "inputs": news or "what it reads", "code": "the code or a library"}
    parts = [told.get(name, name) for name in changed]
    return f"{stage.name}: {', '.join(parts)} changed" if parts else f"{stage.name}: it was asked for anew"


def _news(before: Any, now: Any) -> str:
    """How counts that a stage reads have moved.

    >>> _news({"responses": 1000, "erasures": 0}, {"responses": 2500, "erasures": 0})
    'responses (1,000 to 2,500)'
    """
    if not isinstance(before, dict) or not isinstance(now, dict):
        return ""
    moved = [
        f"{name.replace('_', ' ')} ({before[name]:,} to {value:,})"
        for name, value in now.items()
        if isinstance(value, int) and isinstance(before.get(name), int) and before[name] != value
    ]
    return ", ".join(moved)


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


@lru_cache
def source_digest(module: str) -> str:
    """A digest of the Python and SQL files of a module or package of ours."""
    spec = find_spec(module)
    assert spec is not None, f"a stage names the module {module}, which is not there"
    roots = [Path(each) for each in spec.submodule_search_locations or ()]
    files = [file for root in roots for suffix in ("*.py", "*.sql") for file in root.rglob(suffix)]
    digest = hashlib.sha256()
    for file in sorted(files) or [Path(str(spec.origin))]:
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


@lru_cache
def _version(distribution: str) -> str:
    try:
        return f"{distribution} {version(distribution)}"
    except PackageNotFoundError:
        return f"{distribution} is not installed"
