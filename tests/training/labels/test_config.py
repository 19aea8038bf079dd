import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from training.labels.config import JudgeConfig

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("given", "url", "host"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", "127.0.0.1:8000"),
        ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000", "127.0.0.1:8000"),
        ("https://models.example/openai/v1", "https://models.example/openai", "models.example"),
    ],
)
def test_an_address_may_end_in_v1(given: str, url: str, host: str) -> None:
    config = JudgeConfig(url=given, model="m")
    assert (config.url, config.host) == (url, host)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"url": "127.0.0.1:8000"}, "url must begin with http:// or https://"),
        ({"url": "http://"}, "url must begin with http:// or https://"),
        ({"url": "https://me:secret@models.example"}, "url must hold no user, password or query"),
        ({"url": "https://models.example/?key=secret"}, "url must hold no user, password or query"),
        ({"api_key_env": "sk-12345"}, "api_key_env must be the NAME of an environment variable"),
        ({"model": ""}, "model"),
        ({"count": 0}, "count"),
        ({"key": "sk-12345"}, "key"),
    ],
)
def test_what_cannot_work_or_would_leak_is_refused(change: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint) as refused:
        JudgeConfig.model_validate({"url": "http://127.0.0.1:8000", "model": "m"} | change)
    assert "12345" not in str(refused.value)
    assert "secret" not in str(refused.value)


def test_the_config_loads_no_heavy_package() -> None:
    code = "import training.labels.config, sys; print({'torch', 'httpx', 'pyarrow', 'numpy'} & {*sys.modules})"
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout == "set()\n"
