"""What changed between versions of the event contract, and how an older line becomes one of the present version.

An upcaster is a pure function on the raw fields of a line, one for each (type, version) that a later version reads
differently. `streams.events.decode` runs them in order before it checks anything, so that the rest of the project knows
the present version only. Version 2 made the names of reactions canonical: under version 1 a product that posted `Love`
or a heart sign was stored but never counted.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

WHITE_SPACE: Final = "".join(sign for sign in map(chr, range(0x3001)) if sign.isspace())
"""What counts as white space, character by character, so that every engine can be told the same."""
_SPACE = r"\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"

ALIASES: Final[Mapping[str, str]] = {
    **dict.fromkeys(["heart", "hearts", "loved", "\u2764", "\u2764\ufe0f", "\u2665", "\u2665\ufe0f"], "love"),
    **dict.fromkeys(["thumbs_up", "thumbsup", "upvote", "+1", "1"], "like"),
    **dict.fromkeys(["thumbs_down", "thumbsdown", "downvote", "-1"], "dislike"),
    **{"\U0001f44d" + tone: "like" for tone in ["", "\ufe0f", *map(chr, range(0x1F3FB, 0x1F400))]},
    **{"\U0001f44e" + tone: "dislike" for tone in ["", "\ufe0f", *map(chr, range(0x1F3FB, 0x1F400))]},
}
"""Other names of the reactions that are counted. The signs: hearts, thumbs in all skin tones.

The numbers: 1 and -1 go together, so that no product has its dislikes counted and its likes not.
"""

_OTHERS = "|".join(other.replace("+", r"\+") for other in ALIASES)
CANONICAL: Final = rf"^(?!(?:{_OTHERS})$)[^A-Z{_SPACE}]+$(?!\n)"
"""The names that `canonical_reaction` leaves as they are, as a regular expression (Python's and ECMAScript's)."""

_RUN = re.compile(f"[{_SPACE}]+")
_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}

Fields = dict[str, Any]
Upcaster = Callable[[Fields], Fields]


def canonical_reaction(name: str) -> str:
    r"""The one way in which a reaction is written: no upper case (A to Z), no white space, one name for each meaning.

    >>> [canonical_reaction(name) for name in (" Love ", "\u2764\ufe0f", "Thumbs Up", "-1", "made me laugh", " ")]
    ['love', 'love', 'like', 'dislike', 'made_me_laugh', '_']
    """
    plain = _RUN.sub("_", name.strip(WHITE_SPACE) or name).translate(_LOWER)
    return ALIASES.get(plain, plain)


def upcast(kind: str, version: int, fields: Fields) -> Fields:
    """The fields of a line as the present version writes them; `schema_version` keeps what was posted.

    Args:
        kind: The line's `type`.
        version: The version in which it was written, 1 or more. A newer one than ours is left alone.
        fields: Its fields; not changed.
    """
    while (kind, version) in UPCASTERS:
        fields = UPCASTERS[kind, version](fields)
        version += 1
    return fields


def _reaction_from_1(fields: Fields) -> Fields:
    """Version 2 takes canonical names of reactions only. Anything but a text is left for the check to refuse."""
    name = fields.get("reaction")
    return fields | {"reaction": canonical_reaction(name)} if isinstance(name, str) else fields


UPCASTERS: Final[Mapping[tuple[str, int], Upcaster]] = {("reaction_changed", 1): _reaction_from_1}
"""(type, version) to the function that makes the next version of it. A type that did not change has none."""
