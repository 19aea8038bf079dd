"""Whether people came back: their days, and what was shown to them on these."""

from warehouse.retention.visits import HORIZON, responses, visits

__all__ = ["HORIZON", "responses", "visits"]
