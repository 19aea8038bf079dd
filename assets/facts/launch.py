"""What the stages record that bring a candidate before users: evaluation, candidate, A/B test, ledger, report."""

import hashlib
import json
from typing import Any, ClassVar

import msgspec

from assets.facts.experiment import ReportExperiment
from assets.facts.feedback import BrokerPassage
from assets.facts.stage_facts import InputOrigin, Pair, StageFacts


class PolicyFigures(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """One policy on the held-out prompts; what was measured has its interval as `NAME_ci`, the rest is None.

    Attributes:
        policy: Its name; the first row is the incumbent's.
        version: Of its weights.
        love_weight: Of P[Love] in the mixture; None of the incumbent.
        love: Mean P[Love]; `love_lift` relative to the incumbent's, `love_lift_by_prompt` prompt by prompt.
        helpfulness: Mean score, and `safety`; `helpfulness_delta` and `safety_delta` against the incumbent.
        closing_rate: Needless closings per response; `closing_delta` against the incumbent, `closing_ratio` over its
            rate, with the counts in words.
        trips: Share of responses, by judge.
        watched: Means of what is watched and not judged.
        length: Mean words.
        beaten_by: Other policies that are at least as good in everything and better in one beyond chance.
        front_share: Share of resampled prompts on which its means are on the Pareto front.
        sentinel: What the sentinel says of its answers beside the incumbent's (`SentinelReport.facts`).
        true_love: And the others: by the hidden truth, synthetic only.
    """

    policy: str
    version: str = ""
    love_weight: float | None = None
    watched: dict[str, float | None] = msgspec.field(default_factory=dict)
    trips: dict[str, float | None] = msgspec.field(default_factory=dict)
    love: float | None = None
    love_ci: Pair | None = None
    love_lift: float | None = None
    love_lift_ci: Pair | None = None
    love_lift_by_prompt: float | None = None
    love_lift_by_prompt_ci: Pair | None = None
    helpfulness: float | None = None
    helpfulness_ci: Pair | None = None
    safety: float | None = None
    safety_ci: Pair | None = None
    closing_rate: float | None = None
    closing_rate_ci: Pair | None = None
    unsafe_rate: float | None = None
    unsafe_rate_ci: Pair | None = None
    length: float | None = None
    length_ci: Pair | None = None
    question_rate: float | None = None
    question_rate_ci: Pair | None = None
    helpfulness_delta: float | None = None
    helpfulness_delta_ci: Pair | None = None
    safety_delta: float | None = None
    safety_delta_ci: Pair | None = None
    closing_delta: float | None = None
    closing_delta_ci: Pair | None = None
    closing_ratio: float | None = None
    closing_ratio_ci: Pair | None = None
    closing_counts: str | None = None
    beaten_by: list[str] | None = None
    front_share: float | None = None
    sentinel: dict[str, Any] | None = None
    true_love: float | None = None
    true_love_lift: float | None = None
    true_helpful: float | None = None
    true_safe: float | None = None
    true_closing: float | None = None
    fluent: float | None = None


class EvaluationFacts(StageFacts, kw_only=True, frozen=True, omit_defaults=True):
    """Every policy of the sweep on the same held-out prompts.

    Attributes:
        policies: The incumbent first.
        rows: Prompts that judges read; reward models read the first `scored` of them.
        intervals: What the intervals draw, in words.
        prompts: Where they came from.
    """

    stage: ClassVar[str] = "offline_evaluation"
    policies: list[PolicyFigures] = msgspec.field(default_factory=list)
    rows: int | None = None
    scored: int | None = None
    intervals: str = ""
    prompts: InputOrigin | None = None


class StagedGate(msgspec.Struct, kw_only=True, frozen=True):
    """One gate, as in `experiments.gates`; `passed` is None where nothing could be measured."""

    name: str
    seen: str
    rule: str
    passed: bool | None


class CandidateFacts(StageFacts, kw_only=True, frozen=True, omit_defaults=True):
    """The staged candidate.

    Attributes:
        name: It names its content.
        place: Where it lies, in the run.
        cycle: That staged it.
        love_weight: Of P[Love] in its mixture.
        predicted_lift: Of mean P[Love] over the incumbent's.
        passed: Every gate that could be measured; `failed_gates` names the others.
        gates: All of them.
        why: Why it was chosen; `reasons` say why the others were not.
        lineage: What it was made from.
    """

    stage: ClassVar[str] = "candidate"
    name: str
    place: str = ""
    cycle: int | None = None
    love_weight: float | None = None
    predicted_lift: float | None = None
    passed: bool = False
    failed_gates: list[str] = msgspec.field(default_factory=list)
    gates: list[StagedGate] = msgspec.field(default_factory=list)
    why: str = ""
    reasons: list[str] = msgspec.field(default_factory=list)
    lineage: dict[str, Any] = msgspec.field(default_factory=dict)

    @property
    def content_version(self) -> str | None:
        """Its name, and a digest of what it passed and promises: another evaluation is another promise."""
        gates = [msgspec.to_builtins(gate) for gate in self.gates]
        promised = json.dumps([self.passed, gates, self.predicted_lift], sort_keys=True)
        return f"{self.name}@{hashlib.sha256(promised.encode()).hexdigest()[:8]}"


class ExposuresFacts(BrokerPassage, kw_only=True, frozen=True, omit_defaults=True):
    """The simulated A/B test as it was served.

    Attributes:
        declined: Why nothing was served; else None.
        name: The experiment's.
        true: What the world knows of each arm; `true_pool` of each arm's answers to the whole pool.
        true_lift: Of loves per exposure, `true_lift_per_user` of loves per user, `true_lift_of_exposures` per user.
        amounts: What was simulated, by kind.
    """

    stage: ClassVar[str] = "exposures"
    declined: str | None = None
    name: str = ""
    true: dict[str, Any] = msgspec.field(default_factory=dict)
    true_pool: dict[str, Any] = msgspec.field(default_factory=dict)
    true_lift: float | None = None
    true_lift_per_user: float | None = None
    true_lift_of_exposures: float | None = None
    amounts: dict[str, Any] = msgspec.field(default_factory=dict)


class ReadoutFacts(ReportExperiment, kw_only=True, frozen=True, omit_defaults=True):
    """The A/B test read out: the report's part, and what `assets.experiment.reading` tells beside it.

    Attributes:
        declined: Why no test was served; else None.
        verdict: The decision, with the gates that the candidate had failed; None where nothing was read.
        told: Sentences about what was assumed or left out; `next` says what to do now.
        ledger: The row that was written, or None; `ledger_words` says why.
        rows: Exposures that were read.
        reestimate: What is still needed, from base rate and design effect alone; None of a test that is not going on.
    """

    stage: ClassVar[str] = "experiment_readout"
    summary: str = ""
    shown: list[str] = msgspec.field(default_factory=list)
    declined: str | None = None
    verdict: str | None = None
    told: list[str] = msgspec.field(default_factory=list)
    next: str = ""
    read_at: str | None = None
    maturity_hours: float | None = None
    predicted_lift: float | None = None
    predicted_ci: Pair = (None, None)
    ledger: dict[str, Any] | None = None
    ledger_words: str = ""
    rows: int | None = None
    control: str | None = None
    treatment: str | None = None
    policies: dict[str, list[str]] = msgspec.field(default_factory=dict)
    shares: dict[str, float] = msgspec.field(default_factory=dict)
    shares_from: str | None = None
    planned_from: str | None = None
    first_exposure: str | None = None
    last_exposure: str | None = None
    immature: int | None = None
    in_several_arms: int | None = None
    aside: int | None = None
    reestimate: dict[str, Any] | None = None

    @property
    def content_version(self) -> str | None:
        """None: the stage's key names the result."""
        return None


class LedgerFacts(StageFacts, kw_only=True, frozen=True, omit_defaults=True):
    """Predicted beside measured lifts.

    Attributes:
        rows: In the ledger.
        ledger: All of them, as `warehouse.queries.ledger`.
        agreement: As `experiments.ledger.Agreement`.
    """

    stage: ClassVar[str] = "lift_ledger"
    rows: int = 0
    ledger: list[dict[str, Any]] = msgspec.field(default_factory=list)
    agreement: dict[str, Any] = msgspec.field(default_factory=dict)


class ReportFacts(StageFacts, kw_only=True, frozen=True, omit_defaults=True):
    """Where the report lies: `html`, and its figures as `json`."""

    stage: ClassVar[str] = "report"
    html: str
    json: str
