"""What the gateway of a stack accepted, held against what its warehouse holds. A part of `play.py`."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from warehouse import connection


@dataclass(slots=True)
class Accepted:
    """What the gateway has accepted, and how often somebody had to try again.

    Attributes:
        users: User by response.
        policies: Policy by response.
        reactions: User by event.
        loved: Responses whose love stands.
        erased: Users who asked to be forgotten.
        retries: Tries that were refused or not answered, by status; 0 is no answer.
        copies: Reactions that were sent twice.
        given_up: Responses, reactions and erasures after which somebody gave up: they were accepted too late, or never.
    """

    users: dict[str, str] = field(default_factory=dict)
    policies: dict[str, str] = field(default_factory=dict)
    reactions: dict[str, str] = field(default_factory=dict)
    loved: set[str] = field(default_factory=set)
    erased: set[str] = field(default_factory=set)
    retries: Counter[int] = field(default_factory=Counter)
    copies: int = 0
    given_up: int = 0


class Shortfall(NamedTuple):
    """What the warehouse does not say as it should; all zero is well.

    Attributes:
        missing: Responses and reactions that were accepted and are not stored.
        doubled: Stored more than once.
        wrong: Responses of which the clean tables say that they are loved and they are not, or the other way round.
        left: Rows of users who asked to be forgotten.
    """

    missing: int
    doubled: int
    wrong: int
    left: int


class Comparison(NamedTuple):
    """The warehouse beside what was accepted.

    Attributes:
        shortfall: What is not as it should be.
        unanswered: Responses that are stored and whose answer did not arrive: they were at the broker when the gateway
            or the connection went.
        aside: Responses whose reactions the filter against those who game the feedback leaves out.
    """

    shortfall: Shortfall
    unanswered: int
    aside: int


def compare(target: str, prefix: str, accepted: Accepted) -> Comparison:
    """Hold the warehouse against what was accepted.

    Args:
        target: The warehouse.
        prefix: Of the users' names.
        accepted: As the gateway told it.
    """
    like = [f"{prefix}%"]
    with connection.open(target).read() as reader:
        responses = reader.execute("SELECT response_id FROM responses WHERE user_id LIKE ?", like).fetchall()
        reactions = reader.execute("SELECT event_id FROM reactions WHERE user_id LIKE ?", like).fetchall()
        stored = [Counter(str(row[0]) for row in rows) for rows in (responses, reactions)]
        clean = reader.execute(
            "SELECT response_id, love FROM clean_feedback_at(now()::TIMESTAMPTZ, 0) WHERE user_id LIKE ?", like
        ).fetchall()
        aside = {
            str(row[0])
            for row in reader.execute(
                "SELECT response_id FROM quarantined_reactions WHERE user_id LIKE ? UNION "
                "SELECT response_id FROM reactions SEMI JOIN quarantined_users USING (user_id) WHERE user_id LIKE ?",
                like * 2,
            ).fetchall()
        }
        left = [
            reader.execute(f"SELECT count(*) FROM {table} WHERE user_id = ANY(?)", [[*accepted.erased]]).fetchone()
            for table in ("responses", "reactions", "clean_feedback_at(now()::TIMESTAMPTZ, 0)")
        ]
    kept = [
        {name for name, user in of.items() if user not in accepted.erased}
        for of in (accepted.users, accepted.reactions)
    ]
    said = {str(name): bool(love) for name, love in clean}
    shortfall = Shortfall(
        missing=sum(len(wanted - set(there)) for wanted, there in zip(kept, stored, strict=True)),
        doubled=sum(count - 1 for there in stored for count in there.values()),
        wrong=sum(love != (name in accepted.loved) for name, love in said.items() if name in kept[0] - aside),
        left=sum(int(row[0]) for row in left if row),
    )
    return Comparison(shortfall, len(set(stored[0]) - set(accepted.users)), len(aside))
