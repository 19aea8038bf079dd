"""Settings of the optimiser, with their units."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from training.engine.config import EngineConfig

Optimiser = Literal["crraft", "crpg", "codpo"]


class TaskConfig(BaseModel):
    """What one task does otherwise than the rest; what is not set is as in `CgpoConfig`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    optimiser: Optimiser | None = None
    samples: int | None = Field(default=None, ge=1)
    kl_limit: float | None = Field(default=None, gt=0)
    pairs: bool | None = None
    weight: float | None = Field(default=None, ge=0)
    """rho, the share of this task's prompts in the gradient. None: it follows from the tasks' weights."""


class CgpoConfig(BaseModel):
    """CGPO in rounds: draw, judge, choose, one epoch on what was chosen; then again with the policy that came out."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    optimiser: Optimiser = "crraft"
    """What is learnt from the samples: the best that passes (`crraft`), every one with a sign (`crpg`), the best
    against the worst (`codpo`)."""
    pairs: bool = True
    """Minimal pairs beside the optimiser: a violating sample against its own repair, where a judge gives one."""
    weights: Literal["mixed", "per_task"] = "mixed"
    """How tasks' weights are read. `mixed`: mixed tasks share one reward, the soft AND of theirs with the weights as
    exponents. `per_task`: every task is ranked by its own reward, and weights are shares of the gradient alone."""
    tasks: dict[str, TaskConfig] = {}
    """What single tasks do otherwise, by name."""
    rounds: int = Field(default=2, ge=1)
    prompts: int = Field(default=500, ge=1)
    """Prompts a round of each task, none of them twice; a task with fewer than rounds x prompts spreads what it has."""
    samples: int = Field(default=8, ge=1)
    """K, responses drawn for each prompt."""
    reference_samples: int = Field(default=1, ge=1)
    """Draws of the reference for each prompt, made once: the first is a0, their mean reward the baseline r(s, a0)."""
    temperature: float = Field(default=1.0, gt=0)
    """Of the draws that are ranked."""
    max_new_tokens: int = Field(default=48, ge=1)
    longest: int = Field(default=560, ge=16)
    """Tokens of a prompt and its response, in drawing, scoring and training alike; a prompt loses its oldest ones. A
    model with a shorter context lowers it."""
    kl_limit: float = Field(default=0.5, gt=0)
    """KL_max, nats a token: CRRAFT drops a sample with a larger log(pi/pi_ref), CRPG's reward is 0 from there on."""
    codpo_beta: float = Field(default=0.1, gt=0)
    """Of CODPO: how steeply a pair's log-ratios are compared."""
    codpo_imitation: float = Field(default=1.0, ge=0)
    """lambda of CODPO: weight of the good response's mean log-likelihood a token."""
    pair_beta: float = Field(default=1.0, gt=0)
    """Of minimal pairs."""
    pair_weight: float = Field(default=1.0, ge=0)
    """Of a minimal pair in the loss, where the tasks' own rows have 1 on average before their rewards."""
    tuning: Literal["full", "lora"] | None = None
    """What of the policy moves, all weights or an adapter's. None: as the engine's section says."""
    lora_rank: int | None = Field(default=None, ge=1)
    """Of the policy's adapter. None: as the engine's section says."""
    lr: float | None = Field(default=None, gt=0)
    """The peak, of AdamW. None: 5e-4 at width 128 and inversely proportional to the width; ten times that for LoRA."""
    batch: int = Field(default=64, ge=1)
    """Rows and pairs a step."""
    supervised: float = Field(default=0.25, ge=0)
    """Logged conversations per row or pair mixed into each step, to keep the language; 0 when none are given."""
    save_every: int = Field(default=100, ge=1)
    """Steps between two saved states within a round; what was killed goes on from the last one."""
    seed: int = Field(default=0, ge=0, lt=2**32)

    @model_validator(mode="after")
    def _a_prompt_has_room(self) -> "CgpoConfig":
        if self.longest <= self.max_new_tokens:
            raise ValueError(
                f"longest == {self.longest} tokens of a prompt and its response, max_new_tokens == "
                f"{self.max_new_tokens} of the response alone: no room is left for a prompt; raise longest, or lower "
                "max_new_tokens"
            )
        return self

    @model_validator(mode="after")
    def _codpo_compares(self) -> "CgpoConfig":
        for name in [None, *self.tasks]:
            found = self.for_task(name) if name else self
            if found.optimiser == "codpo" and found.samples < 2:
                raise ValueError(
                    f"samples == {found.samples}{f' of task {name}' if name else ''}, must be at least 2 for codpo: it "
                    "compares two samples of one prompt. Raise samples, or choose crraft or crpg"
                )
        return self

    def engine_of(self, engine: EngineConfig) -> EngineConfig:
        """The engine that trains the policy: the run's, with the policy's own tuning where these settings give one.

        Raises:
            ValueError: A rank for a policy that is tuned in full, or a tuning that the engine cannot do.

        >>> CgpoConfig(tuning="lora").engine_of(EngineConfig(lora_rank=4)).lora_rank
        4
        """
        own = {name: getattr(self, name) for name in ("tuning", "lora_rank") if getattr(self, name) is not None}
        try:
            found = EngineConfig.model_validate(engine.model_dump() | own)
        except ValidationError as error:
            words = str(error.errors()[0]["ctx"]["error"])
            raise ValueError(f"policy.config.tuning == {self.tuning!r} does not go with [engine]: {words}") from None
        if self.lora_rank is not None and found.tuning == "full":
            where = "policy.config" if self.tuning else "engine"
            raise ValueError(
                f"policy.config.lora_rank == {self.lora_rank}, but {where}.tuning is 'full', which has no adapter: set "
                "policy.config.tuning = 'lora', or leave the rank out"
            )
        return found

    def for_task(self, name: str) -> "CgpoConfig":
        """These settings as one task has them.

        >>> config = CgpoConfig(tasks={"love": TaskConfig(optimiser="crpg", samples=4)})
        >>> config.for_task("love").samples, config.for_task("safety").samples
        (4, 8)
        """
        own = self.tasks.get(name, TaskConfig()).model_dump(exclude_none=True, exclude={"weight"})
        return self.model_copy(update=own)
