"""What had learnt from a user's rows in a run, or was tried on them: by the run's own records, before anything goes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Seen = tuple[str, dict[str, Any]]
"""Kind (incumbent, reward_model, policy, candidate, experiment) and what names it."""


def seen(run: Path) -> Iterator[Seen]:
    """Everything in a run that was made from its log, once a user of it asks to be forgotten.

    A model cannot be told to forget: it is named, and whoever deploys it decides. What started from the incumbent, or
    was optimised against P[Love], has seen the user through them.
    """
    incumbent = _facts(run, "incumbent")
    fitted = bool(incumbent) and Path(str(incumbent.get("place"))).is_relative_to(run)
    if fitted:
        yield "incumbent", _named(run, "incumbent", incumbent, "fitted to the log")
    for card in sorted(run.glob("models/*/metrics.json")):
        yield from _reward_model(run, card, fitted)
    for card in sorted(run.glob("policies/*/policy.json")):
        how = "optimised against P[Love]" + (", from the incumbent" if fitted else "")
        version = json.loads(card.read_text())["policy"]
        yield "policy", {"run": str(run), "name": card.parent.name, "version": version, "how": how}
    for card in sorted(run.glob("candidates/*/lineage.json")):
        lineage = json.loads(card.read_text())
        yield "candidate", {"run": str(run), "name": card.parent.name, "training_set": lineage.get("training_set")}
    trial = _facts(run, "exposures")
    if trial:
        yield "experiment", {"run": str(run), "name": trial["name"], "how": "its candidate had learnt from the user"}


def sets_named(run: Path) -> set[str]:
    """Hashes of the training sets that the run's reward models and candidates name."""
    cards = [json.loads(file.read_text()).get("lineage", {}) for file in run.glob("models/*/metrics.json")]
    cards += [json.loads(file.read_text()) for file in run.glob("candidates/*/lineage.json")]
    return {str(card["training_set"]) for card in cards if card.get("training_set")}


def _reward_model(run: Path, card: Path, fitted: bool) -> Iterator[Seen]:
    lineage = json.loads(card.read_text()).get("lineage", {})
    how = [
        *(["trained on the training set"] if "training_set" in lineage or lineage.get("labels") == "reactions" else []),
        *(["started from the incumbent"] if fitted and str(lineage.get("base", "")).endswith("incumbent") else []),
    ]
    if how:
        named = _named(run, card.parent.name, _facts(run, card.parent.name), ", ".join(how))
        yield "reward_model", named | {"training_set": lineage.get("training_set")}


def _named(run: Path, name: str, facts: dict[str, Any], how: str) -> dict[str, Any]:
    return {"run": str(run), "name": name, "fingerprint": facts.get("fingerprint"), "how": how}


def _facts(run: Path, stage: str) -> dict[str, Any]:
    marker = run / "stages" / f"{stage}.json"
    facts: dict[str, Any] = json.loads(marker.read_text())["facts"] if marker.exists() else {}
    return facts
