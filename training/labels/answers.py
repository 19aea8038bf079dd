"""What a judge answered so far, kept in a file, so that an interrupted labelling asks only for what is missing."""

import json
from pathlib import Path
from typing import Generic, TextIO, TypeVar

Said = TypeVar("Said", bool, float)
"""A label, or the chance of one."""


class Answers(Generic[Said]):
    """Labels by the hash of what was asked: one JSON object a line, `{"key": ..., "label": true}`, and no text.

    A line is handed to the operating system at once, so a killed process loses nothing that was answered; half a line
    at the end, as a power cut leaves it, is cut off.
    """

    def __init__(self, path: Path, kind: type[Said]) -> None:
        """Read what is there.

        Args:
            path: An NDJSON file, made when it is not there.
            kind: Of the labels: truth values or numbers.

        Raises:
            ValueError: A line before the last is not such an object.
        """
        self._path = path
        self._kind: type[Said] = kind
        self.labels: dict[str, Said] = {}
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        whole = 0
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                break
            self._take(line, number)
            whole += len(line)
        self._whole = whole
        self._file: TextIO | None = None

    def _take(self, line: bytes, number: int) -> None:
        try:
            row = json.loads(line)
            key, label = row["key"], row["label"]
        except (ValueError, KeyError, TypeError):
            key, label = None, None
        if not isinstance(key, str) or type(label) is not self._kind or label != label:  # noqa: PLR0124  (NaN)
            like = '{"key": "SHA-256", "label": true}' if self._kind is bool else '{"key": "SHA-256", "label": 0.5}'
            raise ValueError(
                f"line {number:,} of {self._path} is no kept answer, must be like {like}: mend or delete the line, or "
                "delete the file and ask anew"
            )
        self.labels[key] = label

    def __enter__(self) -> "Answers[Said]":
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("a")
        self._file.truncate(self._whole)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            self._whole = self._path.stat().st_size

    def add(self, key: str, label: Said) -> None:
        """Keep one answer; only inside `with`."""
        assert self._file is not None
        self.labels[key] = label
        self._file.write(json.dumps({"key": key, "label": label}) + "\n")
        self._file.flush()
