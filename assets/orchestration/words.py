"""How the stages appear in Dagster: names, groups, kinds, and what each is and where it lies."""

import re
from datetime import timedelta
from typing import NamedTuple

import dagster as dg

OWNERS = ["team:loveloop"]
POLICY = "policy"
"""The asset of the sweep: a partition for each Love weight."""
_SWEPT = "policy-"


class _StageWords(NamedTuple):
    """One stage as Dagster shows it."""

    group: str
    kinds: frozenset[str]
    description: str


_SHOWN = {
    "events": _StageWords(
        "feedback",
        frozenset({"python"}),
        "What users were shown, and how they reacted, as event lines: `world/events.ndjson` of the run. A live run "
        "reads the events that its warehouse holds and writes nothing here.",
    ),
    "ingest": _StageWords(
        "feedback",
        frozenset({"kafka", "duckdb"}),
        "Events in the warehouse, each exactly once: tables `responses` and `reactions`, and dead letters beside them.",
    ),
    "adversary": _StageWords(
        "feedback",
        frozenset({"duckdb", "scikitlearn"}),
        "Who games the feedback: flags and trust of users, from the daily job; tables `flags` and `user_trust`.",
    ),
    "clean_feedback": _StageWords(
        "feedback",
        frozenset({"duckdb"}),
        "Feedback that is mature, counted once, and not of users in quarantine: the view `clean_feedback`.",
    ),
    "training_set": _StageWords(
        "feedback",
        frozenset({"parquet"}),
        "The clean feedback, frozen: `training-sets/HASH/examples.parquet` beside its manifest, named by its content.",
    ),
    "incumbent": _StageWords(
        "models",
        frozenset({"torch", "huggingface"}),
        "The policy that wrote the log, or a small one that imitates it: `models/incumbent` of its cycle.",
    ),
    "helpfulness": _StageWords(
        "models",
        frozenset({"torch"}),
        "How helpful an answer is, learnt from labels: `models/helpfulness` of its cycle.",
    ),
    "safety": _StageWords(
        "models", frozenset({"torch"}), "How safe an answer is, learnt from labels: `models/safety` of its cycle."
    ),
    "p_love": _StageWords(
        "models", frozenset({"torch"}), "The chance that a response is loved, P[Love]: `models/p_love` of its cycle."
    ),
    "retention": _StageWords(
        "models", frozenset({"torch"}), "What an answer does to people coming back: `models/retention` of its cycle."
    ),
    "offline_evaluation": _StageWords(
        "launch",
        frozenset({"torch"}),
        "Every policy on the same held-out prompts, beside the incumbent: `answers.json` of its cycle holds the texts.",
    ),
    "candidate": _StageWords(
        "launch",
        frozenset({"huggingface"}),
        "The policy that may go before users, with its gates, card and lineage: `candidates/NAME` of its cycle.",
    ),
    "exposures": _StageWords(
        "launch",
        frozenset({"kafka"}),
        "A simulated A/B test of the candidate: both arms are served, and what users do comes back as events.",
    ),
    "experiment_readout": _StageWords(
        "launch",
        frozenset({"duckdb", "scipy"}),
        "What the A/B test says so far: sample ratio, effect with its interval, guardrails, decision.",
    ),
    "lift_ledger": _StageWords(
        "launch",
        frozenset({"duckdb"}),
        "Predicted beside measured lift of every experiment: table `lift_ledger` of the warehouse.",
    ),
    "report": _StageWords(
        "launch", frozenset({"html"}), "The cycle on one page: `report.html`, and its figures as `report.json`."
    ),
}
_POLICY = _StageWords(
    "policies",
    frozenset({"torch", "huggingface"}),
    "A policy for each Love weight of the sweep, its partition: `policies/love-WEIGHT` of its cycle.",
)


def asset_name(stage: str) -> str:
    """What a stage's asset is called; stages of the sweep share one. Dagster allows no dots and dashes."""
    return POLICY if partition(stage) else re.sub(r"\W", "_", stage)


def partition(stage: str) -> str | None:
    """The partition of its asset that a stage makes; None where it makes the whole asset.

    >>> partition("policy-0.3"), partition("p_love")
    ('0.3', None)
    """
    return stage.removeprefix(_SWEPT) if stage.startswith(_SWEPT) else None


def group(stage: str) -> str:
    """The group of a stage's asset; groups follow each other, so that the collapsed graph has no circle."""
    return _shown(stage).group


def kinds(stage: str) -> set[str]:
    """What a stage's asset is made with."""
    return set(_shown(stage).kinds)


def description(stage: str, title: str) -> str:
    """What a stage's asset is, and where it lies."""
    text = _shown(stage).description
    if partition(stage):  # the title is of one weight
        return text
    return f"{title}.\n\n{text}" if text else title


def freshness(stage: str, *, live: bool) -> dg.FreshnessPolicy | None:
    """How old a result of a live run may grow; a finished demo never goes stale."""
    windows = {"ingest": (26, 50), "training_set": (26, 50), "p_love": (26, 50), "experiment_readout": (3, 26)}
    if not live or stage not in windows:
        return None
    warn, fail = windows[stage]
    return dg.FreshnessPolicy.time_window(timedelta(hours=fail), timedelta(hours=warn))


def _shown(stage: str) -> _StageWords:
    if partition(stage):
        return _POLICY
    return _SHOWN.get(stage, _StageWords("launch", frozenset({"python"}), ""))
