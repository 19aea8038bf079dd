"""The dials of the engine. Light: recipes import it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class EngineConfig(BaseModel):
    """Which engine trains, on how many ranks, in which precision, and how much of a model."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["torch", "deepspeed"] = "torch"
    """`torch`: one process, one device. `deepspeed`: one or many ranks under torchrun."""
    zero: Literal[0, 1, 2, 3] = 2
    """DeepSpeed's stage: what ranks share out. 0 nothing, 1 the optimiser's state, 2 gradients too, 3 weights too."""
    ranks: int = Field(1, ge=1)
    """Processes on this machine (on each, with a hostfile): one a GPU."""
    hostfile: str | None = None
    """Several machines: a file of lines `HOST slots=RANKS`, the first one the meeting point."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto`: the GPU of this rank where there is one."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of the weights in forward and backward; what is trained keeps a float32 copy in any case."""
    tuning: Literal["full", "lora"] = "full"
    """All weights, or small matrices beside frozen ones."""
    lora_rank: int = Field(16, ge=1)
    checkpointing: bool = False
    """Keep a layer's input alone and compute the rest again going backward: a third more time, far less memory."""
    tokens: int = Field(16_384, ge=1)
    """Most padded tokens of one forward and backward pass on a rank; a step's gradients add up over several."""

    @model_validator(mode="after")
    def _an_engine_that_can_do_it(self) -> "EngineConfig":
        if self.kind == "torch" and (self.ranks > 1 or self.hostfile):
            seen = f"ranks == {self.ranks}" if self.ranks > 1 else f"hostfile == {self.hostfile!r}"
            raise ValueError(f"{seen}, but engine torch is one process: take kind = 'deepspeed'")
        if self.dtype == "bfloat16" and self.tuning == "full" and (self.kind == "torch" or self.zero == 0):
            raise ValueError(
                "full tuning of bfloat16 weights needs a float32 copy of them, which DeepSpeed keeps from zero = 1 on: "
                "take kind = 'deepspeed' with zero = 1 to 3, or tuning = 'lora', or dtype = 'float32'"
            )
        return self
