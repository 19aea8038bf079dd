"""What must hold of the reward models: their audits, as checks. What blocks by its audit blocks here."""

from collections.abc import Callable, Iterator

from assets.facts.models import AuditFinding, RewardFacts
from assets.run import Run
from assets.verdict import CheckVerdict

_AUDITED = {
    "ranking": "ranks better than chance on what it has not seen",
    "leakage": "nothing of the test part was trained on",
    "length": "does not like length more than people do",
    "edits": "no goodbye, flattery, emoji or question moves a score by itself",
    "refusals": "right refusals score no lower than wrong ones",
    "slices": "chances hold in every slice",
    "drift": "no week differs from the others",
}
_ELSEWHERE = {("p_love", "ranking")}
"""Judged by checks of their own, which older runs have, too."""


def finding(run: Run, asset: str, name: str) -> CheckVerdict:
    """One finding of a model's audit; what was not measured fails nothing, and says so.

    What blocks is an error, but where the recipe leaves the model out of ranking: then it warns.
    """
    findings = run.facts(RewardFacts, asset).findings or []
    old = AuditFinding(name, "not measured", "an earlier version trained it", blocks=False)
    found = next((each for each in findings if each.finding == name), old)
    seen = {"state": found.state, "seen": found.words}
    left_out = asset != "p_love" and run.recipe.policy.unproven == "leave_out"
    return CheckVerdict(found.state != "failed", seen, warn=not found.blocks or left_out)


def judges(asset: str) -> Iterator[tuple[str, Callable[[Run], CheckVerdict]]]:
    """The checks of one reward model: what holds when each passes, and its judge, by whose name the check goes."""
    for name, holds in _AUDITED.items():
        if (asset, name) not in _ELSEWHERE:
            yield holds, _judge(asset, name)


def _judge(asset: str, name: str) -> Callable[[Run], CheckVerdict]:
    def judge(run: Run) -> CheckVerdict:
        return finding(run, asset, name)

    judge.__name__ = f"{asset}_{name}"
    judge.__doc__ = f"The audit's finding on {name}: {_AUDITED[name]}."
    return judge
