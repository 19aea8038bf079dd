"""Policies by name, as they lie in folders: found whenever somebody asks, and read when one is asked for first."""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from training.policy import decoding
from training.policy.decoding import DecodingSettings
from training.rollout.speech import PolicyVoice

_MOST_READ: Final = 4
"""Policies in memory at once: an incumbent, the candidates of two experiments, and one that is asked for by hand."""

PLAIN: Final = DecodingSettings(1.0, 256)
"""Of responses of a policy that names no settings of its own."""

Find = Callable[[], Mapping[str, Path]]
"""Gives the folders by name as they are now; the first is meant where a request names none."""


class ServedPolicy(NamedTuple):
    """What a server speaks for.

    Attributes:
        name: What clients ask for.
        voice: Who speaks.
        digest: Of the folder's files; None of a hub name.
        decoding: How a response is drawn whose request does not say.
    """

    name: str
    voice: PolicyVoice
    digest: str | None
    decoding: DecodingSettings = PLAIN


class ListedPolicy(NamedTuple):
    """What a server could speak for.

    Attributes:
        name: What clients ask for.
        digest: As in `ServedPolicy`, as is `decoding`.
        voice: None until it is asked for.
    """

    name: str
    digest: str | None
    decoding: DecodingSettings
    voice: PolicyVoice | None


class _KnownFolder(NamedTuple):
    """A folder of which something is known: which one it is, what lies in it, and who speaks once it was asked for."""

    stamp: tuple[int, int]
    digest: str | None
    decoding: DecodingSettings
    voice: PolicyVoice | None


def own_decoding(folder: Path) -> DecodingSettings:
    """How a policy's responses are drawn: as its folder says, else plainly.

    Raises:
        ValueError: As `decoding.read`.
    """
    return decoding.read(folder) or PLAIN


class PolicyFolders:
    """The policies that a server speaks for; what is staged while it runs is found with the next request.

    A folder that took the place of another under the same name is read anew: it is known by its inode and its time.

    Args:
        find: Where they lie.
        digest: Tells the digest of a folder's files.
        draws: Tells how its responses are drawn; refuses by a ValueError a folder that must not be served.
    """

    def __init__(
        self,
        find: Find,
        digest: Callable[[Path], str | None],
        draws: Callable[[Path], DecodingSettings] = own_decoding,
    ) -> None:
        self._find = find
        self._digest = digest
        self._draws = draws
        self._known: dict[str, _KnownFolder] = {}
        self._turn = threading.Lock()

    def names(self) -> list[str]:
        """What may be asked for now."""
        return [*self._find()]

    def listed(self) -> list[ListedPolicy]:
        """What may be asked for now, with digests; no model is read for it. What is refused is not listed."""
        listed = []
        with self._turn:
            for name, place in self._find().items():
                with suppress(ValueError):  # who asks for it is told why
                    known = self._look(name, place)
                    listed += [ListedPolicy(name, known.digest, known.decoding, known.voice)] if known else []
        return listed

    def policy(self, name: str | None = None) -> ServedPolicy:
        """The policy of a name, the first where none is named. The one that was asked for longest ago makes room.

        Raises:
            LookupError: There is none of that name; says which there are.
            FileNotFoundError: Its folder holds no model.
            ValueError: As `PolicyVoice`, or the folder is refused.
        """
        with self._turn:  # two requests for a new candidate read it once
            found = self._find()
            chosen = next(iter(found), None) if name is None else name
            known = self._look(chosen, found[chosen]) if chosen is not None and chosen in found else None
            if chosen is None or known is None:
                raise LookupError(f"model == {name!r}, this server speaks for {', '.join(map(repr, found)) or 'none'}")
            voice = known.voice or PolicyVoice(found[chosen])
            del self._known[chosen]  # and back at the end: asked for last
            self._known[chosen] = known._replace(voice=voice)
            self._make_room()
            return ServedPolicy(chosen, voice, known.digest, known.decoding)

    def _look(self, name: str, place: Path) -> _KnownFolder | None:
        """What is known of a folder; None where it went away meanwhile.

        Raises:
            ValueError: It is refused.
        """
        try:
            stat = place.stat()
            stamp = (stat.st_ino, stat.st_mtime_ns)
            if name not in self._known or self._known[name].stamp != stamp:
                self._known[name] = _KnownFolder(stamp, self._digest(place), self._draws(place), None)
        except OSError:
            self._known.pop(name, None)
            return None
        return self._known[name]

    def _make_room(self) -> None:
        read = [name for name, known in self._known.items() if known.voice is not None]
        for name in read[:-_MOST_READ]:
            self._known[name] = self._known[name]._replace(voice=None)
