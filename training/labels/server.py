"""An OpenAI-compatible server as a client sees it: one request, tried again where that can help, errors in words."""

import asyncio
import json
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from training.labels.config import ServerConfig

ATTEMPTS = 7
"""Tries of one request; the waits between them, 1, 2, 4, 8, 16 and 30 s, outlast a limit per minute."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0
PATIENCE = 600.0
"""The longest Retry-After that is obeyed, in seconds."""
MAX_TOKENS = 512
"""Of an answer: room for a short thought; with the prompt it must fit the model's context."""
_NOT_THIS_ONE = (400, 413, 422)


class RefusedRequestError(ValueError):
    """The server refused one request for what it holds (too long, filtered), not for who asks or which model."""


class JudgeServer:
    """The server and model of a config, with one pool of connections. Use it as `async with JudgeServer(config)`."""

    def __init__(
        self, config: ServerConfig, attempts: int = ATTEMPTS, named: str = "helpfulness.judge or safety.judge"
    ) -> None:
        """Look the key up; nothing is sent yet.

        Args:
            config: Which server and model.
            attempts: Tries of one request.
            named: Where the recipe speaks of this server, for messages.

        Raises:
            ValueError: The environment variable of the key is not set, or holds what cannot be a key.
        """
        self._config = config
        self._attempts = attempts
        self._named = named
        self._key = key_of(config)
        self._quiet_until = 0.0
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        limits = httpx.Limits(max_connections=config.concurrency)
        self._client = httpx.AsyncClient(headers=headers, timeout=config.timeout_seconds, limits=limits)

    async def __aenter__(self) -> "JudgeServer":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def models(self) -> list[str]:
        """The names of the models that it serves; empty where it does not tell."""
        response = await self._send("GET", "/v1/models")
        if not response.is_success:
            return []
        try:
            return [str(each["id"]) for each in response.json()["data"]]
        except (ValueError, KeyError, TypeError):
            return []

    async def answer(self, messages: list[dict[str, str]]) -> str:
        """The text of the model's answer at temperature 0; empty when the reply holds none.

        Raises:
            RefusedRequestError: This request was refused.
            ValueError: The server wants another key, model or address.
            ConnectionError: No answer after every attempt.
        """
        body = {"messages": messages, "temperature": 0, "max_tokens": MAX_TOKENS}
        return _text(await self.ask("/v1/chat/completions", body))

    async def ask(self, path: str, body: Mapping[str, Any]) -> httpx.Response:
        """The reply to one request of the model, successful.

        Args:
            path: `/v1/chat/completions` or `/v1/completions`.
            body: The request, but for the model's name.

        Raises:
            RefusedRequestError: This request was refused.
            ValueError: The server wants another key, model or address.
            ConnectionError: No answer after every attempt.
        """
        response = await self._send("POST", path, {"model": self._config.model, **body})
        if response.is_success:
            return response
        seen = self._seen(response)
        if response.status_code in _NOT_THIS_ONE:
            raise RefusedRequestError(seen)
        raise ValueError(f"{seen}; look at {self._named} in the recipe: {_cure(response)}")

    def check_served(self, names: list[str]) -> None:
        """Compare the model with those that the server lists.

        Raises:
            ValueError: It lists some, and not this one.
        """
        wanted = self._config.model
        if names and not {wanted, f"{wanted}:latest"} & {*names}:
            raise ValueError(f"model == {wanted!r}, but {self._config.url} serves {', '.join(sorted(names)[:20])}")

    async def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
        """A reply that another try would not change, or that says the key is wrong."""
        url, seen = f"{self._config.url}{path}", ""
        for attempt in range(self._attempts):
            await asyncio.sleep(self._quiet_until - time.monotonic())
            try:
                response = await self._client.request(method, url, json=body)
            except httpx.RequestError as error:
                seen, wait = f"{url}: {_said(error, self._config)}", None
            else:
                if response.status_code not in (408, 429) and response.status_code < 500:
                    return response
                seen, wait = self._seen(response), _retry_after(response)
                self._check_patience(seen, wait)
                if response.status_code == 429:  # whoever asks next would only be turned away, too
                    self._quiet_until = max(self._quiet_until, time.monotonic() + (wait or 0))
            if attempt + 1 < self._attempts:
                await asyncio.sleep(min(LONGEST_WAIT, FIRST_WAIT * 2**attempt) if wait is None else wait)
        tries = "once" if self._attempts == 1 else f"{self._attempts} times"
        raise ConnectionError(f"{seen} (tried {tries}); is the server up, at this url? What was answered is kept")

    def _check_patience(self, seen: str, wait: float | None) -> None:
        if wait is not None and wait > PATIENCE:
            raise ConnectionError(
                f"{seen}; it asks to come back in {wait:,.0f} s, at most {PATIENCE:g} are waited for: run again then, "
                "or lower concurrency; what was answered is kept"
            )

    def _seen(self, response: httpx.Response) -> str:
        told = _complaint(response)
        told = told.replace(self._key, "***") if self._key else told
        return f"{response.request.url} answered {response.status_code} ({told}) for model {self._config.model!r}"


def key_of(config: ServerConfig) -> str | None:
    """The API key, from the environment variable that the config names.

    Raises:
        ValueError: It is not set, or holds what no header may hold.
    """
    if config.api_key_env is None:
        return None
    key = os.environ.get(config.api_key_env, "").strip()
    if not key:
        raise ValueError(
            f"api_key_env == {config.api_key_env!r}, but no such environment variable is set: export it with the key "
            f"of {config.host}, or leave api_key_env out for a server without keys"
        )
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ValueError(f"the environment variable {config.api_key_env} holds blanks or signs that no key has")
    return key


def _text(response: httpx.Response) -> str:
    """The content of the first choice: a text, or the texts of its parts."""
    try:
        content = response.json()["choices"][0]["message"]["content"]
    except (ValueError, KeyError, TypeError, IndexError):
        return ""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _complaint(response: httpx.Response) -> str:
    """The server's own words, at most 200 signs of them."""
    try:
        body = response.json()
        error = body.get("error", body.get("message", body.get("detail", body)))
        text = error.get("message", error) if isinstance(error, dict) else error
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError):
        text = response.text
    return " ".join(str(text).split())[:200] or "no words"


def _cure(response: httpx.Response) -> str:
    if response.status_code in (401, 403):
        return "api_key_env must name the environment variable that holds a valid key"
    if response.is_redirect:
        return f"url must be where it leads to, {response.headers.get('location', 'which it does not tell')}"
    return "url must be an OpenAI-compatible server's, and model one that it serves"


def _said(error: httpx.RequestError, config: ServerConfig) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"no answer within timeout_seconds == {config.timeout_seconds:g}"
    return f"{type(error).__name__}, {error}" if str(error) else type(error).__name__


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds, of a number or a date in the header Retry-After; None without a readable one."""
    value = response.headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(
        0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - datetime.now(UTC).timestamp()
    )
