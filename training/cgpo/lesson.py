"""What a round teaches: the hinge between choosing (CRRAFT, CRPG, CODPO, minimal pairs) and learning."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from training.policy.batches import EncodedAnswer


class Weighted(NamedTuple):
    """A sequence and its weight in the loss: positive ones are made likelier, negative ones less likely."""

    sequence: EncodedAnswer
    weight: float


@dataclass(frozen=True, slots=True)
class Pair:
    """Two responses to one prompt, of which the first is to gain on the second.

    Attributes:
        good: What is wanted.
        bad: What is not.
        reference_good: log pi_ref of `good`, summed over its tokens, nats.
        reference_bad: The same of `bad`.
        weight: In the loss.
        beta: How steeply the log-ratios are compared.
        imitation: CODPO's lambda: weight of the mean log-likelihood of a token of `good`; 0 leaves that term out.
    """

    good: EncodedAnswer
    bad: EncodedAnswer
    reference_good: float
    reference_bad: float
    weight: float = 1.0
    beta: float = 1.0
    imitation: float = 0.0


class Lesson(NamedTuple):
    """What is learnt from in one epoch: CRRAFT's winners or CRPG's signed rows, and pairs."""

    weighted: Sequence[Weighted] = ()
    pairs: Sequence[Pair] = ()

    @property
    def size(self) -> int:
        """Rows and pairs."""
        return len(self.weighted) + len(self.pairs)


def merge(lots: Sequence[tuple[float, Lesson]], beside: Sequence[Pair] = ()) -> Lesson:
    """Bring the tasks' lessons together: `g = sum_l rho_l g_l`, each g_l a mean over what the task teaches.

    A task of weight 0 keeps its rows, at weight 0: steps and their order are those of the same run with a weight.

    Args:
        lots: For each task its gradient weight rho and its lesson.
        beside: Pairs of no task's share, taken as they are (minimal pairs).

    Returns:
        Every row and pair once; over the tasks' own the factors average 1.

    >>> import numpy as np
    >>> one = Weighted(EncodedAnswer(np.array([1, 2]), 1), 1.0)
    >>> both = merge([(0.75, Lesson([one])), (0.25, Lesson([one, one._replace(weight=0.5)]))])
    >>> [round(each.weight, 3) for each in both.weighted]
    [2.25, 0.375, 0.188]
    """
    filled = [(rho, lesson) for rho, lesson in lots if lesson.size]
    total = sum(rho for rho, _ in filled)
    if not total:
        return Lesson((), tuple(beside))
    count = sum(lesson.size for _, lesson in filled)
    factors = [rho / total * count / lesson.size for rho, lesson in filled]
    shared = [(factor, lesson) for factor, (_, lesson) in zip(factors, filled, strict=True)]
    return Lesson(
        [row._replace(weight=row.weight * factor) for factor, lesson in shared for row in lesson.weighted],
        [replace(pair, weight=pair.weight * factor) for factor, lesson in shared for pair in lesson.pairs] + [*beside],
    )
