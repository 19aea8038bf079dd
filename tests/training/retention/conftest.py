"""User-days drawn from a known survival model."""

from collections.abc import Callable

import numpy as np
import pytest

from training.retention.returns import UserDays


def draw(
    users: int, *, days: int = 2, weight: float = 0.8, seed: int = 1, horizon: int = 20, cut: int | None = None
) -> UserDays:
    """User-days whose chance to be there on each later day is `s(-2 + weight x)`, x the first signal in {0, 1}.

    Args:
        users: How many; the first column of `past` is a normal draw of each user that moves the same chance by .7.
        days: Rows of each, a month apart.
        weight: Log-odds that the first signal is worth.
        seed: Of chance.
        horizon: Later days.
        cut: Follow a random number of days only, from this one on; None follows all.
    """
    rng = np.random.default_rng(seed)
    rows = users * days
    owner = np.repeat(np.arange(users), days)
    past = np.zeros((rows, 7))
    past[:, 0] = rng.standard_normal(users)[owner]
    signals = np.zeros((rows, 5))
    signals[:, 0] = rng.random(rows) < 0.4
    signals[:, 1] = rng.random(rows) < 0.3
    chance = 1 / (1 + np.exp(2 - weight * signals[:, 0] - 0.7 * past[:, 0]))
    followed = np.full(rows, horizon) if cut is None else rng.integers(cut, horizon + 1, rows)
    seen = np.column_stack([np.ones(rows, bool), rng.random((rows, horizon)) < chance[:, None]])
    seen &= np.arange(horizon + 1)[None, :] <= followed[:, None]
    return UserDays(
        user_ids=np.array([f"user-{each:05}" for each in owner]),
        users=owner,
        days=20_000 + 30 * np.tile(np.arange(days), users),
        arms=np.full(rows, None, object),
        past=past,
        signals=signals,
        amounts=np.ones((rows, 2)),
        followed=followed,
        seen=seen,
    )


@pytest.fixture(scope="session")
def drawn() -> Callable[..., UserDays]:
    """Draws user-days."""
    return draw
