"""Plots of an A/B test: its effect read in several ways, its deciding test over time, the arms' users, the ramp."""

from datetime import datetime
from typing import Any

from assets.facts.experiment import ReportChange, ReportExperiment
from assets.facts.stage_facts import Pair
from assets.report.style import BAND, CONTROL, GOOD, INK, LOVE, QUIET, canvas, few, percent, png, reach

_HIGHEST = 3.0
"""Lifts beyond this are cut off: the first looks know nothing, and would hide the rest."""


def forest(experiment: ReportExperiment) -> bytes:
    """The lift by the test that decides, topmost, and by each other reading; and the truth where it is known."""
    shown = [row for row in _rows(experiment) if row[1] is not None]
    figure, axes = canvas(6.4, 0.9 + 0.45 * max(1, len(shown)))
    axes.axvline(0, color=QUIET, linewidth=1)
    for place, (_, lift, interval, colour) in enumerate(reversed(shown)):
        spread = reach(float(lift or 0), interval)
        axes.errorbar(lift, place, xerr=spread, fmt="o", color=colour, markersize=6, linewidth=2)
        if interval[1] is None:
            axes.annotate("no upper limit \N{RIGHTWARDS ARROW}", (float(lift or 0), place), xytext=(8, 0),
                          textcoords="offset points", va="center", fontsize=8.5, color=colour)  # fmt: skip
    if experiment.true_lift is not None:
        axes.axvline(experiment.true_lift, color=GOOD, linewidth=1.2, linestyle=":")
        above = {"xycoords": ("data", "axes fraction"), "xytext": (0, 2), "textcoords": "offset points", "ha": "center"}
        axes.annotate("truth", (experiment.true_lift, 1.0), fontsize=8.5, color=GOOD, **above)
    axes.set_yticks(range(len(shown)), [label for label, *_ in reversed(shown)])
    axes.set_ylim(-0.6, len(shown) - 0.4)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("lift")
    few(axes.xaxis)
    percent(axes.xaxis, 0)
    return png(figure)


def _rows(experiment: ReportExperiment) -> list[tuple[str, float | None, Pair, str]]:
    """What is drawn: label, lift, interval, colour."""
    rows: list[tuple[str, float | None, Pair, str]] = []
    if experiment.evidence is not None:
        decides = {"lovers": "users who love", "adjusted": "loves per response,\nadjusted"}
        name = decides.get(experiment.evidence.decides, "loves per response")
        rows.append((f"{name}\n(decides)", experiment.evidence.lift, experiment.evidence.ci, LOVE))
    any_look = "loves per response,\nat any look" if rows else "at any look\n(decides)"
    rows.append((any_look, experiment.lift, experiment.deciding_ci, CONTROL if rows else LOVE))
    rows.append(("one look only", experiment.lift, experiment.lift_ci, CONTROL))
    rows += [(_two_lines(each.name), each.lift, each.ci, CONTROL) for each in experiment.beside]
    own = {"loves_per_exposure"}
    rows += [(each.title, each.lift, each.ci, QUIET) for each in experiment.metrics if each.name not in own]
    return rows


def _two_lines(name: str) -> str:
    """A long label broken at the space that is nearest to its middle."""
    spaces = [place for place, letter in enumerate(name) if letter == " "]
    if len(name) < 20 or not spaces:
        return name
    middle = min(spaces, key=lambda place: abs(place - len(name) / 2))
    return f"{name[:middle]}\n{name[middle + 1 :]}"


def sequence(experiment: ReportExperiment) -> bytes | None:
    """The deciding test's lift and interval as users who love came in; None where it has no beginning to show."""
    looks = [each for each in experiment.walk if each.lift is not None]
    if len(looks) < 2:
        return None
    figure, axes = canvas(6.4, 3.2)
    at = [each.lovers for each in looks]
    low, high = ([_cut(each.ci[side], side) for each in looks] for side in (0, 1))
    axes.fill_between(at, low, high, color=BAND, linewidth=0, label="interval at any look")
    axes.plot(at, [min(float(each.lift or 0), _HIGHEST) for each in looks], color=LOVE, linewidth=1.6, label="lift")
    axes.axhline(0, color=QUIET, linewidth=1)
    planned = experiment.plan.get("lovers")
    if planned and planned <= 1.2 * at[-1]:
        axes.axvline(planned, color=CONTROL, linewidth=1.2, linestyle=(0, (4, 3)), label="the plan ends")
    axes.set(xlabel="users who love, in the order of their first love", ylabel="lift")
    axes.set_ylim(max(-1.0, min(low)) - 0.05, min(_HIGHEST, max(high)) + 0.05)
    percent(axes.yaxis, 0)
    figure.legend(loc="outside upper left", ncols=3, frameon=False, fontsize=8.5, labelcolor=INK)
    return png(figure)


def _cut(end: float | None, side: int) -> float:
    """An end of an interval within what is drawn."""
    open_end = (-1.0, _HIGHEST)[side]
    return open_end if end is None else max(-1.0, min(end, _HIGHEST))


def arrivals(experiment: ReportExperiment) -> bytes | None:
    """Each arm's share of the users, hour by hour, beside the share that it was promised."""
    seen = [each for each in experiment.arrivals if sum(each.users.values())]
    shares: dict[str, float] = experiment.plan.get("shares", {})
    if len(seen) < 2 or len(shares) < 2:
        return None
    figure, axes = canvas(6.4, 2.8)
    arm = [*shares][-1]
    moments: list[Any] = [datetime.fromisoformat(each.at) for each in seen]
    totals = [sum(each.users.values()) for each in seen]
    share = [each.users.get(arm, 0) / total for each, total in zip(seen, totals, strict=True)]
    spread = [3.29 * (shares[arm] * (1 - shares[arm]) / total) ** 0.5 for total in totals]
    band = ([shares[arm] - each for each in spread], [shares[arm] + each for each in spread])
    axes.fill_between(moments, *band, color=BAND, linewidth=0, label="999 of 1,000 looks by chance")
    axes.plot(moments, share, color=LOVE, linewidth=1.6, label=f"share of {arm}")
    axes.axhline(shares[arm], color=CONTROL, linewidth=1.2, linestyle=(0, (4, 3)), label="promised")
    reach_of = max(0.02, 1.5 * max(abs(each - shares[arm]) for each in [*share[len(share) // 10 :], share[-1]]))
    axes.set_ylim(max(0.0, shares[arm] - reach_of), min(1.0, shares[arm] + reach_of))
    axes.set_ylabel("share of the users")
    percent(axes.yaxis, 1)
    figure.autofmt_xdate()
    figure.legend(loc="outside upper left", ncols=3, frameon=False, fontsize=8.5, labelcolor=INK)
    return png(figure)


def ramp(changes: list[ReportChange]) -> bytes | None:
    """The share of the users in the test over time, each change with what it was; None before it was ever served."""
    served = [each for each in changes if each.action != "planned"]
    if not served:
        return None
    figure, axes = canvas(6.4, 2.4)
    moments: list[Any] = [datetime.fromisoformat(each.at) for each in served]
    axes.step(moments, [each.coverage for each in served], where="post", color=LOVE, linewidth=1.8, marker="o")
    for moment, each in zip(moments, served, strict=True):
        axes.annotate(each.action.replace("_", " "), (moment, each.coverage), xytext=(4, 6), textcoords="offset points",
                      fontsize=8.5, color=INK)  # fmt: skip
    axes.set_ylim(-0.05, 1.15)
    axes.set_ylabel("users in the test")
    percent(axes.yaxis, 0)
    figure.autofmt_xdate()
    return png(figure)
