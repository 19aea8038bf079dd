"""Which reactions people give (fb_live, and an event stream), and how paid stars come in time (starscout)."""

from __future__ import annotations

import csv
import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

NAMES = ("likes", "loves", "wows", "hahas", "sads", "angrys")
SHARES = [0.1, 0.25, 0.5, 0.75, 0.9, 0.99]
ENOUGH = 20
"""Stars from which on an item's course in time is described."""


def of_posts(path: Path) -> dict[str, Any]:
    """Shares among all reactions, the share of loves by type of post, and its quantiles over posts of 100 and more."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    counts = np.array([[int(row[f"num_{name}"]) for name in NAMES] for row in rows])
    types = np.array([row["status_type"] for row in rows])
    total = counts.sum(axis=1)
    big = total >= 100
    return {
        "reactions": int(total.sum()),
        "mix": dict(zip(NAMES, (counts.sum(axis=0) / total.sum()).round(5).tolist(), strict=True)),
        "loves_by_type": {
            kind: round(float(counts[types == kind, 1].sum() / total[types == kind].sum()), 5)
            for kind in sorted(set(types.tolist()))
        },
        "loves_by_post": np.quantile(counts[big, 1] / total[big], SHARES).round(4).tolist(),
    }


def of_stream(path: Path) -> dict[str, Any]:
    """Shares of love, like and dislike among the reactions of an event stream, and each per response."""
    seen: set[str] = set()
    found: Counter[str] = Counter()
    for line in path.read_bytes().splitlines():
        try:
            event = json.loads(line)
            if event["event_id"] not in seen:
                seen.add(event["event_id"])
                added = event["type"] == "reaction_changed" and event["action"] == "added"
                found[event["reaction"] if added else event["type"]] += 1
        except (ValueError, TypeError, KeyError):
            continue  # a spoilt line
    total = sum(found[name] for name in ("love", "like", "dislike"))
    return {
        "mix": {name: round(found[name] / total, 5) for name in ("like", "love", "dislike")},
        "per_response": {
            name: round(found[name] / found["response_served"], 5) for name in ("like", "love", "dislike")
        },
    }


def of_stars(path: Path) -> dict[str, Any]:
    """Bursts and lockstep of suspected stars: gaps within accounts and items, crowded hours and days, shared items."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    items = np.unique([row["item"] for row in rows], return_inverse=True)[1]
    users = np.unique([row["user"] for row in rows], return_inverse=True)[1]
    at = np.array([datetime.fromisoformat(row["starred_at"].replace("Z", "+00:00")).timestamp() for row in rows])
    busy = [np.sort(at[items == item]) for item in np.flatnonzero(np.bincount(items) >= ENOUGH)]
    return {
        "stars": len(at),
        "items": int(items.max()) + 1,
        "accounts": int(users.max()) + 1,
        "accounts_seen_once": round(float(np.mean(np.bincount(users) == 1)), 4),
        "gap_within_account_s": np.quantile(_gaps(users, at), SHARES).round(1).tolist(),
        "gap_within_item_s": np.quantile(_gaps(items, at), SHARES).round(0).tolist(),
        "busiest_hour_of_item": np.quantile([_peak(each, 3_600) for each in busy], SHARES).round(4).tolist(),
        "busiest_day_of_item": np.quantile([_peak(each, 86_400) for each in busy], SHARES).round(4).tolist(),
        "days_an_item_lives": np.quantile([np.ptp(each) / 86_400 for each in busy], SHARES).round(0).tolist(),
    }


def _gaps(owner: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Seconds between neighbours in time of one owner."""
    order = np.lexsort((at, owner))
    return np.asarray(np.diff(at[order])[np.diff(owner[order]) == 0])


def _peak(at: np.ndarray, width: int) -> float:
    """Share of the moments that the fullest window of the clock holds."""
    return float(np.unique(at // width, return_counts=True)[1].max() / len(at))
