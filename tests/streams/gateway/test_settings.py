"""The gateway's file, and the command that reads it."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from streams import topics
from streams.gateway import settings, state
from tests.streams.gateway.conftest import Served, until

ROOT = Path(__file__).parents[3]
PLAIN = 'default = "v7"\n'
BACKEND = '[backends]\nv7 = "http://127.0.0.1:8000/v1"\n'


def test_short_forms_and_long_ones_are_the_same() -> None:
    key = "a" * 64
    read = settings.parse(
        f'{PLAIN}keys.product = "{key}"\n[backends]\nv7 = "http://h/v1"\nv8 = {{url = "https://h/v1", model = "m"}}\n'
        '[topics]\nevents = "mine"\n'
    )
    assert read.backends["v7"] == settings.Backend("http://h/v1")
    assert read.backends["v8"].model == "m"
    assert read.keys == {key: ("product", settings.ApiKey(key))}
    assert (read.names.events, read.names.kill_switch) == ("mine", "loveloop.kill-switch")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (BACKEND, "default"),
        (PLAIN, "backends"),
        (f"{PLAIN}[backends]\n", "backends|length"),
        (f'default = "v9"\n{BACKEND}', r"default == 'v9', must be a policy of \[backends\]: v7"),
        (f'{PLAIN}{BACKEND}loveloop = "http://h/v1"\n', "asks the gateway to choose"),
        (f'{PLAIN}{BACKEND}"a b" = "http://h/v1"\n', "'a b' is no name"),
        (f'{PLAIN}[backends]\nv7 = "ftp://h"\n', "url|regex"),
        (f'{PLAIN}keys.x = "my key"\n{BACKEND}', "write the hash, never the key"),
        (f'{PLAIN}keys.x = "{"a" * 64}"\nkeys.y = "{"a" * 64}"\n{BACKEND}', "two names"),
        (f'{PLAIN}keys.x = "{"a" * 64}"\npage_key_name = "x"\n{BACKEND}', "visitors need a name of their own"),
        (f'{PLAIN}origins = ["*"]\n{BACKEND}', "name the sites"),
        (f'{PLAIN}{BACKEND}[topics]\nflags = "f"\n', "topics.flags"),
        (f"{PLAIN}{BACKEND}[limits]\nseconds = 0\n", "seconds"),
        (f"{PLAIN}{BACKEND}[limits]\nseconds = nan\n", "seconds"),
        (f"{PLAIN}{BACKEND}[limits]\nsecond = 1\n", "second"),
        ("default = ", "Invalid value"),
    ],
)
def test_what_cannot_be_kept_is_named(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=told) as error:
        settings.read(file)
    assert "gateway.toml: " in str(error.value)


def test_a_servers_key_must_be_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f'{PLAIN}folder = "{tmp_path}"\n[backends]\nv7 = {{url = "http://h/v1", key_env = "THEIR_KEY"}}\n'
    read = settings.parse(text)
    monkeypatch.delenv("THEIR_KEY", raising=False)
    with pytest.raises(ValueError, match="the environment has no THEIR_KEY"):
        state.make(read, "127.0.0.1:1", None)
    monkeypatch.setenv("THEIR_KEY", "k")
    made = state.make(read, "127.0.0.1:1", None)
    assert made.upstream._asked["v7"][1]["Authorization"] == "Bearer k"
    made.reaction_keys.close()


def test_the_file_that_the_manual_shows_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_KEY", "let me in")
    (shown,) = re.findall(r"^```ini\n(.*?)^```", (ROOT / "docs/gateway.md").read_text(), re.DOTALL | re.MULTILINE)
    read = settings.parse(shown)
    assert read.told.limits == settings.GatewayLimits()
    assert read.names == topics.TOPICS
    assert set(read.backends) == {"v7", "v8", "v9"}
    assert {name for name, _ in read.keys.values()} == {"product", "robot", "shop"}


def command(folder: Path, *options: str) -> "subprocess.Popen[str]":
    words = [sys.executable, "-c", "from assets.cli import main; main()", "gateway", "--port", "0", *options]
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip


@pytest.mark.slow
def test_the_command_serves_and_ends_in_good_order(tmp_path: Path, tansu: str) -> None:
    (tmp_path / "gateway.toml").write_text(PLAIN + BACKEND)
    process = command(tmp_path, "--bootstrap", tansu)
    try:
        assert process.stdout is not None
        found = re.match(r"serving on http://127\.0\.0\.1:(\d+)", process.stdout.readline())
        assert found is not None
        served = Served(int(found[1]))
        until(lambda: served.ask("/ready").status == 200, 30)
        process.terminate()
        _, log = process.communicate(timeout=30)
        assert process.returncode == 0
        assert '"path": "/ready"' in log
        assert (tmp_path / "data" / "gateway" / "secret").exists()
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_the_command_refuses_to_serve_everybody_without_keys(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text(PLAIN + BACKEND)
    process = command(tmp_path, "--host", "0.0.0.0")
    _, told = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "add [keys]" in told


def test_a_clients_key_may_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'default = "v7"\nbackends.v7 = "http://127.0.0.1:8000/v1"\nkeys.shop = { key_env = "SHOP_KEY" }\n'
    monkeypatch.delenv("SHOP_KEY", raising=False)
    with pytest.raises(ValueError, match="the environment has no SHOP_KEY"):
        settings.parse(text)
    monkeypatch.setenv("SHOP_KEY", "let me in")
    (found,) = settings.parse(text).keys
    assert found == hashlib.sha256(b"let me in").hexdigest()
    twice = text.replace('"SHOP_KEY"', f'"SHOP_KEY", sha256 = "{found}"')
    with pytest.raises(ValueError, match="both sha256 and key_env"):
        settings.parse(twice)
    with pytest.raises(ValueError, match=r"keys\.shop is no SHA-256"):
        settings.parse(text.replace('key_env = "SHOP_KEY"', 'user = "robot"'))
