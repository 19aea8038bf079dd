"""What a judge says, and how often it says so."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from training.text import Conversation

_SHOWN = 80


class Verdict(NamedTuple):
    """Whether a response breaks a rule, why one may think so, where, and what the response is without it.

    Attributes:
        violates: Whether it breaks the rule.
        reason: What was found; empty when it does not.
        span: Where in the response, as the places of the first character and of the one after the last; None where
            the judge cannot point.
        repaired: The response less what violates; None where the judge cannot repair it.
    """

    violates: bool
    reason: str = ""
    span: tuple[int, int] | None = None
    repaired: str | None = None


PASS = Verdict(False)

Judge = Callable[[Conversation, str], Verdict]
"""A pure function of a conversation, up to the user's last message, and a response."""


@runtime_checkable
class BatchJudge(Protocol):
    """A judge that is faster with many pairs at once."""

    def judge_all(self, conversations: Sequence[Conversation], responses: Sequence[str]) -> list[Verdict]:
        """One verdict for each pair, in order."""


def judge_all(judge: Judge, conversations: Sequence[Conversation], responses: Sequence[str]) -> list[Verdict]:
    """One verdict for each pair, in order; in batches where the judge can.

    Raises:
        ValueError: The lengths differ.
    """
    if len(conversations) != len(responses):
        raise ValueError(f"{len(conversations)} conversations and {len(responses)} responses, must be as many")
    if isinstance(judge, BatchJudge):
        return judge.judge_all(conversations, responses)
    return [judge(*pair) for pair in zip(conversations, responses, strict=True)]


def checked(said: Any, response: str) -> Verdict:
    """What a judge said of a response, if it is a verdict; a repair that leaves nothing, or all as it is, is none.

    Raises:
        ValueError: It is none, or one of its parts is nothing that it may be.

    >>> checked(Verdict(True, "says bye", None, "Tea."), "Tea. Bye.").repaired
    'Tea.'
    >>> checked(Verdict(True, "says bye", None, " "), "Bye.").repaired is None
    True
    """
    if not isinstance(said, Verdict):
        raise ValueError(f"{_short(said)}, must give one training.judges.Verdict for each")
    violates, reason, span, repaired = said
    if type(violates) is bool and repaired is None and type(reason) is str and span is None:
        return said  # most are
    if type(violates).__name__ not in ("bool", "bool_"):  # numpy's is as good, and this module does without numpy
        raise ValueError(f"a verdict with violates == {_short(violates)}, must be True or False")
    if not isinstance(reason, str):
        raise ValueError(f"a verdict with reason == {_short(reason)}, must be a text")
    if span is not None and not _lies_in(span, response):
        raise ValueError(
            f"a verdict with span == {_short(span)}, must be None or two places (start, end) within the response's "
            f"{len(response)} characters"
        )
    if repaired is None:
        return said._replace(violates=bool(violates))
    if not isinstance(repaired, str) or not _is_whole(repaired):
        raise ValueError(f"a verdict with repaired == {_short(repaired)}, must be None or a text")
    left = None if not repaired.strip() or repaired == response else repaired
    return said._replace(violates=bool(violates), repaired=left)


def _lies_in(span: Any, response: str) -> bool:
    if not isinstance(span, tuple | list) or len(span) != len(("start", "end")):
        return False
    return all(hasattr(each, "__index__") for each in span) and 0 <= span[0] <= span[1] <= len(response)


def _is_whole(text: str) -> bool:
    """Whether no half of a character stands alone, which no tokenizer can read."""
    return not any("\ud800" <= each <= "\udfff" for each in text)


def _short(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= _SHOWN else f"{said[: _SHOWN - 3]}..."


def trip_rates(
    judges: Mapping[str, Judge], conversations: Sequence[Conversation], responses: Sequence[str]
) -> dict[str, float]:
    """Share of responses that each judge calls a violation; 0 when there is no response.

    >>> from training.judges import CONDITIONAL_CLOSING
    >>> asked = [[{"role": "user", "content": "Any tips?"}]] * 2
    >>> trip_rates({"closing": CONDITIONAL_CLOSING}, asked, ["Try tea. Bye!", "Try tea."])
    {'closing': 0.5}
    """
    return {
        name: sum(verdict.violates for verdict in judge_all(judge, conversations, responses)) / max(1, len(responses))
        for name, judge in judges.items()
    }


def straight(text: str) -> str:
    """The text with typographic apostrophes made plain, so that one pattern finds both."""
    return text.replace("\u2019", "'")


def last_user_message(conversation: Conversation) -> str:
    """What the user said last; empty when they have not spoken."""
    return next((turn["content"] for turn in reversed(conversation) if turn["role"] == "user"), "")
