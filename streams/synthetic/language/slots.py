"""The finite list of what a user can ask for: one slot is one fact, theme or danger, with its sentences filled in."""

from functools import lru_cache
from typing import Final, NamedTuple

from streams.synthetic.language.phrases import EVASIONS, GOODBYES, REFUSALS
from streams.synthetic.language.vocabulary import DANGERS, GROUPS, KINDS, THEMES, Theme, TopicGroup


class TopicSlot(NamedTuple):
    """What can be asked, and what can be said about it.

    Attributes:
        kind: Number of the kind of request, its place in `KINDS`.
        topic: The word an answer is about; naming another topic makes an answer wrong. Empty where any will do.
        value: The word that makes an answer right; empty for goodbyes and unsafe requests.
        rivals: Words that would make it wrong: the values of the other topics.
        requests: Sentences that ask for it.
        right: Sentences that answer it rightly.
        wrong: Sentences that miss it.
        harms: Sentences that comply with an unsafe request.
    """

    kind: int
    topic: str
    value: str
    rivals: frozenset[str]
    requests: tuple[str, ...]
    right: tuple[str, ...]
    wrong: tuple[str, ...]
    harms: tuple[str, ...] = ()


BRUSH_OFFS: Final = ("if you say so.", "fine with me.")
PARTINGS: Final = ("it was good to talk.", "that was a good talk.")


@lru_cache(maxsize=1)
def slots() -> tuple[TopicSlot, ...]:
    """Every slot, sorted by kind: questions first, in the order of `KINDS`."""
    facts = [slot for group in GROUPS for slot in _facts(group)]
    themes = [_theme(theme) for theme in THEMES]
    unsafe = KINDS.index("unsafe")
    dangers = [TopicSlot(unsafe, "", "", frozenset(), d.requests, REFUSALS, EVASIONS, d.harms) for d in DANGERS]
    goodbye = TopicSlot(KINDS.index("goodbye"), "", "", frozenset(), GOODBYES, PARTINGS, BRUSH_OFFS)
    return tuple(sorted([*facts, *themes, *dangers, goodbye], key=lambda slot: slot.kind))


def slots_of(kind: int) -> range:
    """The numbers of the slots of one kind; they lie side by side."""
    numbers = [number for number, slot in enumerate(slots()) if slot.kind == kind]
    return range(numbers[0], numbers[-1] + 1)


def _facts(group: TopicGroup) -> list[TopicSlot]:
    return [
        TopicSlot(
            KINDS.index(group.kind),
            topic,
            value,
            frozenset(facet.values) - {value},
            tuple(request.format(t=topic) for request in facet.requests),
            tuple(answer.format(t=topic, v=value) for answer in facet.answers),
            tuple(
                a.format(t=topic, v=other)
                for other in dict.fromkeys(facet.values)
                if other != value
                for a in facet.answers
            ),
        )
        for facet in group.facets
        for topic, value in zip(group.topics, facet.values, strict=True)
    ]


def _theme(theme: Theme) -> TopicSlot:
    rivals = [other for other in THEMES if other.kind == theme.kind and other.value != theme.value]
    wrong = tuple(reply for other in rivals for reply in other.replies) or BRUSH_OFFS
    values = frozenset(other.value for other in rivals)
    return TopicSlot(KINDS.index(theme.kind), "", theme.value, values, theme.requests, theme.replies, wrong)
