"""What an erasure has done so far, on disk line by line: an interrupted one goes on, and its receipt is still whole."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Journal:
    """Findings of one erasure, in the folder where its receipts go.

    Attributes:
        folder: `erasures` beside the warehouse's file, or in the first home.
    """

    folder: Path

    @property
    def _file(self) -> Path:
        return self.folder / "journal.ndjson"

    def note(self, kind: str, users: dict[str, int] | list[str], **facts: Any) -> None:
        """Write one finding down.

        Args:
            kind: `file`, `training_set`, `warehouse`, `stage`, `left`, or what had seen the user (`incumbent` ...).
            users: Whom it is about, by hash, with the number of rows where they are known.
            facts: Anything that names no user.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._file.open("a") as out:
            out.write(json.dumps({"kind": kind, "users": users, **facts}, default=str) + "\n")

    def findings(self) -> dict[str, dict[str, list[dict[str, Any]]]]:
        """What was found, by user hash and kind; the same finding counts once."""
        found: dict[str, dict[str, list[dict[str, Any]]]] = {}
        for line in self._file.read_text().splitlines() if self._file.exists() else ():
            entry = json.loads(line)
            users, kind = entry.pop("users"), entry.pop("kind")
            for user in users:
                told = entry | ({"rows": users[user]} if isinstance(users, dict) else {})
                known = found.setdefault(user, {}).setdefault(kind, [])
                if told not in known:
                    known.append(told)
        return found

    def end(self) -> None:
        """Forget everything: the receipts are written."""
        self._file.unlink(missing_ok=True)
