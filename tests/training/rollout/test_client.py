import threading
from collections import Counter
from threading import Event
from typing import Any

import pytest

from streams.brokers import free_port
from training.rollout import client as client_module
from training.rollout.client import RefusedByServerError, RolloutServerError, VllmClient
from training.rollout.config import RolloutsConfig
from training.rollout.server import GivenServer
from training.rollout.vllm import VllmGenerator, WrongModelError
from training.rollout.wire import Request, ServedSample

ASK = {place: Request([1, 2], 2, place, 1.0, 4, (9,)) for place in range(3)}


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "FIRST_WAIT", 0.001)


def completion(body: dict[str, Any], model: str | None = None) -> dict[str, Any]:
    """What vLLM answers."""
    choices = [
        {"index": place, "token_ids": [5, 9], "logprobs": {"token_logprobs": [-0.5, -0.1]}}
        for place in reversed(range(body["n"]))
    ]
    return {"model": model or body["model"], "choices": choices}


@pytest.mark.slow
@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(serve: Any, status: int) -> None:
    seen: Counter[int] = Counter()

    def answer(_: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        seen[body["seed"]] += 1
        return (200, completion(body)) if seen[body["seed"]] > 2 else (status, {"error": {"message": "busy"}})

    found: dict[int, list[ServedSample]] = {}
    VllmClient(serve(answer)).complete("a@1", ASK, found)
    assert seen == {0: 3, 1: 3, 2: 3}
    assert found[1] == [ServedSample("a@1", [5, 9], [-0.5, -0.1])] * 2


@pytest.mark.slow
def test_a_server_that_stays_busy_is_given_up_with_its_own_words(serve: Any) -> None:
    url = serve(lambda *_: (503, {"error": {"message": "no memory left"}}))
    with pytest.raises(RolloutServerError, match=r"no memory left \(tried 6 times\)"):
        VllmClient(url).complete("a@1", ASK, {})


@pytest.mark.slow
def test_what_was_answered_before_an_error_is_kept(serve: Any) -> None:
    def answer(_: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return (400, {"error": {"message": "too odd"}}) if body["seed"] == 2 else (200, completion(body))

    found: dict[int, list[ServedSample]] = {}
    with pytest.raises(RefusedByServerError, match="400, too odd"):
        VllmClient(serve(answer), concurrency=1).complete("a@1", ASK, found)
    assert sorted(found) == [0, 1]


@pytest.mark.slow
def test_a_refused_request_is_not_tried_again(serve: Any) -> None:
    seen = []

    def answer(path: str, _: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        seen.append(path)
        return 400, {"error": {"message": "maximum context length is 8 tokens"}}

    with pytest.raises(RefusedByServerError, match="a prompt of 2 tokens and 4 to answer do not fit"):
        VllmClient(serve(answer), concurrency=1).complete("a@1", ASK, {})
    assert len(seen) == 1


@pytest.mark.slow
def test_sampling_settings_of_the_models_own_do_not_apply(serve: Any) -> None:
    seen: list[dict[str, Any]] = []

    def answer(_: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        seen.append(body)
        return 200, completion(body)

    VllmClient(serve(answer)).complete("a@1", ASK, {})
    plain = {"top_p": 1.0, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0, "stop_token_ids": [9], "logprobs": 0}
    assert all(plain.items() <= body.items() for body in seen)


@pytest.mark.slow
def test_log_probabilities_are_asked_for_only_where_they_are_wanted(serve: Any, policy: Any, asked: Any) -> None:
    from training.policy.load import load_policy

    seen: list[dict[str, Any]] = []

    def answer(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if path == "/v1/models":
            return 200, {"data": [{"id": "a@1", "root": "x", "parent": None, "max_model_len": 512}]}
        seen.append(body)
        told = completion(body)
        return 200, told if "logprobs" in body else told | {
            "choices": [each | {"logprobs": None} for each in told["choices"]]
        }

    who = VllmGenerator(GivenServer(serve(answer)), "a@1", load_policy(policy).tokenizer, [2])
    wanted, spared = (who.sample(asked[:2], samples=2, seed=1, logprobs=each) for each in (True, False))
    assert ["logprobs" in body for body in seen] == [True, True, False, False]
    assert [each.logprobs.tolist() for some in wanted for each in some] == [pytest.approx([-0.5, -0.1])] * 4
    assert [each.logprobs for some in spared for each in some] == [None] * 4
    assert [each.text for some in wanted for each in some] == [each.text for some in spared for each in some]


@pytest.mark.slow
def test_an_answer_of_another_model_is_refused(serve: Any, policy: Any, asked: Any) -> None:
    from training.policy.load import load_policy

    def answer(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if path == "/v1/models":
            return 200, {"data": [{"id": "a@1", "root": "x", "parent": None, "max_model_len": 512}]}
        return 200, completion(body, "a@0")

    who = VllmGenerator(GivenServer(serve(answer)), "a@1", load_policy(policy).tokenizer, [2])
    with pytest.raises(WrongModelError, match="asked for a@1, but 'a@0' answered"):
        who.sample(asked[:2], samples=2, seed=1)


@pytest.mark.slow
def test_a_server_without_token_ids_is_no_vllm_server(serve: Any) -> None:
    url = serve(lambda *_: (200, {"model": "a@1", "choices": [{"index": 0, "text": "hello"}]}))
    with pytest.raises(RolloutServerError, match="without token ids or log-probabilities"):
        VllmClient(url).complete("a@1", ASK, {})


@pytest.mark.slow
@pytest.mark.parametrize(
    "broken",
    [
        {"index": 0, "token_ids": [5, 9]},
        {"index": 0, "token_ids": [5, 9], "logprobs": {"token_logprobs": [-0.5]}},
        {"index": 0, "token_ids": ["5", "9"], "logprobs": {"token_logprobs": [-0.5, -0.1]}},
        {"index": 0, "token_ids": [5, 9], "logprobs": {"token_logprobs": [-0.5, None]}},
    ],
)
def test_half_an_answer_is_none(serve: Any, broken: dict[str, Any]) -> None:
    whole = {"index": 1, "token_ids": [5, 9], "logprobs": {"token_logprobs": [-0.5, -0.1]}}
    url = serve(lambda *_: (200, {"model": "a@1", "choices": [broken, whole]}))
    with pytest.raises(RolloutServerError, match=r"/v1/completions answered .*(parts of them|without token ids)"):
        VllmClient(url).complete("a@1", ASK, {})


def test_nobody_at_the_address_is_said_with_the_address() -> None:
    with pytest.raises(RolloutServerError, match=r"127.0.0.1:\d+/v1/models: .* is a vLLM server up"):
        VllmClient(f"http://127.0.0.1:{free_port()}", attempts=2).models()


@pytest.mark.slow
def test_a_server_that_loads_no_adapters_is_told_how_to(serve: Any) -> None:
    url = serve(lambda *_: (404, {"detail": "Not Found"}))
    with pytest.raises(RolloutServerError, match="VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"):
        VllmClient(url).load("a-r1@2", "/somewhere")


@pytest.mark.slow
def test_a_request_that_takes_too_long_names_the_limit(serve: Any) -> None:
    import threading

    waiting = threading.Event()

    def answer(_: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        waiting.wait(60)
        return 200, completion(body)

    try:
        with pytest.raises(RolloutServerError, match=r"no answer within 0\.05 s"):
            VllmClient(serve(answer), timeout=0.05, attempts=2).complete("a@1", ASK, {})
    finally:
        waiting.set()


@pytest.mark.slow
def test_pieces_come_in_their_order_while_the_server_still_writes(
    serve: Any, policy: Any, asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.policy.load import load_policy

    monkeypatch.setattr(VllmGenerator, "piece", 2)
    seen, goes_on = list[int](), Event()

    def answer(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if path == "/v1/models":
            return 200, {"data": [{"id": "a@1", "root": "a", "max_model_len": 96}]}
        seen.append(body["seed"])
        if len(seen) > 3:
            assert goes_on.wait(20)
        return 200, completion(body)

    config = RolloutsConfig(engine="vllm", concurrency=1)
    who = VllmGenerator(GivenServer(serve(answer), config), "a@1", load_policy(policy).tokenizer, [2])
    pieces = who.pieces(asked[:5], samples=2, seed=1)
    first = next(pieces)  # would wait for ever, were all of them waited for
    assert [len(several) for several in first] == [2, 2]
    assert len(seen) <= 4
    goes_on.set()
    assert [len(piece) for piece in pieces] == [2, 1]
    assert len(seen) == 5


@pytest.mark.slow
def test_whoever_does_not_want_the_rest_ends_the_asking(serve: Any, policy: Any, asked: Any) -> None:
    from training.policy.load import load_policy

    seen, goes_on = list[int](), Event()

    def answer(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if path == "/v1/models":
            return 200, {"data": [{"id": "a@1", "root": "a", "max_model_len": 96}]}
        seen.append(body["seed"])
        if len(seen) > VllmGenerator.piece:
            assert goes_on.wait(20)
        return 200, completion(body)

    config = RolloutsConfig(engine="vllm", concurrency=1)
    who = VllmGenerator(GivenServer(serve(answer), config), "a@1", load_policy(policy).tokenizer, [2])
    before = threading.enumerate()
    pieces = who.pieces([*asked, *asked, *asked], samples=1, seed=1)
    next(pieces)
    asking = [each for each in threading.enumerate() if each not in before and each.name.startswith("loveloop")]
    pieces.close()
    goes_on.set()
    (thread,) = asking
    thread.join(20)
    assert not thread.is_alive()
    assert len(seen) <= VllmGenerator.piece + 2
