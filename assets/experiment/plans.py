"""What is settled before an experiment is read: its two arms, their shares, and the plan that decides."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from assets.experiment.definition import Definition
    from experiments.plan import Plan
    from warehouse.experiments import LoggedExperiment, StoredReadout

DETECTABLE_LIFT = 0.2
"""The relative lift that a plan which nobody made is to show."""
GUESSED_RATE = 0.001
"""Loves per exposure, until there are enough to know it."""
SETTLED_LOVES = 30
"""From so many loves on, a plan that nobody made stays as it is: it must not move with the data."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A plan, and where its parts come from.

    Attributes:
        plan: What the reading is held against.
        planned_from: `registered`, `given`, `default` or `guess`.
        shares_from: `registered`, `given` or `default`.
        told: Sentences about what was assumed.
    """

    plan: "Plan"
    planned_from: str
    shares_from: str
    told: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Pooled:
    """What the users of both arms did together. Nothing here tells the arms apart, so that no plan leans to one."""

    lovers: int
    loves: int
    exposures: int
    design_effect: float

    @property
    def rate(self) -> float | None:
        """Loves per exposure, None while it is not known."""
        known = 0 < self.loves * (1 + DETECTABLE_LIFT) < self.exposures
        return self.loves / self.exposures if known else None


def pair(test: "LoggedExperiment", control: str, treatment: str | None, planned: Sequence[str] = ()) -> tuple[str, str]:
    """The two arms to compare, control first. An arm that was not served yet may be missing from the log.

    Args:
        test: What the log has.
        control: Its arm.
        treatment: The other; may be left out where there is only one.
        planned: The arms of the plan: those are compared, and no others, whatever the log has; none where nobody
            planned the test.

    Raises:
        ValueError: Which arms are meant is not clear.
    """
    there = [*planned] or [arm.name for arm in test.arms]
    others = [arm for arm in there if arm != control]
    seen = f"experiment {test.name!r} {'was planned with' if planned else 'has'} the arms {', '.join(there)}"
    if control not in there and (planned or len(others) > 1):
        raise ValueError(f"{seen}, and no {control!r}: say which one is the control with --control ARM")
    if treatment == control:
        raise ValueError(f"--control and --treatment both name {control!r}, must be two arms; {seen}")
    if treatment is None and len(others) > 1:
        raise ValueError(f"{seen}: read one pair at a time, say which with --treatment ARM (and --control ARM)")
    if treatment is not None and others and treatment not in others:
        raise ValueError(f"{seen}, and no {treatment!r}: --treatment must name one of them")
    return control, treatment or (others[0] if others else "treatment")


def settle(
    users: "pa.Table",
    arms: tuple[str, str],
    history: "Sequence[StoredReadout]",
    *,
    registered: "Definition | None" = None,
    planned: int | None = None,
    lift: float | None = None,
    shares: Mapping[str, float] | None = None,
) -> Settled:
    """The plan of a reading.

    What was registered before the first exposure; else what is given, else what an earlier reading of the same arms
    used, else a default.

    Args:
        users: Both arms by user, without those in quarantine.
        arms: The control, then the treatment.
        history: Earlier readings.
        registered: The experiment's definition, where it was planned.
        planned: Exposures planned for each arm.
        lift: The relative lift that the test is to show.
        shares: Of the users, by arm.

    Raises:
        ValueError: Shares, a lift or planned exposures that cannot be, or that contradict what was registered.
    """
    from experiments.plan import Plan

    if registered is not None:
        _refuse_other_plans(planned=planned, lift=lift, shares=shares)
        return as_registered(registered, arms)
    same = [each.readout for each in history if set(each.readout.get("shares", ())) == set(arms)]
    before = same[-1] if same else {}
    split, shares_from, told = _split(arms, shares, before)
    base, seen = Plan(split, control=arms[0]), _seen(users)
    # chosen once, from both arms together: a test that changes with the data decides nothing
    first = (before.get("plan") or {}).get("decides")
    base = replace(base, decides=first or ("lovers" if seen.lovers * 2 >= seen.loves else "ratio"))
    given = _given(base, seen, planned, lift)
    plan, planned_from, more = given or _kept(base, before) or _guessed(base, seen)
    return Settled(plan, planned_from, shares_from, (*told, *more))


def _refuse_other_plans(**given: Any) -> None:
    names = [f"--{name.removesuffix('s')}" for name, value in given.items() if value is not None]
    if names:
        raise ValueError(
            f"{' and '.join(names)}: the experiment was planned with `loveloop experiment plan`, and is read by that "
            "plan alone; a plan that moves with the data decides nothing"
        )


def as_registered(of: "Definition", arms: tuple[str, str]) -> Settled:
    """The plan that was registered, for a pair of its arms."""
    from experiments import several
    from experiments.metrics import STANDARD
    from experiments.plan import Plan
    from stats.intervals import CONFIDENCE

    # each further arm against the control is one more chance of a false alarm
    levels = several.split(1 - CONFIDENCE, [arm for arm in of.arms if arm != arms[0]])
    whole = sum(of.arms[arm] for arm in arms)
    held = tuple(replace(STANDARD[name], margin=margin) for name, margin in of.guardrails.items())
    plan = Plan(
        shares={arm: of.arms[arm] / whole for arm in arms},
        lift=of.lift,
        least_lift=of.least_lift,
        control=arms[0],
        decides=of.decides,
        cap=of.cap,
        guardrails=held,
        power=of.power,
        confidence=1 - levels[arms[1]],
    )
    return Settled(plan, "registered", "registered", ())


def _split(
    arms: tuple[str, str], given: Mapping[str, float] | None, before: Mapping[str, Any]
) -> tuple[dict[str, float], str, tuple[str, ...]]:
    if given:
        whole = _whole(arms, given)
        return whole, "given", _moved(whole, before.get("shares"))
    if before.get("shares_from") == "given":
        kept = {arm: float(before["shares"][arm]) for arm in arms}
        words = ", ".join(f"{arm} {share:.0%}" for arm, share in kept.items())
        return kept, "given", (f"shares as an earlier reading was told: {words}",)
    told = f"shares taken as equal: say --share {arms[0]}=0.9 if they were not"
    return dict.fromkeys(arms, 0.5), "default", (told,)


def _moved(now: Mapping[str, float], before: Mapping[str, float] | None) -> tuple[str, ...]:
    """That shares are others than an earlier reading was made with: both cannot be those that users were dealt by."""
    if not before or all(abs(now[arm] - before[arm]) < 1e-9 for arm in now):
        return ()
    was, is_now = (", ".join(f"{arm} {share:.3g}" for arm, share in each.items()) for each in (before, now))
    return (
        f"WARNING, shares are {is_now} as of this reading, and an earlier one was made with {was}: say those by which "
        "users were dealt, or plan the test (loveloop experiment plan), which keeps them",
    )


def _whole(arms: tuple[str, str], given: Mapping[str, float]) -> dict[str, float]:
    """Shares of the pair that sum to 1; of an experiment with more arms both shares are given, and scaled."""
    strangers = sorted(set(given) - set(arms))
    if strangers:
        raise ValueError(f"--share names {', '.join(strangers)}, must name {arms[0]} or {arms[1]}, the arms compared")
    shares = {arm: given.get(arm, 1 - sum(given.values())) for arm in arms}
    if not all(0 < share < 1 for share in shares.values()) or sum(shares.values()) > 1 + 1e-9:
        words = ", ".join(f"{arm}={share:g}" for arm, share in given.items())
        raise ValueError(f"--share {words}: each share must be in (0, 1), and both together at most 1")
    return {arm: share / sum(shares.values()) for arm, share in shares.items()}


_Planned = tuple["Plan", str, tuple[str, ...]]
"""A plan, where it comes from, and what to tell of it."""


def _given(base: "Plan", seen: _Pooled, planned: int | None, lift: float | None) -> _Planned | None:
    """The plan that is asked for."""
    if planned is not None and planned <= 0:
        raise ValueError(f"planned exposures == {planned}, must be positive: how many each arm is to have")
    if lift is not None:
        return replace(base, lift=lift, exposures=exposures(base, seen, lift)).checked(), "given", ()
    if planned is not None:
        return replace(base, lift=detectable(base, seen, planned), exposures=planned), "given", ()
    return None


def _kept(base: "Plan", before: Mapping[str, Any]) -> _Planned | None:
    """The plan of an earlier reading; a guess is none."""
    if before.get("planned_from") not in ("given", "default") or not before.get("plan"):
        return None
    kept = before["plan"]
    plan = replace(base, lift=kept["lift"], decides=kept["decides"], exposures=before["planned_exposures"])
    told = f"planned for a lift of {plan.lift:+.1%}, as in an earlier reading; --lift or --planned changes it"
    return plan, str(before["planned_from"]), (told,)


def _guessed(base: "Plan", seen: _Pooled) -> _Planned:
    """The plan of a test that nobody planned."""
    needed = exposures(base, seen, DETECTABLE_LIFT)
    at = f"a Love rate of {seen.rate:.2%}" if seen.rate else f"a guessed Love rate of {GUESSED_RATE:.1%}"
    told = (
        f"nobody planned this test: it is read as one that is to show {DETECTABLE_LIFT:+.0%}, which takes about "
        f"{needed:,} exposures per arm at {at}; say --lift or --planned N, or `loveloop experiment plan` beforehand"
    )
    known = seen.rate is not None and seen.loves >= SETTLED_LOVES
    return replace(base, lift=DETECTABLE_LIFT, exposures=needed), "default" if known else "guess", (told,)


def exposures(plan: "Plan", seen: _Pooled, lift: float) -> int:
    """Exposures per arm at which a plan for this lift ends: `2 (1 - R) / R x design effect x information`."""
    from experiments.boundaries import planned_information

    rate = seen.rate or GUESSED_RATE
    information = planned_information(lift, power=plan.power, alpha=plan.alpha)
    return math.ceil(2 * (1 - rate) / rate * seen.design_effect * information)


def shown_by(planned: int, rate: float) -> float:
    """The lift that so many exposures per arm show at this Love rate, each user's taken as half again alike.

    >>> round(shown_by(40_000, 0.005), 2)
    0.48
    """
    from experiments.plan import Plan

    loves = max(1, round(rate * 10**9))
    seen = _Pooled(loves, loves, 10**9, 1.5)
    return detectable(Plan({"control": 0.5, "treatment": 0.5}), seen, planned)


def detectable(plan: "Plan", seen: _Pooled, planned: int) -> float:
    """The lift that so many exposures per arm show with the plan's power."""
    from experiments.boundaries import planned_drift

    rate = seen.rate or GUESSED_RATE
    information = planned * rate / (2 * (1 - rate) * seen.design_effect)
    return math.expm1(min(planned_drift(plan.power, plan.alpha) / math.sqrt(information), 7.0))


def _seen(users: "pa.Table") -> _Pooled:
    """Of both arms together."""
    from experiments.effect import design_effect, sums

    loves, exposed = (users[column].to_numpy() for column in ("loves", "exposures"))
    whole = sums(loves, exposed)
    design = design_effect(whole) if whole.events >= SETTLED_LOVES else 1.0
    return _Pooled(int((loves > 0).sum()), int(whole.events), int(whole.exposures), max(1.0, design))
