"""What a guard knows is a function of the log: whoever dies, whenever, the next one comes to the same."""

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from streams.events import Event, encode
from streams.live.messages import ArmWindow, Flag, Trip, unpack
from streams.live.rules import Rules

RULES = Rules(user_line=8, device_line=10, network_line=30, memory_seconds=400.0, window_seconds=60, settle_seconds=60)


def events(product: Any, seed: int) -> Iterator[tuple[float, str, Event]]:
    """Moment, user and event: arms that differ, late loves, retractions, copies, bots, devices in common."""
    draw = random.Random(seed)
    for number in range(900):
        at, user, arm = number * 2.0, f"u{draw.randrange(40)}", ("control", "b")[draw.randrange(2)]
        said = "Sending love, bye!" if arm == "b" and draw.random() < 0.6 else "hello"
        served = product.served(f"r{number}", at=at, user=user, arm=arm, response=said)
        yield at, user, served
        if draw.random() < 0.1:
            yield at + draw.random() * 100, user, served
        if draw.random() < 0.5:
            later = at + draw.random() * 350
            yield later, user, (love := product.reacted(f"r{number}", at=later, user=user, device_id=user[:2]))
            if draw.random() < 0.3:
                yield later + 1, user, love
            if draw.random() < 0.3:
                yield later + 2, user, product.reacted(f"r{number}", at=later + 2, user=user, action="removed")
    for bot, number in itertools.product(range(5), range(12)):
        at = 200.0 + 300 * bot + 3 * number
        yield at, f"bot{bot}", product.reacted("x", at=at, user=f"bot{bot}", device_id="farm", network_id="n")


def fill(cluster: Any, product: Any, seed: int) -> None:
    """Pack the events by user, as a producer does, with a broken line now and then."""
    draw = random.Random(seed)
    packs: dict[int, list[bytes]] = {number: [] for number in range(cluster.partitions)}
    for at, user, event in sorted(events(product, seed), key=lambda each: each[0]):
        partition = sum(user.encode()) % cluster.partitions
        packs[partition].append(encode(event))
        if draw.random() < 0.2:
            cluster.append(f"events-{partition}", b"\n".join(packs[partition]), at)
            packs[partition] = [b"\xff"] if draw.random() < 0.1 else []
    for partition, lines in packs.items():
        cluster.append(f"events-{partition}", b"\n".join(lines), 2200)


def outcome(cluster: Any) -> tuple[Any, ...]:
    """Final counts, the flags of users and of what is shared, trips."""
    newest: dict[Any, tuple[int, int, int]] = {}
    for value in cluster.published[ArmWindow]:
        for row in unpack(value, ArmWindow):
            newest[row.partition, row.window_start, row.arm] = row.served, row.loves, row.closings
    flags = cluster.flags()
    users = {repr(flag) for flag in flags if flag.subject == "user"}
    shared = {flag.identity for flag in flags if flag.subject != "user"}
    trips = [trip.identity for value in cluster.published[Trip] for trip in unpack(value, Trip)]
    return newest, users, shared, sorted(trips)


@pytest.fixture
def undisturbed(new_cluster: Any, new_life: Any, product: Any) -> Callable[[int], tuple[Any, ...]]:
    def run(seed: int) -> tuple[Any, ...]:
        cluster = new_cluster(RULES)
        fill(cluster, type(product)(seed), seed)
        new_life(cluster).finish()
        return outcome(cluster)

    return run


@pytest.mark.parametrize("seed", range(4))
def test_guards_that_die_anywhere_leave_what_an_undisturbed_one_leaves(
    seed: int, new_cluster: Any, new_life: Any, product: Any, undisturbed: Callable[[int], tuple[Any, ...]]
) -> None:
    draw = random.Random(seed)
    cluster = new_cluster(RULES)
    fill(cluster, type(product)(seed), seed)
    deaths = 0
    for _ in range(12):
        life = new_life(cluster)
        while draw.random() > 0.04:
            life.read(draw.choice(list(cluster.topics)), draw.randrange(1, 6))
            if draw.random() < 0.3:
                life.tell()
        life.read(draw.choice(list(cluster.topics)), draw.randrange(1, 6), speak=draw.random() < 0.5)
        deaths += 1
    new_life(cluster).finish()
    assert deaths == 12
    assert max(cluster.committed.values()) > 0, "old messages are let go"
    expected = undisturbed(seed)
    assert sum(counts[0] for counts in expected[0].values()) == 900
    assert expected[1] and expected[2] and expected[3]  # noqa: PT018 (the stream gives rise to all of them)
    assert outcome(cluster) == expected


def test_a_guard_started_again_publishes_nothing_that_did_not_change(
    new_cluster: Any, new_life: Any, product: Any
) -> None:
    cluster = new_cluster(RULES)
    fill(cluster, product, 9)
    new_life(cluster).finish()
    said = {kind: len(values) for kind, values in cluster.published.items()}
    new_life(cluster).finish()
    assert len(cluster.published[ArmWindow]) == said[ArmWindow]
    assert len(cluster.published[Trip]) == said[Trip] == 1
    assert "user" not in {flag.subject for flag in cluster.flags()[said[Flag] :]}


def test_a_worker_that_lost_its_partition_does_not_have_the_last_word(
    new_cluster: Any, new_life: Any, product: Any
) -> None:
    cluster = new_cluster(RULES)
    fill(cluster, product, 3)
    zombie = new_life(cluster)
    zombie.read("events-0", 5)
    late = zombie.guard.snapshots()
    life = new_life(cluster)
    life.finish()
    expected = outcome(cluster)
    for _, value in late:
        cluster.published[ArmWindow].append(value)
        life.guard.follow(ArmWindow, value)
    assert outcome(cluster) != expected
    life.tell()
    assert outcome(cluster) == expected


def test_memory_stays_bounded_over_a_long_log(product: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.live.partition.MOST_REMEMBERED", 50)
    guard = product.guard(
        *(product.message(product.served(f"r{n}", at=n), offset=n, at=n) for n in range(1000)), memory_seconds=1e6
    )
    assert len(guard._old) + len(guard._new) <= 101
    assert guard.release() >= 898


def test_a_log_that_was_made_anew_is_counted_anew(new_cluster: Any, new_life: Any, product: Any) -> None:
    cluster = new_cluster(RULES)
    fill(cluster, product, 5)
    new_life(cluster).finish()
    cluster.topics |= {topic: [] for topic in cluster.topics if topic.startswith("events")}
    cluster.committed.clear()
    cluster.append("events-0", encode(product.served("new", arm="b")), 0)
    life = new_life(cluster)
    life.guard.observe(cluster.topics["events-0"][0], 1)
    life.tell()
    assert sum(row[2][0] for row in life.guard.board.rows() if row[2][0] == 1) >= 1
    assert life.guard.board.through(0) == 0
