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

from assets.orchestration import metadata, words
from assets.run import Run

OURS = "loveloop/"
RESULT = f"{OURS}result"
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
    return {RESULT: result(marker), f"{OURS}cycle": str(cycle), f"{OURS}key": str(marker["key"])}


def materialised(run: Run, stage: str, **more: Any) -> dg.AssetMaterialization:
    """A finished stage as one materialisation, of a partition where the stage makes one.

    Args:
        run: Looked at in a cycle in which the stage has a result.
        stage: Which.
        more: Further metadata.
    """
    return dg.AssetMaterialization(
        words.asset_name(stage),
        partition=words.partition(stage),
        metadata=metadata.of_stage(run, stage) | more,
        tags=tags(run, stage) | _versions(run, stage),
    )


def _versions(run: Run, stage: str) -> dict[str, str]:
    """Tags of the versions of a result: of its content, of the code that made it, and of everything that it read."""
    marker = run.finished(stage)
    assert marker is not None
    read: dict[dg.AssetKey, dict[str, str]] = {}
    for name in marker["needs"]:
        found = run.finished(name)
        if found:
            partition = words.partition(name) or ""
            read.setdefault(dg.AssetKey(words.asset_name(name)), {})[partition] = str(found["version"])
    keys = {key: _of_partitions(versions) for key, versions in read.items()}
    return {
        DATA_VERSION_TAG: str(marker["version"]),
        CODE_VERSION_TAG: str(marker["parts"]["code"]),
        DATA_VERSION_IS_USER_PROVIDED_TAG: "true",
        **{get_input_data_version_tag(key): version for key, version in keys.items()},
        **{get_input_event_pointer_tag(key): NULL_EVENT_POINTER for key in keys},
    }


def _of_partitions(versions: Mapping[str, str]) -> str:
    """The version of a whole asset, by those of its partitions: of several, Dagster takes a digest in their order."""
    if "" in versions:
        return versions[""]
    return hashlib.sha256("".join(versions[key] for key in sorted(versions)).encode()).hexdigest()
