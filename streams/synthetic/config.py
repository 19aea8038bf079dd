"""How much of the synthetic world is simulated, and what was put into it."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from streams.synthetic import truth

Share = Annotated[float, Field(ge=0, lt=1)]


class WorldConfig(BaseModel):
    """A world of users and faults; the same config writes the same bytes.

    Attributes:
        seed: The only source of chance.
        responses: Served responses, bots' included; exact.
        users: People who may show up; bots come on top.
        days: Event time that passes.
        ends_at: No event happens after it. A fixed moment, so that nothing depends on the wall clock.
        policy: Version of the policy that wrote the responses.
        base_love_rate: Hearts per response, bots left out, in expectation over the incumbent's log.
        stakes: How much satisfaction decides about coming again: multiplies the log-odds of being pleased, and is the
            power of how much rarer the others come. From 3 on, whoever was not pleased has as good as left.
        bot_share: Share of responses served to burst bots, which love everything; rounded down to whole bursts.
        burst: Responses of one bot, served within minutes.
        duplicates: Share of events sent twice, byte for byte.
        late: Share of reactions that come hours to days after the response.
        early: Share of reactions that arrive before their response.
        retractions: Share of honest loves taken back.
        orphans: Reactions to a response that was never served, per response served.
        malformed: Lines that break the contract, per response served.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 1
    responses: int = Field(default=200_000, ge=1)
    users: int = Field(default=12_000, ge=1)
    days: int = Field(default=14, ge=1)
    ends_at: AwareDatetime = datetime(2026, 1, 31, tzinfo=UTC)
    policy: str = "incumbent"
    base_love_rate: float = Field(default=truth.BASE_LOVE_RATE, gt=0, lt=0.5)
    stakes: float = Field(default=1.0, ge=0, le=10)
    bot_share: Share = 0.005
    burst: int = Field(default=80, ge=1)
    duplicates: Share = 0.02
    late: Share = 0.03
    early: Share = 0.01
    retractions: Share = 0.03
    orphans: Share = 0.0002
    malformed: Share = 0.0005

    @classmethod
    def small(cls, **changes: Any) -> Self:
        """A world for tests: 2,000 responses in under a second, with some of every fault and two bots."""
        defaults: dict[str, Any] = {
            "responses": 2_000,
            "users": 200,
            "days": 3,
            "bot_share": 0.04,
            "burst": 40,
            "late": 0.1,
            "early": 0.1,
            "retractions": 0.2,
            "orphans": 0.003,
            "malformed": 0.01,
            "base_love_rate": 0.02,
        }
        return cls(**(defaults | changes))

    @classmethod
    def long(cls, **changes: Any) -> Self:
        """A world that can tell retention: six weeks, few visits, the displeased leave, hearts are not too rare."""
        defaults: dict[str, Any] = {
            "responses": 60_000,
            "users": 10_000,
            "days": 42,
            "base_love_rate": 0.1,
            "stakes": 3.0,
        }
        return cls(**(defaults | changes))

    @property
    def bots(self) -> int:
        """Burst bots, each with one burst."""
        return int(self.bot_share * self.responses) // self.burst


@dataclass
class Amounts:
    """What a stream really holds.

    `events == responses + reactions + duplicates + dead_letters`, and
    `reactions == honest_loves + bot_loves + likes + dislikes + retractions + orphans`.

    Attributes:
        events: Lines of the file.
        responses: Served responses, without copies; `bot_responses` of them to bots.
        reactions: Reaction events that keep the contract, without copies, removals included.
        late_reactions: Reactions at least an hour after their response was served.
        early_reactions: Reaction events that arrive before their response.
        malformed: Lines that break the contract, by the dead letter's reason; `dead_letters` in all.
        users: People who were served; `bot_users` come on top.
        love_rate: Honest loves per response served to people.
    """

    events: int = 0
    responses: int = 0
    bot_responses: int = 0
    reactions: int = 0
    honest_loves: int = 0
    bot_loves: int = 0
    likes: int = 0
    dislikes: int = 0
    retractions: int = 0
    orphans: int = 0
    late_reactions: int = 0
    early_reactions: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    malformed: dict[str, int] | None = None
    users: int = 0
    bot_users: int = 0
    love_rate: float = 0.0

    def write(self, path: Path) -> None:
        """Write them as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")
