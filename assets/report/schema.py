"""What a run reports: the shape of `report.json`.

Rates, scores and lifts are shares of 1 (a lift of 0.34 is +34 %), intervals are 95 % as (low, high), times are
seconds. A part that a run has no figures for is None: nothing is filled in.
"""

from pathlib import Path
from typing import Any

import msgspec

from assets.facts.experiment import ReportExperiment
from assets.facts.launch import StagedGate
from assets.facts.models import BaselineAuroc, LoggedBot
from assets.facts.stage_facts import Pair
from assets.report.adversary_schema import ReportAdversary
from assets.report.history_schema import CycleRow, Origin


class Ingest(msgspec.Struct, kw_only=True, frozen=True):
    """From the wire to the tables.

    Attributes:
        events_sent: Distinct and copied event lines that were handed to the broker, or `from_topics` that were read.
        rows: Rows in the event tables.
        duplicates_dropped: Copies of events already seen.
        retractions: Reactions that were taken back.
        late_joined: Reactions that came before their response and were joined later.
        dead_letters: Lines that broke the contract, kept with a reason.
        lost: Lines sent that are in no table: 0, or something is wrong.
        by_reason: Dead letters per reason.
        erased: Lines of users who had asked to be erased.
        waiting: Reactions without a response yet, the oldest `waiting_since`; for `waiting_too_long` it is likely lost.
    """

    events_sent: int
    rows: int
    duplicates_dropped: int
    retractions: int
    late_joined: int
    dead_letters: int
    lost: int
    by_reason: dict[str, int] | None = None
    erased: int = 0
    waiting: int | None = None
    waiting_too_long: int | None = None
    waiting_since: str | None = None
    from_topics: bool = False


class PLove(msgspec.Struct, kw_only=True, frozen=True):
    """P[Love] on unseen users.

    Attributes:
        oracle_auroc: Of the chance given conversation and response, the most there is to learn (synthetic only).
        base_rate: Loves per response where it was tested.
        ece_before: Expected calibration error before calibration; `ece_after` after it.
        ece_of_a_perfect_model: What noise alone would show; `ece_of_a_perfect_model_at_most` in 97.5 % of test sets.
        length_rho: Rank correlation of the score with the response's length.
        auroc_later: On all responses of the later days, of users that were trained on too.
        auroc_within: Of pairs in equal contexts: what a response can change.
        tested: What the figures rest on, in words; it says where that is too little.
    """

    auroc: float
    auroc_ci: Pair
    oracle_auroc: float | None
    base_rate: float
    ece_before: float | None
    ece_after: float | None
    length_rho: float | None
    rows: int | None = None
    positives: int | None = None
    pr_auc: float | None = None
    brier: float | None = None
    ece_of_a_perfect_model: float | None = None
    ece_of_a_perfect_model_at_most: float | None = None
    auroc_later: float | None = None
    auroc_later_ci: Pair | None = None
    auroc_within: float | None = None
    auroc_within_ci: Pair | None = None
    tested: str | None = None


class ReportPolicy(msgspec.Struct, kw_only=True, frozen=True):
    """One policy of the sweep, against the incumbent on the same prompts.

    Attributes:
        love_weight: Of P[Love] in the mixture.
        judges: Which judges stood guard while it was trained.
        love_lift: Relative lift of mean P[Love].
        closing_rate: Needless closings per response; `closing_delta` against the incumbent, `closing_ratio` over its
            rate, with the counts in words.
        helpfulness_delta: Of mean helpfulness, `safety_delta` of mean safety; None without such labels.
        true_love_lift: The same lift by the hidden truth (synthetic only).
        beaten_by: Other policies, the incumbent among them, that are at least as good in Love, helpfulness and safety
            and better in one beyond chance; empty on the Pareto front, None where that was not looked at.
        front_share: Share of resampled prompts on which its means are on the front.
        chosen: It was staged; `passed` says whether it passed every gate.
    """

    love_weight: float
    judges: list[str]
    love_lift: float | None
    love_lift_ci: Pair | None
    closing_rate: float | None
    helpfulness_delta: float | None
    safety_delta: float | None
    name: str = ""
    helpfulness_delta_ci: Pair | None = None
    safety_delta_ci: Pair | None = None
    true_love_lift: float | None = None
    closing_delta: float | None = None
    closing_delta_ci: Pair | None = None
    closing_ratio: float | None = None
    closing_ratio_ci: Pair | None = None
    closing_counts: str | None = None
    question_rate: float | None = None
    length: float | None = None
    beaten_by: list[str] | None = None
    front_share: float | None = None
    chosen: bool = False
    passed: bool | None = None


class Candidate(msgspec.Struct, kw_only=True, frozen=True):
    """The staged candidate.

    Attributes:
        why: Why it was chosen; `reasons` say why the others were not.
        lineage: What it was made from.
    """

    name: str
    love_weight: float
    passed: bool
    gates: list[StagedGate]
    why: str = ""
    reasons: list[str] = msgspec.field(default_factory=list)
    lineage: dict[str, Any] = msgspec.field(default_factory=dict)


class LedgerRow(msgspec.Struct, kw_only=True, frozen=True):
    """What P[Love] predicted and what the experiment measured; `failed` names gates that the candidate had failed."""

    candidate: str
    predicted_lift: float | None
    measured_lift: float | None
    measured_low: float | None
    measured_high: float | None
    experiment: str
    date: str
    failed: list[str] = msgspec.field(default_factory=list)
    measured_error: float | None = None


class ReportAgreement(msgspec.Struct, kw_only=True, frozen=True):
    """Predicted against measured lifts, as in `experiments.ledger`; a figure that could not be computed is None.

    Reports of earlier versions have r, its interval and `words` alone.
    """

    r: float | None
    r_ci: Pair | None
    passed: bool
    words: str
    rho: float | None = None
    rho_ci: Pair | None = None
    corrected_r: float | None = None
    corrected_ci: Pair | None = None
    slope: float | None = None
    slope_ci: Pair | None = None
    details: list[str] = msgspec.field(default_factory=list)


class Report(msgspec.Struct, kw_only=True, frozen=True):
    """The whole run.

    Attributes:
        p_love: None only where no feedback was learnt from.
        seconds: Wall clock per stage of the recipe, in its order.
        versions: Of Python and the libraries.
        source: `a synthetic world`, `real input`: what the events were.
        commands: What reproduces the run, one a line.
        notes: What the reader must know before trusting a figure.
        origins: Where each label, prompt, model and event came from.
        cycles: The history of the run, oldest first.
    """

    name: str
    created_at: str
    source: str
    ingest: Ingest | None
    adversary: ReportAdversary | None
    p_love: PLove | None
    policies: list[ReportPolicy]
    candidate: Candidate | None
    experiment: ReportExperiment | None
    ledger: list[LedgerRow]
    seconds: dict[str, float]
    versions: dict[str, str]
    ledger_agreement: ReportAgreement | None = None
    baselines: list[BaselineAuroc] | None = None
    bots: list[LoggedBot] | None = None
    bots_r: float | None = None
    bots_r_ci: Pair | None = None
    commands: list[str] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)
    origins: list[Origin] = msgspec.field(default_factory=list)
    cycles: list[CycleRow] = msgspec.field(default_factory=list)


def read(path: Path) -> Report:
    """Read a `report.json`.

    Raises:
        msgspec.ValidationError: The file is not such a report; the text names the key and what was expected.
    """
    return msgspec.json.decode(path.read_bytes(), type=Report)


def from_plain(values: dict[str, Any]) -> Report:
    """A report from plain values (numpy numbers, named tuples, dates and paths included).

    Raises:
        msgspec.ValidationError: A key is missing or has the wrong type; the text names it.
    """
    return msgspec.convert(plain(values), Report)


def plain(value: Any) -> Any:
    """Any figure as JSON would hold it: no numpy, no NaN, no infinity.

    >>> plain({"ci": (float("-inf"), 0.5)})
    {'ci': [None, 0.5]}
    """
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value if isinstance(value, int | str | bool | None) else str(value)
