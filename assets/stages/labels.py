"""Examples for the reward models: from the training set, annotators, people's thumbs, a judge, or a labels file."""

from pathlib import Path
from typing import Any, NamedTuple, cast

from assets.facts.stage_facts import InputOrigin
from assets.recipe import Labelled, RewardSection
from assets.run import Run
from assets.stages import feedback

_BESIDE = ("policy", "language", "task", "topic", "refusal")


class Labels(NamedTuple):
    """Examples of a task, and where they came from.

    Attributes:
        table: pyarrow Table with conversation, response, label, weight, user_id, served_at.
        origin: With what else names the labels.
    """

    table: Any
    origin: InputOrigin


def from_training_set(rows: Any) -> Any:
    """P[Love]'s examples: the credit for a love (in older sets the love itself) is the label, trust the weight."""
    credit = rows["credit" if "credit" in rows.column_names else "love"]
    return _examples(rows, credit)


def read(run: Run, task: Labelled, wanted: RewardSection) -> Labels:
    """Examples of a task, from where the recipe says.

    Raises:
        ValueError: The recipe names no source, or what it names holds too little.
        FileNotFoundError: The file is not there.
    """
    match wanted.labels:
        case None:
            raise ValueError(f"{task}.labels is not set; give 'reactions', 'judge' or a labels file")
        case "world":
            return _annotated(run, task, wanted.count)
        case "reactions":
            return _rated(run)
        case "judge":
            from training.labels import judge

            assert wanted.judge is not None  # the recipe was refused without one
            cache = run.directory / "labels" / "judged.ndjson"
            return _told(judge.label(_log(run), task, wanted.judge, cache, seed=run.recipe.seed))
        case path:
            from training.labels import file

            return _told(file.read(Path(path)))


def _told(found: Any) -> Labels:
    return Labels(found.table, cast(InputOrigin, {**found.origin, "simulated": False}))


def _annotated(run: Run, task: Labelled, count: int) -> Labels:
    """Simulated annotators: only where the events are simulated too."""
    import pyarrow as pa

    from streams.synthetic.studies.sets import labels

    if run.recipe.source != "world":
        raise ValueError(f"{task}.labels is 'world' but source is {run.recipe.source!r}; see docs/reward-labels.md")
    table = labels(task, count, run.recipe.seed)
    weighted = table.append_column("weight", pa.array([1.0] * table.num_rows))
    words = f"{table.num_rows:,} answers judged by simulated annotators of the world"
    return Labels(weighted, {"source": "world", "words": words, "simulated": True})


def _rated(run: Run) -> Labels:
    """Responses with a thumb: up (love or like) against down, the nearest thing to a label that reactions give."""
    import pyarrow.compute as pc

    from warehouse.training_rows import MATURED

    rows = _log(run)
    up = pc.or_(rows["love"], rows["like"])
    told = rows.drop_columns([MATURED]) if MATURED in rows.column_names else rows  # a thumb is there, young or not
    rated = told.append_column("up", up).filter(pc.or_(up, rows["dislike"]))
    ups = pc.sum(rated["up"]).as_py() or 0
    words = f"people's thumbs in the log: {ups:,} up (love or like) against {rated.num_rows - ups:,} down"
    return Labels(_examples(rated, rated["up"]), {"source": "reactions", "words": words, "simulated": False})


def _log(run: Run) -> Any:
    from warehouse import training_set

    return training_set.load(feedback.training_set_directory(run))


def _examples(rows: Any, label: Any) -> Any:
    import pyarrow as pa

    from training.reward.data import CONTEXT
    from warehouse.training_rows import MATURED

    there = [name for name in (*_BESIDE, MATURED, *CONTEXT) if name in rows.column_names]
    table = rows.select(["conversation", "response", "user_id", "served_at", *there]).append_column("label", label)
    return table.append_column("weight", rows["trust"].cast(pa.float64()))
