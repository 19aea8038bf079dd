"""Which feedback signals foretell that people stay: the rows to learn it from."""

from warehouse.signals.user_days import DAYS, user_days, with_sentiment

__all__ = ["DAYS", "user_days", "with_sentiment"]
