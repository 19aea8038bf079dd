"""Rated dialogues of people with chat bots (ConvAI), told again as contract events.

Every message of a bot becomes a served response with the bot as its policy; a thumb up becomes a `love`, a thumb down
a `dislike`. The files give a start and an end of each dialogue but no time per message, so messages are spread evenly
between them. Ids are made from the content: converting twice gives the same bytes.
"""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple

from streams.events import Event, Message, ReactionChanged, ResponseServed, encode, moment_of, new_event_id

FILE = "dialogues.jsonl"
"""One dialogue a line."""
PUBLISHED = ("data_intermediate.json", "data_volunteers.json")
"""The files of ConvAI2 whose single messages are rated, as they are published: an array of dialogues each."""
NAMES = f"{FILE}, or ConvAI2's {' or '.join(PUBLISHED)}"
REACTIONS = {1: "love", 0: "dislike"}
_ROLES: dict[str, Literal["user", "assistant"]] = {"Human": "user", "Bot": "assistant"}
_OPENING = Message("system", "The assistant speaks first.")
"""Stands for the conversation before a bot's opening message: the contract asks for at least one turn."""


class ConvaiReport(NamedTuple):
    """What was converted, and what was left out."""

    events: int
    dialogues: int
    """Dialogues of a person with a bot that said something."""
    responses: int
    loves: int
    dislikes: int
    without_bot: int
    """Left out: dialogues without exactly one bot, between people for instance."""
    bot_silent: int
    """Left out: the bot never said anything."""


def write_events(data: Path, out: Path) -> ConvaiReport:
    """Convert dialogues into an event file, one line an event, oldest first.

    Args:
        data: A file of dialogues, or the directory that holds `dialogues.jsonl` or the published files.
        out: Event file to write (NDJSON).

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: Something is no dialogue; its file and its line or its place in the array are named.
    """
    paths = sources(data)
    if not paths:
        raise FileNotFoundError(f"{data / FILE} is missing: give the directory that holds {NAMES}")
    found: list[Event] = []
    told = without_bot = silent = 0
    for where, dialogue in (each for path in paths for each in _dialogues(path)):
        events = _read(dialogue, where)
        without_bot += events is None
        silent += events == []
        told += bool(events)
        found.extend(events or [])
    found.sort(key=lambda event: (moment_of(event), event.event_id))
    out.write_bytes(b"".join(encode(event) + b"\n" for event in found))
    names = [event.reaction for event in found if isinstance(event, ReactionChanged)]
    loves, dislikes = (names.count(name) for name in REACTIONS.values())
    return ConvaiReport(len(found), told, len(found) - len(names), loves, dislikes, without_bot, silent)


def sources(data: Path) -> list[Path]:
    """The files of dialogues at `data`: itself, its `dialogues.jsonl`, else the published files; none of them: []."""
    if not data.is_dir():
        return [data] if data.is_file() else []
    whole = data / FILE
    return [whole] if whole.is_file() else [data / name for name in PUBLISHED if (data / name).is_file()]


def _dialogues(path: Path) -> Iterator[tuple[str, Any]]:
    """Each dialogue's place and content: of an array, or the text of a line."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".json":
        yield from ((f"{path}:{number}", line) for number, line in enumerate(text.splitlines(), 1))
        return
    try:
        every = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path} is no JSON ({error}): download it again") from None
    if not isinstance(every, list):
        raise ValueError(f"{path} is no array of dialogues: a published file begins with [")
    yield from ((f"{path}[{place}]", each) for place, each in enumerate(every))


def _read(dialogue: Any, where: str) -> list[Event] | None:
    try:
        return dialogue_events(json.loads(dialogue) if isinstance(dialogue, str) else dialogue)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        kind = type(error).__name__
        raise ValueError(
            f"{where} is no dialogue ({kind}: {error}): it holds dialog, both participants, start_time, end_time"
        ) from None


def dialogue_events(dialogue: dict[str, Any]) -> list[Event] | None:
    """The events of one dialogue: a response for every message of the bot, and a reaction where it was rated.

    Returns:
        None when not exactly one of the two participants is a bot.
    """
    speakers = [dialogue["participant1_id"], dialogue["participant2_id"]]
    bots = [speaker["user_id"] for speaker in speakers if speaker["class"] == "Bot"]
    people = [speaker["user_id"] for speaker in speakers if speaker["class"] != "Bot"]
    if len(bots) != 1:
        return None
    key = hashlib.sha256(json.dumps(dialogue, sort_keys=True).encode()).hexdigest()[:16]
    policy = f"convai-{bots[0].lower().replace(' ', '-')}"
    return [*_tell(dialogue, key, user=people[0], policy=policy)]


def _tell(dialogue: dict[str, Any], key: str, *, user: str, policy: str) -> Iterator[Event]:
    start, end = (_moment(dialogue[name]) for name in ("start_time", "end_time"))
    messages = dialogue["dialog"]
    step = max(end - start, timedelta(0)) / (len(messages) + 1)
    said: list[Message] = []
    spoken = 0
    for place, message in enumerate(messages, 1):
        now = Message(_ROLES[message["sender_class"]], message["text"])
        if now.role == "assistant":
            moment = start + place * step
            name = f"convai-{key}-{spoken}"
            yield ResponseServed(
                event_id=_event_id(moment, name),
                user_id=user,
                served_at=moment,
                response_id=name,
                conversation_id=f"convai-{key}",
                turn=spoken,
                session_id=f"convai-{key}",
                policy=policy,
                conversation=said or [_OPENING],
                response=now.content,
            )
            if message["evaluation_score"] is not None:
                yield _rating(name, user, f"convai-{key}", REACTIONS[message["evaluation_score"]], moment + step / 2)
            spoken += 1
        said = [*said, now]


def _rating(response_id: str, user: str, session: str, reaction: str, moment: datetime) -> ReactionChanged:
    return ReactionChanged(
        event_id=_event_id(moment, f"{response_id}/rating"),
        user_id=user,
        reacted_at=moment,
        response_id=response_id,
        reaction=reaction,
        action="added",
        session_id=session,
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _event_id(moment: datetime, name: str) -> str:
    digest = hashlib.sha256(name.encode()).digest()
    return new_event_id(moment, int.from_bytes(digest[:10], "big") >> 6)
