"""Posts events to loveloop from a product's own process: `Client(...).response(...)`, `.reaction(...)`, `.erase(...)`.

The contract is not written here a second time: `drafts`, `events`, `faults`, `outgoing`, `topics`, `upcasters` and
`wire` are links to loveloop's own files, and a built wheel holds copies of them. The package needs msgspec and
kafka-python, no more.
"""

from .client import Client
from .delivery import Stats
from .events import ContractError, new_event_id

__all__ = ["Client", "ContractError", "Stats", "new_event_id"]
