"""Which reward models may rank: a model whose audit blocks it, or that is no better than chance, never does."""

from collections.abc import Iterable
from typing import NamedTuple

from assets.facts.models import AuditFinding, RewardFacts
from assets.run import Run


class UnprovenRewardError(ValueError):
    """A reward model that may not be used is needed; the text says which, why, and what to do."""


class RewardStanding(NamedTuple):
    """Reward models that a policy is optimised against, and those that are left out.

    Attributes:
        used: By name.
        left_out: By name, with the reason.
    """

    used: tuple[str, ...]
    left_out: dict[str, str]

    @property
    def words(self) -> str:
        """What was left out, in a clause that follows a summary; empty where nothing was."""
        told = "; ".join(f"{name} left out of ranking: {why}" for name, why in self.left_out.items())
        return f"; {told}" if told else ""


def refusal(facts: RewardFacts) -> str | None:
    """Why a reward model may not rank, from what its stage recorded; None where it may.

    A stage of an earlier version recorded no findings: its AUROC's interval decides alone.
    """
    if facts.findings is not None:
        blocked = [each for each in facts.findings if each.blocks and each.state == "failed"]
        return "; ".join(f"{each.finding}: {each.words}" for each in blocked) or None
    low, _ = facts.auroc_ci
    if low is not None and low > 0.5:
        return None
    return f"ranking: AUROC {facts.auroc}, interval {list(facts.auroc_ci)}, must lie above .5"


def of(run: Run, names: Iterable[str]) -> RewardStanding:
    """The standing of a run's reward models, by the names of their stages; which of them may be left out.

    P[Love] never is: what the loop predicts, gates and learns rests on it. The others are left out unless the recipe
    says `policy.unproven = "stop"`.

    Raises:
        UnprovenRewardError: P[Love] may not rank, or another may not and the recipe stops at it, or none is left.
    """
    every = [*names]
    found = {name: why for name in every if (why := refusal(run.facts(RewardFacts, name)))}
    stops = [name for name in found if name == "p_love" or run.recipe.policy.unproven == "stop"]
    if stops or len(found) == len(every):
        name = (stops or every)[0]
        raise UnprovenRewardError(f"the {name} model must not rank anything: {found[name]}. {_cure(name)}")
    return RewardStanding(tuple(name for name in every if name not in found), found)


def usable(run: Run, name: str) -> bool:
    """Whether a run's reward model may rank."""
    return refusal(run.facts(RewardFacts, name)) is None


def judged_by(run: Run, name: str, judge: str) -> None:
    """See that a reward model may judge.

    Raises:
        UnprovenRewardError: It may not; a judge is never left out in silence.
    """
    why = refusal(run.facts(RewardFacts, name))
    if why:
        raise UnprovenRewardError(f"judge {judge} uses the {name} model, which must not judge: {why}. {_cure(name)}")


def with_ranking(findings: Iterable[AuditFinding], low: float, words: str) -> list[AuditFinding]:
    """The findings with the ranking judged anew, on rows of every fold: more than the single split's test part."""
    new = AuditFinding(finding="ranking", state="passed" if low > 0.5 else "failed", words=words, blocks=True)
    return [new if each.finding == "ranking" else each for each in findings]


def _cure(name: str) -> str:
    more = (
        "Wait for more feedback, or widen the window of the training set"
        if name in ("p_love", "retention")
        else f"Give more labels ({name}.labels), take the section [{name}] out of the recipe, or let it be left out "
        '(policy.unproven = "leave_out")'
    )
    return f"{more}; more epochs or another base may help where there is enough. Its card says what was measured"
