"""What an A/B test will need, from one's own past traffic: lovers, users, exposures and days for each lift and design.

Two tests are forecast: the walk of users at their first love, whose plan is a number of lovers, and the ratio of rates
clustered by user, whose plan is information; this one also adjusted by each user's own history.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from experiments.requirement import LONGEST, Design, Requirement, Terms, capped, required, risen
from experiments.traffic import Traffic, repeats_by
from stats import limits

LIFTS: Final = (0.05, 0.1, 0.2, 0.28, 0.5)
LOVERS_DECIDE: Final = 0.5
"""From so many lovers a love on the walk decides: few users love twice, and it wastes little."""
CAP: Final = 0.999
"""Quantile of loves among the users of the past above which one user's loves may be cut off."""
HEADS: Final = ("lift", "design", "lovers", "users per arm", "exposures per arm", "exposures", "days")
_LARGEST_LIFT: Final = 4.0


@dataclass(frozen=True, slots=True)
class Forecast:
    """What each lift needs by each design.

    Attributes:
        rows: Lift by lift.
        decides: The design to plan with.
        why: Why that one, in words.
        warnings: What no plan will show in time, each with what would help; and what to mind.
        base_rate: Loves per exposure that were counted on.
        design_effect: Of the past window.
        traffic: The past window.
        coverage: Share of all users in the test.
        treatment_share: Of the users in the test.
        variance_left: By adjusting for history; None where there is none.
        cap: Most loves of one user that count in the ratios; None for all.
        power: Chance of showing a lift.
        alpha: Chance of a false alarm at any look.
    """

    rows: tuple[Requirement, ...]
    decides: Design
    why: str
    warnings: tuple[str, ...]
    base_rate: float
    design_effect: float
    traffic: Traffic
    coverage: float
    treatment_share: float
    variance_left: float | None
    cap: float | None = None
    power: float = 0.8
    alpha: float = 0.05

    @property
    def recommended(self) -> tuple[Requirement, ...]:
        """The rows of the design to plan with."""
        return tuple(row for row in self.rows if row.design == self.decides)

    def table(self) -> list[tuple[str, ...]]:
        """The rows under `HEADS`; the design to plan with has a star, what is out of reach a dash.

        Where the arms differ in size, per arm is the control / the treatment.
        """
        return [_line(row, decides=row.design == self.decides) for row in self.rows]


def forecast(
    traffic: Traffic,
    *,
    lifts: Sequence[float] = LIFTS,
    coverage: float = 1.0,
    treatment_share: float = 0.5,
    variance_left: float | None = None,
    decides: Design | None = None,
    planned: float | None = None,
    cap: float | None = None,
    power: float = 0.8,
    alpha: float = 0.05,
) -> Forecast:
    """What a test needs, for each lift and design.

    >>> from experiments.traffic import window
    >>> found = forecast(window([1] * 20 + [0] * 9_980, [2] * 10_000, [1_000] * 10), lifts=[0.5])
    >>> found.table()[0]
    ('+50%', 'first lovers *', '275', '55,224', '110,448', '220,896', '111')

    Args:
        traffic: The past window (`traffic.window`).
        lifts: Relative, of loves per exposure, above 0.
        coverage: Share of all users in the test, in (0, 1].
        treatment_share: Of the users in the test, in (0, 1).
        variance_left: What adjusting for each user's history leaves of the variance, in (0, 1] (see
            `traffic.estimated_variance_left`); None where there is no history as long as the test.
        decides: The design that was asked for; chosen by the traffic if left out.
        planned: The lift, one of `lifts`, that the test is for: where first lovers cannot show it in time and a ratio
            can, the fastest ratio decides.
        cap: Most loves of one user that count in the ratios; None for all.
        power: Chance of showing a lift.
        alpha: Chance of a false alarm at any look.

    Raises:
        ValueError: A share, lift, variance, cap, power or level that cannot be.
    """
    if not 0 < coverage <= 1:
        raise ValueError(f"coverage == {coverage}, must be in (0, 1]: 0.1 for a tenth of all users in the test")
    limits.level("treatment_share", treatment_share, "0.5 for arms of one size")
    if variance_left is not None and not 0 < variance_left <= 1:
        raise ValueError(f"variance_left == {variance_left}, must be in (0, 1]: 1 where history explains nothing")
    if cap is not None:
        limits.positive("cap", cap, "see metrics.cap_from, or None for no cap")
    chosen, why = _deciding(traffic, adjusted=variance_left is not None)
    effect = traffic.design_effect
    bare = Forecast(
        rows=(),
        decides=decides or chosen,
        why="asked for" if decides else why,
        warnings=(),
        base_rate=traffic.base_rate,
        design_effect=effect,
        traffic=traffic,
        coverage=coverage,
        treatment_share=treatment_share,
        variance_left=variance_left,
        cap=cap,
        power=power,
        alpha=alpha,
    )
    rates = {risen(lift): traffic.base_rate for lift in lifts}
    found = _filled(bare, rates, effect - 1)
    other = None if decides else _in_time(found, planned)
    if other is None:
        return found
    why = f"first lovers do not show {_lift(other.lift)} within {LONGEST} days, {_the(other.design)} does"
    return _filled(replace(bare, decides=other.design, why=why), rates, effect - 1)


def reestimate(plan: Forecast, *, base_rate: float, design_effect: float, day: float) -> Forecast:
    """The forecast anew in the middle of a test, from what both arms say together and never from their difference.

    Blinded: where there is no effect, the pooled rate and the clustering say nothing of the arms' difference, so a plan
    that is moved by them keeps its level (Friede & Kieser 2006). The control's rate is `base_rate / (1 + share lift)`,
    lift by lift. Which design decides stays as it was planned.

    Args:
        plan: The forecast before the test.
        base_rate: Loves per exposure so far, both arms together.
        design_effect: Of that rate, both arms together, see `effect.design_effect`.
        day: Of the test when these were seen.

    Raises:
        ValueError: A rate outside (0, 1), or a design effect or day that is not above 0.
    """
    limits.level("base_rate", base_rate, "0.001 for one love in 1,000 exposures, both arms together")
    limits.positive("design_effect", design_effect, "1 where users do not repeat themselves")
    limits.positive("day", day, "of the test on which the rate was seen")
    rates = {row.lift: base_rate / (1 + plan.treatment_share * row.lift) for row in plan.rows}
    excess = max(design_effect - 1, 0.0) / float(repeats_by(plan.traffic, np.array(day)))
    return _filled(replace(plan, base_rate=base_rate, design_effect=design_effect), rates, excess)


def _deciding(traffic: Traffic, *, adjusted: bool) -> tuple[Design, str]:
    once = traffic.lovers_per_love
    said = f"there are {once:.2f} lovers a love in the past window"
    if once >= LOVERS_DECIDE:
        return "first lovers", f"{said}, at least {LOVERS_DECIDE:g}: first lovers decide"
    ratio: Design = "adjusted ratio" if adjusted else "clustered ratio"
    return ratio, f"{said}, less than {LOVERS_DECIDE:g}: the {ratio} decides"


def _in_time(found: Forecast, planned: float | None) -> Requirement | None:
    """The ratio that shows the planned lift soonest, where first lovers are to decide and do not show it in time."""
    mine = next((row for row in found.recommended if row.lift == planned), None)
    if mine is None or mine.design != "first lovers" or mine.feasible:
        return None
    others = [row for row in found.rows if row.lift == planned and row.feasible]
    return min(others, key=lambda row: row.days or 0.0, default=None)


def _filled(bare: Forecast, rates: Mapping[float, float], excess: float) -> Forecast:
    """The forecast with its rows and warnings."""
    designs: list[Design] = ["first lovers", "clustered ratio"]
    if bare.variance_left is not None:
        designs.append("adjusted ratio")
    common = Terms(
        rate=bare.base_rate,
        excess=excess,
        coverage=bare.coverage,
        treatment_share=bare.treatment_share,
        variance_left=bare.variance_left or 1.0,
        power=bare.power,
        alpha=bare.alpha,
        capped=capped(bare.traffic, bare.cap),
    )
    terms = {lift: replace(common, rate=rate) for lift, rate in rates.items()}
    rows = tuple(required(bare.traffic, design, lift, terms[lift]) for lift in rates for design in designs)
    full = replace(bare, rows=rows)
    short = [f"{_lift(row.lift)} in {_days(row.days)}" for row in full.recommended if _brief(row)]
    weeks = [f"{', '.join(short)}: run whole weeks all the same, since weekdays differ"] if short else []
    hopeless = [_hopeless(full, row, terms[row.lift]) for row in full.recommended if not row.feasible]
    return replace(full, warnings=(*hopeless, *weeks))


def _brief(row: Requirement) -> bool:
    return row.days is not None and row.days < 7


def _hopeless(plan: Forecast, row: Requirement, terms: Terms) -> str:
    """That a lift is out of reach in time, and each cure that would bring it there."""
    plan_words = f"by {_the(row.design)} at {100 * plan.coverage:.3g}% coverage"
    never = (
        f"{_lift(row.lift)} is never shown {plan_words}: there are too few users, or they repeat themselves too much"
    )
    late = f"{_lift(row.lift)} takes {_days(row.days)} {plan_words}, more than {LONGEST}"
    said = never if row.days is None else late
    cures = [cure for cure in _cures(plan, row, terms) if cure]
    return f"{said}; {'; '.join(cures) or 'nothing here helps: ask for a larger change, or for more users'}"


def _cures(plan: Forecast, row: Requirement, terms: Terms) -> list[str]:
    lift, traffic = row.lift, plan.traffic
    others = [each for each in plan.rows if each.lift == lift and each.feasible]
    found = [f"by {_the(each.design)} it takes {_days(each.days)}" for each in others]
    if plan.coverage < 1:
        wide = required(traffic, row.design, lift, replace(terms, coverage=1.0))
        found.append(_cure(wide, "all users in the test (coverage 100%)"))
    if plan.variance_left is None and terms.excess > 0:
        # at best history explains all that users differ by, and the chance in every love is left
        best = required(traffic, "adjusted ratio", lift, replace(terms, variance_left=1e-9))
        found.append(_cure(best, "adjusting for each user's history (CUPED)", " at best"))
    most = max(1.0, float(np.ceil(np.quantile(traffic.loves, CAP))))
    if most < min(traffic.loves.max(), plan.cap or math.inf):
        calm = replace(terms, capped=capped(traffic, most))
        found.append(_cure(required(traffic, "clustered ratio", lift, calm), f"a cap of {most:g} loves a user"))
    least = _least_lift(plan, row.design, terms, lift)
    return [*found, f"the least lift within {LONGEST} days is {_lift(least)}" if least else ""]


def _cure(row: Requirement, what: str, how: str = "") -> str:
    return f"{what} brings it to {_days(row.days)}{how}" if row.feasible else ""


def _least_lift(plan: Forecast, design: Design, terms: Terms, above: float) -> float | None:
    """The smallest lift that is shown in time, to a hundredth; None beyond five times the rate."""
    low, high = above, _LARGEST_LIFT
    if not required(plan.traffic, design, high, terms).feasible:
        return None
    while high - low > 0.005:
        middle = (low + high) / 2
        low, high = (low, middle) if required(plan.traffic, design, middle, terms).feasible else (middle, high)
    return math.ceil(high * 100 - 1e-9) / 100


def _line(row: Requirement, *, decides: bool) -> tuple[str, ...]:
    lift, design = _lift(row.lift), f"{row.design}{' *' if decides else ''}"
    return (lift, design, _whole(row.lovers), *(_per_arm(row, each) for each in (row.users, row.exposures)),
            _whole(row.exposures), _whole(row.days))  # fmt: skip


def _per_arm(row: Requirement, total: float | None) -> str:
    arms = row.by_arm(total)
    if arms is None:
        return "-"
    return _whole(arms[1]) if row.treatment_share == 0.5 else f"{_whole(arms[0])} / {_whole(arms[1])}"


def _the(design: Design) -> str:
    return design if design == "first lovers" else f"the {design}"


def _lift(lift: float) -> str:
    return f"{100 * lift:+.3g}%"


def _days(days: float | None) -> str:
    count = _whole(days)
    return f"{count} day{'' if count == '1' else 's'}"


def _whole(value: float | None) -> str:
    """Rounded up: what is planned for is at least needed."""
    return "-" if value is None else f"{math.ceil(value - 1e-9):,}"
