"""What an optimisation did, round by round, as it is written to `policy.json`."""

from pydantic import BaseModel, ConfigDict


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TaskRound(_Record):
    """One task's prompts in one round.

    Attributes:
        prompts: How many.
        trips: Share of the drawn samples that each judge calls a violation; `unfinished` ran into the token limit.
        kl_cut: Of the samples that would have won, the share dropped by the KL limit.
        fallback: Prompts that learn from a0.
        skipped: Prompts that teach nothing.
        sampled: Mean logit over the drawn samples, by reward.
        chosen: Mean logit over what is learnt from, by reward.
        calibrated: Mean R_cal over what is learnt from.
        log_ratio: Mean log(pi/pi_ref) of the chosen samples, nats a token.
    """

    task: str
    prompts: int
    trips: dict[str, float]
    kl_cut: float
    fallback: int
    skipped: int
    sampled: dict[str, float]
    chosen: dict[str, float]
    calibrated: float
    log_ratio: float


class RoundReport(_Record):
    """One round.

    Attributes:
        policy: The version that wrote the samples.
        winners: Responses learnt from.
        loss: Mean negative log-likelihood of their tokens over the epoch, nats.
        seconds: Wall clock of collecting (draw, score, judge) and of training.
    """

    round: int
    policy: str
    tasks: list[TaskRound]
    winners: int
    steps: int
    loss: float
    seconds: dict[str, float]


class PolicyReport(_Record):
    """A finished optimisation.

    Attributes:
        policy: Its version.
        reference: The version that it started from and is held to.
        weights: Every task's weight.
        key: Names the settings, prompts, rewards and reference that it came from.
    """

    policy: str
    reference: str
    weights: dict[str, float]
    judges: list[str]
    tuning: str
    rounds: list[RoundReport]
    seconds: float
    key: str
