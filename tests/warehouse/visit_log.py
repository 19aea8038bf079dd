"""A log of visits, written by the days of a test."""

from datetime import datetime, timedelta
from typing import Any

from streams.events import Message


class VisitLog:
    """Writes a log of visits: who was shown a response on which day, what they said and how they reacted."""

    def __init__(self, feed: Any, product: Any) -> None:
        self.feed, self.product = feed, product
        self.lines: list[bytes] = []
        for day in (0, 30):  # somebody is there on the log's first day and on its last
            self.visit("zoe", day)

    def at(self, day: int, minutes: float = 0) -> datetime:
        moment: datetime = self.product.noon + timedelta(days=day - 35, minutes=minutes)
        return moment

    def visit(self, user: str, day: int, minutes: float = 0, said: str = "hello", **changes: Any) -> str:
        name = f"{user} {day} {minutes}"
        fields = {"conversation_id": f"{user} {day}", "conversation": [Message("user", said)]}
        self.lines.append(self.product.served(name, user, self.at(day, minutes), **(fields | changes)))
        return name

    def react(self, user: str, response: str, day: int, minutes: float = 1, **changes: Any) -> None:
        self.lines.append(self.product.reacted(response, user, self.at(day, minutes), **changes))

    def pour(self) -> None:
        if self.lines:
            self.feed.pour(*self.lines)
            self.lines = []
