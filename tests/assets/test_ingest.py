"""`loveloop ingest` as a service: it follows the stream, logs without a terminal, and ends in good order."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streams import brokers, producer, topics
from warehouse import queries
from warehouse.storage.transaction import WarehouseError


def stored(path: Path) -> int:
    try:
        return int(queries.counts(path)["events"])
    except WarehouseError:
        return 0


@pytest.mark.slow
def test_sigterm_makes_loveloop_ingest_store_what_was_read_and_report_it(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with brokers.start("tansu", tmp_path / "broker") as broker:
        topics.create_topics(broker.bootstrap)
        with producer.EventProducer(broker.bootstrap) as out:
            out.send_line(b"broken")
        settings = {**os.environ, "KAFKA_BOOTSTRAP": broker.bootstrap, "LOVELOOP_WAREHOUSE": str(path)}
        command = [sys.executable, "-m", "assets", "ingest"]
        ingest = subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while not stored(path) and time.monotonic() < deadline:
            time.sleep(0.2)
        ingest.send_signal(signal.SIGTERM)
        printed, logged = ingest.communicate(timeout=60)
    assert ingest.returncode == 0, logged
    assert "SIGTERM: storing what has been read" in logged
    assert printed.startswith("1 events: 0 responses, 0 reactions")
    assert "1 dead letter" in printed
