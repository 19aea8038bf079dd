"""Where each event, label, prompt and model of a cycle came from: for the report, the card and the lineage."""

from typing import Any

from assets.facts.feedback import EventsFacts
from assets.facts.launch import EvaluationFacts, ExposuresFacts, ReadoutFacts
from assets.facts.models import IncumbentFacts, PolicyFacts, RewardFacts
from assets.facts.stage_facts import InputOrigin
from assets.run import Run


def origins(run: Run) -> list[dict[str, Any]]:
    """One row for each input of what the cycle has made so far.

    Returns:
        Rows with `what` it is, its `origin` in words, and whether it is `simulated` (None for what was left out).
    """
    events, incumbent = run.facts_or_none(EventsFacts), run.facts_or_none(IncumbentFacts)
    rows = [_row(run, "events", events.origin if events else None)]
    rows.append(_row(run, "P[Love] labels", _labels(run, "p_love")))
    for name in ("helpfulness", "safety"):
        origin = _labels(run, name) if name in run.recipe.labelled() else None
        rows.append(_row(run, f"{name} labels", origin) or _left_out(run, name))
    rows.append(_row(run, "incumbent", incumbent.origin if incumbent else None))
    for name, origin in _prompts(run).items():
        rows.append(_row(run, f"training prompts for {name}", origin))
    evaluated = run.facts_or_none(EvaluationFacts)
    rows.append(_row(run, "evaluation prompts", evaluated.prompts if evaluated else None))
    rows.append(_trial(run))
    return [each for each in rows if each is not None]


def _labels(run: Run, name: str) -> InputOrigin | None:
    """Where the labels of a reward model came from; None before it is trained."""
    facts = run.facts_or_none(RewardFacts, name)
    return facts.origin if facts else None


def _prompts(run: Run) -> dict[str, InputOrigin]:
    """Prompts of the sweep's tasks; every Love weight has the same."""
    for weight in run.recipe.policy.love_weights:
        facts = run.facts_or_none(PolicyFacts, f"policy-{weight:g}")
        if facts and facts.prompts:
            return facts.prompts
    return {}


def _trial(run: Run) -> dict[str, Any] | None:
    if run.recipe.source == "world" and run.recipe.experiment:
        served = run.facts_or_none(ExposuresFacts)
        if served and served.declined:
            return None
        return {"what": "A/B test", "origin": "simulated users of the world, served by both arms", "simulated": True}
    read = run.facts_or_none(ReadoutFacts)
    if read and read.name and not read.waiting:  # else nothing was served yet, or it could not be read
        return {"what": "A/B test", "origin": f"exposures of the live experiment {read.name}", "simulated": False}
    return None


def _left_out(run: Run, name: str) -> dict[str, Any] | None:
    if name in run.recipe.labelled():
        return None  # it has not run yet
    return {"what": f"{name} labels", "origin": "left out by the recipe: not trained, not measured", "simulated": None}


def _row(run: Run, what: str, origin: InputOrigin | None) -> dict[str, Any] | None:
    """What is taken from the log of a simulated world is simulated too; a model that the recipe names is not."""
    if not origin:
        return None
    of_the_world = run.recipe.source == "world" and origin["source"] == "log"
    return {"what": what, "origin": origin["words"], "simulated": origin["simulated"] or of_the_world}
