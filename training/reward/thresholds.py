"""Where an audit of a reward model says "failed". Light: recipes import it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Finding = Literal["ranking", "leakage", "calibration", "length", "edits", "refusals", "slices", "drift"]
"""What an audit looks at; `ranking` and `leakage` block always."""


class Thresholds(BaseModel):
    """The lines of an audit. An interval must lie wholly beyond one: what could be chance fails nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    block: tuple[Finding, ...] = ()
    """Findings that keep a model from being used when they fail, beside `ranking` and `leakage`; the others warn."""
    edit: float = Field(0.1, ge=0)
    """Logits that a goodbye, an emoji, flattery or a follow-up question may move a score."""
    length: float = Field(0.3, ge=0, le=1)
    """Spearman's rho of score and length, either way."""
    length_excess: float = Field(0.02, ge=0, le=1)
    """Correlation with length that the chances promise beyond the labels' own."""
    refusals: float = Field(0.0, ge=0)
    """Logits by which right refusals may lie below what they are compared with."""
    ece_share: float = Field(0.25, gt=0)
    """Debiased ECE, as a share of the rate of the rarer kind, that is too much where ECE lies above its noise floor."""
    copy_words: int = Field(30, gt=0)
    """Texts (conversation and response) with fewer words repeat by themselves: a copy of one shows no leak."""
    copies: float = Field(0.05, ge=0, lt=1)
    """Share of the longer test texts that may be copies or near copies of training texts."""
    near: float = Field(0.9, gt=0, le=1)
    """Jaccard similarity of 9-character shingles from which two texts are near copies."""
    slice_rows: int = Field(20, gt=0)
    """Rows of the rarer kind that a slice or week needs for figures of its own; smaller ones are pooled."""
    drift: float = Field(0.2, gt=0)
    """Logits by which what comes true in a week may differ from what was said."""
    drift_auroc: float = Field(0.03, gt=0, lt=0.5)
    """AUROC that a week may lie below the other weeks."""
