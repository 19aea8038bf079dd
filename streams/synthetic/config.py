"""How much of the synthetic world is simulated, and what was put into it."""

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from streams.synthetic.language.text import INCUMBENT, Habits
from streams.synthetic.shares import AttackShares
from streams.synthetic.social.config import SocialConfig

Share = Annotated[float, Field(ge=0, lt=1)]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Experiment(_Frozen):
    """An A/B test under which the whole log is served; users are dealt to its two arms half and half, for good.

    Attributes:
        name: Its name in the events.
        control: Habits of the policy of arm `control`, which is the world's own policy.
        treatment: Habits of the policy of arm `treatment`; `policy` is its version.
    """

    name: str = "warmer"
    control: Habits = INCUMBENT
    treatment: Habits = INCUMBENT._replace(warm=0.35)
    policy: str = "candidate"


class WorldConfig(_Frozen):
    """A world of users, attackers and faults; the same config writes the same bytes.

    Attributes:
        seed: The only source of chance.
        responses: Responses served to people, exact; those served to attackers come on top.
        users: People who may show up; attackers' accounts come on top.
        days: Event time that passes.
        ends_at: No event happens after it. A fixed moment, so that nothing depends on the wall clock.
        policy: Version of the policy that wrote the responses.
        base_love_rate: Loves per response served to people, in expectation over the incumbent's log.
        stakes: How much satisfaction decides about coming again; see `people.loyalty` for the formulas. From 3 on, a
            user who was not pleased hardly ever comes again.
        attacks: Who plays foul, and how much; also given as a mapping from name to share.
        experiment: The A/B test under which the log is served, if any.
        social: How people influence each other; None: not at all.
        duplicates: Share of events sent twice, byte for byte.
        late: Share of reactions that come hours to days after the response.
        early: Share of reactions that arrive before their response.
        retractions: Share of honest loves taken back.
        orphans: Reactions to a response that was never served, per response served to people.
        malformed: Lines that break the contract, per response served to people.
    """

    seed: int = Field(default=1, ge=0, lt=2**32)
    responses: int = Field(default=200_000, ge=1)
    users: int = Field(default=12_000, ge=1)
    days: int = Field(default=14, ge=1, le=3_650)
    ends_at: AwareDatetime = datetime(2026, 1, 31, tzinfo=UTC)
    policy: str = "incumbent"
    base_love_rate: float = Field(default=0.005, gt=0, lt=0.5)
    stakes: float = Field(default=1.0, ge=0, le=10)
    attacks: AttackShares = ()
    experiment: Experiment | None = None
    social: SocialConfig | None = None
    duplicates: Share = 0.02
    late: Share = 0.03
    early: Share = 0.01
    retractions: Share = 0.03
    orphans: Share = 0.0002
    malformed: Share = 0.0005

    @classmethod
    def small(cls, **changes: Any) -> Self:
        """A world for tests: 2,000 responses in under a second, with some of every fault."""
        defaults: dict[str, Any] = {
            "responses": 2_000,
            "users": 200,
            "days": 3,
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
        """A world that can tell retention: six weeks, few visits, the displeased leave, loves are not too rare."""
        defaults: dict[str, Any] = {
            "responses": 60_000,
            "users": 10_000,
            "days": 42,
            "base_love_rate": 0.1,
            "stakes": 3.0,
        }
        return cls(**(defaults | changes))


@dataclass
class Amounts:
    """What a stream really holds.

    `events == responses + reactions + duplicates + dead_letters`, and `reactions == honest_loves + the attacks' loves +
    likes + dislikes + retractions + orphans`.

    Attributes:
        events: Lines of the file.
        responses: Served responses, without copies, the attacks' included.
        reactions: Reaction events that keep the contract, without copies, removals included.
        honest_loves: Loves of people.
        likes: Of people and attackers, as are dislikes and retractions.
        late_reactions: Reactions at least an hour after their response was served.
        early_reactions: Reaction events that arrive before their response.
        duplicates: Copies, byte for byte, those of a replay flood included.
        malformed: Lines that break the contract, by the dead letter's reason; `dead_letters` in all.
        users: People who were served.
        love_rate: Honest loves per response served to people.
        attack_responses: Responses served for an attack, by its name.
        attack_loves: Loves that an attack added, by its name; each event once.
        attack_users: Users who acted for an attack, by its name, hijacked people included.
    """

    events: int = 0
    responses: int = 0
    reactions: int = 0
    honest_loves: int = 0
    likes: int = 0
    dislikes: int = 0
    retractions: int = 0
    orphans: int = 0
    late_reactions: int = 0
    early_reactions: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    malformed: dict[str, int] = field(default_factory=dict)
    users: int = 0
    love_rate: float = 0.0
    attack_responses: dict[str, int] = field(default_factory=dict)
    attack_loves: dict[str, int] = field(default_factory=dict)
    attack_users: dict[str, int] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write them as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")
