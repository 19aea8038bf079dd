"""The sentinel on an evaluation's answers, and on the texts of a live test's arms."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from assets.run import Run
from assets.stages.prompts import Prompts

if TYPE_CHECKING:
    from training.evaluation.offline import Evaluation
    from training.sentinel.config import SentinelConfig
    from training.sentinel.report import SentinelReport
    from warehouse.connection import Target

FILE = "sentinel.json"
"""Examples of findings, in the cycle's directory; each names its prompt, so that an erasure finds it."""


def reviews(
    found: "Evaluation", drawn: Prompts, config: "SentinelConfig", base: str = "incumbent"
) -> "dict[str, SentinelReport]":
    """Every policy's answers beside the base's, by policy.

    P[Love] is the optimised reward. The second judge is the helpfulness model, where there is one: it ranks answers too
    where `policy.helpfulness` is above 0, so it is another opinion and not an independent one.
    """
    from training.behaviours.corpus import Corpus
    from training.sentinel.review import review

    def corpus(name: str) -> Corpus:
        proxy, judge = (_padded(found.chances[name].get(each), len(drawn.conversations)) for each in _READ)
        return Corpus(drawn.conversations, found.answers[name], drawn.users, proxy=proxy, judge=judge)

    return {name: review(corpus(base), corpus(name), config) for name in found.answers if name != base}


def keep_examples(run: Run, told: "Mapping[str, SentinelReport]") -> None:
    """Write the examples of every policy's findings; figures alone go into what the stage records."""
    rows = [{"policy": name, **each} for name, report in told.items() for each in report.examples()]
    (run.cycle_directory / FILE).write_text(json.dumps(rows, indent=1, ensure_ascii=False))


def review_arms(
    target: "Target", experiment: str, control: str, treatment: str | None, config: "SentinelConfig", *, most: int
) -> "SentinelReport":
    """A test's treatment beside its control, by user, as the log has them now; may be read again at any time.

    Args:
        target: The warehouse.
        experiment: Its name.
        control: The arm to compare with.
        treatment: The other one; needed only where there are several.
        config: When to warn and block.
        most: Responses of an arm to read, about.

    Raises:
        ValueError: There is no such experiment, or no such arm.
    """
    from training import text
    from training.behaviours.corpus import Corpus
    from training.sentinel.review import review
    from warehouse.experiment_texts import arm_texts

    arms = arm_texts(target, experiment, most=most)
    others = [name for name in arms if name != control]
    chosen = treatment or (others[0] if len(others) == 1 else None)
    if control not in arms or chosen not in others:
        raise ValueError(
            f"experiment {experiment!r} has texts of the arms {', '.join(arms)}; compared are {control!r} and "
            f"{chosen or 'another one'!r}: name them by --control and --treatment"
        )
    before, after = (
        Corpus(text.parse(each.conversations), each.responses, each.users) for each in (arms[control], arms[chosen])
    )
    return review(before, after, config)


_READ = ("love", "helpfulness")
"""The models whose chances are the optimised reward and the second judge."""


def _padded(scores: np.ndarray | None, count: int) -> np.ndarray | None:
    """Scores of the first answers, NaN for the others."""
    return None if scores is None else np.concatenate([scores, np.full(count - len(scores), np.nan)])
