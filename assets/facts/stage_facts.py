"""What every stage records."""

from typing import Any, ClassVar, NotRequired, Protocol, TypedDict, TypeVar

import msgspec

Pair = tuple[float | None, float | None]
"""An interval; None on a side without a limit, or where it is not known."""


class InputOrigin(TypedDict):
    """Where an input came from, as plain values; sources add what else names them.

    Attributes:
        source: A word: world, convai, warehouse, log, base, reactions, judge, file.
        words: One sentence for the report.
        simulated: The synthetic world made it.
        count: Of prompts, how many.
    """

    source: str
    words: str
    simulated: bool
    count: NotRequired[int]


class RecordedFacts(Protocol):
    """What a run asks of the facts of any stage.

    Attributes:
        stage: The stage that records them; empty where several stages record facts of this kind.
    """

    stage: ClassVar[str]

    @property
    def summary(self) -> str:
        """One line for people."""

    @property
    def shown(self) -> list[str]:
        """More lines, for the terminal and Dagster's log."""

    @property
    def content_version(self) -> str | None:
        """The name of the result by its content; None names it by the stage's key."""


Found = TypeVar("Found", bound=RecordedFacts)


class StageFacts(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """What every stage records; see `RecordedFacts`."""

    stage: ClassVar[str] = ""
    summary: str = ""
    shown: list[str] = msgspec.field(default_factory=list)

    @property
    def content_version(self) -> str | None:
        """None: the stage's key names the result."""
        return None


def as_json(facts: RecordedFacts) -> dict[str, Any]:
    """Facts as a marker keeps them.

    >>> as_json(StageFacts(summary="2 rows"))
    {'summary': '2 rows'}
    """
    plain: dict[str, Any] = msgspec.to_builtins(facts, enc_hook=_number)
    return plain


def figures(facts: msgspec.Struct) -> dict[str, Any]:
    """Every field of a struct by name, as JSON would hold it; None where nothing is known.

    >>> figures(StageFacts(summary="2 rows"))
    {'summary': '2 rows', 'shown': []}
    """
    plain: dict[str, Any] = msgspec.to_builtins(msgspec.structs.asdict(facts), enc_hook=_number)
    return plain


def _number(value: Any) -> Any:
    """A number of numpy's as Python's own."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{value!r} is no JSON value, facts hold plain ones")


def from_json(kind: type[Found], recorded: dict[str, Any], where: str) -> Found:
    """Facts from what a marker keeps.

    Args:
        kind: Of the stage.
        recorded: As `as_json` made them, by this or an earlier version.
        where: Names the marker in the error.

    Raises:
        ValueError: A field is missing or has another type.
    """
    try:
        return msgspec.convert(recorded, kind)
    except msgspec.ValidationError as error:
        raise ValueError(
            f"{where} was recorded by another version of loveloop ({error}): remove it, and the stage is run again"
        ) from None
