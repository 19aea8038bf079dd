"""A band for the length of responses."""

from typing import Annotated

from pydantic import Field

from training.judges.repair import WORD, cut, says_something, sentences
from training.judges.verdict import PASS, Verdict
from training.text import Conversation


def length(
    conversation: Conversation,  # noqa: ARG001  (every judge is asked in the same way)
    response: str,
    *,
    most: Annotated[int, Field(ge=1)],
    least: Annotated[int, Field(ge=0)] = 1,
) -> Verdict:
    """Violates when the response has more or fewer words than allowed.

    Too long a response is repaired by leaving out its last sentences, as many as must go; too short a one cannot be.

    Args:
        conversation: Is not read.
        response: The answer.
        most: Words that it may have.
        least: Words that it must have.

    Raises:
        ValueError: `least` is above `most`: every response would violate.

    >>> length([], "One two. Three four. Five.", most=4).repaired
    'One two. Three four.'
    """
    if least > most:
        raise ValueError(f"least == {least} is above most == {most}, so every response would violate: mend one of them")
    words = [each.span() for each in WORD.finditer(response)]
    if least <= len(words) <= most:
        return PASS
    if len(words) < least:
        return Verdict(True, f"has {len(words)} words, must have at least {least}", (0, len(response)))
    over = words[most][0]
    left = cut(response, [(start, end) for start, end in sentences(response) if end > over])
    kept = left if says_something(left) and len(WORD.findall(left)) >= least else None
    return Verdict(True, f"has {len(words)} words, may have {most}", (over, len(response)), kept)
