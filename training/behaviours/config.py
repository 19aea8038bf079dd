"""Settings of a comparison of two policies' texts."""

from pydantic import BaseModel, ConfigDict, Field


class BehaviourConfig(BaseModel):
    """What counts as a change, and how much evidence it takes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    level: float = Field(default=0.05, gt=0, lt=1)
    """False discoveries that are allowed, as an expected share of all findings."""
    change: float = Field(default=0.005, gt=0, lt=1)
    """Materiality: the least change of a share of the responses that matters; .005 is half a point."""
    odds: float = Field(default=1.5, gt=1)
    """Materiality: the least ratio of the odds, either way, after shrinkage."""
    segment_change: float = Field(default=0.03, gt=0, lt=1)
    """As `change`, within one kind of prompt."""
    scale: float = Field(default=0.02, gt=0, lt=1)
    """Standard deviation of the least changes that the evidence is tuned to find; it alters power, never the level."""
    prior: float = Field(default=200.0, gt=0)
    """Responses that the Dirichlet prior is worth."""
    longest_phrase: int = Field(default=3, ge=1, le=5)
    """Words of the longest phrase."""
    phrases: int = Field(default=20_000, ge=1)
    """Most phrases that are looked at: the most frequent ones."""
    clusters: int = Field(default=96, ge=1)
    """Most clusters of sentences."""
    segments: int = Field(default=8, ge=1)
    """Most kinds of prompt, where none are given."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Of the clusters."""
