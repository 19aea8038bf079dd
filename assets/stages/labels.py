"""Examples for the reward models: from the training set, from annotators, from reactions, from files."""

import json
from pathlib import Path
from typing import Any, Literal

from assets.recipe import Reward
from assets.run import Run
from assets.stages import feedback

Task = Literal["helpfulness", "safety"]


def from_training_set(rows: Any) -> Any:
    """P[Love]'s examples: the credit for a love (in older sets the love itself) is the label, trust the weight."""
    import pyarrow as pa

    columns = ["conversation", "response", "user_id", "served_at"]
    table = rows.select(columns).append_column("label", rows["credit" if "credit" in rows.column_names else "love"])
    return table.append_column("weight", rows["trust"].cast(pa.float64()))


def read(run: Run, task: Task, wanted: Reward) -> Any:
    """Examples of a task, from where the recipe says.

    Returns:
        A pyarrow Table with conversation, response, label, weight, user_id, served_at.

    Raises:
        ValueError: The recipe names no source.
        FileNotFoundError: The file or folder is not there.
    """
    match wanted.labels:
        case None:
            raise ValueError(f"{task}.labels is not set; give 'world', 'reactions', 'diasafety' or a Parquet file")
        case "world":
            from streams.synthetic.sets import labels

            return _weighted(labels(task, wanted.count, run.recipe.seed))
        case "reactions":
            return _rated(run)
        case "diasafety":
            return _diasafety(run, wanted.count)
        case path:
            import pyarrow.parquet as pq

            return _weighted(pq.read_table(path))


def _weighted(table: Any) -> Any:
    import pyarrow as pa

    return table if "weight" in table.column_names else table.append_column("weight", pa.array([1.0] * table.num_rows))


def _rated(run: Run) -> Any:
    """Only responses with a thumb: up against down, the nearest thing to a helpfulness label that reactions give."""
    import pyarrow.compute as pc

    from warehouse import training_set

    rows = training_set.load(feedback.training_set_directory(run))
    return from_training_set(rows.filter(pc.or_(rows["love"], rows["dislike"])))


def _diasafety(run: Run, count: int) -> Any:
    """At most `count` labelled pairs, evenly over the files."""
    import pyarrow as pa

    assert run.data is not None  # prepare() refuses such a run
    folder = run.data.parent / "diasafety"
    if not folder.is_dir():
        raise FileNotFoundError(
            f"safety labels are looked for in {folder}, which is not there; safety = false goes without"
        )
    rows = [row for name in ("train", "val") for row in json.loads(Path(folder / f"{name}.json").read_text())]
    rows = rows[:: max(1, len(rows) // count)]
    return pa.table(
        {
            "conversation": [json.dumps([{"role": "user", "content": row["context"]}]) for row in rows],
            "response": [row["response"] for row in rows],
            "label": [row["label"] == "Safe" for row in rows],
            "weight": [1.0] * len(rows),
            "user_id": [f"row-{place}" for place in range(len(rows))],
            "served_at": pa.array(range(len(rows)), pa.timestamp("s", tz="UTC")),
        }
    )
