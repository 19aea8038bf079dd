"""The lines of docs/heart.md work: those of each language are run against a real gateway, with its address and key."""

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
PAGE = Path(__file__).resolve().parents[4] / "docs" / "heart.md"
KEY = "a-key-for-the-manual"
PYTHON_PACKAGE, NODE_PACKAGES = "openai==3.57.0", ("openai@7.59.0", "typescript@7.0.2", "@types/node@20")


def lines(language: str) -> str:
    """The block of a language in the page."""
    found = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert len(found) == 1
    return str(found[0])


def run(*words: str | Path, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, words)], cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def keyed(opened: Any) -> Iterator[Any]:
    """A gateway that asks for a key."""
    with opened(f'keys.product = "{hashlib.sha256(KEY.encode()).hexdigest()}"\n') as desk:
        yield desk


@pytest.fixture
def served(keyed: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Makes the lines speak to this gateway, of a user of this test; afterwards response and heart are stored."""
    user, asked = f"u-{request.node.name}", []

    def adapted(language: str) -> str:
        asked.append(language)
        text = lines(language)
        for shown, own in {"127.0.0.1:8080": f"127.0.0.1:{keyed.port}", "KEY": KEY, "u-17": user}.items():
            assert shown in text
            text = text.replace(shown, own)
        return text

    yield adapted
    if not asked:
        return  # the test was skipped
    response, heart = keyed.events(user)
    assert response["response"] == "Water it from below."
    assert (heart["response_id"], heart["reaction"], heart["action"]) == (response["response_id"], "love", "added")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_lines_of_curl_work(served: Any) -> None:
    done = run("bash", "-euo", "pipefail", "-c", served("bash"))
    assert done.returncode == 0, done.stderr
    assert '"reaction":"love"' in done.stdout


def test_the_lines_of_python_work(served: Any, kept: Any, fetch: Any) -> None:
    folder = kept("openai")
    interpreter = folder / "python" / "bin" / "python"
    if not interpreter.exists() or run(interpreter, "-c", "import openai").returncode:
        fetch("uv", "venv", "-q", "--clear", "--python", sys.executable, "python", folder=folder)
        fetch("uv", "pip", "install", "-q", "--python", interpreter, PYTHON_PACKAGE, folder=folder)
    done = run(interpreter, "-c", served("python"))
    assert done.returncode == 0, done.stderr


def test_the_lines_of_typescript_pass_its_compiler_and_work(served: Any, kept: Any, fetch: Any) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed")
    folder = kept("openai/node")
    if not (folder / "node_modules" / "typescript").exists():
        (folder / "package.json").write_text('{"private": true, "type": "module"}')
        fetch("npm", "install", "--silent", *NODE_PACKAGES, folder=folder)
    (folder / "lines.ts").write_text(served("typescript"))
    options = ("--target", "es2022", "--module", "nodenext", "--strict", "--types", "node", "--skipLibCheck")
    compiled = run(node, folder / "node_modules/typescript/bin/tsc", *options, "lines.ts", folder=folder)
    assert compiled.returncode == 0, compiled.stdout
    done = run(node, "lines.js", folder=folder)
    assert done.returncode == 0, done.stderr


def test_the_page_says_what_the_element_takes() -> None:
    from streams.gateway import page_files

    said, code = PAGE.read_text(), (page_files.FOLDER / "heart.js").read_text()
    for name in re.findall(r'getAttribute\("(\w+)"\)|hasAttribute\("(\w+)"\)', code):
        assert f"| `{name[0] or name[1]}` |" in said
    assert "`--loveloop-heart`" in said
    assert "--loveloop-heart" in code
