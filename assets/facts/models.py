"""What the stages record that learn: the incumbent, the reward models, the policies."""

from typing import Any, ClassVar, Literal

import msgspec

from assets.facts.stage_facts import InputOrigin, Pair, StageFacts

Rows = list[dict[str, Any]]


class IncumbentFacts(StageFacts, kw_only=True, frozen=True, omit_defaults=True):
    """The policy that wrote the log.

    Attributes:
        base: The model that the recipe names; None of a small one that was fitted to the log.
        fingerprint: Of the weights.
        origin: In words.
        place: Where the fitted one lies, in the run.
        rows: Conversations it was fitted to.
        parameters: Trainable numbers; with `vocabulary`, `tokens`, `loss` (nats a token) and `seconds` as
            `training.policy.pretrain.PretrainReport`.
    """

    stage: ClassVar[str] = "incumbent"
    base: str | None = None
    fingerprint: str = ""
    origin: InputOrigin | None = None
    place: str | None = None
    rows: int | None = None
    parameters: int | None = None
    vocabulary: int | None = None
    tokens: int | None = None
    loss: float | None = None
    seconds: float | None = None

    @property
    def content_version(self) -> str | None:
        """The fingerprint of the weights."""
        return self.fingerprint


class AuditFinding(msgspec.Struct, frozen=True):
    """One finding of a reward model's audit, as `training.reward.audit.Result`."""

    finding: str
    state: Literal["passed", "failed", "not measured"]
    words: str
    blocks: bool


class BaselineAuroc(msgspec.Struct, kw_only=True, frozen=True):
    """A simpler predictor on the same unseen users."""

    name: str
    auroc: float
    auroc_ci: Pair


class LoggedBot(msgspec.Struct, kw_only=True, frozen=True):
    """One policy in logged data: mean P[Love] on unseen users beside its Love rate."""

    name: str
    responses: int
    mean_p_love: float
    love_rate: float
    love_rate_ci: Pair | None = None


class RewardFacts(StageFacts, kw_only=True, frozen=True, omit_defaults=True):
    """A reward model and its figures on users (or conversations) that it has not seen; intervals are `NAME_ci`.

    Attributes:
        place: Where it lies, in the run.
        fingerprint: Of the weights.
        rows: Examples, of all parts.
        base_rate: Positives per example where it was tested.
        tested: What the figures rest on, in words.
        trim: What did not fit into the model's window, by part.
        warnings: In sentences.
        retold: Conversations that the chat template refused as they came.
        auroc_later: On the later days, of users that were trained on too.
        calibration: In words.
        findings: Of the audit; None of a model of an earlier version.
        audit: The effect of every edit.
        slices: Calibration by slice, `weeks` by week; `alarms` of the weeks.
        origin: Of the labels.
        auroc_by_fold: Where it was cross-validated, as are `baselines`, `bots` and `bots_r`.
    """

    place: str | None = None
    fingerprint: str = ""
    rows: int | None = None
    base_rate: float | None = None
    tested: str = ""
    trim: dict[str, Any] = msgspec.field(default_factory=dict)
    warnings: list[str] = msgspec.field(default_factory=list)
    retold: int = 0
    auroc: float | None = None
    auroc_ci: Pair = (None, None)
    auroc_within: float | None = None
    auroc_within_ci: Pair | None = None
    pr_auc: float | None = None
    pr_auc_ci: Pair = (None, None)
    brier: float | None = None
    brier_ci: Pair | None = None
    brier_before: float | None = None
    brier_before_ci: Pair | None = None
    ece_before: float | None = None
    ece_before_ci: Pair | None = None
    ece_after: float | None = None
    ece_after_ci: Pair | None = None
    slope: float | None = None
    slope_ci: Pair | None = None
    intercept: float | None = None
    intercept_ci: Pair | None = None
    length_rho: float | None = None
    length_rho_ci: Pair | None = None
    ece_debiased_before: float | None = None
    ece_debiased_after: float | None = None
    ece_of_a_perfect_model: float | None = None
    ece_of_a_perfect_model_at_most: float | None = None
    reliability_before: list[Any] = msgspec.field(default_factory=list)
    reliability_after: list[Any] = msgspec.field(default_factory=list)
    roc: list[tuple[float, float]] = msgspec.field(default_factory=list)
    pr: list[tuple[float, float]] = msgspec.field(default_factory=list)
    auroc_later: float | None = None
    auroc_later_ci: Pair | None = None
    calibration: str = ""
    findings: list[AuditFinding] | None = None
    audit: Rows = msgspec.field(default_factory=list)
    slices: Rows = msgspec.field(default_factory=list)
    weeks: Rows = msgspec.field(default_factory=list)
    alarms: list[str] = msgspec.field(default_factory=list)
    origin: InputOrigin | None = None
    auroc_by_fold: list[float] = msgspec.field(default_factory=list)
    baselines: list[BaselineAuroc] | None = None
    bots: list[LoggedBot] | None = None
    bots_r: float | None = None
    bots_r_ci: Pair | None = None

    @property
    def content_version(self) -> str | None:
        """The fingerprint of the weights."""
        return self.fingerprint


class RetentionFacts(RewardFacts, kw_only=True, frozen=True, omit_defaults=True):
    """The retention model: a reward model whose labels are returns.

    Attributes:
        accuracy: Of the hazard model, by delay and beside its baselines.
        missing: What the log could not show, in words.
    """

    stage: ClassVar[str] = "retention"
    accuracy: Rows = msgspec.field(default_factory=list)
    missing: list[str] = msgspec.field(default_factory=list)


class PolicyFacts(StageFacts, kw_only=True, frozen=True, omit_defaults=True):
    """An optimised policy.

    Attributes:
        version: Names its weights.
        place: Where it lies, in the run.
        prompts: Where each task's came from.
        love_weight: Of P[Love] in the mixture.
        judges: Which stood guard.
        left_out: Reward models that did not rank, with the reason.
        leaks: By task, prompts that were dropped since the evaluation or another task holds them too.
        rounds: As `training.cgpo.report.Round`, oldest first.
    """

    version: str = ""
    place: str | None = None
    prompts: dict[str, InputOrigin] = msgspec.field(default_factory=dict)
    love_weight: float | None = None
    judges: list[str] = msgspec.field(default_factory=list)
    left_out: dict[str, str] = msgspec.field(default_factory=dict)
    leaks: dict[str, Any] = msgspec.field(default_factory=dict)
    rounds: Rows = msgspec.field(default_factory=list)

    @property
    def content_version(self) -> str | None:
        """The version of the weights."""
        return self.version
