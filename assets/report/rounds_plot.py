"""Picture of an optimisation: what each reward thinks of a policy's samples, round by round."""

from collections.abc import Mapping, Sequence
from typing import Any

from assets.report.style import CONTROL, GOOD, INK, LOVE, canvas, png

_COLOURS = {"love": LOVE, "helpfulness": GOOD, "safety": CONTROL}


def rounds(told: Sequence[Mapping[str, Any]]) -> bytes | None:
    """Mean reward of what was drawn and of what was learnt from, against what the first round drew.

    Each task is shown by its own reward, in logits; dots are what the round's policy wrote by itself, triangles the
    better part of it that the next one learns from.

    Args:
        told: The rounds as a policy's stage records them.

    Returns:
        A PNG; None where no task was measured.
    """
    names = [name for name in _COLOURS if any(_task(each, name) for each in told)]
    if not names:
        return None
    figure, axes = canvas(6.4, 3.2)
    axes.axhline(0, color=INK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    for name in names:
        found = [(each["round"], task) for each in told if (task := _task(each, name))]
        start, colour = found[0][1]["sampled"][name], _COLOURS[name]
        at = [number for number, _ in found]
        axes.plot(at, [task["sampled"][name] - start for _, task in found], "o-", color=colour, label=name)
        axes.plot(at, [task["chosen"][name] - start for _, task in found], "^", color=colour, alpha=0.5)
    axes.plot([], [], "^", color=INK, alpha=0.5, label="what is learnt from")
    axes.set_xticks([each["round"] for each in told])
    axes.margins(x=0.15)
    axes.set(xlabel="round", ylabel="mean reward, logits above\nthe first round's samples")
    figure.legend(loc="outside upper left", ncols=4, frameon=False, fontsize=8.5, labelcolor=INK)
    return png(figure)


def _task(told: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """A task of one round that its own reward measured."""
    found = next((each for each in told.get("tasks", ()) if each["task"] == name), None)
    return found if found and name in found["sampled"] and name in found["chosen"] else None
