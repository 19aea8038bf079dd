"""Which responses do people love? Learnt day by day, and never from the user whom it is asked about."""

from training.trust.crossfit import CrossFit
from training.trust.features import features

__all__ = ["CrossFit", "features"]
