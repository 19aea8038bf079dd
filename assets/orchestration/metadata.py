"""What a stage recorded, as Dagster's metadata: figures, intervals, tables, columns, where it came from, its plot."""

import base64
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import dagster as dg
from pydantic import ValidationError

from assets import provenance
from assets.errors import expected
from assets.orchestration import columns
from assets.pictures import of_reward, picture
from assets.recipe import REWARDS
from assets.run import Run

PLOT_WIDTH = 760
"""Pixels; the dialog that shows it is about so wide."""
_PATHS = {"place": "lies in", "directory": "lies in", "html": "report", "json": "figures"}
"""Facts that are paths in the run, and what they are shown as."""
_CURVES = {"reliability_before", "reliability_after", "roc", "pr"}
_HIDDEN = {*_PATHS, *_CURVES, "summary", "cycle", "lineage", "positions", "shown"}
"""Facts that are shown otherwise, or only in files."""
_COUNTED = {"ingest", "clean_feedback", "training_set"}
"""Stages whose `rows` are rows of the table that the asset is."""
Shown = dict[str, Any]


def of_stage(run: Run, stage: str) -> Shown:
    """Metadata of a stage that has a result in the cycle that is looked at; nothing of it is read but what is there."""
    marker = run.finished(stage)
    assert marker is not None  # whoever asks has just seen it finish
    facts: dict[str, Any] = dict(marker["facts"])
    shown: Shown = {
        "summary": str(facts.get("summary", "")),
        "cycle": _cycle_of(run, stage),
        "finished_at": dg.MetadataValue.timestamp(datetime.fromisoformat(str(marker["finished_at"]))),
        "seconds": float(marker["seconds"]),
    }
    shown |= {name: value for name, value in map(_entry, facts.items()) if value is not None}
    shown |= _paths(run, facts) | _last(facts.get("rounds", ()))
    if "verdict" in facts:  # a decision is not told without the gates that the candidate failed
        shown["decision"] = str(shown.pop("verdict"))
    if stage in _COUNTED and isinstance(facts.get("rows"), int):
        shown["dagster/row_count"] = facts["rows"]
    if stage in ("candidate", "report"):
        shown["origins"] = table(provenance.origins(run))
    return shown | _read_now(run, stage)


def table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Rows as a table; a pair of numbers in a column whose name ends in `_ci` is an interval, nested ones are words."""
    plain = [{name: _cell(value) for name, value in row.items()} for row in rows]
    names = list(dict.fromkeys(name for row in plain for name in row))
    kinds = {name: _kind([row.get(name) for row in plain]) for name in names}
    records = [dg.TableRecord({name: _as(kinds[name], row.get(name)) for name in names}) for row in plain]
    return dg.MetadataValue.table(records, dg.TableSchema([dg.TableColumn(name, kinds[name]) for name in names]))


def interval(pair: Sequence[Any]) -> str:
    """Two ends as words; an open end is not known."""
    return " to ".join("not known" if end is None else f"{end:.4g}" for end in pair)


def _entry(fact: tuple[str, Any]) -> tuple[str, Any]:
    """One fact as one metadata entry; None for a fact that is not shown."""
    name, value = fact
    if name in _HIDDEN or value is None:
        return name, None
    return name, _rounds(value) if name == "rounds" else _value(name, value)


def _value(name: str, value: Any) -> Any:
    if isinstance(value, str | int | float | bool):
        return _rounded(value)
    if name.endswith("_ci") and len(value) == 2:
        return interval(value)
    if isinstance(value, Mapping):
        plain = all(isinstance(each, str | int | float | bool | None) for each in value.values())
        rows = [{"name": key, "value": str(each)} for key, each in value.items()]
        return (table(rows) if plain else dg.MetadataValue.json(dict(value))) if value else None
    if value and all(isinstance(each, Mapping) for each in value):
        return table(value)
    return "; ".join(map(str, value)) or None


def _rounds(rounds: Iterable[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Rounds of an optimisation, one row for each task of each round."""
    return table(
        [
            {"round": each["round"], "loss": each["loss"], "winners": each["winners"], **task}
            for each in rounds
            for task in each.get("tasks", [{}])
        ]
    )


def _last(rounds: Sequence[Mapping[str, Any]]) -> Shown:
    """The figures of an optimisation's last round, which Dagster plots over the partitions: the Love weights."""
    from training.cgpo.report import TaskRound, figures

    if not rounds:
        return {}
    try:
        tasks = [TaskRound.model_validate(each) for each in rounds[-1].get("tasks", ())]
    except ValidationError:  # of an earlier version: the table has what it recorded
        return {}
    found = {"loss": float(rounds[-1]["loss"]), "winners": int(rounds[-1]["winners"])} | figures(tasks)
    return {f"last round: {name}": number(value) for name, value in found.items()}


def number(value: float) -> float | str:
    """A figure that Dagster can plot; NaN and infinity as words, since its page takes them for an error."""
    return value if math.isfinite(value) else str(value)


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float | bool):
        return _rounded(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_short(each)}" for name, each in value.items())
    if len(value) == 2 and all(each is None or isinstance(each, int | float) for each in value):
        return interval(value)
    return ", ".join(map(_short, value))


def _rounded(value: Any) -> Any:
    """Six digits say enough; a whole number stays one."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _kind(values: list[Any]) -> str:
    there = [value for value in values if value is not None]
    if there and all(isinstance(value, bool) for value in there) and len(there) == len(values):
        return "bool"
    if there and all(isinstance(value, int | float) and not isinstance(value, bool) for value in there):
        return "int" if all(isinstance(value, int) for value in there) and len(there) == len(values) else "float"
    return "string"


def _as(kind: str, value: Any) -> Any:
    if kind == "string":
        return "not known" if value is None else str(value)
    return float("nan") if value is None else value


def _paths(run: Run, facts: Mapping[str, Any]) -> Shown:
    """Where things lie, as whole paths: facts hold them relative to the run."""
    return {
        shown: dg.MetadataValue.path(run.directory / str(facts[name]))
        for name, shown in _PATHS.items()
        if facts.get(name)
    }


def _cycle_of(run: Run, stage: str) -> int:
    return run.cycle.stages().get(stage, 0) if run.cycle else 0


def _read_now(run: Run, stage: str) -> Shown:
    """Columns and plot. They are read from the warehouse and from files, which an earlier cycle may have outlived."""
    shown: Shown = {}
    try:
        shown |= columns.schemas(run, stage)
        image = picture(run, stage)
        more = of_reward(run, stage) if stage in REWARDS else {}
    except expected():
        return shown
    if image:
        shown["plot"] = embedded(stage, image)
    return shown | {f"plot of {name}": embedded(name, drawn) for name, drawn in more.items()}


def embedded(name: str, png: bytes, colours: int = 64) -> dg.MarkdownMetadataValue:
    """A picture within the page; thin lines need more colours to keep theirs."""
    return dg.MetadataValue.md(f"![{name}](data:image/png;base64,{_encoded(png, colours)})")


def _encoded(png: bytes, colours: int) -> str:
    """A plot in the size in which the UI shows it."""
    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        size = (PLOT_WIDTH, round(image.height * PLOT_WIDTH / image.width))
        small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS).quantize(colours)
    out = io.BytesIO()
    small.save(out, "PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode()
