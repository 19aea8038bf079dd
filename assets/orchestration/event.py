"""A finished stage as the event that Dagster keeps, the same from a run of Dagster's and from the command line."""

import hashlib
from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    NULL_EVENT_POINTER,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)

from assets.orchestration import words
from assets.run import Run

RESULT = "loveloop/result"
"""The tag that names one finish of one stage, so that it is told once."""


def result(marker: Mapping[str, Any]) -> str:
    """The name of one finish of a stage."""
    text = f"{marker['stage']} {marker['key']} {marker['finished_at']}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def tags(run: Run, stage: str) -> dict[str, str]:
    """Tags of a finished stage: which finish it was, in which cycle, and by which key."""
    marker = run.finished(stage)
    assert marker is not None  # whoever asks has just seen it finish
    cycle = run.cycle.stages()[stage] if run.cycle else 0
    return {RESULT: result(marker), "loveloop/cycle": str(cycle), "loveloop/key": str(marker["key"])}


def versions(run: Run, stage: str) -> dict[str, str]:
    """Tags of the versions of a result: of its content, of the code that made it, and of everything that it read."""
    marker = run.finished(stage)
    assert marker is not None
    read = {name: run.finished(name) for name in marker["needs"]}
    keys = {dg.AssetKey(words.asset_name(name)): str(each["version"]) for name, each in read.items() if each}
    return {
        DATA_VERSION_TAG: str(marker["version"]),
        CODE_VERSION_TAG: str(marker["parts"]["code"]),
        DATA_VERSION_IS_USER_PROVIDED_TAG: "true",
        **{get_input_data_version_tag(key): version for key, version in keys.items()},
        **{get_input_event_pointer_tag(key): NULL_EVENT_POINTER for key in keys},
    }
