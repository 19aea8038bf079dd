"""Stops a training run whose samples have come to do what nobody asked for, beyond a bound."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

from training.behaviours.changes import matters
from training.behaviours.corpus import Corpus, paired
from training.behaviours.discovery import q_values
from training.behaviours.known import known_behaviours
from training.behaviours.prevalence import prevalence
from training.sentinel.config import SentinelConfig
from training.text import Conversation


class BehaviourBoundError(ValueError):
    """A policy in training shows a behaviour more often than its bound allows."""


def check_samples(
    conversations: Sequence[Conversation],
    samples: Sequence[Sequence[str]],
    reference: Sequence[str],
    config: SentinelConfig,
    where: str,
) -> None:
    """Stop where a known behaviour of the samples passes its bound over the frozen reference's own answers.

    Both answered the same prompts, and the samples of one prompt are one cluster. A behaviour stops the run when its
    growth is beyond chance (e-BH over the bounded behaviours, `behaviours.level`) and its share grew by more than
    `config.bounds` allow. e-values may be read every round.

    Args:
        conversations: The prompts.
        samples: Of the policy in training, [prompts][K], as drawn: no judge has taken any away.
        reference: The reference's answer to each prompt.
        config: The bounds.
        where: Which samples, for the error: `task love, round 2`.

    Raises:
        BehaviourBoundError: Which behaviour, both shares, the bound, an example and what to do.
    """
    names = list(config.bounds)
    if not names or not conversations:
        return
    asked = [each for each, several in zip(conversations, samples, strict=True) for _ in several]
    said = [text for several in samples for text in several]
    pair, how = paired(Corpus(conversations, reference), Corpus(asked, said)), config.behaviours
    shown = known_behaviours(pair.conversations, pair.responses, names)
    measured = prevalence(pair, csr_array(shown.astype(np.float64)), prior=how.prior, scale=how.scale)
    told = (q_values(measured.log_evidence, np.ones(len(names))) <= how.level) & matters(measured, how.change, how.odds)
    for place, name in enumerate(names):
        before, after = float(measured.before[place]), float(measured.after[place])
        if told[place] and after - before > config.bounds[name]:
            row = int(np.flatnonzero(shown[:, place] & pair.candidate)[0])
            raise BehaviourBoundError(
                f"{name} rose from {before:.2%} of the reference's answers to {after:.2%} of the samples of {where}, "
                f"may grow by {config.bounds[name]:.1%} (sentinel.bounds.{name}); an example: "
                f"{pair.responses[row][:160]!r}. Give policy.judges a judge of it, lower the Love weight, or raise the "
                "bound where it is wanted; samples and scores are kept"
            )
