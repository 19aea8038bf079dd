"""What a run's A/B test says: the part `experiment` of `report.json`."""

from typing import Any

import msgspec

from assets.facts.stage_facts import Pair


class Arm(msgspec.Struct, kw_only=True, frozen=True):
    """One arm of the A/B test."""

    name: str
    users: int
    exposures: int
    loves: int
    rate: float
    rate_ci: Pair
    lovers: int | None = None


class ReportGuardrail(msgspec.Struct, kw_only=True, frozen=True):
    """One guardrail: rates per arm, their ratio with its interval, how large it may be, and how it stands.

    `broken_at` is the moment of the reading that first found it broken: from then on it stays so. Readings of earlier
    versions held a difference against a margin; they have neither `ratio_ci` nor `most`.
    """

    name: str
    state: str
    rates: dict[str, float]
    words: str
    ratio: float | None = None
    ratio_ci: Pair | None = None
    counts: str = ""
    most: float | None = None
    broken_at: str | None = None


class ReportEvidence(msgspec.Struct, kw_only=True, frozen=True):
    """A reading of the test that decides, as in `experiments.evidence`; `name` says of which users."""

    name: str = ""
    decides: str = ""
    shown: str | None = None
    lift: float | None = None
    ci: Pair = (None, None)
    p: float | None = None
    information: float | None = None
    log_ratio: float | None = None
    error: float | None = None
    words: str = ""


class ReportMetric(msgspec.Struct, kw_only=True, frozen=True):
    """A metric that decides nothing: its value by arm, its lift at any look, whether it stands among all of them."""

    name: str
    title: str
    rates: dict[str, float]
    lift: float | None
    ci: Pair
    p: float | None
    discovered: bool


class ReportLook(msgspec.Struct, kw_only=True, frozen=True):
    """The test that decides as it stood at one number of users who love."""

    lovers: int
    lift: float | None
    ci: Pair


class ReportArrivals(msgspec.Struct, kw_only=True, frozen=True):
    """Users by arm up to a moment."""

    at: str
    users: dict[str, int]


class ReportChange(msgspec.Struct, kw_only=True, frozen=True):
    """One row of an experiment's audit trail."""

    at: str
    by: str
    action: str
    why: str
    coverage: float


class ReportExperiment(msgspec.Struct, kw_only=True, frozen=True):
    """The A/B test.

    Attributes:
        decision: ship, stop, continue or invalid; waiting before the first exposure.
        lift: Relative lift of the Love rate.
        lift_ci: For one look, clustered by user.
        srm_p: Of the users per arm, for one look.
        exposures: Of both arms.
        anytime_ci: For any number of looks; the decision rests on it, and it is the effect's interval everywhere.
        exact_p: Conditional binomial, exposures taken as independent.
        raw_lift: With nobody filtered out.
        true_lift: By the hidden truth (synthetic only).
        candidate: The staged candidate that the treatment served, which an earlier cycle may have staged; None where it
            is the report's own, or served no staged one.
        simulated: Its users are the synthetic world's.
        waiting: What is still to be done before there is anything to read, None once there is.
        unread: There are exposures, but the recipe names arms, shares or a plan that do not fit them.
        failed_gates: Those that the tested candidate had failed: no decision is told without them.
        evidence: The test that decides; readings of earlier versions decided by `anytime_ci`, and have none.
        beside: The same test on other sets of users, each of which must agree.
        missed: Attackers whom the filter is taken to have missed.
        plan: Its lift, least_lift, decides, lovers, information, cap, power and confidence.
        watched: Guardrails that stop the test and are not asked for proof.
        metrics: Every other metric.
        notes: What earlier experiments, history and the days say of the lift; nothing is decided by them.
        walk: The test that decides, from its beginning.
        arrivals: Users by arm, hour by hour.
        changes: The audit trail, oldest first.
    """

    decision: str = "waiting"
    lift: float | None = None
    lift_ci: Pair = (None, None)
    srm_p: float | None = None
    exposures: int = 0
    name: str = ""
    reasons: list[str] = msgspec.field(default_factory=list)
    anytime_ci: Pair | None = None
    exact_ci: Pair | None = None
    exact_p: float | None = None
    srm_sequential_p: float | None = None
    design_effect: float | None = None
    planned_exposures: int | None = None
    raw_lift: float | None = None
    raw_lift_ci: Pair | None = None
    true_lift: float | None = None
    arms: list[Arm] = msgspec.field(default_factory=list)
    guardrails: list[ReportGuardrail] = msgspec.field(default_factory=list)
    candidate: str | None = None
    simulated: bool = False
    waiting: str | None = None
    unread: bool = False
    failed_gates: list[str] = msgspec.field(default_factory=list)
    evidence: ReportEvidence | None = None
    beside: list[ReportEvidence] = msgspec.field(default_factory=list)
    missed: int | None = None
    plan: dict[str, Any] = msgspec.field(default_factory=dict)
    watched: list[ReportGuardrail] = msgspec.field(default_factory=list)
    metrics: list[ReportMetric] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)
    walk: list[ReportLook] = msgspec.field(default_factory=list)
    arrivals: list[ReportArrivals] = msgspec.field(default_factory=list)
    changes: list[ReportChange] = msgspec.field(default_factory=list)

    @property
    def deciding_ci(self) -> Pair:
        """The effect's one interval: at any look; of a readout that has none, the one look's."""
        return self.anytime_ci or self.lift_ci
