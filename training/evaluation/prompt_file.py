"""Prompts that somebody brings to compare policies on: a file of conversations, and who sent them where it says so."""

import json
from pathlib import Path
from typing import NamedTuple

from training.labels import cells
from training.labels.rows import open_rows
from training.text import Conversation


class FilePrompts(NamedTuple):
    """The prompts of a file, and whose they are; `users` is None where the file has no column `user_id`."""

    conversations: list[Conversation]
    users: list[str] | None


def read_prompts(path: Path) -> FilePrompts:
    """Read prompts, each a conversation that ends with the user.

    Args:
        path: Parquet, CSV or NDJSON with the column `conversation` (or `prompt`, one message of the user's); `user_id`
            where it is known.

    Raises:
        ValueError: A column is missing, there is no row, or a value is not as it must be; names row and rule.
    """
    columns, rows = open_rows(path)
    if not {"conversation", "prompt"} & {*columns}:
        seen = ", ".join(columns) or "none: the file is empty"
        raise ValueError(f"{path} lacks conversation (or prompt, one message of the user's); its columns are {seen}")
    told: list[Conversation] = []
    users = []
    for number, row in enumerate(rows, 1):
        place = f"{path}, row {number:,}"
        told.append(json.loads(cells.conversation(row, columns, place)))
        if "user_id" in columns:
            users.append(cells.user(row, place, otherwise=", or leave the column out"))
    if not told:
        raise ValueError(f"{path} holds no row: a prompt is a conversation in which the user spoke last")
    return FilePrompts(told, users if "user_id" in columns else None)
