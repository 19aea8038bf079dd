"""Learns from an operator's decisions what a bad account looks like: confirmed against released, over any features.

Two models that err differently (extremely randomised trees, boosted trees) vote with equal weight. How coarse they are
follows from how many decisions there are; there is nothing to set.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FEWEST: Final = 10
"""Decisions of each kind from which on there is something to learn."""
TREES: Final = 200
UNKNOWN: Final = -1.0
"""Stands for NaN in the randomised trees, which see it as one more value."""


class Behaviour:
    """Scores accounts by their likeness to confirmed rather than released ones.

    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> busy = np.concatenate([rng.normal(0, 1, 40), rng.normal(4, 1, 40)])[:, None]
    >>> model = Behaviour.fit(busy, np.arange(80) >= 40)
    >>> quiet, loud = model.score(np.array([[0.0], [4.0]]))
    >>> bool(quiet < 0.3 and loud > 0.7)
    True
    """

    def __init__(self, models: tuple[Any, ...], columns: NDArray[np.bool_]) -> None:
        self._models = models
        self._columns = columns

    @classmethod
    def fit(cls, features: Floats, confirmed: NDArray[np.bool_], *, seed: int = 0) -> "Behaviour":
        """Learn from decided accounts.

        Args:
            features: float64[n, d], as `training.trust.actions` makes them; NaN where a figure cannot be told.
            confirmed: bool[n], true where the operator confirmed the account and false where he released it.
            seed: The only source of chance.

        Raises:
            ValueError: Fewer than `FEWEST` decisions of a kind, or not one for each row of features.
        """
        confirmed = np.asarray(confirmed, bool)
        if len(confirmed) != len(features):
            raise ValueError(f"{len(confirmed)} decisions on {len(features)} accounts, must be one each")
        fewest = int(min(confirmed.sum(), (~confirmed).sum()))
        if fewest < FEWEST:
            raise ValueError(
                f"{fewest} decisions of the rarer kind, must be at least {FEWEST}: decide more cases first"
            )
        columns = np.asarray(np.isfinite(features).any(axis=0), np.bool_)
        known = _known(features, columns)
        return cls(tuple(model.fit(known, confirmed) for model in _models(len(confirmed), seed)), columns)

    def score(self, features: Floats) -> Floats:
        """The mean chance of being confirmed, float64[n], 0 to 1."""
        known = _known(features, self._columns)
        return np.asarray(np.mean([each.predict_proba(known)[:, 1] for each in self._models], axis=0))


def _known(features: Floats, columns: NDArray[np.bool_]) -> Floats:
    """The columns of which something was known when the model was fitted, infinities as NaN."""
    return np.where(np.isfinite(features), features, np.nan)[:, columns]


def _models(decisions: int, seed: int) -> tuple[Any, ...]:
    """Leaves hold at least 3 accounts, and from 1,500 decisions on one in 500."""
    from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    leaf = max(3, decisions // 500)
    rounds = 80 if decisions < 2_000 else 250
    trees = ExtraTreesClassifier(TREES, min_samples_leaf=leaf, max_features=0.3, random_state=seed)
    boosted = HistGradientBoostingClassifier(
        learning_rate=4 / rounds,
        max_iter=rounds,
        max_leaf_nodes=6 if decisions < 2_000 else 16,
        min_samples_leaf=2 * leaf,
        l2_regularization=5,
        max_features=0.3,
        random_state=seed,
    )
    filled = SimpleImputer(strategy="constant", fill_value=UNKNOWN, keep_empty_features=True)
    return make_pipeline(filled, trees), boosted
