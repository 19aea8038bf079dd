"""From raw logits of a model trained on sub-sampled negatives to logits whose sigmoid may be read as a chance.

Two steps, in this order: the prior shift of sub-sampling is subtracted exactly (docs/method.md, 3), then whatever
`recalibration` chose is applied: nothing, a scale (temperature), a scale and an offset (Platt), or a strictly
increasing polyline (isotonic). Each is strictly increasing, so no ranking is turned and no two scores become one.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stats.estimate import Floats
from streams.record_fields import fields_of

FILE = "calibration.json"


@dataclass(frozen=True, slots=True)
class Trial:
    """How a calibrator did on validation users that it was not fitted to.

    Attributes:
        method: `none`, `temperature`, `platt` or `isotonic`.
        log_loss: Weighted, cross-validated, nats.
        brier: Likewise.
        gain: Log loss of `none` less its own: above 0 it helped. The interval is over users.
        low: Of that interval.
        high: Of that interval.
        used: It was chosen.
    """

    method: str
    log_loss: float
    brier: float
    gain: float
    low: float
    high: float
    used: bool


@dataclass(frozen=True, slots=True)
class Calibration:
    """`logit = scale * (raw - prior_shift) + offset`, or with knots a polyline through them instead of that line.

    Attributes:
        prior_shift: Of sub-sampling negatives.
        scale: Above 0.
        offset: Added to the scaled logit.
        knots: (logit before, logit after), both strictly increasing; the ends go on with slope 1. Empty but for
            isotonic.
        tried: What was tried on validation users; empty in models saved before it was recorded.
        why: Why nothing was tried, or empty.
    """

    prior_shift: float = 0.0
    scale: float = 1.0
    offset: float = 0.0
    knots: tuple[tuple[float, float], ...] = ()
    tried: tuple[Trial, ...] = ()
    why: str = ""

    @property
    def method(self) -> str:
        """What is applied after the prior shift: `none`, `temperature`, `platt` or `isotonic`.

        >>> Calibration(prior_shift=2.0).method, Calibration(scale=0.5).method, Calibration(offset=0.1).method
        ('none', 'temperature', 'platt')
        """
        if self.knots:
            return "isotonic"
        return "platt" if self.offset else "none" if self.scale == 1 else "temperature"

    def apply(self, raw: Floats) -> Floats:
        """Calibrated logits of raw ones, same shape."""
        return self.fitted(raw - self.prior_shift)

    def fitted(self, shifted: Floats) -> Floats:
        """Calibrated logits of those from which the prior shift is subtracted already."""
        if not self.knots:
            return self.scale * shifted + self.offset
        before, after = np.array(self.knots).T
        return _polyline(shifted, before, after)

    def shifted(self, calibrated: Floats) -> Floats:
        """The inverse of `fitted`: logits with the prior shift subtracted and nothing else.

        >>> calibration = Calibration(knots=((-3.0, -4.0), (0.0, -1.0)))
        >>> calibration.shifted(calibration.fitted(np.array([-5.0, -1.5, 2.0]))).tolist()
        [-5.0, -1.5, 2.0]
        """
        if not self.knots:
            return np.asarray((calibrated - self.offset) / self.scale)
        before, after = np.array(self.knots).T
        return _polyline(calibrated, after, before)

    @property
    def words(self) -> str:
        """What was chosen and why, in one sentence."""
        if self.why:
            return f"nothing was fitted after the prior shift: {self.why}"
        if not self.tried:
            return f"{self.method}, fitted on validation users"
        best = max(self.tried, key=lambda trial: trial.gain)
        if self.method == "none":
            return (
                "nothing was fitted after the prior shift: no calibrator had a lower log loss on held-out validation "
                f"users beyond chance (the best, {best.method}: gain {best.gain:.2g} [{best.low:.2g}, {best.high:.2g}])"
            )
        used = next(trial for trial in self.tried if trial.used)
        return (
            f"{used.method}, whose log loss on held-out validation users is lower than without by {used.gain:.2g} "
            f"[{used.low:.2g}, {used.high:.2g}]"
        )

    def save(self, directory: Path) -> None:
        """Write `calibration.json` beside the weights."""
        told = fields_of(self) | {"method": self.method, "tried": [fields_of(trial) for trial in self.tried]}
        (directory / FILE).write_text(json.dumps(told, indent=1) + "\n")

    @classmethod
    def read(cls, directory: Path) -> "Calibration":
        """Read `calibration.json`; one of an earlier version holds `prior_shift`, `scale` and `offset` alone.

        Raises:
            FileNotFoundError: The directory holds a model but none of ours.
        """
        path = directory / FILE
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is missing: not a reward model of this project; train one with train_reward_model"
            )
        told = json.loads(path.read_text())
        return cls(
            told["prior_shift"],
            told["scale"],
            told["offset"],
            knots=tuple((float(before), float(after)) for before, after in told.get("knots", ())),
            tried=tuple(Trial(**each) for each in told.get("tried", ())),
            why=told.get("why", ""),
        )


def _polyline(values: Floats, before: Floats, after: Floats) -> Floats:
    """Linear between knots; beyond the first and the last it goes on with slope 1."""
    inside = np.interp(values, before, after)
    return np.asarray(inside + np.minimum(values - before[0], 0.0) + np.maximum(values - before[-1], 0.0))


def prior_shift(natural: float, trained: float) -> float:
    """How far sub-sampling negatives from a positive rate `natural` to `trained` moved every logit.

    `log(pi'/(1-pi')) - log(pi/(1-pi))`, docs/method.md, 3.

    >>> round(prior_shift(0.001, 0.1), 2)
    4.71

    Raises:
        ValueError: A rate outside (0, 1).
    """
    for name, rate in (("natural", natural), ("trained", trained)):
        if not 0 < rate < 1:
            raise ValueError(f"{name} positive rate == {rate}, must be in (0, 1)")
    return float(np.log(trained / (1 - trained)) - np.log(natural / (1 - natural)))
