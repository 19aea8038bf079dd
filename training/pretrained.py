"""Models and tokenizers to and from disk or the hub: the one place that calls transformers' readers and writers.

Their progress bars do not obey the terminal: one for each model that is read or written, log files included. They are
switched off here. The hub's bar for a download stays; it shows on a terminal alone, as ours do.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_SHOWN = 300


class UnreadableModelError(OSError):
    """A model, tokenizer or adapter that cannot be read as it must be."""


def load(kind: Any, place: str | Path, **options: Any) -> Any:
    """What `kind.from_pretrained` reads.

    Args:
        kind: A class of transformers' or peft's, such as `AutoTokenizer`.
        place: A directory or a hub name.
        options: Passed on.

    Raises:
        UnreadableModelError: What lies there is damaged or something else, or the hub cannot be reached.
    """
    _without_bars()
    with _told(place, "give a folder that save_pretrained wrote whole, or a hub name that can be reached from here"):
        return kind.from_pretrained(str(place), **options)


def load_language_model(place: str | Path) -> Any:
    """A causal language model, all of whose weights lie there: transformers would draw missing ones by chance.

    Raises:
        UnreadableModelError: As `load` does, or weights are missing.
    """
    from transformers import AutoModelForCausalLM

    model, seen = load(AutoModelForCausalLM, place, output_loading_info=True)
    missing = sorted(seen["missing_keys"])
    if missing:
        raise UnreadableModelError(
            f"{place} lacks {len(missing):,} weights of a {model.config.model_type} language model, the first is "
            f"{missing[0]}: they would be random; give a causal language model that was saved whole"
        )
    return model


def load_adapter(model: Any, place: str | Path) -> Any:
    """A model with the adapter that lies at a place, merged into its weights.

    Raises:
        UnreadableModelError: It is damaged, or made for another model.
    """
    from peft import PeftModel, get_peft_model_state_dict
    from peft.utils.save_and_load import load_peft_weights

    _without_bars()
    with _told(place, "is it an adapter, whole, and is its base (base_model_name_or_path) the one it was trained on?"):
        adapted = PeftModel.from_pretrained(model, str(place))
        there = get_peft_model_state_dict(adapted, save_embedding_layers=True)
        astray = sorted({*load_peft_weights(str(place))} - {*there})
        if astray:  # peft drops them without a word
            raise ValueError(f"its base has no place for {len(astray):,} of its weights, the first is {astray[0]}")
        return adapted.merge_and_unload().requires_grad_(True)  # peft froze it; merged, it is a model like any other


def save(place: Path, *parts: Any) -> None:
    """Write models and tokenizers into a directory, with their own `save_pretrained`."""
    _without_bars()
    for part in parts:
        part.save_pretrained(place)


@contextmanager
def _told(place: str | Path, cure: str) -> Iterator[None]:
    """Say of a failed reading what was read and what to do; libraries raise whatever comes to their mind.

    Raises:
        UnreadableModelError: With the library's own words.
    """
    import torch

    try:
        yield
    except (MemoryError, ImportError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        words = " ".join(str(error).split())[:_SHOWN] or type(error).__name__
        raise UnreadableModelError(f"{place} cannot be read ({words}): {cure}") from error


def _without_bars() -> None:
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, enable_progress_bars
    from transformers.utils import logging

    before = are_progress_bars_disabled()
    logging.disable_progress_bar()  # the hub's as well
    if not before:
        enable_progress_bars()
