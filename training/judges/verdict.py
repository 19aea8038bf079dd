"""What a judge says, and how often it says so."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from training.text import Conversation


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
