"""A chat to try everything with, in one command on this machine: models, gateway, broker, sink, guard, an experiment.

Each part is a process of its own, a command that a real product would run. What visitors are shown and how they react
is in the chat's warehouse, and `loveloop experiment read` reads it out. Ended, it stores what the broker still holds.
"""

import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from assets import chat_counts
from assets.chat_broker import ChatBroker, at_hand
from assets.chat_part import ChatPart, environment
from assets.chat_policies import ChatPolicies, experiment, policies
from assets.cycle import read_json, write_json
from assets.lock import RunHeldError, alone, holder
from assets.subcommand import followed
from streams import children

RECIPE = Path(__file__).resolve().parents[1] / "deploy" / "recipes" / "chat.toml"
LOVELOOP = (sys.executable, "-m", "assets")
_STATUS = "sink.json"
_PAUSE = 0.2
_LOOK_SECONDS = 2.0
"""Between two looks at the counts."""


@dataclass(frozen=True, slots=True)
class ChatSettings:
    """What is served, and where its things lie.

    Attributes:
        folder: The chat's own: broker, warehouse, routes, the gateway's secret, logs. It stays.
        home: The folder in which runs lie.
        name: The run whose policies are served; None for `demo` or, where that is not there, a small one of its own.
        port: Of the gateway; 0 for that of the last time, or a free one.
        guard_port: Of the live guard's page; 0 for a free one.
        stopping: Gives, while parts run, an event that is set when the chat is to end.
        command: How `loveloop` is called.
        say: Told what happens, line by line.
        count: Told the counts whenever somebody may want to see them; the second word says whether they changed.
        opened: Called with the chat's address, once visitors may come.
    """

    folder: Path
    home: Path
    name: str | None = None
    port: int = 0
    guard_port: int = 0
    stopping: Callable[[], AbstractContextManager[threading.Event]] = lambda: nullcontext(threading.Event())
    command: Sequence[str] = LOVELOOP
    say: Callable[[str], object] = print
    count: Callable[[str, bool], object] = lambda line, changed: print(line) if changed else None
    opened: Callable[[str], object] = lambda address: None  # noqa: ARG005  (nobody is to be told)

    @property
    def warehouse(self) -> Path:
        """Where responses and reactions are stored."""
        return self.folder / "warehouse.duckdb"


def chat(asked: ChatSettings) -> None:
    """Serve until it is to stop; all that was started is ended on the way, as it is when an exception comes.

    1. Find the policies: those of the run, or of a small one that is made.
    2. Start broker, sink, guard and model servers; plan and start the experiment.
    3. Start the gateway, and say where it is.
    4. Watch: a part that ends by itself ends the rest.

    Raises:
        PartEndedError: A part ended by itself.
        ValueError: The folder is in use, the run is not there, or a port is taken.
    """
    asked.folder.mkdir(parents=True, exist_ok=True)
    with _held(asked.folder), ExitStack() as stack:
        served = _policies(asked)
        stack.callback(lambda: asked.say(f"ended; everything is kept in {asked.folder}"))
        stop = stack.enter_context(asked.stopping())  # to the end: a second signal must not cut it off
        broker = stack.enter_context(at_hand(asked.folder, asked.warehouse, asked.command, asked.say))
        parts: list[ChatPart] = []

        def begin(name: str, *words: str | Path) -> ChatPart:
            part = ChatPart(name, asked.command, words, asked.folder)
            stack.callback(part.end)
            parts.append(part)
            return part

        def wait(part: ChatPart) -> str:
            return part.address(stop)

        address = wait(_begin_all(asked, served, broker.bootstrap, begin, wait))
        while (chat_counts.asked(address, "/ready") or {}).get("ready") is not True and not stop.wait(_PAUSE):
            _check(parts, broker)
        stack.callback(lambda: asked.say("\nending; what the broker holds is stored first"))
        asked.say(f"chat on {address}/, for operators {address}/operator")
        asked.opened(f"{address}/")
        _watch(asked, address, parts, broker, stop)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(alone(folder, "loveloop chat"))
        except RunHeldError:
            who = holder(folder) or "another process"
            raise ValueError(f"{who} works in {folder}; end it first, or name another --folder") from None
        yield


def _policies(asked: ChatSettings) -> ChatPolicies:
    """Those of the run that was named, of the demo, or of a small run that is made where neither is there."""
    found = policies(asked.home / (asked.name or "demo"))
    if found is None and asked.name:
        where = asked.home / asked.name
        raise ValueError(
            f"{where} is no run with an incumbent: loveloop run makes one; leave --name out for a small one"
        )
    return found or _small(asked)


def _small(asked: ChatSettings) -> ChatPolicies:
    """Those of the chat's own small run, which is made, or ended, where it has no candidate yet."""
    place = asked.folder / "runs" / "small"
    found = policies(place)
    if found is None or found.candidate is None:
        asked.say(f"no run in {asked.home / 'demo'} (make demo makes it): a small loop is run first, about a minute")
        words = ("run", "--recipe", str(RECIPE), "--home", str(place.parent), "--name", place.name)
        _shown([*asked.command, *words], asked.say)
        found = policies(place)
    asked.say("the small loop's models learnt from a simulated world: they answer, they do not make sense")
    assert found is not None, "a run that ended well has an incumbent"
    return found


def _shown(command: Sequence[str], say: Callable[[str], object]) -> None:
    """Run a command to its end, and show what it says."""
    ended = followed(children.tied([*command]), lambda line: say(f"  {line}"), environment())
    if ended.code:
        raise ValueError(
            f"the small loop ended with exit code {ended.code}: {ended.last}\n"
            "Mend that, then run the same command again"
        )


def _begin_all(
    asked: ChatSettings,
    served: ChatPolicies,
    bootstrap: str,
    begin: Callable[..., ChatPart],
    wait: Callable[[ChatPart], str],
) -> ChatPart:
    """Start every part, and hand back the gateway. The model servers come first: they take longest."""
    folder, warehouse = asked.folder, asked.warehouse
    alike = served.decoding()
    models = {
        place.resolve().name: begin(f"model {place.resolve().name}", "serve", place, "--port", "0", *alike)
        for place in served.places().values()
    }
    asked.say(experiment(warehouse, served))
    _write_routes(asked)
    guard_port = asked.guard_port or "0"
    guard = begin("live guard", "guard", "--bootstrap", bootstrap, "--web-port", str(guard_port))
    begin("sink", "ingest", "--warehouse", warehouse, "--bootstrap", bootstrap, "--status", folder / _STATUS)
    backends = {name: f"{wait(part)}/v1" for name, part in models.items()}
    for name, place in zip(backends, served.places().values(), strict=True):
        asked.say(f"{name} answers on {backends[name]}, from {place}")
    guard_address = wait(guard)
    asked.say(f"live guard on {guard_address}/live; warehouse {warehouse}; logs {folder}/*.log")
    (folder / "gateway.toml").write_text(
        _gateway_file(folder, served.incumbent.resolve().name, backends, guard_address), encoding="utf-8"
    )
    told = ("--config", folder / "gateway.toml", "--bootstrap", bootstrap, "--routes", folder / "routes.json")
    return begin("gateway", "gateway", *told, "--port", str(_port(asked)))


def _write_routes(asked: ChatSettings) -> None:
    from assets.experiment import routes

    for told in routes.write_routes(asked.warehouse, asked.folder / "routes.json"):
        asked.say(told)


def _gateway_file(folder: Path, default: str, backends: dict[str, str], guard: str) -> str:
    """The gateway's settings. JSON's texts are TOML's, too."""
    lines = [
        "# written anew by each loveloop chat",
        f"default = {json.dumps(default)}",
        f"folder = {json.dumps(str(folder / 'gateway'))}",
        "[backends]",
        *(f"{json.dumps(name)} = {json.dumps(url)}" for name, url in backends.items()),
        "[operator]",
        "open = true",
        f"guard = {json.dumps(guard)}",
        f"sink = {json.dumps(str(folder / _STATUS))}",
    ]
    return "\n".join(lines) + "\n"


def _port(asked: ChatSettings) -> int:
    """The gateway's port: browsers keep conversations by address, so that of the last time where it is free."""
    from streams import brokers

    file = asked.folder / "chat.json"
    kept = int(read_json(file, "port")["port"]) if file.exists() else 0
    port = asked.port or (kept if kept and _free(kept) else brokers.free_port())
    write_json(file, {"port": port})
    return port


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _watch(asked: ChatSettings, address: str, parts: list[ChatPart], broker: ChatBroker, stop: threading.Event) -> None:
    """Look after everything until it is to stop, and tell the counts."""
    line, next_look = "", 0.0
    while not stop.is_set():
        _check(parts, broker)
        if time.monotonic() >= next_look:
            seen = chat_counts.counts(address, asked.warehouse) or line
            asked.count(seen, seen != line)
            line, next_look = seen, time.monotonic() + _LOOK_SECONDS
        stop.wait(_PAUSE)


def _check(parts: list[ChatPart], broker: ChatBroker) -> None:
    broker.check()  # first: without it the others end, too
    for part in parts:
        part.check()
