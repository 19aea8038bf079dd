"""What a score may not pay for: the part of it that nuisance features of the response foretell is taken away.

A linear regression on held-out rows says how many logits a word, a goodbye or an emoji is worth to the model; that is
subtracted from every score (docs/method.md, 7.6). It costs whatever the feature truly tells; `cost` says how much.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from stats.estimate import Floats
from stats.metrics import auroc
from streams.closing import closes
from training.text_features import FEATURES, features

FILE = "residual.json"


class Residual(NamedTuple):
    """A linear effect of features that is taken away.

    Attributes:
        names: The features.
        slopes: Logits that each is worth, [features].
        means: Of each on the rows that the slopes were fitted to: a response like these keeps its score.
        cost: AUROC lost on those rows, below 0 where it was gained.
    """

    names: tuple[str, ...]
    slopes: tuple[float, ...]
    means: tuple[float, ...]
    cost: float = 0.0

    def apply(self, logits: Floats, responses: Sequence[str]) -> Floats:
        """Logits without the effect, same shape."""
        return np.asarray(logits - (nuisance(responses, self.names) - np.array(self.means)) @ np.array(self.slopes))

    @property
    def words(self) -> str:
        """What was taken away, in a sentence.

        >>> Residual(("words",), (0.02,), (9.0,), 0.004).words
        'without words (+0.020 logits each), which cost 0.004 of AUROC on validation rows'
        """
        each = [f"{name} ({slope:+.3f} logits each)" for name, slope in zip(self.names, self.slopes, strict=True)]
        return f"without {' and '.join(each)}, which cost {self.cost:.3f} of AUROC on validation rows"

    def save(self, directory: Path) -> None:
        """Write `residual.json` beside the weights."""
        (directory / FILE).write_text(json.dumps(self._asdict(), indent=1) + "\n")

    @classmethod
    def read(cls, directory: Path) -> "Residual | None":
        """Read `residual.json`; None where nothing was taken away (`registry.check_complete` notices a lost file)."""
        if not (directory / FILE).is_file():
            return None
        kept = json.loads((directory / FILE).read_text())
        return cls(tuple(kept["names"]), tuple(kept["slopes"]), tuple(kept["means"]), kept["cost"])


def nuisance(responses: Sequence[str], names: Sequence[str]) -> Floats:
    """The features of each response, float64 [rows, features].

    >>> nuisance(["Sure! 😊", "Is it near a window?"], ["words", "question", "emoji", "closing"]).tolist()
    [[1.0, 0.0, 1.0, 0.0], [5.0, 1.0, 0.0, 0.0]]
    """
    every = features(responses)
    columns = [
        np.array([float(closes(each)) for each in responses]) if name == "closing" else every[:, FEATURES.index(name)]
        for name in names
    ]
    return np.stack(columns, axis=1) if columns else np.zeros((len(responses), 0))


def fit_residual(
    names: Sequence[str], logits: Floats, labels: Floats, responses: Sequence[str], weights: Floats
) -> Residual:
    """Fit what each feature is worth to the model, all together, by weighted least squares.

    Args:
        names: The features; one that does not vary gets the slope 0.
        logits: The model's, [rows].
        labels: Targets, [rows], for the cost.
        responses: Of the rows.
        weights: Trust times what each row stands for, [rows].
    """
    found = nuisance(responses, names)
    means = np.average(found, axis=0, weights=weights)
    centred, root = found - means, np.sqrt(weights)
    moved = logits - np.average(logits, weights=weights)
    slopes = np.linalg.lstsq(centred * root[:, None], moved * root, rcond=None)[0]
    residual = Residual(tuple(names), tuple(map(float, slopes)), tuple(map(float, means)))
    positives = (labels > 0).astype(np.float64)
    cost = auroc(positives, logits, weights) - auroc(positives, residual.apply(logits, responses), weights)
    return residual._replace(cost=float(cost))
