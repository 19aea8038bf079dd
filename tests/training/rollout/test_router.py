from typing import Any

import pytest
from starlette.testclient import TestClient

from training.policy.decoding import DecodingSettings
from training.rollout.router import app


def backend(name: str) -> Any:
    def answer(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if path == "/v1/models":
            return 200, {"data": [{"id": name}]}
        return (200, {}) if path == "/health" else (200, {"model": name, "asked": body["model"], "path": path})

    return answer


@pytest.mark.slow
def test_a_request_goes_to_the_server_of_the_model_that_it_names(serve: Any) -> None:
    servers = {name: serve(backend(name)) for name in ("incumbent", "candidate")}
    with TestClient(app(servers)) as client:
        assert {each["id"] for each in client.get("/v1/models").json()["data"]} == {"incumbent", "candidate"}
        for name in servers:
            reply = client.post("/v1/completions", json={"model": name, "prompt": "hi"})
            assert reply.json() == {"model": name, "asked": name, "path": "/v1/completions"}
        assert client.get("/health").status_code == 200


@pytest.mark.slow
def test_a_chat_that_does_not_say_how_is_drawn_by_the_settings_of_the_bundle(serve: Any) -> None:
    def answer(_: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return 200, body

    def asked(**more: Any) -> Any:
        return client.post("/v1/chat/completions", json={"model": "candidate"} | more).json()

    with TestClient(app({"candidate": serve(answer)}, DecodingSettings(0.5, 48))) as client:
        assert asked() == {"model": "candidate", "temperature": 0.5, "max_tokens": 48}
        assert asked(temperature=0, max_completion_tokens=9) == {
            "model": "candidate", "temperature": 0, "max_completion_tokens": 9,
        }  # fmt: skip
        plain = client.post("/v1/completions", json={"model": "candidate", "prompt": "hi"}).json()
        assert plain == {"model": "candidate", "prompt": "hi"}


@pytest.mark.slow
def test_a_model_that_nobody_serves_is_named(serve: Any) -> None:
    servers = {"incumbent": serve(backend("incumbent"))}
    with TestClient(app(servers)) as client:
        for sent in ({"json": {"model": "other"}}, {"content": b"no json"}, {"json": [1]}):
            reply = client.post("/v1/completions", **sent)
            assert reply.status_code == 404
            assert "must be one of incumbent" in reply.json()["error"]["message"]
        assert client.post("/v1/load_lora_adapter", json={"lora_name": "x", "lora_path": "/y"}).status_code == 404


def test_a_server_that_is_gone_makes_the_whole_unhealthy() -> None:
    with TestClient(app({"incumbent": "http://127.0.0.1:9"})) as client:
        assert client.get("/health").status_code == 503
        reply = client.post("/v1/completions", json={"model": "incumbent"})
        assert reply.status_code == 502
        assert "does not answer" in reply.json()["error"]["message"]
