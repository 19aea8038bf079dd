"""What an optimisation ends with: a policy's directory that appears whole, under a key of all that it depends on."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training import pretrained
from training.cgpo.config import CgpoConfig
from training.cgpo.report import PolicyReport
from training.cgpo.tasks import Task
from training.disk import read_report
from training.engine.config import EngineConfig
from training.judges.library import version_of as judge_version
from training.judges.verdict import Judge
from training.policy.load import ADAPTER, Policy, fingerprint, name_base
from training.text import Conversation

Logged = tuple[list[Conversation], list[str]]
"""Conversations and what was answered."""


def key_of(
    reference: str,
    tasks: Sequence[Task],
    judges: Mapping[str, Judge],
    *,
    config: CgpoConfig,
    engine: EngineConfig,
    logged: Logged,
) -> str:
    """Names all that the weights depend on; how often a state is kept does not matter.

    The engine counts: its ranks and stage decide how sums are rounded, and a state of others cannot be taken up.
    """
    aims = [[task.name, list(task.prompts), task.weight, task.mixed, task.reward_version] for task in tasks]
    content = [
        reference,
        aims,
        {name: judge_version(judge) for name, judge in judges.items()},
        config.model_dump(exclude={"save_every"}),
        engine.model_dump(),
        logged,
    ]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()[:20]


def finished(out: Path, key: str) -> PolicyReport | None:
    """The report of a policy that was made with this key.

    Raises:
        ValueError: A report is there, and damaged.
    """
    report = read_report(out / "policy.json", PolicyReport)
    return report if report is not None and report.key == key else None


def save(trained: Policy, place: Path, out: Path, reference: str | Path) -> str:
    """Write a policy to where it can be renamed to `out`, and return its version."""
    pretrained.save(place, trained.model, trained.tokenizer)
    version = f"{out.name}@{fingerprint(place)}"  # before an adapter names its base as seen from elsewhere
    if (place / ADAPTER).exists():
        name_base(place, reference, seen_from=out)
    return version


def publish(report: PolicyReport, work: Path, out: Path) -> None:
    """Rename what `save` wrote into `work / "policy"` to its place, with its report, and drop the state."""
    (work / "policy" / "policy.json").write_text(report.model_dump_json(indent=1))
    shutil.rmtree(out, ignore_errors=True)
    (work / "policy").rename(out)
    shutil.rmtree(work)


def hash_weights(model: Any) -> str:
    """Twelve hexadecimal digits that name what is trained of a model."""
    digest = hashlib.sha256()
    for name, each in model.named_parameters():
        if each.requires_grad:
            digest.update(name.encode() + each.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]
