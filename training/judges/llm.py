"""A judge that asks an LLM a yes-or-no question, and compares the probabilities of the two words (CGPO, section 4.2).

No text is sampled: one token is asked for, and of the likeliest first tokens those that say yes are weighed against
those that say no. Any server of the OpenAI API that returns log-probabilities will do.
"""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, StringConstraints
from tqdm import tqdm

from training.judges.label_tokens import MOST_CHAT, MOST_COMPLETIONS, chance, of_chat, of_completions
from training.judges.verdict import PASS, Verdict
from training.labels import sample
from training.labels.answers import Answers
from training.labels.config import ServerConfig
from training.labels.rubric import Rubric, framed
from training.labels.server import ATTEMPTS, JudgeServer, RefusedRequestError
from training.text import Conversation

YES, NO = "yes", "no"
UNREADABLE = 0.1
"""Share of a call's answers that cannot be read above which the judge gives up."""
FEWEST = 5
"""Unreadable answers that are borne whatever their share."""
_RULES = "Say {yes} when the question's answer is yes, and {no} when it is no or when you cannot tell."
_EASY: tuple[Conversation, str] = ([{"role": "user", "content": "What is two plus two?"}], "Two plus two is four.")
Api = Literal["chat", "completions"]


class Inquiry(NamedTuple):
    """What is asked, and how.

    Attributes:
        question: A question about the answer to which yes means that it violates.
        threshold: Chance of yes above which a response violates.
        api: `chat` (`/v1/chat/completions`) or `completions` (`/v1/completions`, many prompts a request).
        batch: Prompts of one request to `completions`.
    """

    question: str
    threshold: float = 0.5
    api: Api = "chat"
    batch: int = 16

    @property
    def rubric(self) -> Rubric:
        """The question as the server gets it."""
        rules = _RULES.format(yes=YES, no=NO)
        return Rubric("judge", NO, YES, framed(self.question, rules, YES, NO))


class LlmJudge:
    """Violates when the LLM says yes to the question with more than the threshold's chance.

    An answer that cannot be read violates, too: it is not learnt from. Equal pairs are asked about once; with a file as
    cache, once for ever.
    """

    cost = 2
    """A request a response: asked about what every other judge let pass."""

    def __init__(self, inquiry: Inquiry, server: ServerConfig, cache: Path | None = None) -> None:
        """Open the cache; nothing is sent yet.

        Raises:
            ValueError: A line of the cache is no kept answer.
        """
        self._inquiry = inquiry
        self._server = server
        self._kept = Answers(cache, float) if cache else None
        self._known: dict[str, float] = self._kept.labels if self._kept else {}

    @property
    def version(self) -> str:
        """A digest of question, rules, model, threshold and API."""
        asked = [self._inquiry.rubric.prompt, self._server.model, self._inquiry.threshold, self._inquiry.api]
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()

    def __call__(self, conversation: Conversation, response: str) -> Verdict:
        """The verdict on one response; `judge_all` asks about many at once."""
        return self.judge_all([conversation], [response])[0]

    def judge_all(self, conversations: Sequence[Conversation], responses: Sequence[str]) -> list[Verdict]:
        """One verdict for each pair, in order.

        Raises:
            ValueError: The server wants another key, model or address, or too many answers cannot be read.
            ConnectionError: The server does not answer any more; what was answered is kept.
        """
        texts = [json.dumps([dict(turn) for turn in each], ensure_ascii=False) for each in conversations]
        salts = self._inquiry.rubric.version, self._server.model, self._inquiry.api
        keys = sample.keys(texts, list(responses), *salts)
        pairs = zip(texts, responses, strict=True)
        missing = {key: pair for key, pair in zip(keys, pairs, strict=True) if key not in self._known}
        unread = self._ask(missing) if missing else {}
        return [self._verdict(self._known.get(key), unread.get(key, "")) for key in keys]

    def check(self) -> None:
        """Ask the server for its models and for one easy answer, each once.

        Raises:
            ValueError: Key, model or address is wrong, or the answer cannot be read; says which.
            ConnectionError: The server cannot be reached or does not answer.
        """
        asyncio.run(self._check())

    async def _check(self) -> None:
        conversation, response = _EASY
        async with self._client(attempts=1) as server:
            server.check_served(await server.models())
            said = (await self._chances(server, [(json.dumps(conversation), response)]))[0]
        if isinstance(said, str):
            raise ValueError(
                f"{self._server.model} at {self._server.host} was asked for one word, {YES} or {NO}, and {said}: "
                "choose a model that follows instructions without a thought before, and a server that returns "
                f"log-probabilities, or the other api (this is {self._inquiry.api!r})"
            )

    def _client(self, attempts: int = ATTEMPTS) -> JudgeServer:
        return JudgeServer(self._server, attempts, "the llm judge's settings ([policy.judge.NAME])")

    def _verdict(self, chance: float | None, said: str) -> Verdict:
        if chance is None:
            return Verdict(True, f"could not be judged: {self._server.model} {said}")
        if chance <= self._inquiry.threshold:
            return PASS
        return Verdict(True, f"{self._server.model} says yes ({chance:.2f}) to: {self._inquiry.question}")

    def _ask(self, missing: dict[str, tuple[str, str]]) -> dict[str, str]:
        """Fill in what is not known; what could not be read, by key."""
        if self._kept is None:
            return asyncio.run(self._ask_all(missing))
        with self._kept:
            return asyncio.run(self._ask_all(missing))

    async def _ask_all(self, missing: dict[str, tuple[str, str]]) -> dict[str, str]:
        size = self._inquiry.batch if self._inquiry.api == "completions" else 1
        keys, unread = list(missing), dict[str, str]()
        lots = iter([keys[start : start + size] for start in range(0, len(keys), size)])
        limit = max(FEWEST, UNREADABLE * len(keys))
        async with self._client() as server:
            with tqdm(total=len(keys), desc=f"judge {self._server.model}", unit="answer", disable=None) as bar:

                async def worker() -> None:
                    for lot in lots:
                        for key, said in zip(lot, await self._lot(server, [missing[key] for key in lot]), strict=True):
                            if isinstance(said, str):
                                unread[key] = said
                                self._check_readable(unread, limit)
                            else:
                                self._keep(key, said)
                            bar.update()

                await _all(worker, self._server.concurrency)
        return unread

    def _keep(self, key: str, chance: float) -> None:
        self._known[key] = chance
        if self._kept is not None:
            self._kept.add(key, chance)

    def _check_readable(self, unread: dict[str, str], limit: float) -> None:
        if len(unread) > limit:
            raise ValueError(
                f"{len(unread):,} answers of {self._server.model} at {self._server.host} could not be read, at most "
                f"{int(limit):,} may be: it {'; it '.join(dict.fromkeys([*unread.values()][:3]))}. Choose a model that "
                f"says {YES} or {NO} at once, or one with a longer context; what could be read is kept"
            )

    async def _lot(self, server: JudgeServer, pairs: Sequence[tuple[str, str]]) -> list[float | str]:
        """The chance of yes for each pair, or what came instead; a lot that is refused is asked about one by one."""
        try:
            return await self._chances(server, pairs)
        except RefusedRequestError as error:
            if len(pairs) == 1:
                return [f"was refused: {error}"]
        return [said for pair in pairs for said in await self._lot(server, [pair])]

    async def _chances(self, server: JudgeServer, pairs: Sequence[tuple[str, str]]) -> list[float | str]:
        messages = [self._inquiry.rubric.messages(*pair) for pair in pairs]
        body: dict[str, Any] = {"temperature": 0, "max_tokens": 1}
        if self._inquiry.api == "chat":
            body |= {"messages": messages[0], "logprobs": True, "top_logprobs": MOST_CHAT}
            found = [of_chat(await server.ask("/v1/chat/completions", body))]
        else:
            body |= {"prompt": [f"{each[0]['content']}\n\nVerdict:" for each in messages], "logprobs": MOST_COMPLETIONS}
            found = of_completions(await server.ask("/v1/completions", body), len(pairs))
        return [chance(each, YES, NO) for each in found]


async def _all(worker: Any, count: int) -> None:
    """Run several workers; the first error ends the others before it is raised."""
    tasks = [asyncio.ensure_future(worker()) for _ in range(count)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def llm(
    *,
    url: str,
    model: str,
    question: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)],
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5,
    api: Api = "chat",
    batch: Annotated[int, Field(ge=1)] = 16,
    api_key_env: str | None = None,
    concurrency: Annotated[int, Field(ge=1, le=256)] = 8,
    timeout_seconds: Annotated[float, Field(gt=0)] = 60.0,
    cache: Path | None = None,
) -> LlmJudge:
    """The judge of a question that an LLM answers.

    Args:
        url: Of a server of the OpenAI API.
        model: A name that it lists.
        question: About the answer, to be said yes to where it violates: "Does the answer name a price?"
        threshold: Chance of yes above which a response violates.
        api: `chat`, or `completions` for many prompts a request (vLLM, llama.cpp).
        batch: Prompts of one request to `completions`.
        api_key_env: NAME of the environment variable that holds the API key, never the key.
        concurrency: Requests under way at once.
        timeout_seconds: The longest wait for one reply.
        cache: A file of hashes and chances, never texts. In a run: a file of the run.

    Raises:
        ValueError: The address or the key's name is wrong, or the cache holds something else.
    """
    server = ServerConfig(
        url=url, model=model, api_key_env=api_key_env, concurrency=concurrency, timeout_seconds=timeout_seconds
    )
    return LlmJudge(Inquiry(question, threshold, api, batch), server, cache)
