"""Friends who may sway each other: communities of your users, what a test by them costs, and what a test shows of them.

The log knows no friendships: they come from a file. Nothing is decided by them.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from warehouse.connection import Target

SEED = 1
"""Of the communities and of the users who are looked at: the same file gives the same answer."""


def friends(target: "Target", file: Path, *, days: int = 28, name: str | None = None) -> dict[str, Any]:
    """Divide the users of the last days, or of an experiment, into communities of friends.

    1. How many communities there are, how much of the friendships lies within one, and how many times the exposures of
       a test by user one by community needs: the variance of your Love rate over communities, over that by user.
    2. Of an experiment whose communities each lie in one arm, its effect with communities as the units. Of one that was
       dealt by user, whether a user's friends' arms sway them.

    Args:
        target: The warehouse.
        file: CSV, NDJSON or Parquet with the columns `user_id` and `friend_id`; each friendship once or in both
            directions.
        days: Of all traffic, where no experiment is named.
        name: An experiment, read by its plan; of one that nobody planned, with equal shares.

    Returns:
        `users`, `friendships` between them, `communities`, `largest`, `within` (share of the friendships), `cost`,
        and `words` on each; with an experiment `effect` or `spillover` in words, too.

    Raises:
        ValueError: A file that cannot be read or names nobody of these users, or no such experiment.
        WarehouseError: As `Warehouse.read`.
    """
    import numpy as np

    from experiments.communities import communities, community_design_effect

    users, share = _users(target, days, name)
    edges = _edges(file, users["user_id"].to_pylist())
    labels = communities(edges, len(users), seed=SEED)
    loves, exposures = (users[column].to_numpy().astype(float) for column in ("loves", "exposures"))
    within = float((labels[edges[:, 0]] == labels[edges[:, 1]]).mean())
    sizes = np.bincount(labels)
    cost = community_design_effect(loves, exposures, labels)
    made: dict[str, Any] = {
        "users": len(users),
        "friendships": len(edges),
        "communities": len(sizes),
        "largest": int(sizes.max()),
        "within": within,
        "cost": cost,
        "words": f"a test by community takes {cost:.2f} times the exposures of one by user",
    }
    if name is None:
        return made
    arm = np.array([each != "control" for each in users["side"].to_pylist()], np.int8)
    return made | _of_test(loves, exposures, arm, labels, edges, share=share)


def _of_test(
    loves: "NDArray[np.float64]",
    exposures: "NDArray[np.float64]",
    arm: "NDArray[np.int8]",
    labels: "NDArray[np.int64]",
    edges: "NDArray[np.int64]",
    *,
    share: float,
) -> dict[str, Any]:
    import numpy as np

    from experiments.communities import by_community
    from experiments.spillover import spillover

    treated, size = np.bincount(labels, arm), np.bincount(labels)
    if ((treated == 0) | (treated == size)).all() and size.max() > 1:
        found = by_community(loves, exposures, arm, labels)
        return {"effect": f"dealt by community: {found.words}"}
    seen = spillover(loves, exposures, arm, edges, share=share, seed=SEED)
    return {"spillover": f"dealt by user: {seen.words}", "p": seen.p}


def _users(target: "Target", days: int, name: str | None) -> "tuple[pa.Table, float]":
    """Users with their loves and exposures; of an experiment with their `side`, and the treatment's share."""
    import pyarrow as pa

    from assets.experiment.control import find
    from assets.experiment.plans import pair
    from warehouse import experiment_series
    from warehouse.experiment_users import experiment_users
    from warehouse.experiments import experiments

    if name is None:
        users = experiment_series.history(target, days=days)
        if not len(users) or not users["loves"].to_numpy().sum():
            raise ValueError(f"no user who loves in the last {days} days: take more days")
        return users, 0.5
    found, registered = experiments(target, name=name), find(target, name)
    if not found:
        raise ValueError(
            f"no exposure of experiment {name!r} in the warehouse: loveloop experiment list shows those there"
        )
    plan = registered.definition if registered else None
    control, treatment = pair(found[0], plan.control if plan else "control", None, tuple(plan.arms) if plan else ())
    users = experiment_users(target, name, arms=(control, treatment)).users
    side = ["control" if arm == control else "treatment" for arm in users["arm"].to_pylist()]
    share = plan.arms[treatment] / (plan.arms[control] + plan.arms[treatment]) if plan else 0.5
    return users.append_column("side", pa.array(side, pa.string())), share


def _edges(file: Path, users: list[str]) -> "NDArray[np.int64]":
    """Friendships between these users as their places, each once."""
    import duckdb
    import numpy as np
    import pyarrow as pa

    from assets.experiment.own_metrics import rows_of

    if not file.is_file():
        raise ValueError(f"{file}: no such file")
    rows = rows_of(file)
    if not {"user_id", "friend_id"} <= {*rows.column_names}:
        raise ValueError(f"{file} has the columns {', '.join(rows.column_names)}, must have user_id and friend_id")
    with duckdb.connect() as reader:
        reader.register("told", rows)
        reader.register("users", pa.table({"name": users, "place": pa.array(range(len(users)), pa.int64())}))
        found = reader.execute(
            """SELECT DISTINCT least(one.place, other.place) AS one, greatest(one.place, other.place) AS other
            FROM told JOIN users AS one ON one.name = CAST(user_id AS VARCHAR)
            JOIN users AS other ON other.name = CAST(friend_id AS VARCHAR)
            WHERE one.place <> other.place ORDER BY ALL"""
        ).to_arrow_table()
    if not len(found):
        raise ValueError(
            f"{file} names no friendship between two of these {len(users):,} users: are its ids those of the events?"
        )
    return np.column_stack([found["one"].to_numpy(), found["other"].to_numpy()]).astype(np.int64)


def page(made: Mapping[str, Any]) -> Iterator[str]:
    """It line by line."""
    yield (
        f"{made['users']:,} users with {made['friendships']:,} friendships between them: {made['communities']:,} "
        f"communities, the largest of {made['largest']:,}, {made['within']:.0%} of the friendships within one"
    )
    yield made["words"]
    yield from (made[key] for key in ("effect", "spillover") if key in made)
