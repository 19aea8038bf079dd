"""Everything from the client to the tables as processes of their own: broker, models, sinks, guard and gateway."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from gateway_parts.processes import ROOT, KafkaProgram, Program, answers
from streams import brokers

CONFIG = """
default = "v7"
folder = "{folder}"
[backends]
v7 = "http://127.0.0.1:{port}/v1"
[limits]
requests_per_minute = 1e9
user_requests_per_minute = 1e9
"""
CHAT = "/v1/chat/completions"


class Place(NamedTuple):
    """What runs, and where.

    Attributes:
        programs: By name.
        urls: Addresses of the model server, the proxy, the guard's page and the gateway, by name.
        bootstrap: Of the broker.
        target: The warehouse.
    """

    programs: dict[str, Program | KafkaProgram]
    urls: dict[str, str]
    bootstrap: str
    target: str

    def start(self, names: Iterable[str]) -> None:
        """Start programs and return when all do their work."""
        for name in names:
            self.programs[name].start()
        for name in names:
            self.programs[name].wait()


@contextmanager
def running(scratch: Path, names: Iterable[str]) -> Iterator[Place]:
    """A place in which some of the programs run; all of them are ended with it.

    Args:
        scratch: A folder of its own.
        names: Which programs: broker, model, proxy, sink, second sink (of the same warehouse), guard, gateway.
    """
    target = str(scratch / "warehouse.duckdb")
    ports = {name: brokers.free_port() for name in ("model", "proxy", "guard", "gateway")}
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    config, broker = scratch / "gateway.toml", KafkaProgram(scratch / "kafka")
    config.write_text(CONFIG.format(folder=scratch / "state", port=ports["model"]))
    at, bench = ["--bootstrap", broker.bootstrap], ROOT / "bench"
    model = ["-m", "gateway_parts.backend", str(ports["model"])]
    proxy = ["-m", "gateway_parts.proxy", str(ports["proxy"]), f"{urls['model']}{CHAT}"]
    sink = ["-m", "assets", "ingest", "--warehouse", target, *at]
    guard = ["-m", "assets", "guard", "--web-port", str(ports["guard"]), *at]
    gateway = ["-m", "assets", "gateway", "--config", str(config), "--port", str(ports["gateway"]), *at]
    place = Place(
        {
            "broker": broker,
            "model": Program(model, scratch / "model.log", answers(urls["model"]), bench),
            "proxy": Program(proxy, scratch / "proxy.log", answers(urls["proxy"]), bench),
            "sink": Program(sink, scratch / "sink.log"),
            "second sink": Program(sink, scratch / "second-sink.log"),
            "guard": Program(guard, scratch / "guard.log", answers(urls["guard"])),
            "gateway": Program(gateway, scratch / "gateway.log", answers(f"{urls['gateway']}/ready")),
        },
        urls,
        broker.bootstrap,
        target,
    )
    with ExitStack() as stack:
        for program in place.programs.values():
            stack.callback(program.end)
        place.start(names)
        yield place
