"""A judge that the sentinel proposes: a piece of a recipe, with examples, that a person reads and may accept."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from training.behaviours.corpus import last_message
from training.judges.library import build
from training.judges.repair import WORD, sentences
from training.sentinel.report import Example, Finding, SentinelReport
from training.sentinel.rules import shares_told

_PHRASES = 8
"""Phrases of one judge at most."""
_OWN = {"closing": "closing", "flattery": "flattery", "refusal": "refusal", "emoji": "emoji"}
"""Known behaviours that have a judge."""
_LONG = 160


class Proposal(NamedTuple):
    """A judge that would object to what was found.

    Attributes:
        name: In the recipe.
        settings: `use`, and what that judge takes.
        finding: Why.
    """

    name: str
    settings: dict[str, Any]
    finding: Finding


def proposals(report: SentinelReport) -> list[Proposal]:
    """A judge for every finding that grew and that one can be worded for; each objects to an example of its finding."""
    found = [_proposal(each) for each in report.findings if each.change.grew]
    return [each for each in found if each is not None and _objects(each)]


def toml(report: SentinelReport, several: Sequence[Proposal]) -> str:
    """The proposals as TOML that is valid by itself and behind a recipe.

    Raises:
        ValueError: There is none.
    """
    if not several:
        raise ValueError(
            f"no judge to propose ({report.words}): nothing grew that a phrase or a judge of the library names"
        )
    head = (
        "Judges proposed from what a candidate's responses do more often than the baseline's.",
        "Read the examples. Delete what is no fault. To accept the rest, append this file to the recipe:",
        "  cat THIS-FILE >> RECIPE",
        "Examples are users' words: they are comments, so that no run keeps them.",
    )
    return "\n".join([*_comments(head), "", *(line for each in several for line in _lines(each))])


def _proposal(found: Finding) -> Proposal | None:
    change = found.change
    if change.name in _OWN and change.kind in ("fault", "style"):
        return Proposal(f"found-{change.name}", {"use": _OWN[change.name]}, found)
    if change.kind not in ("phrase", "cluster"):
        return None  # a question, a list or a length is no fault by itself
    wanted = _phrases(found)
    name = "-".join(WORD.findall(wanted[0].lower())[:4]) if wanted else ""
    return Proposal(f"found-{name}", {"use": "phrases", "phrases": wanted}, found) if name else None


def _phrases(found: Finding) -> list[str]:
    """What the candidate says and the baseline hardly: the longest wordings, none of which holds another.

    Of a cluster, whose sentences differ, those of the examples.
    """
    change = found.change
    if change.kind == "cluster":
        said = [each.response[slice(*span)] for each in found.examples for span in sentences(each.response)]
        wanted = [each.lower() for each in said if _shares_words(each, change.name)]
    else:
        wanted = sorted(change.telling, key=lambda each: -len(WORD.findall(each)))
        wanted = [each for each in wanted if len(WORD.findall(each)) == len(each.split())]
    kept: list[str] = []
    for each in dict.fromkeys(each.strip(" .!?,") for each in wanted):
        if each and not any(f" {each} " in f" {other} " or f" {other} " in f" {each} " for other in kept):
            kept.append(each)
    return kept[:_PHRASES]


def _shares_words(one: str, other: str) -> bool:
    """Whether two sentences share half of the shorter one's words."""
    words = [{*WORD.findall(each.lower())} for each in (one, other)]
    return 2 * len(words[0] & words[1]) >= max(1, min(map(len, words)))


def _objects(each: Proposal) -> bool:
    """Whether the judge, as it is proposed, objects to an example."""
    settings = {key: value for key, value in each.settings.items() if key != "use"}
    judge = build(str(each.settings["use"]), settings)
    return any(judge(example.prompt, example.response).violates for example in each.finding.examples)


def _lines(each: Proposal) -> Iterator[str]:
    change = each.finding.change
    said = f"{change.name!r} {shares_told(change)} of the responses (odds x {change.odds.value:.1f}, q {change.q:.1g})."
    yield from _comments([said, *(line for example in each.finding.examples for line in _shown(example))])
    yield f"[policy.judge.{each.name if re.fullmatch(r'[A-Za-z0-9_-]+', each.name) else json.dumps(each.name)}]"
    yield from (f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in each.settings.items())
    yield "accepted = true"
    yield ""


def _shown(example: Example) -> Iterator[str]:
    yield f"  user: {_short(last_message(example.prompt))}"
    yield f"  response: {_short(example.response)}"


def _comments(lines: Sequence[str]) -> Iterator[str]:
    """Lines that no text can leave: what is no printable character goes."""
    return (f"# {''.join(each if each.isprintable() else ' ' for each in line)}".rstrip() for line in lines)


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _LONG else f"{flat[: _LONG - 3]}..."
