"""Models and tokenizers to and from disk or the hub: the one place that calls transformers' readers and writers.

Their progress bars do not obey the terminal: one for each model that is read or written, log files included. They are
switched off here. The hub's bar for a download stays; it shows on a terminal alone, as ours do.
"""

from pathlib import Path
from typing import Any


def load(kind: Any, place: str | Path, **options: Any) -> Any:
    """What `kind.from_pretrained` reads.

    Args:
        kind: A class of transformers' or peft's, such as `AutoTokenizer`.
        place: A directory or a hub name.
        options: Passed on.
    """
    _without_bars()
    return kind.from_pretrained(str(place), **options)


def load_adapter(model: Any, place: str | Path) -> Any:
    """A model with the adapter that lies at a place, merged into its weights."""
    from peft import PeftModel

    _without_bars()
    return PeftModel.from_pretrained(model, str(place)).merge_and_unload()


def save(place: Path, *parts: Any) -> None:
    """Write models and tokenizers into a directory, with their own `save_pretrained`."""
    _without_bars()
    for part in parts:
        part.save_pretrained(place)


def _without_bars() -> None:
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, enable_progress_bars
    from transformers.utils import logging

    before = are_progress_bars_disabled()
    logging.disable_progress_bar()  # the hub's as well
    if not before:
        enable_progress_bars()
