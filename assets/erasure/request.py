"""Whom to forget, and what is known of them while they are being forgotten: held in memory, written nowhere."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from warehouse.ingest.erased_rows import Limit

_LEAST = 12
"""Characters of a text that is searched for in files; shorter ones stand everywhere."""
_WORD = re.compile(r"\w+(?:['\u2019]\w+)*|[^\w\s]")


@dataclass
class Asked:
    """Users who asked to be forgotten, by hash.

    Attributes:
        until: User hash, and how far their requests reach.
        copies: Fingerprints of events that go although they name a later moment: they had been received before.
        clean: The warehouse's file that was asked, and has forgotten them already; None for a lake.
    """

    until: "dict[str, Limit]"
    copies: frozenset[str] = frozenset()
    clean: Path | None = None
    _known: dict[str, str] = field(default_factory=dict)

    def whose(
        self,
        user: str | None,
        moment: datetime | None = None,
        event_id: object = None,
        received_at: datetime | None = None,
    ) -> str | None:
        """The hash of a user whose event goes, else None.

        Args:
            user: Of the event.
            moment: When it happened; without one it goes.
            event_id: As the warehouse may remember it.
            received_at: When it was received, where that was noted.
        """
        from warehouse.ingest.erased_rows import fingerprint, user_hash

        if user is None:
            return None
        name = self._known.get(user)
        if name is None:
            name = self._known[user] = user_hash(user)
        if name not in self.until:
            return None
        limit = self.until[name]
        if moment is None or moment <= limit.requested_at:
            return name
        if received_at is not None and limit.received_at is not None and received_at < limit.received_at:
            return name
        return name if event_id is not None and fingerprint(str(event_id).encode()) in self.copies else None


@dataclass
class Trace:
    """What the sources of a run say of these users, so that files without a user id can be searched for it.

    Attributes:
        found: Rows and lines by user hash.
        users: Their ids.
        responses: Ids of the responses that they were shown.
        conversations: Those, as canonical JSON.
        texts: What they wrote and were shown, where it is long enough to be looked for.
        words: Every word of it, in lower case.
    """

    found: Counter[str] = field(default_factory=Counter)
    users: set[str] = field(default_factory=set)
    responses: set[str] = field(default_factory=set)
    conversations: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    words: set[str] = field(default_factory=set)

    def add(self, name: str, row: dict[str, Any]) -> None:
        """Note one row or event of the user of that hash, whatever fields it has."""
        self.found[name] += 1
        self.users.add(str(row["user_id"]))
        if row.get("response_id") is not None and "response" in row:
            self.responses.add(str(row["response_id"]))
        conversation = row.get("conversation") or []
        told = json.loads(conversation) if isinstance(conversation, str) else conversation
        if told:
            self.conversations.add(canonical(told))
        texts = [each["content"] for each in told if each.get("role") == "user"] + [row.get("response") or ""]
        self.texts.update(text for text in texts if len(text) >= _LEAST)
        self.words.update(word for text in texts for word in words_of(text))

    def leave(self, conversation: str, response: str) -> None:
        """Somebody who stays said and was shown the same: then it is not these users' alone, and is not looked for."""
        told = json.loads(conversation)
        self.conversations.discard(canonical(told))
        for text in [response, *(each["content"] for each in told)]:
            self.texts.discard(text)
            if self.words:
                self.words -= words_of(text)

    def needles(self) -> list[bytes]:
        """What the bytes of a file must not hold: ids as JSON has them, and texts as they are and as JSON has them."""
        shown = {json.dumps(user, ensure_ascii=plain) for user in self.users for plain in (True, False)}
        escaped = {json.dumps(text, ensure_ascii=plain)[1:-1] for text in self.texts for plain in (True, False)}
        return [each.encode(errors="replace") for each in shown | escaped | self.texts]


def canonical(conversation: Iterable[Any]) -> str:
    """A conversation as JSON that does not depend on who wrote it down.

    >>> canonical([{"role": "user", "content": "Hi"}]) == canonical([{"content": "Hi", "role": "user"}])
    True
    """
    return json.dumps([[each.get("role"), each.get("content")] for each in conversation], ensure_ascii=False)


def words_of(text: str) -> set[str]:
    """The words of a text, as the small policy's tokenizer reads them, without the space before them.

    >>> sorted(words_of("It's Tea, tea!"))
    ['!', ',', "it's", 'tea']
    """
    return set(_WORD.findall(text.lower()))
