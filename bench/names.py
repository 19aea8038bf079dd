"""What `--only` of a benchmark takes."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def some_of(known: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    """A type for argparse: names with commas between them, each a known one."""

    def names(text: str) -> tuple[str, ...]:
        wanted = tuple(text.split(","))
        unknown = [name for name in wanted if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not one of {', '.join(known)}")
        return wanted

    return names
