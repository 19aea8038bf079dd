"""What had learnt from a user's rows in a run, or was tried on them: by the run's own records, before anything goes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from assets.cycle import Cycle, cycles

_OF_THE_LOG = ("reactions", "judge")
"""Sources of labels that are answers of the log itself."""
Seen = tuple[str, dict[str, Any]]
"""Kind (incumbent, reward_model, policy, candidate, experiment) and what names it."""


def seen(run: Path) -> Iterator[Seen]:
    """Everything in a run that was made from its log, in whichever cycle, once a user of it asks to be forgotten.

    A model cannot be told to forget: it is named, and whoever deploys it decides. What started from the incumbent, or
    was optimised against P[Love], has seen the user through them.
    """
    for each in cycles(run):
        for kind, named in _seen_in(each):
            yield kind, {"run": str(run), "cycle": each.number, **named}


def _seen_in(cycle: Cycle) -> Iterator[Seen]:
    incumbent, place = _facts(cycle, "incumbent"), cycle.directory
    fitted = bool(incumbent) and not incumbent.get("base")
    if fitted and cycle.produced("incumbent"):
        yield "incumbent", _named("incumbent", incumbent, "fitted to the log")
    for card in sorted(place.glob("models/*/metrics.json")):
        yield from _reward_model(cycle, card, fitted)
    for card in sorted(place.glob("policies/*/policy.json")):
        how = "optimised against P[Love]" + (", from the incumbent" if fitted else "")
        yield "policy", {"name": card.parent.name, "version": json.loads(card.read_text())["policy"], "how": how}
    for card in sorted(place.glob("candidates/*/lineage.json")):
        lineage = json.loads(card.read_text())
        yield "candidate", {"name": card.parent.name, "training_set": lineage.get("training_set")}
    trial = (cycle.produced("exposures") or cycle.produced("experiment_readout") or {"facts": {}})["facts"]
    if trial.get("name"):
        yield "experiment", {"name": trial["name"], "how": "its candidate had learnt from the user"}


def sets_named(run: Path) -> set[str]:
    """Hashes of the training sets that the run's reward models and candidates name."""
    cards = [json.loads(file.read_text()).get("lineage", {}) for file in run.glob("cycles/*/models/*/metrics.json")]
    cards += [json.loads(file.read_text()) for file in run.glob("cycles/*/candidates/*/lineage.json")]
    return {str(card["training_set"]) for card in cards if card.get("training_set")}


def _reward_model(cycle: Cycle, card: Path, fitted: bool) -> Iterator[Seen]:
    lineage = json.loads(card.read_text()).get("lineage", {})
    how = [
        *(["trained on the training set"] if "training_set" in lineage or lineage.get("labels") in _OF_THE_LOG else []),
        *(["started from the incumbent"] if fitted and _is_incumbent(lineage) else []),
    ]
    if how:
        named = _named(card.parent.name, _facts(cycle, card.parent.name), ", ".join(how))
        yield "reward_model", named | {"training_set": lineage.get("training_set")}


def _is_incumbent(lineage: dict[str, Any]) -> bool:
    """Whether a model started from the incumbent: cards name its weights, earlier ones its place."""
    return Path(str(lineage.get("base", "")).partition("@")[0]).name == "incumbent"


def _named(name: str, facts: dict[str, Any], how: str) -> dict[str, Any]:
    return {"name": name, "fingerprint": facts.get("fingerprint"), "how": how}


def _facts(cycle: Cycle, stage: str) -> dict[str, Any]:
    return dict((cycle.finished(stage) or {"facts": {}})["facts"])
