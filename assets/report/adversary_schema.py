"""What a run reports of the adversary filter: the part `adversary` of `report.json`."""

import msgspec


class JudgedDay(msgspec.Struct, kw_only=True, frozen=True):
    """A day that the daily job judged.

    Attributes:
        day: UTC, as 2026-01-31.
        users: Users who were judged.
        loves: Loves that came into the evidence.
        flags: Users flagged for the first time by a rule; one whom several rules flagged is in each.
        first_flagged: Users whom no rule of the daily job had flagged before, each once, by rule.
        cpu_s: CPU seconds.
    """

    day: str
    users: int
    loves: int
    flags: dict[str, int]
    cpu_s: float
    first_flagged: dict[str, int] = msgspec.field(default_factory=dict)


class SharedObject(msgspec.Struct, kw_only=True, frozen=True):
    """Something that several accounts of a group loved, or loved from.

    Attributes:
        side: prompt, response, network or device.
        words: What was asked, where more than one account did in these words; None for the other sides.
        accounts: Of the group, that have it in common.
        loves: Of the group's loves, that are drawn as its.
    """

    side: str
    words: str | None
    accounts: int
    loves: int


class ReportGroup(msgspec.Struct, kw_only=True, frozen=True):
    """A flagged group, drawn. Accounts are numbered from 0 in the order of their first love; nobody is named.

    Attributes:
        name: The flags' `key`.
        rule: lockstep or dense_block.
        members: Accounts in quarantine for it; `loves` shows those seen in the window in which it was found.
        score: How many times the line it reaches.
        surprise: Of lockstep: -ln of the chance that independent accounts coincide so (nats).
        density: Of a dense block: FRAUDAR's g, and `line` what it had to pass.
        flagged_at: When the first of them was put aside, by whichever rule; None if nobody was yet.
        begins: First love in common; `ends` the last one.
        objects: What they have in common, the most shared first.
        loves: (account, place in `objects` or None, moment), in order of time.
        ties: (account, account, surprise in nats), the strongest first.
    """

    name: str
    rule: str
    members: int
    score: float
    surprise: float | None
    density: float | None
    line: float | None
    flagged_at: str | None
    begins: str | None
    ends: str | None
    objects: list[SharedObject]
    loves: list[tuple[int, int | None, str]]
    ties: list[tuple[int, int, float]]


class ReportAdversary(msgspec.Struct, kw_only=True, frozen=True):
    """What the filter did, and where the truth is known, how well. Loves are mature ones that stand.

    Attributes:
        recall: Share of attacks' loves left out, by mass (synthetic only); `recall_by_attack` attack by attack.
        honest_loss: Share of honest loves that went with them (synthetic only).
        loves: By whomever; `left_out` of them, by mass (1 - trust of one that is weighed down).
        left_out_by_rule: A love that several rules left out is in each.
        users: Of the log: with a response or a reaction, and not of the A/B test alone; `users_aside` in quarantine,
            `users_by_rule` in each of theirs.
        test_users: Users whom the A/B test alone served; `test_users_aside` of them in quarantine.
        reactions_aside: Reactions in quarantine on their own.
        released: Standing decisions of people, `confirmed` likewise.
        trust: Users with a trust below 1, in ten equal bins from 0.
        days: That the daily job judged.
        groups: The largest groups in quarantine.
        sentences: What may remain undetected, in words.
        dial: The share of honest loves that the daily job was allowed to cost.
    """

    recall: float | None = None
    honest_loss: float | None = None
    recall_by_attack: dict[str, float] = msgspec.field(default_factory=dict)
    attack_loves: int | None = None
    honest_loves: int | None = None
    loves: int | None = None
    left_out: float | None = None
    left_out_by_rule: dict[str, float] = msgspec.field(default_factory=dict)
    users: int | None = None
    users_aside: int | None = None
    users_by_rule: dict[str, int] = msgspec.field(default_factory=dict)
    test_users: int | None = None
    test_users_aside: int | None = None
    reactions_aside: int | None = None
    released: int | None = None
    confirmed: int | None = None
    trust: list[int] = msgspec.field(default_factory=list)
    days: list[JudgedDay] = msgspec.field(default_factory=list)
    groups: list[ReportGroup] = msgspec.field(default_factory=list)
    sentences: list[str] = msgspec.field(default_factory=list)
    dial: float | None = None
