"""Where each label, prompt, model and event of a run came from."""

from typing import TYPE_CHECKING

from assets.recipe import Reward
from assets.run import Run

if TYPE_CHECKING:
    from assets.report.history_schema import Origin

EVENTS = {
    "world": ("the synthetic world", True),
    "convai": ("rated dialogues", False),
    "warehouse": ("the live warehouse", False),
}
LABELS = {
    "world": ("annotators of the synthetic world", True),
    "reactions": ("people's thumbs in the log: up against down", False),
    "diasafety": ("DiaSafety's annotators", False),
}
"""By the recipe's word; any other one is a file."""


def origins(run: Run) -> "list[Origin]":
    """One line an input, events first; what the recipe leaves out has none."""
    from assets.report.history_schema import Origin

    recipe = run.recipe
    events, simulated = EVENTS[recipe.source]
    found = [
        Origin(what="events", origin=events, simulated=simulated, note=_place(run)),
        Origin(what="loves", origin="reactions in the events", simulated=simulated),
        *_labels("helpfulness labels", recipe.helpfulness),
        *_labels("safety labels", recipe.safety),
        _prompts(run),
    ]
    base = recipe.incumbent.base
    fitted = "a small model fitted to the log"
    found.append(Origin(what="incumbent", origin=base or fitted, simulated=False if base else simulated))
    if run.finished("experiment_readout"):
        world = recipe.source == "world"
        users = "users of the synthetic world" if world else "users of the product"
        found.append(Origin(what="A/B test", origin=users, simulated=world))
    return found


def _place(run: Run) -> str:
    if run.recipe.source == "warehouse":
        return str(run.warehouse)
    return str(run.data) if run.data else ""


def _labels(what: str, wanted: "Reward | bool | None") -> "list[Origin]":
    from assets.report.history_schema import Origin

    if not isinstance(wanted, Reward) or wanted.labels is None:
        return []
    origin, simulated = LABELS.get(wanted.labels, (f"the file {wanted.labels}", False))
    return [Origin(what=what, origin=origin, simulated=simulated)]


def _prompts(run: Run) -> "Origin":
    from assets.report.history_schema import Origin

    helpful = run.recipe.helpfulness
    made = run.recipe.source == "world" or (isinstance(helpful, Reward) and helpful.labels == "world")
    origin = "prompts of the synthetic world" if made else "the log's own, its earlier part"
    return Origin(what="training prompts", origin=origin, simulated=made)
