"""What every benchmark has in common: its command line, and the file that its figures go into."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streams.whole_file import whole

DATA = Path("../shared/data")
"""Where real data lie, if they do."""


def arguments(about: str | None, *, quick: str | None, data: bool = False) -> argparse.ArgumentParser:
    """A parser with --json, and --quick and --data where the benchmark has them.

    Args:
        about: The script's docstring.
        quick: What --quick takes instead; None where there is no quick way.
        data: Whether it reads real data.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    if quick is not None:
        parser.add_argument("--quick", action="store_true", help=quick)
    if data:
        parser.add_argument("--data", type=Path, default=DATA, help=f"folder of the real data ({DATA})")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    return parser


def write(file: Path | None, figures: Any) -> None:
    """Write figures as JSON, whole or not at all; nothing where no file was asked for."""
    if file is not None:
        with whole(file) as part:
            part.write_text(json.dumps(figures, indent=1) + "\n")


def some_of(known: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    """A type for argparse: names with commas between them, each a known one."""

    def names(text: str) -> tuple[str, ...]:
        wanted = tuple(text.split(","))
        unknown = [name for name in wanted if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not one of {', '.join(known)}")
        return wanted

    return names
