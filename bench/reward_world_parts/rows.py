"""What P[Love] is trained on in each row of the table: the clean log, parts of it, and the log without a stage."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa

from assets.run import Run
from assets.stages import feedback, labels
from streams.synthetic.studies.sets import prompts
from streams.synthetic.truth.formulas import helpful_chance, read
from training.reward.split import uniform
from warehouse import training_set

HURRIED = 10
"""Minutes after a response in which a love counts where the wait for late loves is switched off."""
COPIED = 0.02
"""Share of rows that stand twice where duplicates are not dropped: as often as the network repeats a line."""


YOUNG: Mapping[str, Mapping[str, Any]] = {
    "young_out": {},
    "young_negative": {"maturity_hours": 0.0},
    "young_corrected": {"young": True},
}
"""How the responses of the last day before a moment are taken."""
MOMENT, WINDOW = timedelta(days=8), timedelta(days=2)
"""The moment, after the log's beginning, and how much of the log before it is learnt from."""


class Held(NamedTuple):
    """Rows of users from whom nothing is learnt, and the truth about them.

    Attributes:
        conversations: Of each row.
        responses: Of each row.
        chance: Of a love, given all that can be observed, float64 [rows].
        words: Of the response, float64 [rows].
    """

    conversations: list[Any]
    responses: list[str]
    chance: np.ndarray
    words: np.ndarray


def log(run: Run) -> pa.Table:
    """The training set as the loop froze it."""
    return training_set.load(feedback.training_set_directory(run))


def held_out(run: Run, *, test_users: float, most: int) -> Held:
    """Rows of test users, of all days, with their true chance of a love.

    Args:
        run: Of a seed.
        test_users: Share of users that the split keeps for the test.
        most: Rows at most, the first of a random order.
    """
    rows = log(run)
    truth = run.world / "truth" / "responses.parquet"
    known = dict(duckdb.execute("SELECT response_id, p_love_observable FROM read_parquet(?)", [str(truth)]).fetchall())
    seed = run.recipe.seed
    tested = [place for place, user in enumerate(rows["user_id"].to_pylist()) if uniform(user, seed) < test_users]
    chosen = np.sort(np.random.default_rng(seed).permutation(tested)[:most])
    part = rows.take(chosen)
    from training.text import parse

    responses = part["response"].to_pylist()
    return Held(
        parse(part["conversation"].to_pylist()),
        responses,
        np.array([known[each] for each in part["response_id"].to_pylist()]),
        np.array([len(each.split()) for each in responses], dtype=np.float64),
    )


def examples(run: Run, name: str) -> pa.Table:
    """The examples of a row of the table, for `train_reward_model`.

    Args:
        run: Of a seed.
        name: `full`; a number of rows; `no_dedup`, `no_filter`, `no_wait`: without that stage; one of `YOUNG`.

    Raises:
        ValueError: No such row.
    """
    rows = log(run)
    chance = np.random.default_rng(run.recipe.seed)
    if name.isdigit():
        count = min(int(name), rows.num_rows)
        return labels.from_training_set(rows.take(np.sort(chance.permutation(rows.num_rows)[:count])))
    if name == "full":
        return labels.from_training_set(rows)
    if name == "no_dedup":
        copied = np.flatnonzero(chance.random(rows.num_rows) < COPIED)
        return labels.from_training_set(pa.concat_tables([rows, rows.take(copied)]).combine_chunks())
    if name in YOUNG:
        moment = rows["served_at"][0].as_py() + MOMENT
        out = run.directory / "young-sets"
        made = training_set.build(run.warehouse, out, as_of=moment, since=moment - WINDOW, **YOUNG[name])
        return labels.from_training_set(training_set.load(out / made.hash[:12]))
    if name in _CREDIT:
        found = duckdb.connect()
        found.register("rows", rows)
        loves = str(run.world / "truth" / "loves.parquet")
        told = found.execute(_CREDIT[name], {"loves": loves} | ({"wait": HURRIED} if name == "no_wait" else {}))
        table = told.to_arrow_table() if hasattr(told, "to_arrow_table") else told.arrow()
        return labels.from_training_set(table)
    raise ValueError(f"{name!r} is no row of the table")


_CREDIT: Mapping[str, str] = {
    "no_filter": """
        SELECT rows.* REPLACE (CAST(coalesce(love.any, false) AS DOUBLE) AS credit, 1.0 AS trust)
        FROM rows LEFT JOIN (
            SELECT response_id, bool_or(adds OR attack IS NOT NULL) AS any FROM read_parquet($loves) GROUP BY ALL
        ) AS love USING (response_id) ORDER BY served_at, response_id""",
    "no_wait": """
        SELECT rows.* REPLACE (
            CASE WHEN love.first <= served_at + to_minutes(CAST($wait AS BIGINT)) THEN credit ELSE 0 END AS credit
        )
        FROM rows LEFT JOIN (
            SELECT response_id, min(reacted_at) AS first FROM read_parquet($loves) GROUP BY ALL
        ) AS love USING (response_id) ORDER BY served_at, response_id""",
}


def pairs(place: str, count: int, seed: int) -> pa.Table:
    """Two answers of the incumbent to each prompt, judged by the truth's chance; pairs of one helpful and one not.

    Args:
        place: The incumbent.
        count: Prompts.
        seed: Of prompts, draws and judgements.
    """
    import json
    from datetime import UTC, datetime

    from training.rollout.generator import TransformersGenerator

    asked = prompts("helpfulness", count, seed)
    drawn = TransformersGenerator(place).sample(asked, samples=2, seed=seed, desc="pairs")
    said = [each.text for one in drawn for each in one]
    twice = [conversation for conversation in asked for _ in range(2)]
    chance = np.random.default_rng(seed)
    judged = (chance.random(len(said)) < helpful_chance(read(twice, said))).reshape(-1, 2)
    kept = np.flatnonzero(judged[:, 0] != judged[:, 1])
    rows = (kept[:, None] * 2 + np.arange(2)).ravel()
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    return pa.table(
        {
            "conversation": [json.dumps(twice[row]) for row in rows],
            "response": [said[row] for row in rows],
            "label": judged.ravel()[rows],
            "weight": np.ones(len(rows)),
            "user_id": [f"annotator-{row // 2 % 40}" for row in rows],
            "served_at": pa.array([moment] * len(rows), pa.timestamp("us", tz="UTC")),
            "pair": [str(row // 2) for row in rows],
        }
    )
