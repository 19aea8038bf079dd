"""How a test grows from a hundredth of the users to half of them, when it stops by itself, and what it falls back to.

A pure state machine: it is given the state and what the checks say, and gives the next state with the reason in words.
It knows no clock and no file. A ramp only widens the coverage; the arms stay as they were dealt, so it adds users and
moves nobody. With arms of one half each, coverage 1 has the treatment served to half of all users.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from experiments.plan import Word
from stats import limits

STAGES: Final = (0.01, 0.05, 0.1, 0.25, 0.5)
"""Shares of the users whom an experiment may have, who are served the treatment."""
Move = Literal["advance", "hold", "stop", "rollback"]
_HAIR: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Ramp:
    """Where a ramp stands, and the rule it goes by.

    Attributes:
        stages: Shares of the users whom the experiment may have, who are served the treatment, rising; the last one at
            most `treatment_share`.
        at: How many stages were reached; 0 serves nobody.
        treatment_share: The treatment's share of the users in the test.
        least_hours: That a stage lasts at least: a day has every hour of the users' rhythm.
        least_exposures: That a stage has at least, both arms together.
        ended: It was stopped or rolled back, and does not go on by itself.
        reach: Share of all users whom the experiment may have: its range of a namespace, without the holdout.
    """

    stages: tuple[float, ...] = STAGES
    at: int = 0
    treatment_share: float = 0.5
    least_hours: float = 24.0
    least_exposures: int = 1_000
    ended: bool = False
    reach: float = 1.0

    def __post_init__(self) -> None:
        limits.level("treatment_share", self.treatment_share, "0.5 for arms of one size")
        rising = list(self.stages) == sorted(set(self.stages)) and bool(self.stages)
        # a share left over by the control, as 1 - 0.8, is a hair below the 0.2 that people write
        if not (rising and self.stages[0] > 0 and self.stages[-1] <= self.treatment_share + _HAIR):
            raise ValueError(
                f"stages == {self.stages}, must rise from above 0 to at most the treatment's share "
                f"{self.treatment_share:g}: they are shares of the users whom the experiment may have"
            )
        if not 0 < self.reach <= 1:
            raise ValueError(f"reach == {self.reach}, must be in (0, 1]: 1 where the experiment may have every user")
        if self.at not in range(len(self.stages) + 1):
            raise ValueError(f"at == {self.at!r}, must be a whole number from 0 to {len(self.stages)}, the last stage")
        if not (self.least_hours >= 0 and self.least_exposures >= 0):
            seen = f"least_hours == {self.least_hours}, least_exposures == {self.least_exposures}"
            raise ValueError(f"{seen}, must be at least 0")

    @property
    def share(self) -> float:
        """Of the users whom the experiment may have, served the treatment."""
        return self.stages[self.at - 1] if self.at else 0.0

    @property
    def coverage(self) -> float:
        """Of the users whom the experiment may have, in the test: `share / treatment_share`.

        >>> [Ramp(at=at).coverage for at in (0, 1, 5)]
        [0.0, 0.02, 1.0]
        """
        return min(1.0, self.share / self.treatment_share)


@dataclass(frozen=True, slots=True)
class Checks:
    """What a ramp is moved by.

    Attributes:
        hours: Since the stage was reached.
        exposures: Since then, both arms together.
        srm_passed: The arms were given the users that they were promised.
        tripped: Names of the live alarms that fired: the kill switch, a tripwire.
        guardrails: How each stands: `held`, `open`, `broken` or `hopeless`.
        decision: The readout's word; None before there is one.
        reason: The readout's first reason, which names the guardrail or the effect that decided.
    """

    hours: float
    exposures: int
    srm_passed: bool
    tripped: tuple[str, ...] = ()
    guardrails: Mapping[str, Literal["held", "open", "broken", "hopeless"]] | None = None
    decision: Word | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        if not (self.hours >= 0 and self.exposures >= 0):
            seen = f"hours == {self.hours}, exposures == {self.exposures}"
            raise ValueError(f"{seen}, must be at least 0: both are counted since the stage was reached")
        unknown = set((self.guardrails or {}).values()) - {"held", "open", "broken", "hopeless"}
        if unknown:
            raise ValueError(f"guardrail states {sorted(unknown)}, must be held, open, broken or hopeless")


class RampStep(NamedTuple):
    """What is to be done next.

    Attributes:
        action: `advance` to the next stage, `hold` this one, `stop` the test, or `rollback` to what was served before.
        ramp: The state after it.
        why: The reason, in words.
    """

    action: Move
    ramp: Ramp
    why: str

    @property
    def coverage(self) -> float:
        """Of the users whom the experiment may have, in the test from now on."""
        return self.ramp.coverage


def next_step(state: Ramp, checks: Checks) -> RampStep:
    """The next step: harm first, then what makes the test void or idle, then time.

    1. An alarm fired or a guardrail is broken: *rollback*, nobody is in the test any more, and the bundle that was
       served before is served again.
    2. The arms are not the users that were dealt, or the readout says stop or invalid: *stop*, nobody is in the test.
    3. A guardrail is hopeless, or the stage has had too little time or too few exposures: *hold*.
    4. Else *advance*, by one stage and never more. An open guardrail holds no ramp back: only exposures close it.

    >>> step = next_step(Ramp(at=1), Checks(hours=30, exposures=4_000, srm_passed=True))
    >>> step.action, step.coverage, step.why
    ('advance', 0.1, 'stage 1 of 5 has had 30 hours and 4,000 exposures, and every check passed: on to 5% of all users')

    Args:
        state: Where the ramp stands.
        checks: Of the stage that it stands at.
    """
    if state.ended:
        return RampStep("hold", state, "the ramp has ended: plan a new experiment to serve the treatment again")
    if state.at == 0:
        fired = f"alarm fired before the start: {', '.join(checks.tripped)}"
        return RampStep("hold", state, fired) if checks.tripped else _advanced(state, "nobody is in the test yet")
    return _harm(state, checks) or _void(state, checks) or _patience(state, checks) or _advance(state, checks)


def _harm(state: Ramp, checks: Checks) -> RampStep | None:
    broken = [name for name, stands in (checks.guardrails or {}).items() if stands == "broken"]
    reasons = [f"alarm fired: {', '.join(checks.tripped)}"] if checks.tripped else []
    reasons += [f"guardrail broken: {', '.join(broken)}"] if broken else []
    return _ended(state, "rollback", "; ".join(reasons)) if reasons else None


def _void(state: Ramp, checks: Checks) -> RampStep | None:
    if not checks.srm_passed:
        return _ended(state, "stop", "sample ratio: the arms are not the users that were dealt, nothing can be read")
    if checks.decision in ("stop", "invalid"):
        because = f" ({checks.reason})" if checks.reason else ""
        return _ended(state, "stop", f"the readout says {checks.decision}{because}")
    return None


def _patience(state: Ramp, checks: Checks) -> RampStep | None:
    hopeless = [name for name, stands in (checks.guardrails or {}).items() if stands == "hopeless"]
    if hopeless:
        why = f"guardrail cannot be shown within the plan: {', '.join(hopeless)}; stop, or change the candidate"
        return RampStep("hold", state, why)
    lacking = []
    if checks.hours < state.least_hours:
        lacking.append(f"{round(checks.hours, 1):g} of at least {state.least_hours:g} hours")
    if checks.exposures < state.least_exposures:
        lacking.append(f"{checks.exposures:,} of at least {state.least_exposures:,} exposures")
    if not lacking:
        return None
    return RampStep("hold", state, f"{_stage(state)} has had {' and '.join(lacking)}")


def _advance(state: Ramp, checks: Checks) -> RampStep:
    had = f"{_stage(state)} has had {round(checks.hours, 1):g} hours and {checks.exposures:,} exposures"
    if state.at == len(state.stages):
        said = "ship it" if checks.decision == "ship" else "it goes on until the readout decides"
        return RampStep("hold", state, f"{had}, and is the last: {said}")
    return _advanced(state, f"{had}, and every check passed")


def _advanced(state: Ramp, why: str) -> RampStep:
    after = replace(state, at=state.at + 1)
    return RampStep("advance", after, f"{why}: on to {of_users(after.share, state.reach)}")


def of_users(share: float, reach: float = 1.0) -> str:
    """A share of the users whom an experiment may have, in words; and of all users, where it may not have all.

    >>> of_users(0.05), of_users(0.05, 0.76)
    ('5% of all users', "5% of the experiment's users, 3.8% of all")
    """
    whole = f"{100 * share:.3g}%"
    return (
        f"{whole} of all users"
        if reach == 1
        else f"{whole} of the experiment's users, {100 * share * reach:.3g}% of all"
    )


def _ended(state: Ramp, action: Move, why: str) -> RampStep:
    return RampStep(action, replace(state, at=0, ended=True), f"{why}: nobody is in the test any more")


def _stage(state: Ramp) -> str:
    return f"stage {state.at} of {len(state.stages)}"
