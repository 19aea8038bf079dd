"""How people talk: a chat log and an event stream brought to one shape, and the distributions that both have."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

SILENCE = 1_800
"""Seconds after which a chat counts as a new one."""
DAY = 86_400
FAR = 32_503_680_000
"""The year 3000: a moment from there on is a fault that was put in."""


class Turn(NamedTuple):
    """One turn of one person.

    Attributes:
        user: Who.
        talk: In which chat.
        at: When the turn began, seconds since 1970.
        heard: When the other side was done, or None at the opening.
        words: In each message of the turn.
    """

    user: str
    talk: str
    at: float
    heard: float | None
    words: tuple[int, ...]


def of_chats(path: Path) -> list[Turn]:
    """Turns of people who chat with each other (chitchat), chats cut where both were silent; unanswered ones left out.

    One side of a chat is the person: the one who opened it. The other side answers, as the product does.
    """
    found = []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            chat = json.loads(line)
            for number, piece in enumerate(_pieces(chat["messages"])):
                if len(piece) > 1:
                    found.extend(_opener(f"{chat['id']}/{number}", piece))
    return found


def of_stream(path: Path) -> list[Turn]:
    """Turns of people who talk to the product: its events, copies and spoilt lines left out."""
    served: dict[str, Any] = {}
    for line in path.read_bytes().splitlines():
        try:
            event = json.loads(line)
            if event["type"] == "response_served" and _seconds(event["served_at"]) < FAR:
                place = (event["conversation_id"], event["turn"], _seconds(event["served_at"]))
                served.setdefault(
                    event["response_id"], (*place, event["user_id"], event["conversation"][-1]["content"])
                )
        except (ValueError, TypeError, KeyError):
            continue  # a spoilt line
    found: list[Turn] = []
    before: tuple[str | None, float] = (None, 0.0)
    for talk, _, at, user, said in sorted(served.values(), key=lambda one: one[:2]):
        heard = before[1] if before[0] == talk else None
        found.append(Turn(user, talk, at, heard, (len(said.split()),)))
        before = (talk, at)
    return found


def distributions(turns: list[Turn]) -> dict[str, np.ndarray]:
    """What can be compared, one array of values each."""
    talks: dict[str, list[Turn]] = defaultdict(list)
    for turn in turns:
        talks[turn.talk].append(turn)
    starts: dict[str, list[float]] = defaultdict(list)
    for told in talks.values():
        starts[told[0].user].append(told[0].at)
    days = {user: np.unique((np.array(each) // DAY).astype(int)) for user, each in starts.items()}
    last = max(int(each[-1]) for each in days.values())
    often = [np.array(each) for each in starts.values() if len(each) >= 10]
    return {
        "turns of a talk": np.array([len(told) for told in talks.values()]),
        "words of a message": np.array([count for turn in turns for count in turn.words]),
        "seconds between answer and next message": np.array([t.at - t.heard for t in turns if t.heard is not None]),
        "talks of a person on a day": np.concatenate([_per_day(np.array(each)) for each in starts.values()]),
        "talks of a person": np.array([len(each) for each in starts.values()]),
        "hours of the day, off the mean": _off_mean(np.concatenate([np.array(each) for each in starts.values()])),
        "the same, off the person's own mean": np.concatenate([_off_mean(each) for each in often] or [np.zeros(0)]),
        "comes again within a day": _again(days, 1, last),
        "comes again within a week": _again(days, 7, last),
    }


def _pieces(chat: list[list[dict[str, str]]]) -> list[list[tuple[str, float, float, tuple[int, ...]]]]:
    """Turns as (sender, began, done, words), cut at long silences."""
    pieces: list[list[Any]] = [[]]
    for turn in chat:
        times = [_seconds(message["timestamp"]) for message in turn]
        if pieces[-1] and times[0] - pieces[-1][-1][2] > SILENCE:
            pieces.append([])
        words = tuple(len(message["text"].split()) for message in turn)
        pieces[-1].append((turn[0]["sender"], times[0], times[-1], words))
    return pieces


def _opener(talk: str, piece: list[tuple[str, float, float, tuple[int, ...]]]) -> list[Turn]:
    opener = piece[0][0]
    return [
        Turn(opener, talk, began, piece[place - 1][2] if place else None, words)
        for place, (sender, began, _, words) in enumerate(piece)
        if sender == opener
    ]


def _per_day(starts: np.ndarray) -> np.ndarray:
    return np.unique(starts // DAY, return_counts=True)[1]


def _again(days: dict[str, np.ndarray], within: int, last: int) -> np.ndarray:
    """Whether each day of each person was followed by another, where the log reaches that far; 0 or 1."""
    return np.array(
        [
            float(np.any((each > day) & (each <= day + within)))
            for each in days.values()
            for day in each
            if day + within <= last
        ]
    )


def _off_mean(at: np.ndarray) -> np.ndarray:
    """Hours of the day less their circular mean, -12 to 12."""
    angles = at % DAY / DAY * 2 * np.pi
    apart = np.angle(np.exp(1j * angles) / np.exp(1j * angles).mean())
    return np.asarray(apart / (2 * np.pi) * 24)


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()
