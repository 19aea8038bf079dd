"""A group that the lockstep search found among real stars, in the report's shape."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from assets.report.adversary_schema import ReportGroup, SharedObject
from warehouse.adversary.groups.co_reactions import CoReactions
from warehouse.adversary.groups.flags import moment
from warehouse.adversary.groups.lockstep import LockstepSearch


def drawn(actions: CoReactions, found: LockstepSearch, size: int) -> ReportGroup:
    """The found group whose size is nearest to `size`; accounts are numbered by their first star."""
    chosen = min(found.groups, key=lambda group: abs(len(group.members) - size))
    inside = np.isin(actions.user, chosen.members)
    rows = sorted(zip(*(column[inside].tolist() for column in (actions.at, actions.user, actions.object)), strict=True))
    place: dict[int, int] = {}
    who: dict[int, set[int]] = defaultdict(set)
    for _, user, star in rows:
        place.setdefault(user, len(place))
        who[star].add(user)
    shared = sorted((star for star in who if len(who[star]) > 1), key=lambda star: -len(who[star]))
    number = {star: order for order, star in enumerate(shared)}
    moments = [moment(at).isoformat() for at, *_ in rows]
    return ReportGroup(
        name="lockstep",
        rule="lockstep",
        members=len(place),
        score=float(found.scores[chosen.members].max()),
        surprise=chosen.surprise,
        density=None,
        line=None,
        flagged_at=None,
        begins=moments[0],
        ends=moments[-1],
        objects=[SharedObject(side="item", words=None, accounts=len(who[s]), loves=len(who[s])) for s in shared],
        loves=[(place[user], number.get(star), at) for (_, user, star), at in zip(rows, moments, strict=True)],
        ties=_ties(found, place),
    )


def _ties(found: LockstepSearch, place: dict[int, int]) -> list[tuple[int, int, float]]:
    pairs = zip(*(column.tolist() for column in (found.pairs.a, found.pairs.b, found.pairs.surprise)), strict=True)
    ties = [(place[a], place[b], weight) for a, b, weight in pairs if a in place and b in place]
    return sorted(ties, key=lambda tie: -tie[2])[:600]
