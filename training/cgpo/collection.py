"""The first half of a round: draw, score, judge and choose what is learnt from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch

from training.cgpo.candidates import A0, Candidates, RoundContext, candidates
from training.cgpo.codpo import prefer
from training.cgpo.config import CgpoConfig
from training.cgpo.crpg import advantages, regularised_reward
from training.cgpo.crraft import FALLBACK, SKIP, select
from training.cgpo.judgement import Asked, Hearing
from training.cgpo.lesson import Lesson, Pair, Weighted
from training.cgpo.minimal_pairs import MinimalPairs, minimal_pairs, pairs_of
from training.cgpo.reference import log_ratios
from training.cgpo.report import TaskRound
from training.cgpo.rewards import calibrated_reward, soft_and
from training.cgpo.tasks import Task
from training.judges.panel import Panel
from training.policy.likelihood import each_logprobs
from training.policy.load import Policy
from training.rollout.generator import Generator
from training.sentinel.config import SentinelConfig
from training.sentinel.stop import check_samples


class Taught(NamedTuple):
    """What a task's prompts teach in one round; `minimal` are pairs beside its own lesson."""

    lesson: Lesson
    minimal: list[Pair]
    report: TaskRound


@dataclass(frozen=True, slots=True)
class _Scored:
    """A task's responses with all that optimisers choose by.

    Attributes:
        scores: Float64 [prompts, K], what samples are ranked by.
        calibrated: Float64 [prompts, K + 1], R_cal; the last is a0's.
        broken: Bool [prompts, K], unfinished or violating by the judges that are asked about all.
        trained: The policy that wrote the samples.
        reference: The version of the frozen policy, whose model is `frozen`.
    """

    found: Candidates
    scores: torch.Tensor
    calibrated: torch.Tensor
    broken: torch.Tensor
    hearing: Hearing
    config: CgpoConfig
    trained: Policy
    frozen: Policy
    reference: str

    def asked(self, rows: torch.Tensor, columns: torch.Tensor) -> list[Asked]:
        """The samples at (prompts [n], places [n]), as judges are asked about them."""
        places = zip(rows.tolist(), columns.tolist(), strict=True)
        return [(row, self.found.samples[row][column].text) for row, column in places]

    def log_ratios(self, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        """Of the samples at (prompts [n], places [n]), nats a token.

        0 for what the reference itself wrote, as it does in the first round: nothing of that is read again.
        """
        places = [*zip(rows.tolist(), columns.tolist(), strict=True)]
        if all(self.found.samples[row][column].policy_version == self.reference for row, column in places):
            return torch.zeros(len(places), dtype=torch.float64)
        sequences = [self.found.sequence(*place) for place in places]
        drawn = [self.found.samples[row][column].logprobs for row, column in places]
        own = [each for each in drawn if each is not None]
        if len(own) < len(places):  # a server drew, which was not asked for them: few are read
            own = each_logprobs(self.trained, sequences)
        return log_ratios(sequences, own, self.frozen)

    def in_full(self) -> torch.Tensor:
        """Which samples violate by any judge, dear ones too, which hear only what the rest let pass."""
        rows, columns = (~self.broken).nonzero(as_tuple=True)
        broken = self.broken.clone()
        heard = self.hearing.violating(self.asked(rows, columns))
        broken[rows, columns] = torch.tensor(heard, dtype=torch.bool)
        return broken


@dataclass(frozen=True, slots=True)
class _Choice:
    """An optimiser's choice: what it teaches, and what the report says of it.

    Attributes:
        rows: int64 [n], prompts of what is made likelier; `columns` its places, A0 among them.
        log_ratio: Of the same, nats a token; NaN where it was not needed.
    """

    lesson: Lesson
    rows: torch.Tensor
    columns: torch.Tensor
    log_ratio: torch.Tensor
    kl_cut: float
    fallback: int
    skipped: int


def collect(
    task: Task,
    rankers: Sequence[Task],
    places: range,
    *,
    policy: Generator,
    trained: Policy,
    number: int,
    context: RoundContext,
) -> Taught:
    """Choose what is learnt from a task's prompts.

    1. Draw K samples from the policy; a0 was drawn from the reference.
    2. Score them with every reward that ranks this task's prompts, and ask the judges, while a server still draws.
    3. A response that ran into the token limit violates too.
    4. Choose by the task's optimiser among the policy's samples, and pair violating samples with their repairs.

    Args:
        task: Whose prompts these are.
        rankers: The tasks whose rewards and weights rank these prompts.
        places: Which of the task's prompts.
        policy: Who answers.
        trained: The weights that answer.
        number: The round, from 0; seeds of chance follow from it.
        context: What stays the same over all rounds.

    Raises:
        ValueError: A reward is not finite, a judge raised, or samples passed a bound of the sentinel.
    """
    config = context.config.for_task(task.name)
    hearing = Hearing(
        context.judges, [task.prompts[place] for place in places], f"task {task.name}, round {number + 1}"
    )
    hear = partial(hearing.violating, dear=False)
    found = candidates(task, rankers, places, policy=policy, number=number, context=context, hear=hear)
    scores, calibrated = _ranking(found, rankers)
    heard = hearing.violating(found.texts(), dear=False)
    broken = torch.tensor(heard).reshape(scores.shape) | found.unfinished
    these = _Scored(
        found, scores, calibrated, broken, hearing, config, trained, context.frozen, context.reference.version
    )
    choice = {"crraft": _crraft, "crpg": _crpg, "codpo": _codpo}[config.optimiser](these)
    if isinstance(context.judges, Panel):
        context.judges.check(hearing.said(found.texts()), f"task {task.name}, round {number + 1}")
    _watch(these, context.sentinel, f"task {task.name}, round {number + 1}")
    minimal = minimal_pairs(found, hearing, config, context.frozen) if config.pairs else MinimalPairs([], 0, 0)
    return Taught(
        choice.lesson, minimal.pairs, _report(task.name, [each.name for each in rankers], these, choice, minimal)
    )


def _watch(these: _Scored, sentinel: SentinelConfig | None, where: str) -> None:
    """Stop where the samples of a policy that has learnt do what is bounded more often than the reference does."""
    found = these.found
    if sentinel is None or found.samples[0][0].policy_version == these.reference:
        return  # the reference's own
    texts = [[sample.text for sample in several] for several in found.samples]
    check_samples(found.conversations, texts, [each.text for each in found.a0], sentinel, where)


def _ranking(found: Candidates, rankers: Sequence[Task]) -> tuple[torch.Tensor, torch.Tensor]:
    """What samples are ranked by, [prompts, K], and R_cal, [prompts, K + 1], the last a0's.

    R_cal under several rewards is the weighted geometric mean of theirs.
    """
    if len(rankers) == 1:
        return found.rewards[0, :, :-1], calibrated_reward(found.rewards[0], found.baselines[0])
    weights = torch.tensor([each.weight for each in rankers], dtype=torch.float64)
    scores = soft_and(found.rewards, found.baselines, weights)
    return scores[:, :-1], (scores / weights.sum()).exp()


def _crraft(these: _Scored) -> _Choice:
    found, hearing = these.found, these.hearing

    def dear(rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        return torch.tensor(hearing.violating(these.asked(rows, columns)))

    def satisfied(rows: torch.Tensor) -> torch.Tensor:
        wrong = hearing.violating([(row, found.a0[row].text) for row in rows.tolist()])
        return ~(torch.tensor(wrong) | found.a0_unfinished[rows])

    asked = dear if hearing.has_dear else None
    picked = select(
        these.scores, these.broken, these.log_ratios, these.config.kl_limit, satisfied=satisfied, dear=asked
    )
    rows = (picked.chosen != SKIP).nonzero()[:, 0]
    columns = torch.where(picked.chosen == FALLBACK, A0, picked.chosen)[rows]
    winners = [
        Weighted(found.sequence(row, column), float(these.calibrated[row, column]))
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
    ]
    return _Choice(
        Lesson(winners),
        rows,
        columns,
        torch.where(columns == A0, torch.nan, picked.log_ratio[rows, columns]),
        kl_cut=float(picked.cut.sum()) / max(1, int((~picked.log_ratio.isnan()).sum())),
        fallback=int((picked.chosen == FALLBACK).sum()),
        skipped=int((picked.chosen == SKIP).sum()),
    )


def _crpg(these: _Scored) -> _Choice:
    found, limit, broken = these.found, these.config.kl_limit, these.in_full()
    ratio = torch.full_like(these.scores, torch.nan)
    rows, columns = (~broken).nonzero(as_tuple=True)
    ratio[rows, columns] = these.log_ratios(rows, columns)
    signs = advantages(regularised_reward(these.calibrated[:, :-1], broken, ratio, limit))
    taught = [
        Weighted(found.sequence(row, column), float(signs[row, column]))
        for row, several in enumerate(found.samples)
        for column, sample in enumerate(several)
        if len(sample.token_ids)
    ]
    liked, places = (signs > 0).nonzero(as_tuple=True)
    return _Choice(
        Lesson(taught if len(liked) else ()),
        liked,
        places,
        ratio[liked, places],
        kl_cut=float((ratio[rows, columns] >= limit).sum()) / max(1, len(rows)),
        fallback=0,
        skipped=0 if len(liked) else len(signs),
    )


def _codpo(these: _Scored) -> _Choice:
    found, config = these.found, these.config
    preferred = prefer(these.scores, these.in_full())
    empty = torch.tensor([[len(sample.token_ids) == 0 for sample in several] for several in found.samples])
    rows = (preferred.taught & ~empty[torch.arange(len(empty)), preferred.bad]).nonzero()[:, 0]
    good, bad = preferred.good[rows], preferred.bad[rows]
    both = [
        (found.sequence(row, better), found.sequence(row, worse))
        for row, better, worse in zip(rows.tolist(), good.tolist(), bad.tolist(), strict=True)
    ]
    pairs = pairs_of(both, these.frozen, weight=1.0, beta=config.codpo_beta, imitation=config.codpo_imitation)
    nothing = torch.full((len(rows),), torch.nan, dtype=torch.float64)
    return _Choice(Lesson((), pairs), rows, good, nothing, 0.0, fallback=0, skipped=len(empty) - len(rows))


def _report(name: str, rewards: list[str], these: _Scored, choice: _Choice, minimal: MinimalPairs) -> TaskRound:
    found, rows, columns = these.found, choice.rows, choice.columns
    chosen = found.rewards[:, rows, columns]
    trips = these.hearing.trips(found.texts())
    return TaskRound(
        task=name,
        prompts=len(found.prompts),
        optimiser=these.config.optimiser,
        trips={**trips, "unfinished": float(found.unfinished.double().mean())},
        kl_cut=choice.kl_cut,
        fallback=choice.fallback,
        skipped=choice.skipped,
        sampled={each: float(found.rewards[row, :, :-1].mean()) for row, each in enumerate(rewards)},
        chosen={each: _mean(chosen[row]) for row, each in enumerate(rewards)},
        calibrated=_mean(these.calibrated[rows, columns]),
        log_ratio=_mean(choice.log_ratio[~choice.log_ratio.isnan()]),
        violating=minimal.violating,
        repaired=minimal.repaired,
        pairs=len(minimal.pairs),
        shortened=found.shortened,
    )


def _mean(values: torch.Tensor) -> float:
    return float(values.mean()) if len(values) else 0.0
