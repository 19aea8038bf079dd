"""The web server of `loveloop ui`: Dagster's own, loaded while the code is, and serving once the code is there.

python -m assets.orchestration.web PORT CODE_PORT WORKSPACE
"""

import sys
import time

PATIENCE = 120.0
"""Seconds to wait for the code server."""


def serve(port: int, code_port: int, workspace: str) -> None:
    """Wait for the code, then serve until ended.

    Args:
        port: Of the web server, on 127.0.0.1.
        code_port: Of the code server, there too.
        workspace: The file that names the code server to Dagster.
    """
    from dagster_webserver.cli import dagster_webserver

    wait_for_code(code_port)
    dagster_webserver(["-h", "127.0.0.1", "-p", str(port), "--workspace", workspace])


def wait_for_code(port: int) -> None:
    """Return when the code server answers.

    Raises:
        TimeoutError: It does not within `PATIENCE`.
    """
    from dagster._core.errors import DagsterUserCodeUnreachableError
    from dagster._grpc.client import DagsterGrpcClient

    client, ends = DagsterGrpcClient(host="127.0.0.1", port=port), time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        try:
            client.ping("loveloop ui")
        except DagsterUserCodeUnreachableError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(f"the code server on port {port} did not answer within {PATIENCE:g} s")


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
