"""Brokers for the tests that need one, and the line at the end that says on which brokers they ran."""

import gc
import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from streams import brokers, kafka_jars, topics

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: spinning threads starve each other
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests beside each other: a core for each

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell lets what it runs in the background ignore SIGINT, and children inherit that: the processes under test
    # would not hear Ctrl-C, and where Dagster copies that handler, no SIGTERM either.
    signal.signal(signal.SIGINT, signal.default_int_handler)

gc.disable()  # while modules are imported, which all stay: looking for garbage among them is a third of the collection

settings.register_profile("thorough", max_examples=400)  # pytest --hypothesis-profile=thorough, for long searches

RAN: dict[str, int] = {}
ABSENT: dict[str, str] = {}


@pytest.fixture(scope="session")
def tansu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap address of a Tansu broker: up in half a second, all in memory."""
    yield from _bootstrap("tansu", tmp_path_factory.mktemp("tansu"))


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap address of an Apache Kafka broker; tests with it are slow, and skipped without Java or its jars."""
    try:
        kafka_jars.fetch()
    except kafka_jars.KafkaJarsMissingError as error:
        ABSENT["kafka"] = str(error)
        pytest.skip(str(error))
    yield from _bootstrap("kafka", tmp_path_factory.mktemp("kafka"))


@pytest.fixture
def broker(request: pytest.FixtureRequest, broker_kind: str) -> str:
    """Bootstrap address of a broker; a test that asks for it runs once on each kind.

    `KAFKA_BOOTSTRAP` overrides: the tests then run once, on the broker that it names.
    """
    bootstrap: str = brokers.bootstrap_from_environment() or request.getfixturevalue(broker_kind)
    RAN[broker_kind] = RAN.get(broker_kind, 0) + 1
    return bootstrap


@pytest.fixture
def stream() -> topics.Topics:
    """Names of topics that no other test uses; they are not created."""
    return topics.Topics.under(f"test-{uuid.uuid4().hex[:12]}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "broker_kind" not in metafunc.fixturenames:
        return
    named = brokers.bootstrap_from_environment()
    kinds = [named] if named else ["tansu", pytest.param("kafka", marks=pytest.mark.slow)]
    metafunc.parametrize("broker_kind", kinds)


def pytest_collection_finish() -> None:
    """From here on look for garbage, among what tests make: modules and tests themselves stay to the end."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files with slow tests first: so that no long one begins when the others have ended."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for kind, reason in brokers.available_kinds().items() if RAN else ():
        if reason and kind not in RAN:
            ABSENT.setdefault(kind, reason)
    if RAN:
        ran = ", ".join(f"{kind} ({count} tests)" for kind, count in RAN.items())
        terminalreporter.write_line(f"stream tests ran on: {ran}")
    for kind, reason in ABSENT.items():
        terminalreporter.write_line(f"stream tests did not run on {kind}: {reason}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Of tests that ran beside each other, hand what this process saw to the one that prints."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["brokers"] = (RAN, ABSENT)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    ran, absent = getattr(node, "workeroutput", {}).get("brokers", ({}, {}))
    for kind, count in ran.items():
        RAN[kind] = RAN.get(kind, 0) + count
    ABSENT.update(absent)


def _bootstrap(kind: str, directory: Path) -> Iterator[str]:
    named = brokers.bootstrap_from_environment()
    if named:
        yield named
        return
    with brokers.start(kind, directory) as running:
        yield running.bootstrap
