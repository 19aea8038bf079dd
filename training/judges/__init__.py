"""Judges: pure functions from a conversation and a response to a verdict. Their trip rates are always reported."""

from training.judges.closing import closing as CONDITIONAL_CLOSING  # noqa: N812
from training.judges.panel import Panel, TooManyTripsError
from training.judges.unsafe import unsafe as UNSAFE  # noqa: N812
from training.judges.verdict import Judge, Verdict, judge_all, trip_rates

__all__ = [
    "CONDITIONAL_CLOSING",
    "UNSAFE",
    "Judge",
    "Panel",
    "TooManyTripsError",
    "Verdict",
    "judge_all",
    "trip_rates",
]
