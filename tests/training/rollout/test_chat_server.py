"""A policy behind OpenAI's chat completions: the words of the product's own decoder, at once or piece by piece."""

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams import topics
from tests.streams.gateway.conftest import Model, Served, gateway, serving, until

pytest.importorskip("torch")
ROOT = Path(__file__).parents[3]
ASKED = [{"role": "user", "content": "what does the fox eat?"}]


@pytest.fixture(scope="module")
def server(policy: Path) -> Iterator[Served]:
    from training.rollout import chat_server
    from training.rollout.policy_folders import PolicyFolders

    with serving(chat_server.app(PolicyFolders(lambda: {"tiny": policy}, lambda _: "d" * 64))) as port:
        yield Served(port)


def ask(server: Served, **more: Any) -> Any:
    return server.ask("/v1/chat/completions", {"model": "tiny", "messages": ASKED, "seed": 3, "max_tokens": 24} | more)


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [0, 0.7, 1.0])
def test_the_words_are_those_of_the_products_own_answers(server: Served, policy: Path, temperature: float) -> None:
    from training.evaluation.offline import answer

    for seed in range(4):
        (expected,) = answer(policy, [ASKED], seed=seed, temperature=temperature, max_new_tokens=24)
        whole = ask(server, seed=seed, temperature=temperature).json
        assert whole["choices"][0]["message"]["content"] == expected
        stream = ask(server, seed=seed, temperature=temperature, stream=True)
        assert stream.done
        pieces = [each["choices"][0]["delta"].get("content", "") for each in stream.chunks]
        assert "".join(pieces) == expected
        assert sum(map(bool, pieces)) > 1


@pytest.mark.slow
def test_a_response_says_how_it_ended_and_what_it_took(server: Served) -> None:
    cut = ask(server, max_tokens=2).json
    assert cut["choices"][0]["finish_reason"] == "length"
    assert cut["usage"]["completion_tokens"] == 2
    ended = ask(server, max_tokens=60, temperature=0).json
    assert ended["choices"][0]["finish_reason"] == "stop"
    assert ended["usage"]["total_tokens"] == sum(ended["usage"][f"{each}_tokens"] for each in ("prompt", "completion"))
    counted = ask(server, stream=True, stream_options={"include_usage": True}).chunks[-1]
    assert (counted["choices"], counted["usage"]["prompt_tokens"]) == ([], ended["usage"]["prompt_tokens"])


@pytest.mark.slow
def test_the_models_tell_the_digest(server: Served) -> None:
    (model,) = server.ask("/v1/models").json["data"]
    assert (model["id"], model["loveloop"]["digest"]) == ("tiny", "d" * 64)
    assert server.ask("/health").json["models"] == ["tiny"]


@pytest.mark.slow
def test_a_request_that_does_not_say_how_is_answered_by_the_settings_of_the_folder(policy: Path) -> None:
    from training.evaluation.offline import answer
    from training.policy.decoding import DecodingSettings
    from training.rollout import chat_server
    from training.rollout.policy_folders import PolicyFolders

    settings = DecodingSettings(temperature=0.0, max_tokens=3)
    (expected,) = answer(policy, [ASKED], seed=1, temperature=0.0, max_new_tokens=3)
    with serving(chat_server.app(PolicyFolders(lambda: {"tiny": policy}, lambda _: None, lambda _: settings))) as port:
        served = Served(port)
        said = served.ask("/v1/chat/completions", {"messages": ASKED}).json
        assert (said["choices"][0]["message"]["content"], said["usage"]["completion_tokens"]) == (expected, 3)
        (model,) = served.ask("/v1/models").json["data"]
        assert model["loveloop"]["decoding"] == {"temperature": 0.0, "max_tokens": 3}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "status", "told"),
    [
        ({"model": "other"}, 404, "speaks for 'tiny'"),
        ({"messages": []}, 400, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, 400, "role"),
        ({"messages": [{"role": "user", "content": 5}]}, 400, "content"),
        ({"temperature": -1}, 400, "temperature == -1"),
        ({"temperature": True}, 400, "temperature"),
        ({"max_tokens": 10**9}, 400, "max_tokens"),
        ({"max_tokens": 1.5}, 400, "max_tokens"),
        ({"seed": -1}, 400, "seed"),
        ({"top_p": 0.5}, 400, "top_p == 0.5"),
        ({"stop": "x"}, 400, "stop"),
        ({"tools": [{}]}, 400, "tools"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(
    server: Served, change: dict[str, Any], status: int, told: str
) -> None:
    reply = ask(server, **change)
    assert reply.status == status
    assert told in reply.json["error"]["message"]


@pytest.mark.slow
def test_a_token_is_asked_for(policy: Path) -> None:
    from training.rollout import chat_server
    from training.rollout.policy_folders import PolicyFolders

    with serving(chat_server.app(PolicyFolders(lambda: {"tiny": policy}, lambda _: None), "secret")) as port:
        served = Served(port)
        assert served.ask("/v1/models").status == 401
        assert served.ask("/v1/chat/completions", {"messages": ASKED}).status == 401
        assert served.ask("/v1/models", Authorization="Bearer secret").status == 200


@pytest.mark.slow
def test_the_command_serves_a_folder_to_the_gateway(policy: Path, tansu: str, tmp_path: Path) -> None:
    words = [sys.executable, "-c", "from assets.cli import main; main()", "serve", str(policy), "--port", "0"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [*words, "--name", "v7"], stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment
    )
    try:
        assert process.stdout is not None
        found = re.match(r"serving v7 on http://127\.0\.0\.1:(\d+)/v1", process.stdout.readline())
        assert found is not None
        (tmp_path / "routes.json").write_text('{"experiments": []}')
        names = topics.Topics.under(f"test-{uuid.uuid4().hex[:12]}")
        with gateway(tmp_path, tansu, names, Model(), int(found[1])) as desk:
            until(lambda: desk.ask("/ready").status == 200)
            reply = desk.chat("what does the fox eat?", stream=True, max_tokens=24, temperature=0)
            assert reply.done
            said = "".join(each["choices"][0]["delta"].get("content", "") for each in reply.chunks)
            (event,) = desk.events()
            assert event["response"] == said != ""
    finally:
        process.kill()
        process.communicate()
