"""vLLM servers: one that somebody else runs, and one that we start, watch and end by its process id.

Ours runs in an environment of its own (its libraries clash with Faust's), on loopback and a free port, and writes a
log. It outlives nobody: its `supervisor` leads its process group, and ends all of it when its owner is gone.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from tqdm import tqdm

from streams.brokers import free_port
from training.rollout.client import RolloutServerError, ServedModel, UnknownModelError, VllmClient
from training.rollout.config import RolloutsConfig, environment_of, missing
from training.rollout.launch import Launch, ServerShape, progress

SECONDS_TO_END = 30.0


class ServerEndedError(RolloutServerError):
    """Our server could not be started, or died; the text ends with the tail of its log."""


class GivenServer:
    """A server that somebody else runs.

    Args:
        url: Where it is.
        config: Limits of requests.
    """

    def __init__(self, url: str, config: RolloutsConfig | None = None) -> None:
        self.config = config or RolloutsConfig(engine="vllm")
        self.client = self._client(url)
        self.adapters: dict[str, Path] = {}

    def serve(self, model: str | Path, name: str) -> None:  # noqa: ARG002
        """See that it serves a model under a name.

        Raises:
            UnknownModelError: It serves others; only its owner can give it other weights.
        """
        served = self.client.models()
        if name not in served:
            raise UnknownModelError(
                f"{self.client.url} serves {_names(served)}, not {name!r}: start it with --served-model-name {name} on "
                "those weights, or leave `url` out and it is started here"
            )

    def load(self, name: str, directory: Path) -> None:
        """Load an adapter, unless it is loaded already; a name belongs to one adapter for ever."""
        served = self.client.models()
        where = str(directory.resolve())
        if name not in served:
            self.client.load(name, where)
        elif served[name].root != where and name not in self.adapters:
            raise RolloutServerError(
                f"{self.client.url} serves {name!r} from {served[name].root}, not from {where}: unload it there, or "
                "name this one otherwise"
            )
        self.adapters[name] = directory

    def unload(self, name: str) -> None:
        """Forget an adapter."""
        self.client.unload(name)
        self.adapters.pop(name, None)

    def context(self, name: str) -> int | None:
        """Tokens that a prompt and its response may have together, for a model or an adapter."""
        served = self.client.models()
        if name not in served:
            raise UnknownModelError(f"{self.client.url} serves {_names(served)}, not {name!r}")
        found = served[name]
        return found.context or (served[found.parent].context if found.parent in served else None)

    def revive(self, error: Exception) -> None:
        """Nothing that we could do: the error goes on to whoever runs the server."""
        raise error

    def stop(self) -> None:
        """Leave it as it is."""

    def __enter__(self) -> "GivenServer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _client(self, url: str) -> VllmClient:
        timeout, concurrency = self.config.timeout_seconds, self.config.concurrency
        return VllmClient(url, timeout=timeout, concurrency=concurrency, look=self.check)

    def check(self) -> None:
        """Raise where the server is known to be dead."""


class VllmServer(GivenServer):
    """A server of our own; `serve` starts it, `stop` or leaving the `with` block ends it.

    Args:
        directory: For its log; made if missing.
        shape: What it must be able to hold.
        config: Environment, memory and limits.
        port: A free one if None.
        host: Where it listens.

    Attributes:
        name: Under which its model is served; None before `serve`.
        log: What it writes.
        starts: How often it was started.

    Raises:
        FileNotFoundError: Its environment is not there.
    """

    def __init__(
        self,
        directory: Path,
        shape: ServerShape,
        config: RolloutsConfig | None = None,
        *,
        port: int | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        config = config or RolloutsConfig(engine="vllm")
        self.environment = environment_of(config.environment)
        lacking = missing(self.environment)
        if lacking:
            raise FileNotFoundError(lacking)
        self._launch = Launch(self.environment, shape, config, host, port or free_port())
        self.log = directory / "vllm.log"
        super().__init__(f"http://127.0.0.1:{self._launch.port}", config)
        directory.mkdir(parents=True, exist_ok=True)
        self.name: str | None = None
        self.starts = 0
        self._model: str | Path = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of its supervisor, which is that of its process group; 0 while there is none."""
        return self._process.pid if self._process else 0

    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def serve(self, model: str | Path, name: str) -> None:
        """Serve a model under a name; one that serves other weights is started again with these.

        Raises:
            ServerEndedError: It did not start.
        """
        if self.alive() and name == self.name:
            return
        self.stop()
        self.name = name
        self._model = model
        self.adapters = {}
        self._start()

    def revive(self, error: Exception) -> None:
        """Start it again with the same weights and adapters, if it is dead; else raise the error.

        A server whose engine died answers for a moment before it ends: that moment is waited for.
        """
        if self._process is None or not _ends(self._process, SECONDS_TO_END):
            raise error
        tqdm.write(f"the vLLM server died ({_first_line(error)}); it is started again")
        self.stop()
        self._start()
        for name, directory in self.adapters.items():
            self.client.load(name, str(directory.resolve()))

    def check(self) -> None:
        """See that its process runs.

        Raises:
            ServerEndedError: It does not.
        """
        if self._process is not None and not self.alive():
            raise ServerEndedError(f"the vLLM server ended; the end of {self.log}:\n{self.tail()}")

    def stop(self) -> None:
        """End its process and its workers: SIGTERM, and SIGKILL after 15 s. Stopping twice is allowed."""
        if self._process is None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()  # the supervisor ends the group
        _ends(self._process, SECONDS_TO_END)
        _signal_group(self._process.pid, signal.SIGKILL)
        self._process.wait()
        _wait_for_group(self._process.pid)
        self._process = None

    def tail(self) -> str:
        """The last 15 lines of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])

    def __enter__(self) -> "VllmServer":
        return self

    def _start(self) -> None:
        assert self.name is not None
        self.starts += 1
        with self.log.open("ab") as log:
            log.write(f"\n--- start {self.starts}: {self.name}\n".encode())
            log.flush()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "training.rollout.supervisor", *self._launch.command(self._model, self.name)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self.log.parent,
                env=self._launch.variables(),
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def _wait_until_ready(self) -> None:
        limit, started = self.config.start_seconds, time.monotonic()
        begun = self.log.stat().st_size
        with tqdm(desc=f"vLLM: {self.name} starts", unit="s", disable=None, leave=False, bar_format=_BAR) as bar:
            while time.monotonic() - started < limit:
                self.check()
                if self._answers():
                    return
                bar.set_postfix_str(self._progress(begun))
                time.sleep(0.25)
        raise ServerEndedError(
            f"the vLLM server is not ready after start_seconds == {limit:g}; the end of {self.log}:\n{self.tail()}"
        )

    def _answers(self) -> bool:
        """Whether it serves our model; another program on our port serves none of that name."""
        try:
            quick = VllmClient(self.client.url, timeout=2.0, attempts=1)
            return self.name in quick.models()
        except RolloutServerError:
            return False

    def _progress(self, begun: int) -> str:
        with self.log.open("rb") as log:
            log.seek(begun)
            return progress(log.read().decode(errors="replace"))


_BAR = "{desc}: {postfix} [{elapsed}]"


def _signal_group(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _wait_for_group(pid: int) -> None:
    """Wait, for five seconds at most, until the kernel has taken away the last process of a killed group."""
    limit = time.monotonic() + 5.0
    with suppress(ProcessLookupError, PermissionError):
        while time.monotonic() < limit:
            os.killpg(pid, 0)
            time.sleep(0.02)


def _ends(process: "subprocess.Popen[bytes]", seconds: float) -> bool:
    """Whether a process ends within so many seconds."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _names(served: dict[str, ServedModel]) -> str:
    return ", ".join(sorted(served)) or "nothing"
