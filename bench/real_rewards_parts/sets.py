"""The real sets as rows: conversations, responses, labels, and what belongs together."""

import csv
import gzip
import json
import math
from collections.abc import Iterator
from itertools import combinations
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
        earlier: Thumbs up and thumbs down on earlier messages of the dialogue, [rows, 2].
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
    """Upworthy's headlines, one row a headline of a randomised test; arms that share it are added up.

    Attributes:
        headlines: One a row.
        clicks: [rows].
        shown: Impressions, [rows].
        tests: The test of each row, 0, 1, ... in order of time, [rows].
        weeks: Year and week, as 201401, [rows].
        alike: Pairs of arms that differ in the headline alone (same picture, lede and excerpt).
        every: All pairs of a test's rows, whatever else differs.
    """

    headlines: list[str]
    clicks: Floats
    shown: Floats
    tests: npt.NDArray[np.int64]
    weeks: npt.NDArray[np.int64]
    alike: "Contests"
    every: "Contests"


class Contests(NamedTuple):
    """Two headlines of a test against each other.

    Attributes:
        rows: Of both, [pairs, 2].
        z: Difference of their click rates (first less second) in standard errors, [pairs].
    """

    rows: npt.NDArray[np.int64]
    z: Floats


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
    earlier = (0, 0)
    for message in dialogue["dialog"]:
        text, score = message["text"], message["evaluation_score"]
        if message["sender_class"] == "Bot":
            yield said or [OPENING], text, score == 1, score is not None, earlier, people["User"], people["Bot"]
            earlier = (earlier[0] + (score == 1), earlier[1] + (score == 0))
        said = [*said, {"role": "user" if message["sender_class"] == "Human" else "assistant", "content": text}]


def upworthy(data: Path) -> Arms:
    """All tests of two headlines or more."""
    import pyarrow.parquet as pq

    arms = [row for row in pq.read_table(data / NEEDS["upworthy"][0]).to_pylist() if row["headline"]]
    arms = [row for row in arms if row["impressions"]]
    began: dict[str, Any] = {}  # a few tests run into a second week: all of a test is of its first
    for row in arms:
        test = row["clickability_test_id"]
        began[test] = min(began.get(test, row["test_week"]), row["test_week"])
    arms.sort(key=lambda row: (began[row["clickability_test_id"]], row["clickability_test_id"], row["headline"]))
    titles: dict[str, set[str]] = {}
    for row in arms:
        titles.setdefault(row["clickability_test_id"], set()).add(row["headline"])
    arms = [row for row in arms if len(titles[row["clickability_test_id"]]) > 1]
    place: dict[tuple[str, str], int] = {}
    of = [place.setdefault((row["clickability_test_id"], row["headline"]), len(place)) for row in arms]
    first = np.unique(of, return_index=True)[1]
    names = {name: number for number, name in enumerate(dict.fromkeys(test for test, _ in place))}
    clicks, shown = (np.bincount(of, [row[key] for row in arms]) for key in ("clicks", "impressions"))
    tests = np.array([names[test] for test, _ in place])
    groups: dict[Any, list[tuple[int, float, float]]] = {}
    for row, at in zip(arms, of, strict=True):
        key = (row["clickability_test_id"], row["eyecatcher_id"], row["lede"], row["excerpt"])
        groups.setdefault(key, []).append((at, row["clicks"], row["impressions"]))
    whole: dict[Any, list[tuple[int, float, float]]] = {}
    for at, test in enumerate(tests.tolist()):
        whole.setdefault(test, []).append((at, clicks[at], shown[at]))
    weeks = np.array([began[row["clickability_test_id"]] for row in arms])[first]
    return Arms([title for _, title in place], clicks, shown, tests, weeks, _contests(groups), _contests(whole))


def _contests(groups: dict[Any, list[tuple[int, float, float]]]) -> Contests:
    rows, z = [], []
    for arms in groups.values():
        for (one, won, seen), (other, lost, looked) in combinations(arms, 2):
            rate = (won + lost) / (seen + looked)
            spread = math.sqrt(rate * (1 - rate) * (1 / seen + 1 / looked))
            if one != other and spread > 0:
                rows.append((one, other))
                z.append((won / seen - lost / looked) / spread)
    return Contests(np.array(rows), np.array(z))


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
