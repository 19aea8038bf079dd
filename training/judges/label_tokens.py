"""The likeliest first tokens of an answer, read from a server's reply, and the chance of one of two words."""

import math
from collections.abc import Sequence

import httpx

Tokens = Sequence[tuple[str, float]]
"""Likeliest first tokens with their log-probabilities, nats."""

MOST_CHAT, MOST_COMPLETIONS = 20, 5
"""Tokens that are asked for: the most that hosted servers give."""
_HIGHEST = 0.01
"""Log-probabilities are 0 at most; servers round."""
_MARKS = " \t\r\n`*_\"'.,:;!#()[]\u0120\u2581"
"""Around a word in a token, with the signs that tokenizers write for a blank."""


def chance(tokens: Tokens, yes: str, no: str) -> float | str:
    """P(yes) / (P(yes) + P(no)) over the tokens that say either word; in words what came instead.

    >>> chance([("Yes", math.log(0.6)), (" no", math.log(0.2)), ("Well", math.log(0.1))], "yes", "no")
    0.75
    >>> chance([("Well", -0.1)], "yes", "no"), chance([], "yes", "no")
    ("began with 'Well'", 'came without log-probabilities')
    >>> chance([("yes", math.nan)], "yes", "no"), chance([("yes", 9.0)], "yes", "no")
    ('came with a log-probability of nan', 'came with a log-probability of 9.0')
    """
    if not tokens:
        return "came without log-probabilities"
    wrong = [value for _, value in tokens if not value <= _HIGHEST]  # NaN is among them
    if wrong:
        return f"came with a log-probability of {wrong[0]}"
    mass = {word: sum(math.exp(value) for token, value in tokens if _word(token) == word) for word in (yes, no)}
    if mass[yes] + mass[no] == 0:
        return f"began with {max(tokens, key=lambda each: each[1])[0]!r}"
    return round(mass[yes] / (mass[yes] + mass[no]), 9)


def of_chat(reply: httpx.Response) -> Tokens:
    """Those of a reply to `/v1/chat/completions`; empty where it holds none."""
    try:
        found = reply.json()["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        return [(str(each["token"]), float(each["logprob"])) for each in found]
    except (KeyError, IndexError, TypeError, ValueError):
        return []


def of_completions(reply: httpx.Response, count: int) -> list[Tokens]:
    """Those of a reply to `/v1/completions` for `count` prompts, in their order; empty where it holds none."""
    found: list[Tokens] = [[] for _ in range(count)]
    try:
        for place, choice in enumerate(reply.json()["choices"]):
            tokens = choice["logprobs"]["top_logprobs"][0]
            found[int(choice.get("index", place))] = [(str(token), float(value)) for token, value in tokens.items()]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return found
    return found


def _word(token: str) -> str:
    return token.strip(_MARKS).lower()
