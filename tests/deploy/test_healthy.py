"""The health check of the containers, against real servers on loopback."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.deploy.scripts import DEPLOY, load

SCRIPT = DEPLOY / "healthy.py"


healthy = load("healthy")


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/well" else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def code_server() -> Iterator[str]:
    """A gRPC server that reports its health as Dagster's does."""
    import grpc
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc

    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    servicer.set("DagsterApi", health_pb2.HealthCheckResponse.SERVING)
    server.start()
    yield f"grpc://127.0.0.1:{port}"
    server.stop(None)


def test_a_page_that_answers_is_healthy(site: str) -> None:
    assert healthy.main(f"{site}/well") == 0


def test_a_page_that_answers_with_an_error_is_not(site: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert healthy.main(f"{site}/ill") == 1
    assert "503" in capsys.readouterr().err


def test_a_code_server_that_serves_is_healthy(code_server: str) -> None:
    assert healthy.main(code_server) == 0


def test_a_warehouse_of_this_version_is_healthy(tmp_path: Path) -> None:
    from warehouse import connection

    connection.open(tmp_path / "w.duckdb").migrate()
    assert healthy.main(f"warehouse={tmp_path / 'w.duckdb'}") == 0


def test_a_warehouse_that_is_not_there_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert healthy.main(f"warehouse={tmp_path / 'none.duckdb'}") == 1
    assert "no warehouse at" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "grpc://127.0.0.1:1"])
def test_nobody_there_is_not_healthy_and_the_exit_code_says_so(url: str) -> None:
    ended = subprocess.run([sys.executable, str(SCRIPT), url], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert f"{url} does not answer" in ended.stderr


@pytest.mark.slow
def test_a_broker_that_answers_is_healthy_and_one_that_is_away_is_not(kafka: str, tmp_path: Path) -> None:
    port = kafka.rpartition(":")[2]
    script = (DEPLOY / "kafka" / "healthy.sh").read_text()
    for at, code in ((port, 0), ("1", 1)):
        (tmp_path / "healthy.sh").write_text(script.replace("localhost/9092", f"127.0.0.1/{at}"))
        done = subprocess.run(["bash", str(tmp_path / "healthy.sh")], capture_output=True, timeout=20, check=False)
        assert done.returncode == code
