"""Settings of the optimiser, with their units."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class CgpoConfig(BaseModel):
    """CRRAFT in rounds: draw, judge, rank, one epoch on the winners; then again with the policy that came out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rounds: int = Field(default=2, ge=1)
    prompts: int = Field(default=500, ge=1)
    """Prompts a round of each task; the cursor moves on, and starts over at a task's last prompt."""
    samples: int = Field(default=8, ge=1)
    """K, responses drawn for each prompt."""
    reference_samples: int = Field(default=1, ge=1)
    """Draws of the reference for each prompt: the first is a0, their mean reward is the baseline r(s, a0)."""
    temperature: float = Field(default=1.0, gt=0)
    """Of the draws that are ranked."""
    max_new_tokens: int = Field(default=48, ge=1)
    longest: int = Field(default=192, ge=16)
    """Tokens of a prompt and its response in training; a prompt loses its oldest ones."""
    kl_limit: float = Field(default=0.5, gt=0)
    """KL_max: a sample with a larger log(pi/pi_ref), in nats a token, is dropped."""
    tuning: Literal["full", "lora"] = "full"
    lora_rank: int = Field(default=16, ge=1)
    lr: float | None = Field(default=None, gt=0)
    """Of AdamW. None: 5e-4 at width 128 and inversely proportional to the width; ten times that for LoRA."""
    batch: int = Field(default=64, ge=1)
    """Winners a step."""
    supervised: float = Field(default=0.25, ge=0)
    """Logged conversations per winner mixed into each step, to keep the language; 0 when none are given."""
    seed: int = 0
