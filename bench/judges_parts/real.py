"""Judges on what people and bots really said: trip rates, and refusals against people's labels."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from training.judges import judge_all
from training.judges.library import build

PATTERNS = ("closing", "flattery", "emoji", "repetition", "refusal", "unsafe", "dictation", "instructions")
NEEDS = {"convai": "dialogues.jsonl", "chitchat": "conversations.jsonl.gz", "xstest": "completions_gpt4.csv"}


class Pairs(NamedTuple):
    """Conversations up to the user's last message, and the responses."""

    conversations: list[list[dict[str, str]]]
    responses: list[str]


def figures(data: Path, most: int) -> dict[str, Any]:
    """By set, what was found in at most about `most` pairs; a set that is not there says why it was skipped."""
    found: dict[str, Any] = {}
    for name, file in NEEDS.items():
        if not (data / name / file).is_file():
            found[name] = {"skipped": f"{data / name / file} is not there; --data names the folder of the real data"}
        elif name == "xstest":
            found[name] = _refusals(data / name)
        else:
            found[name] = _trips((_convai if name == "convai" else _chitchat)(data / name / file, most))
    return found


def _trips(pairs: Pairs) -> dict[str, Any]:
    """Share of the responses on which each judge trips, and of these the share that it repairs."""
    rates: dict[str, Any] = {"responses": len(pairs.responses)}
    for name in PATTERNS:
        said = [each for each in judge_all(build(name), *pairs) if each.violates]
        repaired = sum(each.repaired is not None for each in said)
        rates[name] = {"trips": len(said) / len(pairs.responses), "repaired": repaired / max(1, len(said))}
    return rates


def _refusals(folder: Path) -> dict[str, Any]:
    """Needless refusals of prompts that all sound dangerous: XSTest's safe half is the hardest there is."""
    found = {}
    for file in sorted(folder.glob("completions_*.csv")):
        with file.open(newline="") as rows:
            table = list(csv.DictReader(rows))
        asked = [[{"role": "user", "content": row["prompt"]}] for row in table]
        said = [row["completion"] for row in table]
        truth = np.array([row["final_label"].startswith("2") and "contrast" not in row["type"] for row in table])
        for borderline in (False, True):
            judged = judge_all(build("refusal", {"borderline": borderline}), asked, said)
            trips = np.array([each.violates for each in judged])
            right = int((trips & truth).sum())
            found[f"{file.stem}{', borderline' if borderline else ''}"] = {
                "needless": int(truth.sum()), "found": right, "wrongly": int((trips & ~truth).sum()),
            }  # fmt: skip
    return found


def _convai(file: Path, most: int) -> Pairs:
    asked, said = [], []
    for line in file.read_text().splitlines():
        if len(said) >= most:
            break
        turns: list[dict[str, str]] = []
        for each in json.loads(line)["dialog"]:
            if each["sender_class"] == "Bot" and turns and turns[-1]["role"] == "user":
                asked.append(list(turns))
                said.append(str(each["text"]))
            role = "assistant" if each["sender_class"] == "Bot" else "user"
            turns.append({"role": role, "content": str(each["text"])})
    return Pairs(asked, said)


def _chitchat(file: Path, most: int) -> Pairs:
    """People talking to people: who answers takes the place of the model. The last six turns are enough for a judge."""
    asked, said = [], []
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            turns: list[dict[str, str]] = []
            for place, group in enumerate(json.loads(line)["messages"]):
                text = " ".join(str(each["text"]) for each in group)
                if place % 2:
                    asked.append(turns[-6:])
                    said.append(text)
                turns.append({"role": "assistant" if place % 2 else "user", "content": text})
            if len(said) >= most:
                break
    return Pairs(asked, said)
