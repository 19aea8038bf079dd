"""Samples of one policy version from a vLLM server: the same protocol, tokens and log-probabilities as in this process.

Left out: common chance over policies, which takes uniform numbers that a server does not accept. Two policies that must
answer with common chance (offline evaluation) are sampled in this process.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Any, Unpack

import numpy as np
from tqdm import tqdm

from training.policy.batches import encode_prompts
from training.rollout.client import RefusedByServerError, RolloutServerError
from training.rollout.generator import Draw, Drawing, Sample
from training.rollout.server import GivenServer
from training.rollout.wire import Request, ServedSample
from training.text import Conversation

REVIVALS = 2
"""Deaths of our own server in one call of `sample` after which it is started again; a third is an error."""


class WrongModelError(RefusedByServerError):
    """Another model answered than was asked."""


class VllmGenerator:
    """Draws from the weights that a server serves under a version's name.

    Args:
        server: Who is asked.
        version: A model name of the server; every sample carries the name that the server's *answer* gives.
        tokenizer: The policy's, with a chat template.
        ends: The tokens that end a response.
        prepare: Called before each draw: makes sure that the server serves this version.

    Raises:
        ValueError: The tokenizer has no chat template.
    """

    engine = "vllm"
    piece = 32

    def __init__(
        self,
        server: GivenServer,
        version: str,
        tokenizer: Any,
        ends: Sequence[int],
        *,
        prepare: Callable[[], object] = lambda: None,
    ) -> None:
        if tokenizer.chat_template is None:
            raise ValueError(
                f"the tokenizer of {version} has no chat template; choose a chat model, or set tokenizer.chat_template"
            )
        self.version = version
        self._server = server
        self._tokenizer = tokenizer
        self._ends = tuple(sorted(ends))
        self._prepare = prepare

    def sample(
        self,
        conversations: Sequence[Conversation],
        *,
        seconds: float | None = None,
        desc: str = "sample",
        **how: Unpack[Drawing],
    ) -> list[list[Sample]]:
        """Draw responses to each conversation; see `pieces` for arguments and errors."""
        drawn = self.pieces(conversations, seconds=seconds, desc=desc, **how)
        return [several for piece in drawn for several in piece]

    def pieces(
        self,
        conversations: Sequence[Conversation],
        *,
        seconds: float | None = None,
        desc: str = "sample",
        **how: Unpack[Drawing],
    ) -> Iterator[list[list[Sample]]]:
        """Draw responses to each conversation, and hand over `piece` conversations at a time.

        1. Prepare: the server serves this version.
        2. Refuse prompts that do not fit its context.
        3. Ask for every prompt, each with chance that belongs to (seed, place of the conversation, sample).
        4. Where our server died on the way, start it again and ask for what is not answered yet.
        5. Compare the name in every answer with the version.

        A thread asks on while the caller works at what it was handed. The same seed draws the same, but for near ties:
        the sums behind a logit are rounded by the batch that it is in.

        Args:
            conversations: Each ends with the user's last message.
            seconds: A limit for the whole draw; None has only the limit of each request.
            desc: What the progress bar says.
            how: See `Draw`.

        Raises:
            ValueError: A prompt does not fit the server's context.
            WrongModelError: Another model answered.
            RolloutServerError: The server does not answer, refuses, or died too often.
            TimeoutError: `seconds` have passed.
        """
        if not len(conversations):
            return
        self._prepare()
        draw = Draw(**how)
        prompts = encode_prompts(self._tokenizer, conversations, draw.longest)
        self._check_room(prompts, draw.max_new_tokens)
        number = draw.samples if draw.temperature > 0 else 1  # without chance all samples of a prompt are one
        asked = {
            place: Request(
                prompt,
                number,
                seed_of(draw.seed, place),
                draw.temperature,
                draw.max_new_tokens,
                self._ends,
                draw.logprobs,
            )
            for place, prompt in enumerate(prompts)
        }
        with (
            tqdm(total=len(prompts) * number, desc=desc, unit="response", disable=None, leave=False) as bar,
            _Answers(partial(self._ask, asked, seconds), bar.update) as answers,
        ):
            for start in range(0, len(prompts), self.piece):
                flat = self._samples(answers.of(range(start, len(prompts))[: self.piece]))
                several = [flat[each : each + number] for each in range(0, len(flat), number)]
                yield several if draw.temperature > 0 else [each * draw.samples for each in several]

    def _ask(self, asked: dict[int, Request], seconds: float | None, answers: "_Answers") -> None:
        for revival in range(REVIVALS + 1):
            left = {place: request for place, request in asked.items() if place not in answers.found}
            try:
                return self._server.client.complete(
                    self.version, left, answers.found, seconds=seconds, done=answers.came
                )
            except RolloutServerError as error:
                if revival == REVIVALS or answers.left or isinstance(error, RefusedByServerError):
                    raise
                self._server.revive(error)

    def _check_room(self, prompts: list[list[int]], max_new_tokens: int) -> None:
        room = self._server.context(self.version)
        long = [len(each) for each in prompts if room is not None and len(each) + max_new_tokens > room]
        if long:
            raise ValueError(
                f"{len(long):,} of {len(prompts):,} prompts do not fit: the longest has {max(long)} tokens, with "
                f"{max_new_tokens} for the response more than the server's context of {room}; lower `longest`, or "
                "start the server with a larger --max-model-len"
            )

    def _samples(self, answers: list[list[ServedSample]]) -> list[Sample]:
        """The samples of some prompts, one after the other."""
        written = [each for several in answers for each in several]
        for each in written:
            if each.model != self.version:
                raise WrongModelError(
                    f"asked for {self.version}, but {each.model!r} answered: the server's names do not hold; stop it, "
                    "and start one that nobody else changes"
                )
        ids = [np.asarray(each.token_ids, dtype=np.int32) for each in written]
        texts = self._tokenizer.batch_decode(ids, skip_special_tokens=True)
        logprobs = [None if each.logprobs is None else np.asarray(each.logprobs, dtype=np.float32) for each in written]
        return [
            Sample(text.strip(), some, chances, each.model)
            for text, some, chances, each in zip(texts, ids, logprobs, written, strict=True)
        ]


class _Answers:
    """Answers that a thread asks for, as they come; a context, at whose end nobody waits for them any more.

    Args:
        ask: Fills `found`, and calls `came` after each.
        count: Called with the samples that came, in the thread that waits.
    """

    def __init__(self, ask: Callable[["_Answers"], None], count: Callable[[int], object]) -> None:
        self.found: dict[int, list[ServedSample]] = {}
        self.left = False
        self._ask = ask
        self._count = count
        self._news: SimpleQueue[int | BaseException] = SimpleQueue()

    def of(self, places: range) -> list[list[ServedSample]]:
        """The answers at these places, once all of them are there; what the thread failed of is raised here."""
        while not all(place in self.found for place in places):
            news = self._news.get()
            if isinstance(news, BaseException):
                raise news
            self._count(news)
        return [self.found[place] for place in places]

    def came(self, number: int) -> None:
        """One more answer with its number of samples.

        Raises:
            InterruptedError: Nobody waits for answers any more.
        """
        if self.left:
            raise InterruptedError("nobody waits for these samples any more")
        self._news.put(number)

    def __enter__(self) -> "_Answers":
        Thread(target=self._run, name="loveloop-samples", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.left = True

    def _run(self) -> None:
        try:
            self._ask(self)
        except BaseException as error:  # whatever it is: who waits for answers must hear of it
            self._news.put(error)


def seed_of(seed: int, place: int) -> int:
    """Of a prompt's first sample; the server adds the number of each further one, so neighbours must lie far apart."""
    return int(np.random.SeedSequence([seed, place]).generate_state(1, np.uint64)[0] >> 2)
