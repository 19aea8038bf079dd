"""What an encoder said of each text, kept on disk between runs: one file a part, named by what it was made from."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from streams import whole_file
from training.reward.bases import MINILM_SHA256, minilm
from training.reward.messages import MessageEncoder, Vectors

FOLDER = Path.home() / ".cache" / "loveloop" / "real_rewards"


def vectors(name: str, texts: Sequence[str], *, max_tokens: int, folder: Path = FOLDER) -> MessageEncoder:
    """An encoder that knows these texts, from disk where they were read before.

    Args:
        name: Of the set, for the file and the progress bar.
        texts: All that will be asked for.
        max_tokens: Of a text.
        folder: Where files lie.
    """
    distinct = list(dict.fromkeys(texts))
    whole = array(name, [f"{MINILM_SHA256}/{max_tokens}", *distinct], lambda: _read(name, distinct, max_tokens), folder)
    return MessageEncoder(minilm(), max_tokens=max_tokens, known=dict(zip(distinct, whole, strict=True)))


def array(
    name: str, key: Sequence[str], make: Callable[[], npt.NDArray[np.float32]], folder: Path = FOLDER
) -> npt.NDArray[np.float32]:
    """An array that was made from what `key` says, made where it is not there yet."""
    digest = hashlib.sha256("\0".join(key).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    path = folder / f"{name}-{digest}.npy"
    if path.is_file():
        return np.asarray(np.load(path), dtype=np.float32)
    found = make()
    with whole_file.whole(path) as part, part.open("wb") as file:
        np.save(file, found)
    return found


def code(*names: str) -> str:
    """Names the code that scores come from: a change of it makes them anew.

    Args:
        names: Modules of `training.reward`, and parts of this benchmark.
    """
    import training.reward

    homes = [Path(__file__).parent, *map(Path, training.reward.__path__)]
    found = [home / f"{name}.py" for name in names for home in homes if (home / f"{name}.py").is_file()]
    if len(found) != len(names):
        raise ValueError(f"{', '.join(names)}: not all are modules, or some are in both places")
    return hashlib.sha256(b"".join(path.read_bytes() for path in found)).hexdigest()[:12]


def _read(name: str, texts: list[str], max_tokens: int) -> Vectors:
    return MessageEncoder(minilm(), max_tokens=max_tokens).vectors(texts, progress=f"{name}: reading")
