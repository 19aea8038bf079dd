"""Where each event, label, prompt and model of a cycle came from: for the report, the card and the lineage."""

from typing import Any

from assets.run import Run


def origins(run: Run) -> list[dict[str, Any]]:
    """One row for each input of what the cycle has made so far.

    Returns:
        Rows with `what` it is, its `origin` in words, and whether it is `simulated` (None for what was left out).
    """
    rows = [_row(run, "events", _facts(run, "events").get("origin"))]
    rows.append(_row(run, "P[Love] labels", _facts(run, "p_love").get("origin")))
    for name in ("helpfulness", "safety"):
        facts = _facts(run, name) if name in run.recipe.labelled() else {}
        rows.append(_row(run, f"{name} labels", facts.get("origin")) or _left_out(run, name))
    rows.append(_row(run, "incumbent", _facts(run, "incumbent").get("origin")))
    for name, origin in _prompts(run).items():
        rows.append(_row(run, f"training prompts for {name}", origin))
    rows.append(_row(run, "evaluation prompts", _facts(run, "offline_evaluation").get("prompts")))
    rows.append(_trial(run))
    return [each for each in rows if each is not None]


def _prompts(run: Run) -> dict[str, Any]:
    """Prompts of the sweep's tasks; every Love weight has the same."""
    for weight in run.recipe.policy.love_weights:
        found: dict[str, Any] = _facts(run, f"policy-{weight:g}").get("prompts", {})
        if found:
            return found
    return {}


def _trial(run: Run) -> dict[str, Any] | None:
    if run.recipe.source == "world" and run.recipe.experiment:
        if _facts(run, "exposures").get("declined"):
            return None
        return {"what": "A/B test", "origin": "simulated users of the world, served by both arms", "simulated": True}
    read = _facts(run, "experiment_readout")
    name = read.get("name")
    if name and "waiting" not in read:  # else nothing was served yet, or it could not be read
        return {"what": "A/B test", "origin": f"exposures of the live experiment {name}", "simulated": False}
    return None


def _left_out(run: Run, name: str) -> dict[str, Any] | None:
    if name in run.recipe.labelled():
        return None  # it has not run yet
    return {"what": f"{name} labels", "origin": "left out by the recipe: not trained, not measured", "simulated": None}


def _row(run: Run, what: str, origin: dict[str, Any] | None) -> dict[str, Any] | None:
    """What is taken from the log of a simulated world is simulated too; a model that the recipe names is not."""
    if not origin:
        return None
    of_the_world = run.recipe.source == "world" and origin["source"] == "log"
    return {"what": what, "origin": origin["words"], "simulated": origin["simulated"] or of_the_world}


def _facts(run: Run, stage: str) -> dict[str, Any]:
    marker = run.finished(stage)
    return dict(marker["facts"]) if marker else {}
