"""What an arm serves: a staged candidate's folder as it was when the arm was started, known again by its digest."""

import hashlib
import json
from pathlib import Path
from typing import Final

import msgspec

_AT_ONCE: Final = 1 << 20
_ADAPTER: Final = "adapter_config.json"
"""peft's; beside it lie no whole weights."""


class Bundle(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One arm's policy with all that it is served by.

    Attributes:
        policy: The name under which events tell of it.
        folder: Where the weights, the adapter, the tokenizer, the card and the lineage lie; None where the product
            serves it from elsewhere.
        digest: SHA-256 of every file in the folder, names and contents; None without a folder.
    """

    policy: str
    folder: str | None = None
    digest: str | None = None

    def unchanged(self) -> None:
        """Refuse a folder that is not the one that was served.

        Raises:
            ValueError: It is gone, or its files are others; says what to do.
        """
        if self.folder is None:
            return
        if not Path(self.folder).is_dir():
            raise ValueError(
                f"{self.folder}, the bundle of {self.policy}, is gone: bring it back from a backup, or name another "
                "with --bundle"
            )
        seen = digest(Path(self.folder))
        if seen != self.digest:
            raise ValueError(
                f"{self.folder} has the digest {seen[:12]}, the bundle of {self.policy} that was served had "
                f"{str(self.digest)[:12]}: its files were changed since; bring them back, or name a folder of a new "
                "name with --bundle"
            )


def bundle(place: str) -> Bundle:
    """The bundle of a folder, named after it; or, where it is no folder, of a policy that is served from elsewhere.

    >>> bundle("incumbent-7")
    Bundle(policy='incumbent-7', folder=None, digest=None)

    Args:
        place: A folder, or a policy's name.

    Raises:
        ValueError: It looks like a path, and no folder lies there; or the folder is empty.
    """
    path = Path(place)
    if path.is_dir():
        return Bundle(policy=path.resolve().name, folder=str(path.resolve()), digest=digest(path))
    if "/" in place:
        raise ValueError(f"{place}: no such folder; a policy that is served from elsewhere is named without a /")
    return Bundle(policy=place)


def check_weights(folder: Path) -> None:
    """Hold the weights of a staged candidate, and of an adapter its base, against what its lineage names.

    A folder without a lineage was never staged, and passes.

    Raises:
        ValueError: Others lie there; says which, and what to do.
    """
    from training.policy.load import base_fingerprint, fingerprint

    file = folder / "lineage.json"
    if not file.is_file():
        return
    try:
        lineage = json.loads(file.read_text())
        named, base = str(lineage["policy"]), lineage["base"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{file} names no weights ({type(error).__name__}: {error}): stage the candidate again"
        ) from None
    seen = {"base": base_fingerprint(folder), "policy": fingerprint(folder)}
    for what, wanted in (("base", base), ("policy", named.rpartition("@")[2])):
        if seen[what] != wanted:
            raise ValueError(
                f"{folder} was staged with the {what} {wanted}, and what lies there is {seen[what]}: bring those "
                "weights back, or stage the candidate again"
            )


def digest(folder: Path) -> str:
    """SHA-256 over the names and contents of all files below a folder, in the order of their names.

    An adapter is nobody without its base, which lies elsewhere: the fingerprint of that ends what is digested.

    Raises:
        ValueError: There is no file, or no base of the adapter.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise ValueError(f"{folder} holds no file, must be the folder of a staged candidate (candidates/NAME of a run)")
    whole = hashlib.sha256()
    for file in files:
        # the lengths keep a file's end from being read as the next one's beginning
        name = file.relative_to(folder).as_posix().encode()
        whole.update(b"%d %d " % (len(name), file.stat().st_size) + name)
        with file.open("rb") as content:
            while block := content.read(_AT_ONCE):
                whole.update(block)
    if (folder / _ADAPTER).is_file():
        whole.update(f"base {_base(folder)}".encode())
    return whole.hexdigest()


def _base(folder: Path) -> str | None:
    from training.policy.load import base_fingerprint

    try:
        return base_fingerprint(folder)
    except FileNotFoundError as error:
        raise ValueError(f"{folder} is an adapter without its base: {error}") from None
