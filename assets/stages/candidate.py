"""Gates, and the staged candidate: a directory that says what it is, where it came from and what it passed."""

import hashlib
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import msgspec

from assets import provenance
from assets.facts.launch import CandidateFacts, EvaluationFacts, PolicyFigures, StagedGate
from assets.facts.models import IncumbentFacts, PolicyFacts, RewardFacts
from assets.recipe import Labelled
from assets.run import Run
from assets.stage import Stage
from assets.stages import feedback, standing

_UNFINISHED = ".part"
"""Ends the name of a folder that is being written."""


def directory(run: Run) -> Path:
    """The staged candidate."""
    return run.place("candidate")


def staged(run: Path) -> dict[str, Path]:
    """Every candidate that lies in a run's folder, by its name; nothing where there is no run yet."""
    return {place.name: place for place in sorted(run.glob("cycles/*/candidates/*/")) if place.suffix != _UNFINISHED}


def _candidate(run: Run) -> CandidateFacts:
    from experiments import gates

    base, *others = run.facts(EvaluationFacts).policies
    scores = {each.policy: each for each in others}
    choice = gates.choose(
        {name: msgspec.structs.asdict(each) for name, each in scores.items()},
        msgspec.structs.asdict(base),
        p_love=msgspec.structs.asdict(run.facts(RewardFacts, "p_love")),
        unlabelled=_unlabelled(run),
    )
    chosen = scores[choice.name]
    assert chosen.love_weight is not None  # the incumbent alone has none
    weight = chosen.love_weight
    lineage = _lineage(run, weight)
    name = f"{choice.name}-{_digest(lineage)}"
    place = run.cycle_directory / "candidates" / name
    _stage(run.place(f"policy-{weight:g}"), place, _card(name, choice, lineage, _left_out(run, weight)), lineage)
    _register(run, name, chosen, lineage | {"failed_gates": list(choice.failed)})
    return CandidateFacts(
        summary=f"{name} {choice.verdict}",
        name=name,
        place=run.relative(place),
        cycle=run.cycle.number if run.cycle else None,
        love_weight=weight,
        predicted_lift=chosen.love_lift,
        passed=choice.passed,
        failed_gates=list(choice.failed),
        gates=[StagedGate(**gate._asdict()) for gate in choice.gates],
        why=choice.why,
        reasons=list(choice.reasons),
        lineage=lineage,
    )


def _unlabelled(run: Run) -> list[str]:
    """What the recipe left out, or what no model can tell, so that no gate can be measured on it."""
    known = [name for name in run.recipe.labelled() if standing.usable(run, name)]
    return [name for name in get_args(Labelled) if name not in known]


def _digest(lineage: dict[str, Any]) -> str:
    """Names a candidate by what it was made from, so that one recipe and one seed give one name.

    Positions in topics say where the same events were read, origins say it in words (paths among them): neither names.
    """
    content = {key: value for key, value in lineage.items() if key not in ("events", "origins")}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]


def _register(run: Run, name: str, scores: PolicyFigures, lineage: dict[str, Any]) -> None:
    """Note the candidate in the warehouse, where the readout of its experiment finds what was predicted."""
    from warehouse.candidates import StagedCandidate, stage_candidate

    low, high = scores.love_lift_ci or (None, None)
    entry = StagedCandidate(
        name=name,
        policy=scores.version,
        predicted_lift=scores.love_lift,
        predicted_low=low,
        predicted_high=high,
        training_set=lineage["training_set"],
        run=run.directory.name,
        cycle=run.cycle.number if run.cycle else 0,
        staged_at=datetime.now(UTC),
        lineage=lineage,
    )
    stage_candidate(run.warehouse, entry)


def _lineage(run: Run, weight: float) -> dict[str, Any]:
    from training.policy.load import base_fingerprint
    from warehouse.training_set import Manifest

    manifest = Manifest.read(feedback.training_set_directory(run))
    reward_models: list[str] = ["p_love", *run.recipe.labelled()]
    lineage: dict[str, Any] = {
        "events": manifest.positions,
        "training_set": manifest.hash,
        "filter_version": manifest.filter_version,
        "reward_models": {name: run.facts(RewardFacts, name).fingerprint for name in reward_models},
        "incumbent": run.facts(IncumbentFacts).fingerprint,
        "policy": run.facts(PolicyFacts, f"policy-{weight:g}").version,
        "base": base_fingerprint(run.place(f"policy-{weight:g}")),
        "origins": {str(each["what"]): str(each["origin"]) for each in provenance.origins(run)},
        "recipe": _obeyed(run) | {"love_weight": weight, "seed": run.recipe.seed},
    }
    return lineage


def _obeyed(run: Run) -> dict[str, Any]:
    """What the policy was made by; which other weights the sweep had changed nothing about it."""
    return run.recipe.policy.model_dump(mode="json", exclude={"love_weights"})


def _stage(policy: Path, place: Path, card: str, lineage: dict[str, Any]) -> None:
    from training.policy import decoding

    part = place.with_name(f"{place.name}{_UNFINISHED}")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(policy, part)
    _keep_base(policy, part, place)
    decoding.write(part, decoding.EVALUATED)
    (part / "lineage.json").write_text(json.dumps(lineage, indent=1))
    (part / "README.md").write_text(card)
    shutil.rmtree(place, ignore_errors=True)
    part.rename(place)


def _keep_base(policy: Path, part: Path, place: Path) -> None:
    """An adapter finds its base from where the candidate will lie, which may be another cycle than the base's."""
    from training.policy.load import ADAPTER, base_of, name_base

    if (policy / ADAPTER).exists():
        name_base(part, base_of(policy), seen_from=place)


def _left_out(run: Run, weight: float) -> dict[str, str]:
    """Rewards that did not rank its answers, with the reason."""
    return run.facts(PolicyFacts, f"policy-{weight:g}").left_out


def _card(name: str, choice: Any, lineage: dict[str, Any], left_out: dict[str, str]) -> str:
    unranked = "".join(f"\n**The {model} model was left out of ranking:** {why}.\n" for model, why in left_out.items())
    rows = "\n".join(f"| {gate.name} | {gate.seen} | {gate.rule} | {_VERDICTS[gate.passed]} |" for gate in choice.gates)
    origins = "\n".join(f"- {what}: {origin}" for what, origin in lineage["origins"].items())
    return f"""# {name}

A policy staged for an A/B test. It {choice.verdict}. Chosen because {choice.why}.

| gate | seen | rule | |
|---|---|---|---|
{rows}

Not chosen: {"; ".join(choice.reasons) or "no other policy was trained"}.
{unranked}
## How it is served

From this folder, by `loveloop serve`, as it was evaluated:

- policy: the weights {lineage["policy"]}{_based(lineage)}; the server holds them against this name when it starts
- prompt: the chat template of the tokenizer in this folder; nothing stands before the conversation
- decoding: `decoding.json`, {_decoded()}, where a request does not say

## Where it came from

{origins}

## Lineage

```json
{json.dumps(lineage, indent=1)}
```
"""


def _based(lineage: dict[str, Any]) -> str:
    return "" if lineage["base"] is None else f", an adapter on the weights {lineage['base']}"


def _decoded() -> str:
    from training.policy.decoding import EVALUATED

    return f"temperature {EVALUATED.temperature:g} and at most {EVALUATED.max_tokens} tokens"


_VERDICTS = {True: "pass", False: "FAIL", None: "not measured"}
STAGE = Stage(
    "candidate",
    "candidate: gates, then a staged directory",
    _candidate,
    ("offline_evaluation",),
    lambda recipe: recipe.policy.love_weights,
    code=("experiments.gates", "experiments.ratio", "stats"),
)
