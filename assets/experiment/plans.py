"""What is settled before an experiment is read: its two arms, their shares, and how many exposures are planned."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa

    from experiments.plan import Plan
    from warehouse.experiments import LoggedExperiment, StoredReadout

LEAST_LIFT = 0.0
DETECTABLE_LIFT = 0.2
"""The relative lift that a plan which nobody made is to show."""
GUESSED_RATE = 0.001
"""Loves per exposure, until the control has one."""
SETTLED_LOVES = 30
"""From so many loves of the control on, a plan that nobody made stays as it is: it must not move with the data."""


class Settled(NamedTuple):
    """A plan, where its two figures come from (`given`, `default` or `guess`), and what to tell about it."""

    plan: "Plan"
    planned_from: str
    shares_from: str
    told: tuple[str, ...]


class _Planned(NamedTuple):
    exposures: int
    origin: str
    told: tuple[str, ...]


class _Split(NamedTuple):
    shares: dict[str, float]
    origin: str
    told: tuple[str, ...]


def pair(test: "LoggedExperiment", control: str, treatment: str | None) -> tuple[str, str]:
    """The two arms to compare, control first. An arm that was not served yet may be missing from the log.

    Raises:
        ValueError: Which arms are meant is not clear.
    """
    there = [arm.name for arm in test.arms]
    others = [arm for arm in there if arm != control]
    seen = f"experiment {test.name!r} has the arms {', '.join(there)}"
    if control not in there and len(others) > 1:
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
    planned: int | None,
    shares: Mapping[str, float] | None,
) -> Settled:
    """The plan of a reading: what is given, else what an earlier reading of the same arms used, else a default.

    Raises:
        ValueError: Shares or planned exposures that cannot be.
    """
    from experiments.plan import Plan

    same = [each.readout for each in history if set(each.readout.get("shares", ())) == set(arms)]
    before = same[-1] if same else None
    split, exposures = _split(arms, shares, before), _planned(users, arms[0], planned, before)
    plan = Plan(exposures.exposures, split.shares, LEAST_LIFT, control=arms[0])
    return Settled(plan, exposures.origin, split.origin, (*split.told, *exposures.told))


def _split(arms: tuple[str, str], given: Mapping[str, float] | None, before: Mapping[str, Any] | None) -> _Split:
    if given:
        return _Split(_whole(arms, given), "given", ())
    if before and before["shares_from"] == "given":
        kept = {arm: float(before["shares"][arm]) for arm in arms}
        words = ", ".join(f"{arm} {share:.0%}" for arm, share in kept.items())
        return _Split(kept, "given", (f"shares as an earlier reading was told: {words}",))
    told = f"shares taken as equal: say --share {arms[0]}=0.9 if they were not"
    return _Split(dict.fromkeys(arms, 0.5), "default", (told,))


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


def _planned(users: "pa.Table", control: str, given: int | None, before: Mapping[str, Any] | None) -> _Planned:
    if given is not None:
        if given <= 0:
            raise ValueError(f"planned exposures == {given}, must be positive: how many each arm is to have")
        return _Planned(given, "given", ())
    if before and before["planned_from"] != "guess":
        kept = int(before["planned_exposures"])
        told = f"planned {kept:,} exposures per arm, as in an earlier reading; --planned N changes it"
        return _Planned(kept, before["planned_from"], (told,))
    return _by_power(*_seen(users, control))


def _by_power(loves: int, exposures: int) -> _Planned:
    from experiments.power import exposures_per_arm

    rate = loves / exposures if 0 < loves * (1 + DETECTABLE_LIFT) < exposures else None
    needed = exposures_per_arm(rate or GUESSED_RATE, DETECTABLE_LIFT, looks="any")
    seen = f"the control's Love rate of {rate:.2%}" if rate else f"a guessed Love rate of {GUESSED_RATE:.1%}"
    told = f"nobody said how many exposures are planned: {needed:,} per arm would show {DETECTABLE_LIFT:+.0%} at {seen}"
    settled = rate is not None and loves >= SETTLED_LOVES
    return _Planned(needed, "default" if settled else "guess", (f"{told}; say --planned N for your own plan",))


def _seen(users: "pa.Table", arm: str) -> tuple[int, int]:
    """An arm's loves and exposures."""
    import pyarrow.compute as pc

    rows = users.filter(pc.equal(users["arm"], arm))
    loves, exposures = (int(pc.sum(rows[column]).as_py() or 0) for column in ("loves", "exposures"))
    return loves, exposures
