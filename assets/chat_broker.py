"""The broker of a chat; what it still holds at the end is stored, for it keeps all in memory."""

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from assets.chat_part import PartEndedError

_SECONDS_TO_STORE = 60.0


class ChatBroker(NamedTuple):
    """A broker at hand.

    Attributes:
        bootstrap: `HOST:PORT`.
        check: Raises PartEndedError when it is gone; one that somebody else runs is never asked.
    """

    bootstrap: str
    check: Callable[[], None]


@contextmanager
def at_hand(
    folder: Path, warehouse: Path, command: Sequence[str], say: Callable[[str], object]
) -> Iterator[ChatBroker]:
    """The broker that `KAFKA_BOOTSTRAP` names, or one of our own, with the project's topics.

    Args:
        folder: Of the chat.
        warehouse: Takes, at the end, what the sink had not read.
        command: How `loveloop` is called.
        say: Told when something may be lost.
    """
    from streams import brokers, topics

    named = brokers.bootstrap_from_environment()
    if named:
        topics.wait_for_broker(named)
        topics.create_topics(named)
        yield ChatBroker(named, lambda: None)
        return
    with brokers.start("tansu", folder / "broker") as own:
        topics.create_topics(own.bootstrap)

        def check() -> None:
            if not own.alive():
                raise PartEndedError(f"the broker ended by itself; the end of {own.log}:\n{own.tail()}")

        try:
            yield ChatBroker(own.bootstrap, check)
        finally:
            log = folder / "last-ingest.log"
            if not (own.alive() and _stored(own.bootstrap, warehouse, command, log)):
                say(f"NOT everything that was served may be stored: the broker was gone, or the sink failed; see {log}")


def _stored(bootstrap: str, warehouse: Path, command: Sequence[str], log: Path) -> bool:
    """Read the topics to their ends; whether that could be done."""
    words = ("ingest", "--warehouse", str(warehouse), "--bootstrap", bootstrap, "--until-caught-up")
    with log.open("wb") as told:
        try:
            done = subprocess.run([*command, *words], stdout=told, stderr=told, timeout=_SECONDS_TO_STORE, check=False)
        except subprocess.TimeoutExpired:
            return False
    return done.returncode == 0
