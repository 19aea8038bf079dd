"""The online rules: judged inside the ingest transaction, over what a batch touched."""

from warehouse.adversary.online.affected import LogChange
from warehouse.adversary.online.flagging import flag, flag_all, outdated, rules

__all__ = ["LogChange", "flag", "flag_all", "outdated", "rules"]
