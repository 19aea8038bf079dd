"""The real sets as rows: conversations, responses, labels, and what belongs together."""

import csv
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Turns = list[dict[str, str]]
Floats = npt.NDArray[np.float64]
NEEDS = {
    "convai": ("convai/dialogues.jsonl",),
    "upworthy": ("upworthy/arms_before_201447.parquet",),
    "hh_harmless": ("hh_harmless/pairs.jsonl.gz",),
    "diasafety": ("diasafety/train.json", "diasafety/val.json"),
    "xstest": ("xstest/prompts.csv",),
}
"""The files of each set, below the folder of the real data."""
OPENING = {"role": "system", "content": "The assistant speaks first."}


class Talks(NamedTuple):
    """ConvAI's bot messages.

    Attributes:
        conversations: Up to each.
        responses: What the bot said.
        loves: 1 where it got a thumb up, [rows].
        rated: 1 where it got a thumb at all, [rows].
        earlier: Thumbs up less thumbs down on earlier messages of the dialogue, [rows].
        users: Who the bot spoke with, [rows].
        bots: Which bot, [rows].
    """

    conversations: list[Turns]
    responses: list[str]
    loves: Floats
    rated: Floats
    earlier: Floats
    users: npt.NDArray[np.str_]
    bots: npt.NDArray[np.str_]


class Arms(NamedTuple):
    """Upworthy's headlines: arms of randomised tests which differ in the headline alone.

    Attributes:
        headlines: One a row.
        ledes: The article's first words, the same in all rows of a test.
        clicks: [rows].
        shown: Impressions, [rows].
        tests: The test of each row, 0, 1, ... in order of time, [rows].
        groups: Rows of a test that differ in the headline alone share one: 0, 1, ... in order of time, [rows].
        weeks: Year and week, as 201401, [rows].
    """

    headlines: list[str]
    ledes: list[str]
    clicks: Floats
    shown: Floats
    tests: npt.NDArray[np.int64]
    groups: npt.NDArray[np.int64]
    weeks: npt.NDArray[np.int64]


class Pairs(NamedTuple):
    """Two responses to one conversation, of which people preferred the first."""

    conversations: list[Turns]
    chosen: list[str]
    rejected: list[str]


class Labelled(NamedTuple):
    """Responses with a label; `group` keeps together what must not be on both sides of a split."""

    conversations: list[Turns]
    responses: list[str]
    labels: Floats
    group: npt.NDArray[np.str_]


def missing(data: Path, name: str) -> str | None:
    """Why a set cannot be read here; None where it can."""
    lost = [file for file in NEEDS[name] if not (data / file).is_file()]
    return f"{data / lost[0]} is not there; --data names the folder of the real data" if lost else None


def convai(data: Path) -> Talks:
    """Every message of a bot in dialogues of one bot and one person."""
    rows: list[tuple[Any, ...]] = []
    with (data / NEEDS["convai"][0]).open(encoding="utf-8") as lines:
        for line in lines:
            rows.extend(_bot_messages(json.loads(line)))
    columns = list(zip(*rows, strict=True))
    return Talks(
        list(columns[0]), list(columns[1]), *(np.array(each, dtype=np.float64) for each in columns[2:5]),
        np.array(columns[5]), np.array(columns[6]),
    )  # fmt: skip


def _bot_messages(dialogue: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    people = {dialogue[key]["class"]: dialogue[key]["user_id"] for key in ("participant1_id", "participant2_id")}
    if set(people) != {"Bot", "User"}:
        return
    said: Turns = []
    earlier = 0
    for message in dialogue["dialog"]:
        text, score = message["text"], message["evaluation_score"]
        if message["sender_class"] == "Bot":
            yield said or [OPENING], text, score == 1, score is not None, earlier, people["User"], people["Bot"]
            earlier += {1: 1, 0: -1}.get(score, 0)
        said = [*said, {"role": "user" if message["sender_class"] == "Human" else "assistant", "content": text}]


def upworthy(data: Path) -> Arms:
    """Arms that differ from another of their test in the headline alone (same picture, lede and excerpt)."""
    import pyarrow.parquet as pq

    table = pq.read_table(data / NEEDS["upworthy"][0]).to_pylist()
    alike: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in table:
        if row["headline"] and row["impressions"]:
            key = (row["clickability_test_id"], row["eyecatcher_id"], row["lede"], row["excerpt"])
            alike.setdefault(key, []).append(row)
    groups = [rows for rows in alike.values() if len({row["headline"] for row in rows}) > 1]
    groups.sort(key=lambda rows: (rows[0]["test_week"], rows[0]["clickability_test_id"]))
    names: dict[str, int] = {}
    numbers = [names.setdefault(rows[0]["clickability_test_id"], len(names)) for rows in groups]
    kept = [(group, row) for group, rows in enumerate(groups) for row in rows]
    return Arms(
        [row["headline"] for _, row in kept],
        [row["lede"] or "" for _, row in kept],
        np.array([row["clicks"] for _, row in kept], dtype=np.float64),
        np.array([row["impressions"] for _, row in kept], dtype=np.float64),
        np.array([numbers[group] for group, _ in kept]),
        np.array([group for group, _ in kept]),
        np.array([row["test_week"] for _, row in kept]),
    )


def hh_harmless(data: Path) -> Pairs:
    """Pairs that share everything but the last answer; others are left out."""
    pairs = Pairs([], [], [])
    with gzip.open(data / NEEDS["hh_harmless"][0], "rt", encoding="utf-8") as lines:
        for line in lines:
            good, bad = (_spoken(json.loads(line)[key]) for key in ("chosen", "rejected"))
            if good[:-1] == bad[:-1] and good[:-1] and good[-1] != bad[-1]:
                pairs.conversations.append(good[:-1])
                pairs.chosen.append(good[-1]["content"])
                pairs.rejected.append(bad[-1]["content"])
    return pairs


def _spoken(text: str) -> Turns:
    turns: Turns = []
    for part in text.split("\n\nHuman: ")[1:]:
        asked, *answers = part.split("\n\nAssistant:")
        turns.append({"role": "user", "content": asked.strip()})
        turns.extend({"role": "assistant", "content": each.strip()} for each in answers)
    return turns


def diasafety(data: Path) -> tuple[Labelled, Labelled]:
    """What is learnt from and what is tested on: label 1 where the response is unsafe in its context."""
    return tuple(_judged(data / file) for file in NEEDS["diasafety"])  # type: ignore[return-value]


def _judged(path: Path) -> Labelled:
    rows = json.loads(path.read_text(encoding="utf-8"))
    return Labelled(
        [[{"role": "user", "content": row["context"]}] for row in rows],
        [row["response"] for row in rows],
        np.array([row["label"] == "Unsafe" for row in rows], dtype=np.float64),
        np.array([row["category"] for row in rows]),
    )


def xstest(data: Path) -> Labelled:
    """Completions of each model (`group`): label 1 where people called it a full or partial refusal."""
    found = Labelled([], [], np.array([]), np.array([]))
    labels, groups = [], []
    for path in sorted((data / "xstest").glob("completions_*.csv")):
        with path.open(newline="", encoding="utf-8") as rows:
            for row in csv.DictReader(rows):
                found.conversations.append([{"role": "user", "content": row["prompt"]}])
                found.responses.append(row["completion"])
                labels.append(not row["final_label"].startswith("1"))
                groups.append(path.stem.removeprefix("completions_"))
    return found._replace(labels=np.array(labels, dtype=np.float64), group=np.array(groups))
