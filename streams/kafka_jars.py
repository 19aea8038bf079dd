"""Apache Kafka from its jars: fetched once by Maven, run by Java, one KRaft node, no container."""

import os
import shutil
import subprocess
import tempfile
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path
from string import Template

from streams import children

VERSION = "4.1.1"
RECIPE = Path(__file__).resolve().parents[1] / "deploy" / "kafka"
"""Holds pom.xml and server.properties."""


class KafkaJarsMissingError(FileNotFoundError):
    """Kafka cannot be run from its jars here; the text says what is missing."""


def missing() -> str:
    """What this machine lacks for running Kafka from its jars; empty when nothing."""
    if shutil.which("java") is None:
        return "java is not on the PATH (Kafka 4 needs Java 17 or newer)"
    if not jars().is_dir() and shutil.which("mvn") is None:
        return f"mvn is not on the PATH and the jars are not in {jars()}"
    return ""


def jars() -> Path:
    """The folder of the jars, `$XDG_CACHE_HOME/loveloop/kafka-4.1.1`; it may not exist yet."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "loveloop" / f"kafka-{VERSION}"


def fetch() -> Path:
    """The folder of the jars, filled by Maven if it was not (43 MB, some seconds).

    Raises:
        KafkaJarsMissingError: No Java, no Maven, or Maven failed.
    """
    lacking = missing()
    if lacking:
        raise KafkaJarsMissingError(f"{lacking}; install it, or use the broker kind tansu")
    target = jars()
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="fetching-") as scratch:
            _copy_dependencies(Path(scratch))
            _publish(Path(scratch) / "libs", target)
    return target


def command(directory: Path, port: int, controller_port: int) -> list[str]:
    """Prepare a node's folder and say how to start it; a folder that was used before keeps its topics.

    Args:
        directory: Of the node; `data/` and `server.properties` are written into it.
        port: For clients, on 127.0.0.1.
        controller_port: For the node's own quorum.

    Raises:
        KafkaJarsMissingError: No Java, no Maven, or the storage could not be prepared.
    """
    classpath, directory = f"{fetch()}/*", directory.resolve()  # the node runs in that directory, not in ours
    properties, data = directory / "server.properties", directory / "data"
    words = {"PORT": port, "CONTROLLER_PORT": controller_port, "DATA": data}
    properties.write_text(Template((RECIPE / "server.properties").read_text()).substitute(words))
    if not (data / "meta.properties").is_file():
        _format(classpath, properties)
    return [
        "java",
        "-Xmx1g",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-cp",
        classpath,
        "kafka.Kafka",
        str(properties),
    ]


def _format(classpath: str, properties: Path) -> None:
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    tool = ["java", "-XX:TieredStopAtLevel=1", "-cp", classpath, "kafka.tools.StorageTool"]
    done = subprocess.run(
        children.tied([*tool, "format", "--standalone", f"--cluster-id={cluster}", "-c", str(properties)]),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise KafkaJarsMissingError(
            f"Kafka could not prepare its storage (rc {done.returncode}): {_tail(done.stdout + done.stderr)}"
        )


def _copy_dependencies(scratch: Path) -> None:
    shutil.copy(RECIPE / "pom.xml", scratch)
    maven = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=libs", "-DincludeScope=runtime"]
    done = subprocess.run(
        children.tied(maven),
        cwd=scratch, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode or not any((scratch / "libs").glob("kafka_*.jar")):
        raise KafkaJarsMissingError(
            f"Maven could not fetch Kafka {VERSION} (rc {done.returncode}): {_tail(done.stdout + done.stderr)}"
        )


def _publish(libs: Path, target: Path) -> None:
    try:
        libs.rename(target)
    except OSError:  # another process was faster
        if not target.is_dir():
            raise


def _tail(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-8:])
