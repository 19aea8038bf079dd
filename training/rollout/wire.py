"""What goes over the wire to a vLLM server and comes back: one prompt's request, its samples, and complaints."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for one prompt: `number` samples with chance of their own.

    Attributes:
        prompt: Token ids.
        seed: Of the first sample; the server adds 1 for each further one.
        ends: Tokens at which a response ends.
        logprobs: Whether log-probabilities come back, too. They double what the server's front end does for a token.
    """

    prompt: list[int]
    number: int
    seed: int
    temperature: float
    max_tokens: int
    ends: tuple[int, ...]
    logprobs: bool = True

    def body(self, model: str) -> dict[str, Any]:
        """Of a completion by a model."""
        told = {
            "model": model,
            "prompt": self.prompt,
            "n": self.number,
            "seed": self.seed,
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            # The model's generation_config.json would set these to something else, in silence.
            "top_p": 1.0,
            "top_k": -1,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "stop_token_ids": list(self.ends),
            "return_token_ids": True,
        }
        if self.logprobs:
            told |= {"logprobs": 0, "return_tokens_as_token_ids": True}  # no text of every single token
        return told


class ServedSample(NamedTuple):
    """One sample as the server wrote it.

    Attributes:
        model: The name that the *answer* gives.
        token_ids: The end token included.
        logprobs: Of each token, at temperature 1; None where they were not asked for.
    """

    model: str
    token_ids: list[int]
    logprobs: list[float] | None


class _Logprobs(msgspec.Struct):
    token_logprobs: list[float]


class _ServedChoice(msgspec.Struct):
    index: int
    token_ids: list[int]
    logprobs: _Logprobs | None = None


class _Completion(msgspec.Struct):
    model: str
    choices: list[_ServedChoice]


_COMPLETIONS = msgspec.json.Decoder(_Completion)


def written(answer: bytes, request: Request) -> list[ServedSample]:
    """The samples of an answer, in the order of their chance.

    Raises:
        ValueError: They are not what was asked for; the text goes on after the server's name.
    """
    try:
        found = _COMPLETIONS.decode(answer)
    except msgspec.MsgspecError as error:
        raise ValueError(
            f"answered without token ids or log-probabilities ({error}); it must be a vLLM server of 0.10.2 or later"
        ) from None
    samples = [
        ServedSample(
            found.model, each.token_ids, each.logprobs.token_logprobs if each.logprobs and request.logprobs else None
        )
        for each in sorted(found.choices, key=lambda each: each.index)
    ]
    whole = [len(each.logprobs or ()) == len(each.token_ids) for each in samples if request.logprobs]
    if len(samples) != request.number or not all(whole):
        raise ValueError(f"answered {len(samples)} samples of {request.number}, or parts of them")
    return samples


def complaint(status: int, answer: bytes) -> str:
    """The server's own words, at most 300 signs of them."""
    try:
        body = msgspec.json.decode(answer)
        error = body.get("error", body.get("message", body.get("detail", body)))
        text = error.get("message", error) if isinstance(error, dict) else error
    except (msgspec.MsgspecError, AttributeError):  # no JSON, or no object
        text = answer.decode(errors="replace")
    return " ".join(str(text).split())[:300] or f"status {status}, no words"
