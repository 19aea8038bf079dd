"""The event contract as JSON Schema, for products in other languages: `python -m streams.schema docs/schema` writes it.

What a schema cannot say stays with `streams.events.decode`: the moment against the time of receipt, the length of a
line, `experiment` and `arm` only together, no NUL in ids and names.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import msgspec

from streams.events import SCHEMA_VERSION, Event


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of one line of the wire in the present version.

    >>> sorted(schema()["$defs"])
    ['ErasureRequested', 'Message', 'ReactionChanged', 'ResponseServed']
    """
    made = msgspec.json.schema(Event)
    for part in made["$defs"].values():
        _describe(part)
        if "schema_version" in part["properties"]:  # a line without it is of version 1
            part["properties"]["schema_version"] = {"const": SCHEMA_VERSION}
            part["required"] = sorted({*part["required"], "schema_version"})
    title = f"loveloop event, version {SCHEMA_VERSION}"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title} | made


def text() -> str:
    """The file `docs/schema/event.v<version>.json`, to the byte."""
    return json.dumps(schema(), indent=2) + "\n"


def write(folder: Path) -> Path:
    """Write the present version's file into a folder; files of other versions are left as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"event.v{SCHEMA_VERSION}.json"
    path.write_text(text())
    return path


def _describe(part: dict[str, Any]) -> None:
    """Give each property its line of the docstring's list, and the type the docstring's first sentence."""
    text, _, attributes = part["description"].partition("Attributes:")
    part["description"] = text.strip()
    for name, line in re.findall(r"^\s+(\w+): (.+)$", attributes, re.MULTILINE):
        part["properties"][name] = {"description": line} | part["properties"][name]


if __name__ == "__main__":
    sys.stdout.write(f"{write(Path(sys.argv[1]))}\n")
