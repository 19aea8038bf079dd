"""Conversations that stand in one text: JSON, a list as Python prints it, or a transcript by who speaks. Pure."""

import ast
import re
from collections.abc import Iterator
from typing import Any

import msgspec

_BEGINS = r"[ \t]*(?:#{1,6} ?)?"
_TURN = re.compile(rf"(?:^|\n){_BEGINS}(Human|User|Assistant|AI|Bot|System):[ \t]*")
_TRANSCRIPT = re.compile(rf"\s*{_BEGINS}(?:Human|User|System):.*\n{_BEGINS}(?:Assistant|AI|Bot):", re.DOTALL)


def is_transcript(text: str) -> bool:
    """Whether a text says in turn what the user and the assistant said."""
    return _TRANSCRIPT.match(text) is not None


def turns(text: str) -> Iterator[tuple[str, str]]:
    r"""Who speaks and what, of a transcript; a last one without words is where the response belongs.

    >>> list(turns("Human: Hi\n\nAssistant: Hello!\n\nHuman: Bye\n\nAssistant:"))
    [('human', 'Hi'), ('assistant', 'Hello!'), ('human', 'Bye')]
    """
    marks = list(_TURN.finditer(text))
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    for mark, end in zip(marks, ends, strict=True):
        content = text[mark.end() : end].strip()
        if content or end < len(text):
            yield mark[1].lower(), content


def literal(text: str) -> Any:
    """What a text says as JSON, written once or twice, or as Python prints a list; None for any other text.

    >>> literal("[{'role': 'user', 'content': None}]"), literal("[sic]")
    ([{'role': 'user', 'content': None}], None)
    """
    found = _literal(text)
    return _literal(found) if isinstance(found, str) else found


def _literal(text: str) -> Any:
    begins = text.lstrip()[:2]
    if begins[:1] not in ("[", "{", '"'):
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    if begins not in ("[{", "{'"):
        return None
    try:  # str() of a list, as pandas writes one into a CSV file
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
