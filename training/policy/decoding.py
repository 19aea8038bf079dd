"""How a policy's responses are drawn, written beside its weights: it is served as it was evaluated."""

from pathlib import Path
from typing import NamedTuple

import msgspec

FILE = "decoding.json"


class DecodingSettings(NamedTuple):
    """How a response is drawn where a request does not say.

    Attributes:
        temperature: Divides the logits of the draw; 0 takes the most likely token.
        max_tokens: Of the longest response.
    """

    temperature: float = 1.0
    max_tokens: int = 48


EVALUATED = DecodingSettings()
"""Those of offline evaluation, whose promises hold for no others."""


class _Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    temperature: float
    max_tokens: int


def write(folder: Path, settings: DecodingSettings) -> None:
    """Write the settings into a policy's folder.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     write(Path(name), DecodingSettings(0.7, 64))
    ...     read(Path(name))
    DecodingSettings(temperature=0.7, max_tokens=64)
    """
    (folder / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(settings._asdict())) + b"\n")


def read(folder: Path) -> DecodingSettings | None:
    """The settings of a policy's folder; None where it names none, as one that was never staged.

    Raises:
        ValueError: They cannot be read, or be decoded with.
    """
    file = folder / FILE
    if not file.is_file():
        return None
    try:
        found = msgspec.json.decode(file.read_bytes(), type=_Written)
    except msgspec.DecodeError as error:
        raise ValueError(f"{file}: {error}; stage the candidate again") from None
    return checked(DecodingSettings(found.temperature, found.max_tokens), str(file))


def checked(settings: DecodingSettings, place: str) -> DecodingSettings:
    """The settings, unless nothing can be drawn by them.

    Raises:
        ValueError: Says which, and the rule.
    """
    if not 0 <= settings.temperature <= 10:
        raise ValueError(f"{place}: temperature == {settings.temperature:g}, must be from 0 to 10")
    if settings.max_tokens < 1:
        raise ValueError(f"{place}: max_tokens == {settings.max_tokens}, must be at least 1")
    return settings
