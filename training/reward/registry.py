"""Saved reward models as they lie on disk: found, read, checked against their manifest, compared."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stats.bootstrap import bootstrap_over_users
from stats.estimate import Estimate
from stats.metrics import auroc, brier, calibration_error, sigmoid
from training.disk import sha256, whole
from training.reward import calibration

FIGURES = "metrics.json"
MANIFEST = "manifest.json"
CARD = "README.md"
ON_TEST = ("auroc", "auroc_within", "pr_auc", "brier", "ece_before", "ece_after", "length_rho")
"""Figures of the test part that are shown side by side."""


class SavedModel(NamedTuple):
    """One reward model's directory, and what was noted when it was made.

    Attributes:
        directory: Where it lies now.
        made_at: ISO, UTC; None for a model of an earlier version, which has no manifest.
        facts: `metrics.json`.
    """

    directory: Path
    made_at: str | None
    facts: Mapping[str, Any]

    @property
    def name(self) -> str:
        """As its card calls it."""
        return str(self.facts.get("name", self.directory.name))

    @property
    def rows(self) -> int:
        """Of all its parts."""
        return sum(self.facts.get("rows", {}).values())

    @property
    def audit(self) -> str:
        """Whether its audit passed: `passed`, `passed, N warnings`, `failed: WHAT`, or that there is no verdict."""
        found = self.facts.get("audit")
        if not isinstance(found, dict) or "results" not in found:
            return "no verdict"
        failed = [each for each in found["results"] if each["state"] == "failed"]
        blocking = [str(each["finding"]) for each in failed if each["blocks"]]
        if blocking:
            return f"failed: {', '.join(blocking)}"
        return f"passed, {len(failed)} warning{'s' * (len(failed) > 1)}" if failed else "passed"

    def estimate(self, figure: str) -> Estimate | None:
        """A figure of the test part with its interval over users; None where it was not measured."""
        measured = self.facts.get("measured", {})
        value, limits = measured.get(figure), measured.get(f"{figure}_ci")
        return None if value is None or not limits else Estimate(value, *limits)


class Compared(NamedTuple):
    """Two models on the same rows: each figure of the first, of the second, and their paired difference.

    Attributes:
        rows: That both scored.
        positives: Of them.
        users: Who are drawn anew, as wholes.
        figures: By name: the first's, the second's, and the second's minus the first's; AUROC, ECE, Brier score.
    """

    rows: int
    positives: int
    users: int
    figures: dict[str, tuple[Estimate, Estimate, Estimate]]


def write_manifest(directory: Path) -> None:
    """Note every file of a model's directory with its size and sha256, in `manifest.json`."""
    files = {name: {"bytes": file.stat().st_size, "sha256": sha256(file)} for name, file in _files(directory)}
    content = {"made_at": datetime.now(UTC).isoformat(timespec="seconds"), "files": files}
    text = json.dumps(content, indent=1) + "\n"
    whole(directory / MANIFEST, lambda place: place.write_text(text), "the manifest of a reward model")


def note_ranking(directory: Path, findings: Sequence[Mapping[str, Any]], words: str) -> None:
    """Put findings that folds of users gave in the place of the single split's, in figures, card and manifest.

    Args:
        directory: The model's.
        findings: Of the audit, all of them.
        words: What the folds found, in a sentence.
    """
    facts = json.loads((directory / FIGURES).read_text())
    facts["audit"]["results"] = [dict(each) for each in findings]
    (directory / FIGURES).write_text(json.dumps(facts, indent=1) + "\n")
    card = directory / CARD
    told = f"## Audit\nRanking was judged anew: {words}. That decides, whatever is said of ranking below.\n\n"
    card.write_text(card.read_text().replace("## Audit\n", told, 1))
    write_manifest(directory)


def changes(directory: Path) -> list[str]:
    """What is no longer as it was saved, a sentence each; empty where every byte is.

    Raises:
        FileNotFoundError: There is no manifest: nothing can be said.
    """
    place = directory / MANIFEST
    if not place.is_file():
        raise FileNotFoundError(f"{place} is missing: a model of an earlier version, whose files cannot be checked")
    noted, there = _manifest(directory)["files"], dict(_files(directory))
    told = [*_incomplete(noted, there)]
    told += [f"{name} was not there when the model was saved" for name in there if name not in noted]
    for name, file in there.items():
        if name in noted and file.stat().st_size == noted[name]["bytes"] and sha256(file) != noted[name]["sha256"]:
            told.append(f"{name} has other bytes than were saved, as many as before")
    return told


def check_complete(directory: Path) -> None:
    """Refuse a model of which a file is missing or cut: scores would be others, or an error names no file.

    The card may be edited; a model of an earlier version has no manifest to be held against.

    Raises:
        ValueError: Names the files, and what to do.
    """
    if not (directory / MANIFEST).is_file():
        return
    noted = {name: each for name, each in _manifest(directory)["files"].items() if name != CARD}
    told = [*_incomplete(noted, dict(_files(directory)))]
    if told:
        raise ValueError(f"{directory} is not as it was saved: {'; '.join(told)}. Copy it again, or train it anew")


def _incomplete(noted: Mapping[str, Any], there: Mapping[str, Path]) -> Iterator[str]:
    """Files that are missing or have another size than was noted, a sentence each."""
    for name, each in noted.items():
        if name not in there:
            yield f"{name} is missing"
        elif (size := there[name].stat().st_size) != each["bytes"]:
            yield f"{name} has {size:,} bytes, was saved with {each['bytes']:,}"


def _manifest(directory: Path) -> dict[str, Any]:
    """`made_at` and `files`.

    Raises:
        ValueError: It is no JSON, or lacks them.
    """
    told = _json(directory / MANIFEST)
    if not {"made_at", "files"} <= told.keys():
        raise ValueError(f"{directory / MANIFEST} names no made_at and files: it was changed; copy the model again")
    return told


def _json(file: Path) -> dict[str, Any]:
    """What a file of the model's holds.

    Raises:
        ValueError: It is no JSON object.
    """
    try:
        told = json.loads(file.read_text())
    except ValueError as error:
        raise ValueError(f"{file} is no JSON ({error}): it was cut or changed; copy the model again") from None
    if not isinstance(told, dict):
        raise ValueError(f"{file} holds no JSON object: it was changed; copy the model again")
    return told


def read(directory: Path) -> SavedModel:
    """Read what is noted of a model.

    Raises:
        FileNotFoundError: No reward model lies there.
        ValueError: Its figures, calibration or manifest are no JSON.
    """
    if not (directory / FIGURES).is_file() or not (directory / calibration.FILE).is_file():
        raise FileNotFoundError(
            f"{directory} is no reward model's directory: it needs {FIGURES} and {calibration.FILE}; "
            "`loveloop models list FOLDER` shows those below a folder"
        )
    _json(directory / calibration.FILE)
    made_at = _manifest(directory)["made_at"] if (directory / MANIFEST).is_file() else None
    return SavedModel(directory, made_at, _json(directory / FIGURES))


def find(folder: Path, unreadable: Callable[[str], object]) -> Iterator[SavedModel]:
    """Every reward model below a folder, by path.

    Args:
        folder: Where to look.
        unreadable: Told of each model whose notes cannot be read, in a sentence that names the file.

    Raises:
        FileNotFoundError: The folder is not there.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder: name the one below which models lie, as runs/")
    for file in sorted(folder.rglob(FIGURES)):
        if not (file.parent / calibration.FILE).is_file():
            continue
        try:
            yield read(file.parent)
        except ValueError as error:
            unreadable(str(error))


def compare(one: SavedModel, other: SavedModel, examples: Any, *, fresh: bool = False, seed: int = 0) -> Compared:
    """Score the same rows with both models, and draw users anew, the same for both.

    Args:
        one: The first.
        other: The second.
        examples: As `train_reward_model` takes them.
        fresh: No row was seen by either model: take all. Else the rows that the split of *both* puts aside for the
            test, which is right where `examples` is what they were trained from.
        seed: Of the resampling.

    Raises:
        ValueError: No row is in both test parts, or the rows are not examples.
    """
    from training.reward.data import read_examples
    from training.reward.saved_reward import SavedReward

    every = read_examples(examples)
    held = every if fresh else every.take(_common_test(every, one, other))
    first, second = (
        SavedReward(each.directory).logits(held.conversations, held.responses, progress=each.name)
        for each in (one, other)
    )
    figures: dict[str, tuple[Any, Any, tuple[Any, Any]]] = {
        "auroc": (auroc, held.positives, (first, second)),
        "ece": (calibration_error, held.labels, (sigmoid(first), sigmoid(second))),
        "brier": (brier, held.labels, (sigmoid(first), sigmoid(second))),
    }

    def told(name: str, signs: tuple[int, int]) -> Estimate:
        figure, labels, scores = figures[name]

        def on(rows: Any) -> float:
            found = (figure(labels[rows], each[rows], held.weights[rows]) if sign else 0.0
                     for sign, each in zip(signs, scores, strict=True))  # fmt: skip
            return float(np.dot(signs, [*found]))

        return bootstrap_over_users(on, held.users, seed=seed)

    both = {name: tuple(told(name, signs) for signs in _SIGNS) for name in figures}
    return Compared(len(held.labels), int(held.positives.sum()), len(np.unique(held.users)), both)  # type: ignore[arg-type]


_SIGNS = ((1, 0), (0, 1), (-1, 1))
"""How often each model's figure is counted: the first alone, the second alone, second minus first."""


def _common_test(every: Any, one: SavedModel, other: SavedModel) -> Any:
    from training.reward.config import RewardConfig
    from training.reward.split import divided

    first, second = (
        divided(every, RewardConfig.model_validate(each.facts["config"]), each.facts["by"]).test
        for each in (one, other)
    )
    rows = np.intersect1d(first, second)
    if not len(rows):
        raise ValueError(
            f"of {len(every.labels):,} rows none is in the test part of both {one.name} and {other.name}: give the "
            "rows that both were trained from, or rows that neither has seen, with --fresh"
        )
    return rows


def _files(directory: Path) -> Iterator[tuple[str, Path]]:
    for file in sorted(directory.rglob("*")):
        if file.is_file() and file.name != MANIFEST:
            yield str(file.relative_to(directory)), file
