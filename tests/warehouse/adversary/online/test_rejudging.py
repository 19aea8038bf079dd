"""The log judged anew, where today's rules are others than those that judged it: the flags are those of one pass."""

from datetime import datetime, timedelta
from typing import Any

import pytest


@pytest.mark.slow
def test_flags_of_another_version_of_a_rule_are_made_anew(feed: Any, product: Any) -> None:
    feed.pour(*product.day())
    flags = feed.ask("SELECT * FROM flags ORDER BY ALL")
    assert flags
    with feed.warehouse.transaction() as writer:
        writer.execute("UPDATE flags SET rule_version = 0, score = 99")
    feed.warehouse.migrate()
    assert feed.ask("SELECT * FROM flags ORDER BY ALL") == flags


@pytest.mark.slow
def test_judging_the_log_anew_month_by_month_changes_no_flag(feed: Any, product: Any) -> None:
    ends: list[datetime] = [datetime(2026, month, 1, tzinfo=product.noon.tzinfo) for month in (2, 3)]
    lines = [product.served(f"r{n}", at=end - timedelta(seconds=1)) for n, end in enumerate(ends)]
    lines += [product.reacted(f"r{n}", at=end + timedelta(seconds=1), dwell_ms=10) for n, end in enumerate(ends)]
    feed.pour(*product.day(), *lines)
    flags = feed.ask("SELECT * FROM flags ORDER BY ALL")
    with feed.warehouse.transaction() as writer:
        from warehouse.adversary import online

        online.flag_all(writer)
    assert feed.ask("SELECT * FROM flags ORDER BY ALL") == flags
