import itertools
import random
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from streams.live.messages import Changes, ReactionCount
from streams.live.rules import Rules
from streams.live.shared import SharedRates, spread

RULES = Rules(device_line=5, network_line=20, memory_seconds=100.0)


def told(*changes: ReactionCount, partition: int = 0, offset: int = 0, at: float = 0.0) -> SimpleNamespace:
    value = msgspec.json.encode(Changes(partition, list(changes)))
    return SimpleNamespace(offset=offset, timestamp=at, value=value)


def change(offset: int, count: int = 1, *, subject: Any = "device", key: str = "d", minute: int = 7) -> ReactionCount:
    return ReactionCount(offset, subject, key, minute, count)


def rates(*messages: SimpleNamespace) -> SharedRates:
    shared = SharedRates(RULES, 0)
    for number, message in enumerate(messages):
        shared.observe(
            SimpleNamespace(offset=number, timestamp=message.timestamp, timestamp_type=1, value=message.value)
        )
    return shared


def test_a_device_seen_in_many_partitions_is_flagged_once_at_the_line() -> None:
    (flag,) = rates(*(told(change(3, 2), partition=n) for n in range(5))).flags
    assert (flag.rule, flag.subject, flag.key, flag.user_id) == ("device_reactions_per_minute", "device", "d", None)
    assert (flag.score, flag.evidence) == (1.2, {"reactions": 6, "seconds": 60, "line": 5})
    assert flag.flagged_at.timestamp() == 7 * 60


def test_networks_have_a_line_of_their_own() -> None:
    network = [told(change(n, 1, subject="network", key="n")) for n in range(19)]
    assert rates(*network).flags == []
    assert len(rates(*network, told(change(19, 1, subject="network", key="n"))).flags) == 1


def test_minutes_and_keys_are_counted_apart() -> None:
    messages = [told(change(n, 1, key=f"d{n % 10}", minute=n // 10)) for n in range(400)]
    assert rates(*messages).flags == []


def test_what_a_restarted_worker_tells_again_counts_once() -> None:
    assert rates(*[told(change(0, 2), change(1, 2))] * 3).flags == []
    assert len(rates(told(change(0, 2), change(1, 2)), told(change(1, 2), change(2, 2))).flags) == 1


def test_the_order_in_which_partitions_arrive_does_not_matter() -> None:
    parts = [[told(change(offset, 1), partition=partition) for offset in range(3)] for partition in range(2)]
    for order in set(itertools.permutations([0, 0, 0, 1, 1, 1])):
        sources = [iter(part) for part in parts]
        assert [flag.identity for flag in rates(*(next(sources[n]) for n in order)).flags] == [
            ("device_reactions_per_minute", "device", "d", rates(*parts[0], *parts[1]).flags[0].flagged_at)
        ]


def test_old_minutes_are_forgotten_and_their_messages_let_go() -> None:
    shared = rates(*(told(change(n, 4, key=f"d{n}"), at=n * 60.0) for n in range(50)))
    assert sum(1 for _ in shared.rates()) <= 2
    assert shared.release() == 46


def test_what_no_guard_wrote_is_passed_over() -> None:
    broken = SimpleNamespace(offset=0, timestamp=0.0, value=b"{}")
    empty = SimpleNamespace(offset=0, timestamp=0.0, value=None)
    assert rates(broken, empty, told(change(0, 5))).next == 3


def test_changes_are_spread_by_key_so_that_one_worker_sees_all_of_a_device() -> None:
    draw = random.Random(1)
    changes = [change(n, key=f"d{draw.randrange(30)}") for n in range(300)]
    messages = spread(4, changes, 3)
    seen = {target: msgspec.json.decode(value, type=Changes) for target, value in messages.items()}
    keys = [{each.key for each in part.changes} for part in seen.values()]
    assert sum(len(part.changes) for part in seen.values()) == 300
    assert len(keys) == 3
    assert not keys[0] & keys[1] | keys[1] & keys[2] | keys[0] & keys[2]
    assert {part.partition for part in seen.values()} == {4}


@pytest.mark.parametrize("gap", [timedelta(seconds=0), timedelta(days=1)])
def test_a_burst_long_ago_is_judged_by_its_own_time(gap: timedelta) -> None:
    minute = 1_000_000 - int(gap.total_seconds()) // 60
    (flag,) = rates(told(change(0, 6, minute=minute))).flags
    assert flag.flagged_at.timestamp() == minute * 60
