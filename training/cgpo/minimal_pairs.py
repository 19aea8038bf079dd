"""Minimal pairs: a violating sample against itself less what violates.

Dropping violating samples never pushes a fault below its base rate. A judge that can repair gives two responses that
differ in the fault alone; all that they share cancels in `log(pi/pi_ref)` of one against the other, so that only the
fault is pushed down, and no body of an answer with it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from training.cgpo.candidates import Candidates
from training.cgpo.config import CgpoConfig
from training.cgpo.judgement import Hearing
from training.cgpo.lesson import Pair
from training.cgpo.reference import log_likelihoods
from training.policy.batches import EncodedAnswer, join
from training.policy.load import Policy


class MinimalPairs(NamedTuple):
    """Pairs, and how many violating samples and repairs they come from.

    Attributes:
        pairs: A repair that passes every judge, and the sample that it repairs.
        violating: Finished samples to which a judge that was asked objects.
        repaired: Those of them with a repair.
    """

    pairs: list[Pair]
    violating: int
    repaired: int


def minimal_pairs(found: Candidates, hearing: Hearing, config: CgpoConfig, frozen: Policy) -> MinimalPairs:
    """Pair each violating sample with its own repair, where that passes all judges itself.

    A sample that ran into the token limit is left out: its repair would teach where to end, not what to leave out. So
    is a repair that is longer than a response may be, or has nothing left.

    Args:
        found: The round's responses.
        hearing: Has heard what judges say of them; asked here about the repairs.
        config: beta and weight of the pairs, the longest response.
        frozen: The reference, whose log-likelihoods are computed here, once.
    """
    finished = [
        (row, column, sample.text)
        for row, several in enumerate(found.samples)
        for column, sample in enumerate(several)
        if not found.unfinished[row, column]
    ]
    violating = [each for each in finished if hearing.objected((each[0], each[2]))]
    texts = hearing.repairs([(row, text) for row, _, text in violating])
    passed = [(row, column, text) for (row, column, _), text in zip(violating, texts, strict=True) if text is not None]
    both = [(_encoded(found, row, text, frozen.tokenizer), found.sequence(row, column)) for row, column, text in passed]
    short = [(good, bad) for good, bad in both if 1 < len(good.ids) - good.prompt <= config.max_new_tokens]
    return MinimalPairs(
        pairs_of(short, frozen, weight=config.pair_weight, beta=config.pair_beta), len(violating), len(passed)
    )


def pairs_of(
    both: Sequence[tuple[EncodedAnswer, EncodedAnswer]],
    frozen: Policy,
    *,
    weight: float,
    beta: float,
    imitation: float = 0.0,
) -> list[Pair]:
    """Pairs of (good, bad) with what the reference thinks of either."""
    good = log_likelihoods([each for each, _ in both], frozen).tolist()
    bad = log_likelihoods([each for _, each in both], frozen).tolist()
    return [
        Pair(*pair, *known, weight, beta, imitation)
        for pair, known in zip(both, zip(good, bad, strict=True), strict=True)
    ]


def _encoded(found: Candidates, row: int, text: str, tokenizer: Any) -> EncodedAnswer:
    ids = tokenizer(text, add_special_tokens=False, return_attention_mask=False).input_ids
    return join(found.prompts[row], [*ids, tokenizer.eos_token_id])
