"""A vLLM server as a client sees it: samples by token ids, adapters by name, errors in words."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, MutableMapping
from typing import Any, NamedTuple

import aiohttp
import msgspec

from training.rollout.config import plain_url
from training.rollout.wire import Request, ServedSample, complaint, written

ATTEMPTS = 6
"""Tries of one request; the waits between them, 0.5, 1, 2, 4 and 8 s, outlast a busy moment, not a dead server."""
FIRST_WAIT = 0.5


class RolloutServerError(ConnectionError):
    """The server did not do what was asked; the text says what it said and what may help."""


class RefusedByServerError(RolloutServerError):
    """The server refused a request for what it holds; another try, or another start of the server, changes nothing."""


class UnknownModelError(RefusedByServerError):
    """The server serves no model of that name."""


class ServedModel(NamedTuple):
    """A model name of the server.

    Attributes:
        root: Where its weights lie, as the server sees it.
        parent: For an adapter, its base's name.
        context: Tokens of a prompt and its response together; None where the server does not say.
    """

    root: str
    parent: str | None
    context: int | None


class _Answer(NamedTuple):
    status: int
    body: bytes

    @property
    def fine(self) -> bool:
        return 200 <= self.status < 300

    @property
    def busy(self) -> bool:
        return self.status in (408, 429) or self.status >= 500

    @property
    def complaint(self) -> str:
        return complaint(self.status, self.body)


class VllmClient:
    """Asks one server.

    Args:
        url: `http://HOST:PORT`.
        timeout: Seconds for one answer.
        concurrency: Requests under way at once.
        attempts: Tries of one request.
        look: Called before a request is tried again; it raises when the server is known to be dead.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 600.0,
        concurrency: int = 64,
        attempts: int = ATTEMPTS,
        look: Callable[[], None] = lambda: None,
    ) -> None:
        self.url = plain_url(url)
        self._timeout = timeout
        self._concurrency = concurrency
        self._attempts = attempts
        self._look = look

    def models(self) -> dict[str, ServedModel]:
        """Every name that the server serves.

        Raises:
            RolloutServerError: It does not answer, or is no vLLM server.
        """
        answer = self._ask("GET", "/v1/models")
        try:
            found = {str(each["id"]): each for each in msgspec.json.decode(answer.body)["data"]}
            return {
                name: ServedModel(*map(each.get, ("root", "parent", "max_model_len"))) for name, each in found.items()
            }
        except (msgspec.MsgspecError, KeyError, TypeError, AttributeError):
            raise RolloutServerError(f"{self.url}/v1/models lists no models; is this a vLLM server?") from None

    def load(self, name: str, directory: str) -> None:
        """Load an adapter under a name that was never used for other weights.

        An adapter is never replaced under its name: samples could not say which weights wrote them.

        Raises:
            RolloutServerError: The server refused it: the name is taken, no adapter lies there, its rank is too large.
        """
        answer = self._ask("POST", "/v1/load_lora_adapter", {"lora_name": name, "lora_path": directory}, tries=1)
        if answer.fine:
            return
        said = answer.complaint
        if answer.status == 404 and "Not Found" in said:
            raise RolloutServerError(
                f"{self.url} loads no adapters while it runs: start it with --enable-lora and "
                "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"
            )
        raise RolloutServerError(f"{self.url} did not load the adapter {name} from {directory}: {said}; {_cure(said)}")

    def unload(self, name: str) -> None:
        """Forget an adapter; one that is not loaded is no error."""
        answer = self._ask("POST", "/v1/unload_lora_adapter", {"lora_name": name}, tries=1)
        if not answer.fine and answer.status != 404:
            raise RolloutServerError(f"{self.url} did not unload the adapter {name}: {answer.complaint}")

    def complete(
        self,
        model: str,
        requests: Mapping[int, Request],
        into: MutableMapping[int, list[ServedSample]],
        *,
        seconds: float | None = None,
        done: Callable[[int], object] = lambda _: None,
    ) -> None:
        """Ask for every request and put the answers under its key; what was answered stays, whatever happens later.

        Args:
            model: A name that the server serves.
            requests: By any key.
            into: Where answers go.
            seconds: A limit for all of them together.
            done: Called after each answer with its number of samples.

        Raises:
            UnknownModelError: There is no such model.
            RefusedByServerError: The server refused a request.
            RolloutServerError: It does not answer.
            TimeoutError: Not all were answered within `seconds`.
        """
        asyncio.run(self._complete(model, requests, into, seconds, done))

    async def _complete(
        self,
        model: str,
        requests: Mapping[int, Request],
        into: MutableMapping[int, list[ServedSample]],
        seconds: float | None,
        done: Callable[[int], object],
    ) -> None:
        waiting = iter(requests.items())
        async with self._session(self._timeout) as session:

            async def work() -> None:
                for key, request in waiting:
                    into[key] = await self._one(session, model, request)
                    done(len(into[key]))

            async with asyncio.timeout(seconds):
                await _all(work for _ in range(min(self._concurrency, len(requests))))

    async def _one(self, session: aiohttp.ClientSession, model: str, request: Request) -> list[ServedSample]:
        answer = await self._tried(session, "POST", "/v1/completions", request.body(model), self._attempts)
        if not answer.fine:
            raise self._refused(answer, model, request)
        try:
            return written(answer.body, request)
        except ValueError as error:
            raise RolloutServerError(f"{self.url}/v1/completions {error}") from None

    def _refused(self, answer: _Answer, model: str, request: Request) -> RolloutServerError:
        said = answer.complaint
        if answer.busy:
            return RolloutServerError(f"{self.url} is busy: {said}")
        if answer.status == 404:
            return UnknownModelError(
                f"{self.url} serves no model {model!r}: {said}. Load that adapter, or start a server with those weights"
            )
        if "context length" in said:
            return RefusedByServerError(
                f"a prompt of {len(request.prompt)} tokens and {request.max_tokens} to answer do not fit: {said}"
            )
        return RefusedByServerError(f"{self.url} refused a request for {model!r}: {answer.status}, {said}")

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, tries: int = 0) -> _Answer:
        async def ask() -> _Answer:
            async with self._session(min(60.0, self._timeout)) as session:
                return await self._tried(session, method, path, body, tries or self._attempts)

        return asyncio.run(ask())

    async def _tried(
        self, session: aiohttp.ClientSession, method: str, path: str, body: Mapping[str, Any] | None, tries: int
    ) -> _Answer:
        """The first answer that is none of a busy moment; the only one, where there is one try."""
        told, seen = msgspec.json.encode(body) if body else None, ""
        for attempt in range(tries):
            if attempt:
                await asyncio.sleep(FIRST_WAIT * 2 ** (attempt - 1))
            try:
                async with session.request(method, f"{self.url}{path}", data=told, allow_redirects=False) as reply:
                    answer = _Answer(reply.status, await reply.read())
            except (aiohttp.ClientError, TimeoutError) as error:
                seen = _said(error, session.timeout.total)
            else:
                if tries == 1 or not answer.busy:
                    return answer
                seen = answer.complaint
            self._look()
        raise RolloutServerError(f"{self.url}{path}: {seen} (tried {tries} times); is a vLLM server up, at this url?")

    def _session(self, limit: float) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._concurrency),
            timeout=aiohttp.ClientTimeout(total=limit),
            headers={"content-type": "application/json"},
        )


async def _all(workers: Iterable[Callable[[], Coroutine[Any, Any, None]]]) -> None:
    """Run them beside each other; the first error ends the others and is raised as it is, not in a group."""
    tasks = [asyncio.ensure_future(work()) for work in workers]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _cure(said: str) -> str:
    if "max_lora_rank" in said or "rank" in said.lower():
        return "start the server with --max-lora-rank of at least the adapter's rank, or train with a smaller one"
    if "already been loaded" in said:
        return "give other weights another name; one that is loaded is never replaced"
    return "it must lie where the server can read it, and belong to the model that is served"


def _said(error: aiohttp.ClientError | TimeoutError, timeout: float | None) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout:g} s"
    return f"{type(error).__name__}, {error}" if str(error) else type(error).__name__
