"""A container's health check: exit code 0 is healthy.

    python healthy.py http://HOST:PORT/PATH
    python healthy.py grpc://HOST:PORT
    python healthy.py warehouse=TARGET

A script, since the images hold no curl, and `dagster api grpc-health-check` costs ten times the processor time.
"""

import sys
import urllib.request
from urllib.parse import urlsplit

SECONDS = 5.0
"""How long an answer may take."""


def http(url: str) -> bool:
    """Whether the page answers with a success; an error status raises."""
    with urllib.request.urlopen(url, timeout=SECONDS) as answer:
        return bool(answer.status < 400)


def grpc(address: str) -> bool:
    """Whether Dagster's code server at HOST:PORT says that it serves."""
    from grpc import insecure_channel
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with insecure_channel(address) as channel:
        server = health_pb2_grpc.HealthStub(channel)
        answer = server.Check(health_pb2.HealthCheckRequest(service="DagsterApi"), timeout=SECONDS)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def warehouse(target: str) -> bool:
    """Whether a warehouse of this version can be read; what it lacks raises."""
    from warehouse import connection

    with connection.open(target, wait_seconds=SECONDS).read() as reader:
        return reader.execute("SELECT count(*) FROM ingest_positions").fetchone() is not None


def main(url: str) -> int:
    """The exit code; says in one line what is wrong."""
    try:
        if url.startswith("warehouse="):
            well = warehouse(url.partition("=")[2])
        else:
            well = grpc(urlsplit(url).netloc) if url.startswith("grpc://") else http(url)
    except Exception as error:  # whatever it is, it is not healthy
        print(f"{url} does not answer: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
