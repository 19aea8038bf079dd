"""What a plan needs, forecast from the log: before a test, and anew in its middle."""

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from assets.experiment.definition import Decides, Definition

if TYPE_CHECKING:
    from experiments.forecast import Forecast
    from experiments.requirement import Design, Requirement
    from experiments.traffic import Floats, Traffic
    from warehouse.connection import Target

DESIGNS: Final[dict[str, Decides]] = {
    "first lovers": "lovers",
    "clustered ratio": "ratio",
    "adjusted ratio": "adjusted",
}
"""The forecast's designs, and the tests that they are."""
FEWEST_LOVES: Final = 30
"""Of both arms, from which on their rate says more than the plan's."""


class Planned(NamedTuple):
    """A forecast, None where the log has too little for one; the cap that it counts on; and sentences on it."""

    forecast: "Forecast | None"
    cap: int | None
    told: list[str]


def forecast(target: "Target", of: Definition, *, decides: str = "auto", before: datetime | None = None) -> Planned:
    """What each lift needs of the users whom an experiment may have, by its own power, cap and number of treatments.

    Of several treatments the smallest is forecast, against the control alone and at its part of the level.

    Args:
        target: The warehouse.
        of: What is planned; where it has no cap, that of the past window is taken.
        decides: Which test; `auto` as the traffic says.
        before: The end of the past window; now if left out.

    Raises:
        ValueError: A lift or a power that cannot be.
        WarehouseError: As `Warehouse.read`.
    """
    from experiments.forecast import LIFTS
    from experiments.forecast import forecast as forecast_of
    from experiments.metrics import cap_from
    from experiments.several import split
    from stats.intervals import CONFIDENCE

    try:
        traffic, left = _traffic(target, of.history_days, before or datetime.now(UTC))
    except ValueError as error:
        return Planned(None, of.cap, [f"no forecast from the last {of.history_days} days: {error}"])
    told = []
    if traffic.days < of.history_days:
        told.append(f"the log holds {traffic.days} of the last {of.history_days} days: they are counted on")
    treatments = of.treatments or ("treatment",)
    smallest = min(treatments, key=lambda arm: of.arms.get(arm, 1.0))
    alpha = split(1 - CONFIDENCE, list(treatments))[smallest]
    pair = of.arms[of.control] + of.arms.get(smallest, 0.0)
    # a range that holds nobody, and arms that are no whole, are refused with the layout
    covered = of.reach * pair if 0 < of.reach * pair <= 1 else 1.0
    if len(treatments) > 1:
        told.append(
            f"forecast for {smallest}, the smallest of {len(treatments)} treatments, against {of.control}: those two "
            f"have {pair:.0%} of the users in the test, and the pair is read at {alpha:.2%}"
        )
    cap = of.cap if of.cap is not None else int(cap_from(traffic.loves))
    asked = next((cast("Design", design) for design, test in DESIGNS.items() if test == decides), None)
    found = forecast_of(
        traffic,
        lifts=sorted({*LIFTS, of.lift}),
        coverage=covered,
        treatment_share=of.arms.get(smallest, 0.5) / pair,
        variance_left=left,
        decides=asked,
        planned=of.lift,
        cap=cap,
        power=of.power,
        alpha=alpha,
    )
    return Planned(found, cap, told)


def reestimated(
    target: "Target", of: Definition, facts: Mapping[str, Any], loves: "Floats", exposures: "Floats"
) -> dict[str, Any] | None:
    """What the plan takes from here, from what both arms say together and never from their difference.

    The forecast of the days before the first exposure is made anew with the pooled base rate and design effect
    (`experiments.forecast.reestimate`), at today's coverage. Nothing is decided by it, and the plan stays as it is: its
    end is a number of lovers, or information, which a wrong guess of the rate makes later and never wrong.

    Args:
        target: The warehouse.
        of: The plan.
        facts: A reading: its first and last exposure.
        loves: Of each user of both arms, shape [users].
        exposures: The same.

    Returns:
        `base_rate`, `design_effect`, `day` of the test, `days` and `exposures` that the plan takes in all (None where
        it is never met), `planned_rate`, and `words`; None where too little is known.
    """
    from experiments.effect import design_effect, sums
    from experiments.forecast import reestimate

    first, last = (datetime.fromisoformat(facts[name]) for name in ("first_exposure", "last_exposure"))
    day = (last - first).total_seconds() / 86_400
    pooled = sums(loves, exposures)
    if day <= 0 or pooled.events < FEWEST_LOVES or pooled.events >= pooled.exposures:
        return None
    plan = forecast(target, of, decides=of.decides, before=first).forecast
    if plan is None:
        return None
    now = replace(plan, coverage=min(1.0, plan.coverage * of.coverage)) if of.coverage else plan
    rate, effect = float(pooled.rate), max(1.0, design_effect(pooled))
    found = reestimate(now, base_rate=rate, design_effect=effect, day=day)
    row = next(each for each in found.recommended if each.lift == of.lift)
    seen = {"base_rate": rate, "design_effect": effect, "day": day, "planned_rate": plan.base_rate}
    return {**seen, "days": row.days, "exposures": row.exposures, "words": _from_here(row, seen)}


def _from_here(row: "Requirement", seen: Mapping[str, float]) -> str:
    said = (
        f"both arms together are loved in {seen['base_rate']:.2%} (design effect {seen['design_effect']:.2f}; "
        f"{seen['planned_rate']:.2%} was planned on)"
    )
    if row.days is None or row.exposures is None:
        return f"{said}: at this coverage {row.lift:+.0%} by {row.design} is never shown"
    return (
        f"{said}: {row.lift:+.0%} by {row.design} takes about {math.ceil(row.days):,} days and "
        f"{math.ceil(row.exposures):,} exposures in all at this coverage; {seen['day']:,.0f} days are over"
    )


def _traffic(target: "Target", days: int, before: datetime) -> tuple["Traffic", float | None]:
    """The past window, and what each user's first half of it leaves of the variance of the second."""
    import numpy as np

    from experiments.traffic import estimated_variance_left, window
    from warehouse import experiment_series

    users = experiment_series.history(target, days=days, before=before)
    arrivals = experiment_series.daily_arrivals(users, days)["users"].to_numpy()
    # a log that is younger than what was asked for: the days before it are no days without traffic
    seen = window(users["loves"].to_numpy(), users["exposures"].to_numpy(), np.trim_zeros(arrivals, "f"))
    half = seen.days // 2
    if half < 1:
        return seen, None
    later, earlier = (
        experiment_series.history(target, days=half, before=before - timedelta(days=back)) for back in (0, half)
    )
    if not len(later) or not len(earlier):
        return seen, None
    joined = later.join(earlier, "user_id", right_suffix="_past", join_type="left outer")
    columns = [joined[name].fill_null(0).to_numpy() for name in ("loves", "exposures", "loves_past", "exposures_past")]
    return seen, estimated_variance_left(*columns)
