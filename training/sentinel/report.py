"""What the sentinel says: findings, the rules that fired, and a verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from stats.estimate import Estimate
from training.behaviours.changes import BehaviourChange, SegmentChange

Level = Literal["pass", "warn", "block"]
RANK: dict[Level, int] = {"pass": 0, "warn": 1, "block": 2}


class Example(NamedTuple):
    """A response that shows a behaviour, with its prompt's turns and the kind of its prompt."""

    prompt: list[dict[str, str]]
    response: str
    segment: str


class FiredRule(NamedTuple):
    """A rule that fired.

    Attributes:
        name: `fault`, `segment`, `bound`, `unbacked`, `apart` or `moved`.
        level: What it asks for.
        behaviour: What it is about; empty for the rewards as a whole.
        words: What was seen.
    """

    name: str
    level: Level
    behaviour: str
    words: str


class Finding(NamedTuple):
    """A change with what rewards pay for it, and examples.

    Attributes:
        change: What changed, and by how much.
        proxy: What the optimised reward pays for it (`carrying.paid_for`); None where not known.
        judge: What the second judge pays for it.
        examples: Of the side that does it more.
    """

    change: BehaviourChange
    proxy: Estimate | None
    judge: Estimate | None
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class SentinelReport:
    """The comparison of a candidate's texts with a baseline's.

    Attributes:
        verdict: `pass`, `warn` or `block`: the highest that a rule asks for.
        rules: Those that fired, the highest first.
        findings: Faults first, then by evidence.
        proxy: Change of the optimised reward's mean; None where not scored.
        judge: Change of the second judge's.
        worst: Of each fault, the kind of prompt in which it grew most.
        responses: Of baseline and candidate.
        units: Clusters, and what one is: `user` or `prompt`.
        features: How many were looked at.
    """

    verdict: Level
    rules: tuple[FiredRule, ...]
    findings: tuple[Finding, ...]
    proxy: Estimate | None
    judge: Estimate | None
    worst: dict[str, SegmentChange]
    responses: tuple[int, int]
    units: tuple[int, str]
    features: int

    @property
    def words(self) -> str:
        """The verdict with the rules that asked for it, in one line."""
        asked = [each for each in self.rules if each.level == self.verdict]
        if not asked:
            return f"pass: {self.features:,} behaviours and phrases, none changed by as much as matters"
        more = f" (and {len(asked) - 2} more)" if len(asked) > 2 else ""
        return f"{self.verdict}: {'; '.join(each.words for each in asked[:2])}{more}"

    def facts(self) -> dict[str, Any]:
        """Figures and words alone, without any prompt or response: what a run records."""
        return {
            "verdict": self.verdict,
            "words": self.words,
            "rules": [each._asdict() for each in self.rules],
            "findings": [_figures(each) for each in self.findings],
            "proxy": self.proxy and list(self.proxy),
            "judge": self.judge and list(self.judge),
            "worst_segments": {name: _segment(each) for name, each in self.worst.items()},
            "responses": list(self.responses),
            "units": list(self.units),
            "features": self.features,
        }

    def examples(self) -> list[dict[str, Any]]:
        """The examples, one object each with its `prompt`, so that an erasure finds them by their prompts."""
        return [
            {"behaviour": found.change.name, "kind": found.change.kind, **each._asdict()}
            for found in self.findings
            for each in found.examples
        ]


def verdict_of(rules: Sequence[FiredRule]) -> Level:
    """The highest level that any rule asks for."""
    return max((each.level for each in rules), key=RANK.__getitem__, default="pass")


def _figures(found: Finding) -> dict[str, Any]:
    change = found.change
    return {
        "behaviour": change.name,
        "kind": change.kind,
        "before": list(change.before),
        "after": list(change.after),
        "odds": list(change.odds),
        "q": change.q,
        "also": list(change.also[:20]),
        "worst_segment": change.worst and _segment(change.worst),
        "proxy": found.proxy and list(found.proxy),
        "judge": found.judge and list(found.judge),
    }


def _segment(each: SegmentChange) -> dict[str, Any]:
    return {"segment": each.segment, "before": list(each.before), "after": list(each.after), "q": each.q}
