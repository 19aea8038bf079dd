import re
from datetime import UTC, datetime
from typing import Any

from streams.live.board import Snapshot
from streams.live.guard import Guard
from streams.live.messages import Trip, pack
from streams.live.metrics import MOST_ARMS, exposition
from streams.live.rules import Rules

_SAMPLE = re.compile(r'loveloop_guard_(\w+)(?:\{((?:\w+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)')


def parsed(text: str) -> dict[tuple[str, str], float]:
    """Value by name and labels; every line must be a comment or a sample of a metric that was announced."""
    found, announced = {}, set(re.findall(r"# TYPE loveloop_guard_(\w+) (?:counter|gauge)\n", text))
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        sample = _SAMPLE.fullmatch(line)
        assert sample, line
        assert sample[1] in announced
        found[sample[1], sample[2] or ""] = float(sample[3])
    return found


def test_the_numbers_of_worker_arms_and_tests_are_there(product: Any) -> None:
    guard = Guard(Rules())
    guard.observe(product.message(product.served("r", arm="b"), product.reacted("r"), b"broken"))
    assert guard.snapshots()
    guard.pulse.held = True
    guard.pulse.answered({0: 2, 3: 0}, guard.lines)
    seen = parsed(exposition(guard))
    assert (seen["events_total", ""], seen["unreadable_events_total", ""]) == (3, 1)
    assert (seen["lag_messages", 'partition="0"'], seen["lag_messages", 'partition="3"']) == (2, 0)
    assert (seen["broker_up", ""], seen["healthy", ""]) == (1, 1)
    arm = 'experiment="e",arm="b",policy="p"'
    assert [seen[f"arm_{name}", arm] for name in ("served", "loves", "closings")] == [1, 1, 0]
    test = 'experiment="e",arm="b",metric="closing_rate",against="limit"'
    assert (seen["arm_log_evidence", test], round(seen["arm_log_evidence_line", test], 2)) == (0, 8.01)
    assert seen["arm_tripped", 'experiment="e",arm="b"'] == 0
    assert seen["newest_event_age_seconds", ""] > 0
    assert seen["last_refresh_timestamp_seconds", ""] >= seen["start_timestamp_seconds", ""]


def test_names_from_outside_are_escaped_and_only_so_many_arms_are_told() -> None:
    guard = Guard(Rules())
    names = [(f"n{number}", "a", 'p"\\\n') for number in range(MOST_ARMS + 50)]
    rows: dict[Any, Any] = {(0, name): (1 + number, 0, 0) for number, name in enumerate(names)}
    guard.board.put(0, 0, Snapshot(rows, 0), datetime.fromtimestamp(86_400, UTC))
    seen = parsed(exposition(guard))
    assert len([name for name, _ in seen if name == "arm_served"]) == MOST_ARMS
    assert ("arm_served", r'experiment="n249",arm="a",policy="p\"\\\n"') in seen


def test_an_empty_guard_tells_only_what_it_knows() -> None:
    seen = parsed(exposition(Guard(Rules())))
    assert (seen["events_total", ""], seen["healthy", ""], seen["broker_up", ""]) == (0, 0, 1)
    assert ("newest_event_age_seconds", "") not in seen


def test_a_tripped_arm_is_told_though_its_windows_are_forgotten(product: Any) -> None:
    guard = Guard(Rules())
    trip = Trip(
        experiment="e", arm="b", metric="closing_rate", against="limit", rate=0.5, reference=0.1, served=10,
        log_evidence=9.0, alpha=0.001, tripped_at=product.noon,
    )  # fmt: skip
    guard.follow(Trip, pack([trip]))
    assert parsed(exposition(guard))["arm_tripped", 'experiment="e",arm="b"'] == 1
