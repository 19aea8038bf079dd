"""Settings of the sentinel."""

from pydantic import BaseModel, ConfigDict, Field, field_validator

from training.behaviours.config import BehaviourConfig

KNOWN = ("closing", "flattery", "refusal", "question", "emoji", "list", "long", "short")
"""The known behaviours' names, as in `training.behaviours.known`, which reads texts and is heavier."""


class SentinelConfig(BaseModel):
    """When the sentinel warns, blocks and stops."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    behaviours: BehaviourConfig = BehaviourConfig()
    """What counts as a change."""
    bounds: dict[str, float] = {"closing": 0.02, "flattery": 0.02, "refusal": 0.02}
    """By known behaviour, by how much its share may grow before a training run stops, and before a candidate is blocked
    for a matter of style (a fault blocks sooner, at `behaviours.change`); an empty table never stops."""
    judge_margin: float = Field(default=0.02, ge=0, lt=1)
    """How far a second judge's score may fall while the optimised reward rises, in the mean and for a behaviour."""
    examples: int = Field(default=3, ge=1, le=20)
    """How far a second judge's mean may fall while the optimised reward rises: by one behaviour, and as a whole."""

    @field_validator("bounds")
    @classmethod
    def _known_and_positive(cls, bounds: dict[str, float]) -> dict[str, float]:
        for name, most in bounds.items():
            if name not in KNOWN:
                raise ValueError(f"bounds names {name!r}, which is no known behaviour: they are {', '.join(KNOWN)}")
            if not 0 < most <= 1:
                raise ValueError(f"bounds.{name} == {most}, must be in (0, 1]: 0.02 for two points")
        return bounds
