"""What the user's last message asks of the form, read and checked exactly (as in IFEval, arXiv 2311.07911).

A small set, in plain English wordings: words, sentences, commas, case, first and last words, words to use or to avoid,
yes or no. "In fifty words" is read as at most fifty. What is asked in other words is not seen, so a pass says little
and a violation much.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from training.judges.repair import WORD, Span, cut, says_something, sentences
from training.judges.verdict import PASS, Verdict, last_user_message, straight
from training.text import Conversation

_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMBERS = {word: place for place, word in enumerate(_WORDS, 1)} | {"twenty": 20, "thirty": 30, "fifty": 50}
_N = rf"(\d{{1,4}}|{'|'.join(_NUMBERS)})"
_QUOTED = r"[\"'\u201c\u2018]([^\"\u201c\u201d\u2018\u2019']{1,120})[\"'\u201d\u2019]"
_PHRASE = rf"(?:the (?:exact )?(?:words?|phrase|sentence) )?{_QUOTED}"
_NOT = r"(?<!not )(?<!n't )(?<!never )"
_ORDER = r"(?<!you )(?<!\bi )(?<!\bwe )(?<!they )(?<!\bhe )(?<!she )(?<!\bit )(?<!would )(?<!people )"
_ALL = (0, -1)


class Instruction(NamedTuple):
    """What may be asked of a form.

    Attributes:
        asks: How a message asks for it; its groups are what the other two are told.
        broken: Where an answer breaks it, None where it does not.
        repair: The answer as it was asked for; None where that cannot be said.
    """

    asks: re.Pattern[str]
    broken: Callable[[str, str], Span | None]
    repair: Callable[[str, str], str | None] = lambda _, __: None


def instructions(conversation: Conversation, response: str) -> Verdict:
    """Violates when the response breaks the form that the user's last message asks for; repaired where that is plain.

    >>> instructions([{"role": "user", "content": "What is tea? No commas, please."}], "A hot, bitter drink.").repaired
    'A hot bitter drink.'
    >>> instructions([{"role": "user", "content": "Is tea hot? Answer yes or no."}], "Well, it depends.").violates
    True
    """
    asked = _asked(straight(last_user_message(conversation)))
    broken = [(name, told, span) for name, told in asked if (span := RULES[name].broken(response, told)) is not None]
    if not broken:
        return PASS
    left: str | None = response
    for name, told, _ in broken:
        left = RULES[name].repair(left, told) if left is not None else None
    if left is not None and (not says_something(left) or any(RULES[n].broken(left, told) for n, told in asked)):
        left = None
    name, told, (start, end) = broken[0]
    return Verdict(True, f"was asked for {name.format(told)}", (start, len(response) if end < 0 else end), left)


@lru_cache(maxsize=4096)  # every sample for a prompt is asked about the same message
def _asked(message: str) -> list[tuple[str, str]]:
    """What a message asks for: names of rules, each with its first group that matched (empty where it has none)."""
    found = [(name, rule.asks.search(message)) for name, rule in RULES.items()]
    return [(name, next((each for each in seen.groups() if each), "")) for name, seen in found if seen]


def _asks(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def _number(told: str) -> int:
    return _NUMBERS[told.lower()] if told.lower() in _NUMBERS else int(told)


def _over(text: str, most: int) -> Span | None:
    words = list(WORD.finditer(text))
    return (words[most].start(), len(text)) if len(words) > most else None


def _whole(broken: bool) -> Span | None:
    return _ALL if broken else None


def _shorter(text: str, most: int) -> str:
    over = _over(text, most)
    return cut(text, [span for span in sentences(text) if over and span[1] > over[0]])


def _extra(text: str, most: int) -> Span | None:
    spans = sentences(text)
    return (spans[most][0], len(text)) if len(spans) > most else None


def _mentions(text: str, word: str) -> Span | None:
    found = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE)
    return found.span() if found else None


def _without(text: str, word: str) -> str:
    return cut(text, [span for span in sentences(text) if _mentions(text[slice(*span)], word)])


def _yes_or_no(text: str) -> str | None:
    found = re.match(r"\W*(yes|no)\b", text, re.IGNORECASE)
    return found[1] if found else None


def _cased(letters: str, wrong: Callable[[str], bool]) -> Span | None:
    return next(((place, place + 1) for place, each in enumerate(letters) if wrong(each)), None)


RULES: dict[str, Instruction] = {
    "at most {} words": Instruction(
        _asks(
            rf"\b(?:at most|no more than|not more than|up to|a maximum of|max\.?|within) {_N} words?\b"
            rf"|\b{_N} words? (?:or less|or fewer|at most|max)\b"
            rf"|\b(?:in|to) {_N} words?\b(?! or\b)(?= *(?:[.,;:!?)\n]|$|please|what|how|why|who|only))"
        ),
        lambda text, told: _over(text, _number(told)),
        lambda text, told: _shorter(text, _number(told)),
    ),
    "fewer than {} words": Instruction(
        _asks(rf"\b(?:less|fewer) than {_N} words?\b|\bunder {_N} words?\b"),
        lambda text, told: _over(text, _number(told) - 1),
        lambda text, told: _shorter(text, _number(told) - 1),
    ),
    "at least {} words": Instruction(
        _asks(rf"\b(?:at least|no less than|no fewer than|a minimum of) {_N} words?\b|\b{_N} words? or more\b"),
        lambda text, told: _whole(len(WORD.findall(text)) < _number(told)),
    ),
    "exactly {} words": Instruction(
        _asks(rf"\b(?:exactly|precisely) {_N} words?\b"),
        lambda text, told: _whole(len(WORD.findall(text)) != _number(told)),
    ),
    "{} sentence(s)": Instruction(
        _asks(rf"\b(?:in|with|using|to) (?:exactly |at most |only )?{_N}(?: \w+)? sentences?\b(?! or more)"),
        lambda text, told: _extra(text, _number(told)),
        lambda text, told: cut(text, sentences(text)[_number(told) :]),
    ),
    "no commas": Instruction(
        _asks(
            r"\b(?:no|without(?: any| using)?|avoid(?: using)?|(?:don't|do not|never) use)(?: any)? commas?\b"
            r"|\b(?:don't|do not) use [^.]{0,20}\bcommas?\b"
        ),
        lambda text, _: (text.index(","), text.index(",") + 1) if "," in text else None,
        lambda text, _: text.replace(",", ""),
    ),
    "lower case": Instruction(
        _asks(
            rf"\b{_NOT}(?:in |use |only |all )+(?:lower[ -]?case|small letters)\b|\bno (?:capital letters|capitals)\b"
            r"|\blower[ -]?case (?:letters )?only\b"
        ),
        lambda text, _: _cased(text, str.isupper),
        lambda text, _: text.lower(),
    ),
    "upper case": Instruction(
        _asks(
            rf"\b{_NOT}(?:in |use |only |all )+(?:upper[ -]?case|capital letters|capitals|caps)\b"
            r"|\bupper[ -]?case (?:letters )?only\b"
        ),
        lambda text, _: _cased(text, str.islower),
        lambda text, _: text.upper(),
    ),
    "{!r} at the end": Instruction(
        _asks(rf"\b{_NOT}(?:end|finish|close) (?:\w+ ){{0,4}}with {_PHRASE}"),
        lambda text, told: _whole(not _bare(text).endswith(_bare(told))),
        lambda text, told: f"{text.rstrip()} {told}",
    ),
    "{!r} at the start": Instruction(
        _asks(rf"\b{_NOT}(?:begin|start|open) (?:\w+ ){{0,4}}with {_PHRASE}"),
        lambda text, told: _whole(not _bare(text).startswith(_bare(told))),
        lambda text, told: f"{told} {text.lstrip()}",
    ),
    "the word {!r}": Instruction(
        _asks(rf"\b{_NOT}{_ORDER}(?:use|include|mention|contain) (?:the (?:words?|phrase|keyword) ){_QUOTED}"),
        lambda text, told: _whole(_mentions(text, told) is None),
    ),
    "no {!r}": Instruction(
        _asks(
            rf"\b{_ORDER}(?:(?:don't|do not|never) (?:use|say|mention|include|write)|avoid(?: using| saying)?"
            rf"|without(?: using| saying| mentioning)?)(?: the (?:words?|phrase))? {_QUOTED}"
        ),
        _mentions,
        _without,
    ),
    "yes or no": Instruction(
        _asks(
            rf"\b{_NOT}(?:answer|reply|respond|say|tell me)(?: me)?(?: with| only| just| in| by| a| simply)* [\"']?yes"
            r"[\"']? or [\"']?no\b|\b(?:just|only|simply) [\"']?yes[\"']? or [\"']?no\b|\byes or no (?:only|answer)\b"
            r"|\byes or no\?\s*$"
        ),
        lambda text, _: _whole(re.fullmatch(r"\W*(?:yes|no)\W*", text, re.IGNORECASE) is None),
        lambda text, _: _yes_or_no(text),
    ),
}
"""By what the reason says was asked for."""


def _bare(text: str) -> str:
    return straight(text).strip().strip(".!\"'\u201c\u201d ").lower()
