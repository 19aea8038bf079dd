"""A vLLM server as a client sees it: samples by token ids, adapters by name, errors in words."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, MutableMapping
from typing import Any, NamedTuple

import httpx

from training.rollout.config import plain_url

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


class Request(NamedTuple):
    """What is asked for one prompt: `number` samples with chance of their own.

    Attributes:
        prompt: Token ids.
        seed: Of the first sample; the server adds 1 for each further one.
        ends: Tokens at which a response ends.
    """

    prompt: list[int]
    number: int
    seed: int
    temperature: float
    max_tokens: int
    ends: tuple[int, ...]


class ServedSample(NamedTuple):
    """One sample as the server wrote it.

    Attributes:
        model: The name that the *answer* gives.
        token_ids: The end token included.
        logprobs: Of each token, at temperature 1.
    """

    model: str
    token_ids: list[int]
    logprobs: list[float]


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
        self._timeout, self._concurrency, self._attempts, self._look = timeout, concurrency, attempts, look

    def models(self) -> dict[str, ServedModel]:
        """Every name that the server serves.

        Raises:
            RolloutServerError: It does not answer, or is no vLLM server.
        """
        reply = self._ask("GET", "/v1/models")
        try:
            found = {str(each["id"]): each for each in reply.json()["data"]}
            return {
                name: ServedModel(*map(each.get, ("root", "parent", "max_model_len"))) for name, each in found.items()
            }
        except (ValueError, KeyError, TypeError, AttributeError):
            raise RolloutServerError(f"{self.url}/v1/models lists no models; is this a vLLM server?") from None

    def load(self, name: str, directory: str) -> None:
        """Load an adapter under a name that was never used for other weights.

        An adapter is never replaced under its name: samples could not say which weights wrote them.

        Raises:
            RolloutServerError: The server refused it: the name is taken, no adapter lies there, its rank is too large.
        """
        reply = self._ask("POST", "/v1/load_lora_adapter", {"lora_name": name, "lora_path": directory}, tries=1)
        if reply.is_success:
            return
        said = complaint(reply)
        if reply.status_code == 404 and "Not Found" in said:
            raise RolloutServerError(
                f"{self.url} loads no adapters while it runs: start it with --enable-lora and "
                "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"
            )
        raise RolloutServerError(f"{self.url} did not load the adapter {name} from {directory}: {said}; {_cure(said)}")

    def unload(self, name: str) -> None:
        """Forget an adapter; one that is not loaded is no error."""
        reply = self._ask("POST", "/v1/unload_lora_adapter", {"lora_name": name}, tries=1)
        if not reply.is_success and reply.status_code != 404:
            raise RolloutServerError(f"{self.url} did not unload the adapter {name}: {complaint(reply)}")

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
        limits = httpx.Limits(max_connections=self._concurrency, max_keepalive_connections=self._concurrency)
        async with httpx.AsyncClient(timeout=self._timeout, limits=limits, trust_env=False) as client:

            async def work() -> None:
                for key, request in waiting:
                    into[key] = await self._one(client, model, request)
                    done(len(into[key]))

            async with asyncio.timeout(seconds):
                await _all(work for _ in range(min(self._concurrency, len(requests))))

    async def _one(self, client: httpx.AsyncClient, model: str, request: Request) -> list[ServedSample]:
        body = {
            "model": model,
            "prompt": request.prompt,
            "n": request.number,
            "seed": request.seed,
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            # The model's generation_config.json would set these to something else, in silence.
            "top_p": 1.0,
            "top_k": -1,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "stop_token_ids": list(request.ends),
            "logprobs": 0,
            "return_token_ids": True,
            "return_tokens_as_token_ids": True,  # no text of every single token
        }
        for attempt in range(self._attempts):
            try:
                reply = await client.post(f"{self.url}/v1/completions", json=body)
            except httpx.RequestError as error:
                seen = _said(error, self._timeout)
            else:
                if reply.is_success:
                    return _written(reply, request.number)
                seen = complaint(reply)
                self._refuse(reply, model, request)
            self._look()
            if attempt + 1 < self._attempts:
                await asyncio.sleep(FIRST_WAIT * 2**attempt)
        raise RolloutServerError(f"{self.url}: {seen} (tried {self._attempts} times); is the server up?")

    def _refuse(self, reply: httpx.Response, model: str, request: Request) -> None:
        """Raise unless another try may help."""
        if reply.status_code in (408, 429) or reply.status_code >= 500:
            return
        said = complaint(reply)
        if reply.status_code == 404:
            raise UnknownModelError(
                f"{self.url} serves no model {model!r}: {said}. Load that adapter, or start a server with those weights"
            )
        if "context length" in said:
            raise RefusedByServerError(
                f"a prompt of {len(request.prompt)} tokens and {request.max_tokens} to answer do not fit: {said}"
            )
        raise RefusedByServerError(f"{self.url} refused a request for {model!r}: {reply.status_code}, {said}")

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, tries: int = 0) -> httpx.Response:
        attempts = tries or self._attempts
        for attempt in range(attempts):
            try:
                with httpx.Client(timeout=min(60.0, self._timeout), trust_env=False) as client:
                    reply = client.request(method, f"{self.url}{path}", json=body)
            except httpx.RequestError as error:
                seen = _said(error, min(60.0, self._timeout))
            else:
                if tries or reply.status_code < 500:
                    return reply
                seen = complaint(reply)
            self._look()
            if attempt + 1 < attempts:
                time.sleep(FIRST_WAIT * 2**attempt)
        raise RolloutServerError(f"{self.url}{path}: {seen}; is a vLLM server up, at this url?")


async def _all(workers: Iterable[Callable[[], Coroutine[Any, Any, None]]]) -> None:
    """Run them beside each other; the first error ends the others and is raised as it is, not in a group."""
    tasks = [asyncio.ensure_future(work()) for work in workers]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def complaint(reply: httpx.Response) -> str:
    """The server's own words, at most 300 signs of them."""
    try:
        body = reply.json()
        error = body.get("error", body.get("message", body.get("detail", body)))
        text = error.get("message", error) if isinstance(error, dict) else error
    except (ValueError, AttributeError):
        text = reply.text
    return " ".join(str(text).split())[:300] or f"status {reply.status_code}, no words"


def _written(reply: httpx.Response, number: int) -> list[ServedSample]:
    try:
        content = reply.json()
        chosen = sorted(content["choices"], key=lambda each: each["index"])
        found = [
            ServedSample(content["model"], each["token_ids"], each["logprobs"]["token_logprobs"]) for each in chosen
        ]
    except (ValueError, KeyError, TypeError):
        raise RolloutServerError(
            f"{reply.request.url} answered without token ids or log-probabilities; it must be a vLLM server of 0.10.2 "
            "or later"
        ) from None
    if len(found) != number or any(len(each.token_ids) != len(each.logprobs) for each in found):
        raise RolloutServerError(f"{reply.request.url} answered {len(found)} samples of {number}, or parts of them")
    return found


def _cure(said: str) -> str:
    if "max_lora_rank" in said or "rank" in said.lower():
        return "start the server with --max-lora-rank of at least the adapter's rank, or train with a smaller one"
    if "already been loaded" in said:
        return "give other weights another name; one that is loaded is never replaced"
    return "it must lie where the server can read it, and belong to the model that is served"


def _said(error: httpx.RequestError, timeout: float) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {timeout:g} s"
    return f"{type(error).__name__}, {error}" if str(error) else type(error).__name__
