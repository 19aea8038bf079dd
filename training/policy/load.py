"""Open a saved policy, and name its weights: whatever `transformers` or `peft` saved, from a directory or the hub."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from training import pretrained
from training.disk import read_report

ADAPTER = "adapter_config.json"
REPORTS = ("policy.json", "finetune.json")
"""Beside the weights that `optimise` and `finetune` trained; `reference` in them names what these started from."""
_NAMING = (
    "*.safetensors",
    "*.bin",
    "config.json",
    "calibration.json",
    ADAPTER,
    "tokenizer*",
    "*.jinja",
    "*.model",
    "vocab.*",
    "merges.txt",
)


class _Origin(BaseModel):
    """What of a report says where weights came from."""

    reference: str = ""


class Policy(NamedTuple):
    """A causal language model in evaluation mode, and its tokenizer (padding on the left, with a chat template)."""

    model: Any
    tokenizer: Any


def load_policy(place: str | Path) -> Policy:
    """Load a policy to sample from or to score with, on this process's device; an adapter is merged into its base.

    To train it read it with `read_policy` and place it with `training.engine.placement.place`.

    Args:
        place: A directory written by `save_pretrained` (of a model or an adapter), or a hub name.

    Raises:
        FileNotFoundError: The directory is not there.
        ValueError: The tokenizer has no chat template, or no end token.
    """
    from training.engine.placement import read_only

    policy = read_policy(place)
    return Policy(read_only(policy.model), policy.tokenizer)


def read_policy(place: str | Path) -> Policy:
    """Read a causal language model with its tokenizer into the processor's memory, in its checkpoint's precision.

    Args:
        place: As `load_policy` takes it.

    Raises:
        FileNotFoundError: The directory is not there.
        ValueError: The tokenizer has no chat template, or no end token.
    """
    from transformers import AutoTokenizer

    model = _read_model(place)
    tokenizer = pretrained.load(AutoTokenizer, place, padding_side="left")
    return Policy(model.eval(), _complete(tokenizer, place))


def _read_model(place: str | Path) -> Any:
    """The model at a place, with every adapter on the way merged: an adapter's base may be one itself."""
    check_place(place)
    if not (Path(place) / ADAPTER).exists():
        return pretrained.load_language_model(place)
    base = base_of(Path(place))
    check_place(base)
    _check_trained_on(Path(place), base)
    return pretrained.load_adapter(_read_model(base), place)


def base_of(adapter: Path) -> str | Path:
    """The base of an adapter: a hub name or an absolute path as it stands, any other path seen from the adapter.

    Raises:
        ValueError: Its settings cannot be read, or name none.
    """
    try:
        named = str(json.loads((adapter / ADAPTER).read_text())["base_model_name_or_path"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{adapter / ADAPTER} names no base ({type(error).__name__}: {error}): it must be the JSON that peft's "
            "save_pretrained writes; save the adapter again"
        ) from None
    return (adapter / named).resolve() if named.startswith(".") else named


def _check_trained_on(adapter: Path, base: str | Path) -> None:
    """Hold the base against what our own report beside an adapter says that it was trained on.

    Raises:
        ValueError: Other weights lie there now: merged with them, the adapter is another policy.
    """
    for name in REPORTS:
        file = adapter / name
        said = (read_report(file, _Origin) or _Origin()).reference
        if said and said.rpartition("@")[2] != fingerprint(base):
            raise ValueError(
                f"{adapter} is an adapter of {said}, and the weights at {base} are {fingerprint(base)}: put that base "
                "back, or train the adapter again on this one"
            )


def name_base(adapter: Path, base: str | Path, *, seen_from: Path) -> None:
    """Write down an adapter's base as seen from where the adapter will lie, so that both can be moved together.

    Args:
        adapter: The adapter's directory now.
        base: The base's directory; a hub name is left as it is.
        seen_from: The adapter's directory later on.
    """
    if not Path(base).is_dir():
        return
    file = adapter / ADAPTER
    named = {**json.loads(file.read_text()), "base_model_name_or_path": os.path.relpath(base, seen_from)}
    file.write_text(json.dumps(named, indent=2))


def check_place(place: str | Path) -> None:
    """Refuse a local path at which no policy lies; a hub name (`owner/name`) passes.

    Raises:
        FileNotFoundError: What was looked for, and what belongs there.
        ValueError: A reward model lies there.
    """
    path = Path(place)
    looks_local = isinstance(place, Path) or path.is_absolute() or str(place).startswith(".")
    if path.is_dir() and not any((path / name).exists() for name in ("config.json", ADAPTER)):
        raise FileNotFoundError(f"{place} holds no config.json; a model directory is what save_pretrained writes")
    if (path / "calibration.json").exists():
        raise ValueError(f"{place} is a reward model's directory, must be a policy's: a causal language model")
    if looks_local and not path.is_dir():
        raise FileNotFoundError(f"no model directory at {place}; train it first, or give a hub name such as owner/name")


def _complete(tokenizer: Any, place: str | Path) -> Any:
    if tokenizer.chat_template is None:
        raise ValueError(
            f"the tokenizer of {place} has no chat template; choose a chat model, or set tokenizer.chat_template"
        )
    if tokenizer.eos_token_id is None:
        raise ValueError(
            f"the tokenizer of {place} has no end token (eos_token), so no answer could end; set it in "
            "tokenizer_config.json, or choose a chat model"
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def ends_of(policy: Policy) -> set[int]:
    """The tokens that end a response."""
    configured = getattr(policy.model.generation_config, "eos_token_id", None)
    several = configured if isinstance(configured, list) else [configured, policy.tokenizer.eos_token_id]
    return {each for each in several if each is not None}


def fingerprint(place: str | Path) -> str:
    """Twelve hexadecimal digits that name a model's weights and tokenizer by their content (a hub name: by the name).

    Directories with the same files have the same fingerprint: what was sampled with one may be used for the other. An
    adapter is named with the base that it changes, wherever that lies.

    Raises:
        FileNotFoundError: The base of an adapter is not there.
    """
    path = Path(place)
    digest = hashlib.sha256()
    if not path.is_dir():
        return hashlib.sha256(str(place).encode()).hexdigest()[:12]
    for file in sorted({file for pattern in _NAMING for file in path.glob(pattern)}):
        content = _without_base(file) if file.name == ADAPTER else file.read_bytes()
        digest.update(f"{file.name}\0".encode() + hashlib.sha256(content).digest())
    digest.update((base_fingerprint(path) or "").encode())
    return digest.hexdigest()[:12]


def base_fingerprint(place: Path) -> str | None:
    """The fingerprint of the base that an adapter changes; None where the weights stand on their own.

    Raises:
        FileNotFoundError: The base is not there.
    """
    if not (place / ADAPTER).exists():
        return None
    base = base_of(place)
    check_place(base)
    return fingerprint(base)


def _without_base(file: Path) -> bytes:
    """An adapter's settings without the place of its base."""
    settings = json.loads(file.read_text())
    settings.pop("base_model_name_or_path", None)
    return json.dumps(settings, sort_keys=True).encode()
