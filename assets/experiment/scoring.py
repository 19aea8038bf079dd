"""What a model or a judge says of an experiment's responses, as a metric file: one number for each user.

The log holds no score: whoever trains a reward model after a test began wants to know what it says of both arms. Scores
are kept as they come, beside the metric file, so that a run that was interrupted goes on and a later one scores what is
new.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa

    from training.text import Conversation
    from warehouse.connection import Target

AT_ONCE: Final = 512
"""Responses that are read, scored and kept together: what an interruption loses at most."""
Score = Callable[["Sequence[Conversation]", Sequence[str]], Sequence[float]]


class MetricScorer(NamedTuple):
    """Who scores: a name for the metric, what is the same for the same scores (weights, rules), and how."""

    metric: str
    version: str
    score: Score


class ScoredFile(NamedTuple):
    """A metric file: where it lies, the metric, how many responses are in it, and how many were scored just now."""

    file: Path
    metric: str
    responses: int
    new: int


def by_model(directory: Path) -> MetricScorer:
    """A saved reward model: its probability for each response, as P[Love], helpfulness or safety.

    Raises:
        ValueError: No whole reward model lies there.
    """
    from stats.metrics import sigmoid
    from training.reward import registry
    from training.reward.saved_reward import SavedReward

    model = SavedReward(directory)
    name = registry.read(directory).name

    def score(conversations: "Sequence[Conversation]", responses: Sequence[str]) -> Sequence[float]:
        chances: list[float] = sigmoid(model.logits(conversations, responses)).tolist()
        return chances

    return MetricScorer(f"mean_{_column(name)}", f"{name} {model.version}", score)


def by_judge(name: str) -> MetricScorer:
    """A judge of the product that needs no settings: 1 where it objects to a response.

    Raises:
        ValueError: There is no such judge, or it needs settings.
    """
    from training.judges import library
    from training.judges.panel import verdicts_of

    judge = library.build(name)

    def score(conversations: "Sequence[Conversation]", responses: Sequence[str]) -> Sequence[float]:
        return [float(each.violates) for each in verdicts_of(name, judge, conversations, responses)]

    return MetricScorer(f"share_{_column(name)}", f"{name} {library.version(name)}", score)


def score(target: "Target", name: str, scorer: MetricScorer, file: Path) -> ScoredFile:
    """Score what is not scored yet, and write the metric file anew: of each user the mean over their responses.

    Args:
        target: The warehouse.
        name: An experiment that events name.
        scorer: A model or a judge.
        file: CSV, with the columns user_id and the metric's name; scores are kept beside it as `FILE.scores.ndjson`.

    Raises:
        ValueError: No exposure of it, or the scores beside the file are another scorer's or experiment's.
        WarehouseError: As `Warehouse.read`.
    """
    from warehouse import experiment_texts

    whole = experiment_texts.count(target, name)
    if not whole:
        raise ValueError(
            f"experiment {name!r} has no exposure yet: there is nothing to score (loveloop experiment list)"
        )
    kept = file.with_name(f"{file.name}.scores.ndjson")
    known = _opened(kept, {"experiment": name, "scorer": scorer.version})
    before = len(known)
    for part in _unread(target, name, known, whole):
        _append(kept, part, scorer, known)
    users = experiment_texts.users(target, name)
    _write(file, scorer.metric, users, known)
    return ScoredFile(file, scorer.metric, len(users), len(known) - before)


def _unread(target: "Target", name: str, known: dict[str, float], whole: int) -> "Iterator[pa.Table]":
    """Parts of what is not scored yet, with a bar; `known` grows between them."""
    import pyarrow as pa
    from tqdm import tqdm

    from warehouse import experiment_texts

    with tqdm(total=whole, initial=min(len(known), whole), desc="score", unit="response", disable=None) as bar:
        while True:
            there = pa.table({"response_id": pa.array(known, pa.string())})
            part = experiment_texts.unread(target, name, there, most=AT_ONCE)
            if not len(part):
                return
            yield part
            bar.update(len(part))


def _append(kept: Path, part: "pa.Table", scorer: MetricScorer, known: dict[str, float]) -> None:
    from training.text import parse

    responses = [str(each) for each in part["response"].to_pylist()]
    found = scorer.score(parse(part["conversation"].to_pylist()), responses)
    new = dict(zip(part["response_id"].to_pylist(), map(float, found), strict=True))
    with kept.open("a", encoding="utf-8") as lines:
        lines.writelines(json.dumps([response, score]) + "\n" for response, score in new.items())
    known |= new


def _opened(kept: Path, head: dict[str, str]) -> dict[str, float]:
    """The scores that are kept; a last line that was cut off while it was written is scored again.

    Raises:
        ValueError: They are another scorer's or experiment's.
    """
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(head) + "\n", encoding="utf-8")
        return {}
    text = kept.read_text(encoding="utf-8")
    first, *lines = text[: text.rfind("\n") + 1].splitlines() or [""]
    there: Any = json.loads(first) if first else None
    if there != head:
        seen = f"{there['experiment']} by {there['scorer']}" if isinstance(there, dict) else "something else"
        raise ValueError(
            f"{kept} holds scores of {seen}, must be of {head['experiment']} by {head['scorer']}: scores of two models "
            "are not compared; write to another --out, or remove that file"
        )
    kept.write_text("".join(f"{line}\n" for line in (first, *lines)), encoding="utf-8")
    return {str(response): float(score) for response, score in map(json.loads, lines)}


def _write(file: Path, metric: str, users: "pa.Table", known: dict[str, float]) -> None:
    import csv

    from streams.whole_file import whole

    sums: dict[str, list[float]] = {}
    for response, user in zip(users["response_id"].to_pylist(), users["user_id"].to_pylist(), strict=True):
        if response in known:
            sums.setdefault(user, []).append(known[response])
    with whole(file) as part, part.open("w", encoding="utf-8", newline="") as lines:
        rows = csv.writer(lines)
        rows.writerow(["user_id", metric])
        rows.writerows([user, sum(said) / len(said)] for user, said in sums.items())


def _column(name: str) -> str:
    """A name as a metric's: lower case, words joined.

    >>> _column("P[Love]"), _column("conditional closing")
    ('p_love', 'conditional_closing')
    """
    joined = "".join(each if each.isalnum() else " " for each in name.lower())
    return "_".join(joined.split())


def page(made: ScoredFile, name: str) -> Iterator[str]:
    """It line by line."""
    yield f"{made.file}: {made.metric} of each user, over {made.responses:,} responses ({made.new:,} scored just now)"
    yield f"next         loveloop experiment read {name} --metric {made.metric}={made.file}"
