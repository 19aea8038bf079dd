"""The filter version: which rules, in which versions, decide what is quarantined."""

from __future__ import annotations

from warehouse.adversary import online


def filter_version() -> str:
    """Names and versions of all rules, the sink's and the daily job's, for manifests and cards.

    >>> filter_version().split("+")[0]
    'device_crowd-1'
    """
    from warehouse.adversary.daily import periodic  # needs scipy, which ingest does not

    flagging = [(rule.name, rule.version) for rule in online.rules()]
    return "+".join(f"{name}-{version}" for name, version in flagging + sorted(periodic.VERSIONS.items()))
