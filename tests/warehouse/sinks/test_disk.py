"""A disk that is slow, and one that is full."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from warehouse import connection, queries
from warehouse.fingerprint import fingerprints
from warehouse.storage.transaction import WarehouseFullError

SLOW = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/types.h>
#include <unistd.h>
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define WRITE int fd, const void *from, size_t n, off_t at
int fsync(int fd) { usleep(2000000); return NEXT(fsync)(fd); }
int fdatasync(int fd) { usleep(2000000); return NEXT(fdatasync)(fd); }
ssize_t pwrite(WRITE) { usleep(50000); return NEXT(pwrite)(fd, from, n, at); }
ssize_t pwrite64(WRITE) { usleep(50000); return NEXT(pwrite64)(fd, from, n, at); }
"""
SOUGHT = "went to the stored positions"
SAY_WHEN_SEEKING = f"""
import logging
from warehouse.ingest.worker import SinkWorker
seek = SinkWorker._seek
def told(worker):
    logging.getLogger("seek").warning({SOUGHT!r})
    seek(worker)
SinkWorker._seek = told
"""


@pytest.fixture
def slow_disk(tmp_path: Path) -> dict[str, str]:
    """An environment in which a sync takes 2 s and a write 50 ms."""
    if shutil.which("gcc") is None:
        pytest.skip("no gcc to compile the slow disk with")
    (tmp_path / "slow.c").write_text(SLOW)
    command = ["gcc", "-shared", "-fPIC", "-O1", "-o", "slow.so", "slow.c", "-ldl"]
    subprocess.run(command, cwd=tmp_path, check=True)
    return {**os.environ, "LD_PRELOAD": str(tmp_path / "slow.so")}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk needs the right to mount one")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path) -> Path:
    """A file that takes all the room that is left."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(b"0" * 4_096):
                pass
        except OSError:
            return ballast
    raise AssertionError("a disk without end")


@pytest.mark.slow
def test_on_a_slow_disk_everything_arrives_readers_get_in_and_the_membership_is_kept(
    sinks: Any, world: list[bytes], slow_disk: dict[str, str]
) -> None:
    lines = world[:1_000]
    sinks.send(lines)
    connection.open(sinks.target).migrate()
    slow = sinks.start(environment=slow_disk, before=SAY_WHEN_SEEKING, poll_seconds=1.5, batch_rows=1)
    sinks.wait_for(1)
    while queries.counts(sinks.target)["events"] < len(lines):  # no reader is turned away
        assert slow.poll() is None
    slow.send_signal(signal.SIGTERM)
    assert slow.wait(60) == 0
    assert sinks.log().count(SOUGHT) <= 2  # revoked and assigned, on joining; not once more
    sinks.assert_exact(len(lines))


@pytest.mark.slow
def test_on_a_full_disk_ingest_ends_with_a_clear_error_and_goes_on_once_there_is_room(
    kafka: str, new_sinks: Any, world: list[bytes], small_disk: Path
) -> None:
    sinks = new_sinks(kafka, small_disk / "warehouse.duckdb")
    sinks.send(world)
    assert sinks.start(until_caught_up=True).wait(120) == 1
    told = sinks.log(0)
    assert f"WarehouseFullError: the disk of {small_disk} is full, " in told
    assert "make room and run the same command again, it goes on where it was" in told
    before = sinks.stored()
    assert 0 < before < len(world)
    assert sinks.start(until_caught_up=True).wait(120) == 1
    subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
    assert sinks.start(until_caught_up=True).wait(120) == 0
    sinks.assert_exact(len(world))


@pytest.mark.slow
@pytest.mark.parametrize("targets", ["file"], indirect=True)
def test_a_disk_that_is_full_at_a_commit_or_a_checkpoint_tears_nothing(
    feed: Any, product: Any, small_disk: Path
) -> None:
    store = connection.open(small_disk / "warehouse.duckdb")
    store.migrate()
    small = type(feed)(store)
    small.pour(*product.day())
    before = fingerprints(store.target)
    ballast = fill(small_disk)
    more = [product.served(f"more-{n}", "eve") for n in range(500)]
    with pytest.raises(WarehouseFullError, match="0 bytes are free"):
        small.pour(*more)
    with pytest.raises(WarehouseFullError, match="What was committed is safe"):
        store.checkpoint()
    assert fingerprints(store.target) == before
    ballast.unlink()
    store.checkpoint()
    assert fingerprints(store.target) == before
    assert small.pour(*more).rows["responses"] == 500
