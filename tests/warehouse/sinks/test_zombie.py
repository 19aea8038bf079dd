"""A sink is frozen, loses its partitions, and thaws: its commit is refused, it reads again and drops what was done.

On a file the frozen sink is caught between transactions, with the file closed (else all would wait for it); on a lake
inside of one, with its turn at the writers' lock.
"""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FREEZE = """
import os, signal
from pathlib import Path
from warehouse.ingest import worker
sign = Path({sign!r})
def freeze():
    if not sign.exists():
        sign.touch()
        os.kill(os.getpid(), signal.SIGSTOP)
"""
BETWEEN_TRANSACTIONS = """
commit = worker.commit
def frozen_first(store, batch, expected):
    if min(expected.values()) > 0:
        store.release()
        freeze()
    return commit(store, batch, expected)
worker.commit = frozen_first
"""
INSIDE_A_TRANSACTION = """
import importlib
from warehouse.storage.lake import LakeWarehouse
module = importlib.import_module("warehouse.ingest.commit")
insert_dead, turn, calls = module._insert_dead, LakeWarehouse.turn, []
def frozen_last(*arguments):
    insert_dead(*arguments)
    calls.append(1)
    if len(calls) == 2:
        freeze()
module._insert_dead = frozen_last
LakeWarehouse.turn = lambda lake: turn(lake, idle_seconds=2.0)
"""


def lives_through(sinks: Any, world: list[bytes], sign: Path, freeze: str) -> None:
    """Freeze one sink in its work, let another take over and store everything, thaw the first."""
    zombie = sinks.start(before=FREEZE.format(sign=str(sign)) + freeze)
    quarter, half = len(world) // 4, len(world) // 2
    sinks.send(world[:quarter])
    # so that what comes next is a second batch, also where one batch would hold it all
    sinks.wait_for(lambda: sign.exists() or sinks.stored() >= quarter)
    sinks.send(world[quarter:half])
    sinks.wait_for(sign.exists)
    heir = sinks.start()
    sinks.send(world[half:])
    sinks.wait_for(len(world))
    zombie.send_signal(signal.SIGCONT)
    sinks.wait_for(lambda: "batch dropped" in sinks.log(0))
    for process in (zombie, heir):
        process.send_signal(signal.SIGTERM)
    assert [zombie.wait(60), heir.wait(60)] == [0, 0]
    sinks.assert_exact(len(world))


@pytest.mark.slow
def test_a_sink_frozen_between_transactions_finds_its_partitions_taken_and_drops_its_batch(
    sinks: Any, world: list[bytes], tmp_path: Path
) -> None:
    lives_through(sinks, world, tmp_path / "frozen", BETWEEN_TRANSACTIONS)


@pytest.mark.slow
def test_a_sink_frozen_inside_a_transaction_on_a_lake_loses_its_turn_and_its_commit(
    kafka: str, new_sinks: Callable[..., Any], lakes: Any, world: list[bytes], tmp_path: Path
) -> None:
    sinks = new_sinks(kafka, lakes.migrated().target)
    lives_through(sinks, world, tmp_path / "frozen", INSIDE_A_TRANSACTION)
