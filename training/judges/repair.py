"""What repairs share: find a sentence or a clause, cut it out, and keep the rest byte for byte."""

import re
from collections.abc import Callable, Sequence

from training.judges.verdict import PASS, Verdict

Span = tuple[int, int]
"""Places of the first character and of the one after the last."""

_SENTENCE = re.compile(
    r"(?:\d{1,3}[.)][ \t]+)?\S.*?"
    r"(?:[.!?\u2026]+(?<!\bMr\.)(?<!\bMs\.)(?<!\bMrs\.)(?<!\bDr\.)(?<!\bSt\.)(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bvs\.)"
    r"[\"'\u201d\u2019)\]*_]*(?=\s|$)|(?=\n)|$)",
    re.DOTALL,
)
"""A sentence ends at a mark before white space, at a line's end, or at the text's; a list's number belongs to it."""
_JOINT = re.compile(r"\s*(?:[,;:]|\s[\u2013\u2014-])\s")
_END = re.compile(r"[.!?\u2026]*[\"'\u201d\u2019)\]*_]*\s*$")
WORD = re.compile(r"\w+(?:['\u2019-]\w+)*")
_BEFORE, _BEHIND = 2, 3
"""Words that must be left of a sentence, before or behind what is cut, for a part of it alone to be cut."""


def sentences(text: str) -> list[Span]:
    """Where each sentence of a text lies.

    >>> [slice(*span) for span in sentences("Dr. Bly says so. 1. Boil it!")]
    [slice(0, 16, None), slice(17, 28, None)]
    """
    return [found.span() for found in _SENTENCE.finditer(text)]


def sentence(text: str, span: Span) -> Span:
    """The sentence in which a span begins, or all of them that it touches."""
    touched = [each for each in sentences(text) if each[0] < span[1] and span[0] < each[1]]
    return (touched[0][0], touched[-1][1]) if touched else span


def clause(text: str, span: Span) -> Span:
    """The part of a sentence that holds a span, where words are left beside it; else the whole sentence.

    A part goes from the joint before it to the sentence's end, or from the sentence's start to the joint behind it.

    >>> told = "It is Oslo, bye! Bye now. Bye, it is Oslo I think."
    >>> [told[slice(*clause(told, span))] for span in ((12, 15), (17, 20), (26, 29))]
    [', bye', 'Bye now.', 'Bye, ']
    """
    start, end = sentence(text, span)
    before = [found.start() for found in _JOINT.finditer(text, start, span[0])]
    if before and len(WORD.findall(text, start, before[-1])) >= _BEFORE:
        mark = _END.search(text, span[1], end)
        return before[-1], mark.start() if mark else end
    behind = _JOINT.search(text, span[1], end)
    if behind and not before and len(WORD.findall(text, behind.end(), end)) >= _BEHIND:
        return start, behind.end()
    return start, end


def cut(text: str, spans: Sequence[Span]) -> str:
    r"""The text without some of its spans, nor the white space that held them; the rest is as it was.

    >>> cut("One. Two.\n\nThree.", [(5, 9)]), cut("One. Two.", [(5, 9)]), cut("One. Two.", [(0, 4)])
    ('One.\n\nThree.', 'One.', 'Two.')
    """
    for start, end in sorted(spans, reverse=True):
        left, right = text[:start], text[end:]
        before, after = left.rstrip(), right.lstrip()
        gaps = left[len(before) :], right[: len(right) - len(after)]
        if not before or not after:
            text = before + after
        elif all(gaps):
            text = before + max(gaps, key=lambda gap: gap.count("\n")) + after
        else:
            text = left + right
    return text


def says_something(text: str) -> bool:
    """Whether a text holds a letter or a digit: without one nothing is left of a response."""
    return any(each.isalnum() for each in text)


def by_cutting(
    text: str,
    find: Callable[[str], Sequence[Span]],
    reason: Callable[[str], str],
    wide: Callable[[str, Span], Span] = sentence,
) -> Verdict:
    """The verdict of a judge whose repair leaves out what violates.

    Args:
        text: The response.
        find: Where a text violates; empty where it does not.
        reason: What is said about the first place, from its text.
        wide: How much is cut for one place; by default its sentence.
    """
    found = find(text)
    if not found:
        return PASS
    left, places = text, found
    while places:
        left = cut(left, _apart([wide(left, place) for place in places]))
        places = find(left)
    first = found[0]
    return Verdict(True, reason(text[slice(*first)]), first, left if says_something(left) else None)


def _apart(spans: Sequence[Span]) -> list[Span]:
    """The same places as spans that do not overlap."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined
