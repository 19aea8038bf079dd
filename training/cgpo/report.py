"""What an optimisation did, round by round, as it is written to `policy.json`."""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict


class _ReportRecord(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TaskRound(_ReportRecord):
    """One task's prompts in one round.

    Attributes:
        prompts: How many.
        optimiser: `crraft`, `crpg` or `codpo`.
        trips: Of the drawn samples that each judge was asked about, the share that it calls a violation; `unfinished`
            ran into the token limit.
        kl_cut: Share that the KL limit takes away: of CRRAFT's would-be winners, of CRPG's satisfied samples.
        fallback: Prompts that learn from a0.
        skipped: Prompts that teach nothing.
        sampled: Mean logit over the drawn samples, by reward.
        chosen: Mean logit over what is made likelier, by reward: winners, samples above the mean, a+.
        calibrated: Mean R_cal over the same.
        log_ratio: Their mean log(pi/pi_ref), nats a token; a0 is left out, and so is what CODPO compares.
        violating: Drawn samples to which a judge objects, where minimal pairs are wanted.
        repaired: Those of them with a repair that passes every judge.
        pairs: Those repairs that passed every judge and are learnt.
        shortened: Prompts that lost their oldest tokens, since they are longer than the room.
    """

    task: str
    prompts: int
    optimiser: str = "crraft"
    trips: dict[str, float]
    kl_cut: float
    fallback: int
    skipped: int
    sampled: dict[str, float]
    chosen: dict[str, float]
    calibrated: float
    log_ratio: float
    violating: int = 0
    repaired: int = 0
    pairs: int = 0
    shortened: int = 0


class RoundReport(_ReportRecord):
    """One round.

    Attributes:
        policy: The version that wrote the samples.
        winners: Responses learnt from by weight: CRRAFT's winners, CRPG's rows.
        pairs: Pairs learnt from: CODPO's and minimal ones.
        loss: Mean negative log-likelihood of the rows' and good responses' tokens over the epoch, nats.
        pair_loss: Mean `-log sigmoid(beta (delta_good - delta_bad))` over the epoch's pairs; .69 is no preference.
        seconds: Wall clock of collecting (draw, score, judge) and of training.
    """

    round: int
    policy: str
    tasks: list[TaskRound]
    winners: int
    pairs: int = 0
    steps: int
    loss: float
    pair_loss: float = 0.0
    seconds: dict[str, float]


class PolicyReport(_ReportRecord):
    """A finished optimisation.

    Attributes:
        policy: Its version.
        reference: The version that it started from and is held to.
        weights: Every task's weight.
        gradient: The rho of every task that took part.
        judges: Their names.
        leaks: By task, prompts that were dropped since the evaluation or another task holds them too.
        supervised: Logged texts mixed in (`texts`), and those left out since a judge objects (`violating`).
        tuning: `full` or `lora`.
        ranks: Processes that learnt together.
        key: Names the settings, prompts, rewards, judges, engine and reference that it came from.
    """

    policy: str
    reference: str
    weights: dict[str, float]
    gradient: dict[str, float] = {}
    judges: list[str]
    leaks: dict[str, dict[str, int]] = {}
    supervised: dict[str, int] = {}
    tuning: str
    ranks: int = 1
    rounds: list[RoundReport]
    seconds: float
    key: str


def figures(tasks: Iterable[TaskRound]) -> dict[str, float]:
    """What a round's samples came to, by `TASK reward`, `TASK trips` and `TASK KL`.

    The reward is the mean logit of the task's own model, trips are the share of the judge that trips most, KL is the
    mean log(pi/pi_ref) in nats a token of what is made likelier.
    """
    found: dict[str, float] = {}
    for each in tasks:
        if each.task in each.sampled:
            found[f"{each.task} reward"] = each.sampled[each.task]
        found[f"{each.task} trips"] = max(each.trips.values(), default=0.0)
        found[f"{each.task} KL"] = each.log_ratio
    return found
