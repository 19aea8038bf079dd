"""Groups of accounts: in lockstep, or in dense blocks of what they love."""

from warehouse.adversary.groups.flags import VERSION, JudgedWindow
from warehouse.adversary.groups.search import PAUSE, WINDOW, WITHIN, Judgement, drawn, judge, read, store

__all__ = ["PAUSE", "VERSION", "WINDOW", "WITHIN", "JudgedWindow", "Judgement", "drawn", "judge", "read", "store"]
