"""Annotators' labels and prompt sets: what a team has beside its log of reactions."""

import json
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import numpy as np
import pyarrow as pa

from streams.synthetic.language.talk import Conversation, Talk, draw_talk, draw_turns
from streams.synthetic.language.text import INCUMBENT, SHARES, Habits
from streams.synthetic.truth import formulas

Task = Literal["love", "helpfulness", "safety", "all"]

ERROR_RATE: Final = 0.05
"""Chance that an annotator ticks the wrong box."""
ANNOTATORS: Final = 60
LAST_LABEL: Final = datetime(2026, 1, 31, tzinfo=UTC)
VARIETY: Final = (
    (0.50, INCUMBENT),
    (0.15, INCUMBENT._replace(right=0.95, warm=0.7, cold=0.1, asks_back=0.4, emoji=0.3, false_refusal_borderline=0.05)),
    (0.10, INCUMBENT._replace(right=0.25, evades=0.5, complies=0.9, false_refusal=0.15, flatters=0.3)),
    (0.15, INCUMBENT._replace(closes_happy=0.6, closes_otherwise=0.6, warm=0.5)),
    (0.05, INCUMBENT._replace(flatters=0.7, emoji=0.7, warm=0.7, filler=0.7)),
    (0.05, INCUMBENT._replace(garbled=1.0)),
)
"""Shares of an annotation set and the habits that wrote them: half the log, half what a trained policy may try."""
OPENINGS: Final[dict[Task, tuple[float, ...]]] = {
    "love": (0.12, 0.08, 0.25, 0.33, 0.18, 0.0, 0.02, 0.0, 0.02),
    "helpfulness": (0.60, 0.34, 0.02, 0.01, 0.01, 0.0, 0.0, 0.0, 0.02),
    "safety": (0.10, 0.05, 0.03, 0.02, 0.02, 0.0, 0.0, 0.55, 0.23),
    "all": SHARES,
}
"""How the conversations of a task's prompt set open, by kind of request."""


def prompts(task: Task, count: int, seed: int) -> list[Conversation]:
    """Prompts in the domain of a task: conversations that end with the user's last message.

    Love means company, role-play and small talk mostly; helpfulness questions and advice; safety unsafe requests and
    borderline ones.

    Args:
        task: Whose domain; `all` draws as the log does.
        count: How many.
        seed: The same seed gives the same prompts.

    Raises:
        ValueError: An unknown task.
    """
    rng = np.random.default_rng([seed, _number(task)])
    turns = np.minimum(draw_turns(rng, count), 3)
    talk = draw_talk(rng, turns, shares=OPENINGS[task])
    return [talk.conversations[place] for place in (np.cumsum(turns) - 1).tolist()]


def labels(task: Task, count: int, seed: int, *, error_rate: float = ERROR_RATE) -> pa.Table:
    """Judgements of simulated annotators, who read as `truth` does and err with a known chance.

    Half of the responses are the incumbent's, half are variants that a trained policy may try: better, worse,
    flattering, closing needlessly, garbled (`VARIETY`).

    Args:
        task: `helpfulness` (label: helpful, drawn from `formulas.helpful_chance`, since careful readers differ) or
            `safety` (label: safe; unsafe and borderline requests mostly).
        count: Rows.
        seed: The same seed gives the same rows.
        error_rate: Chance of a wrong label.

    Returns:
        Columns example_id, conversation (JSON), response, label (bool), user_id (the annotator), served_at (UTC).

    Raises:
        ValueError: An unknown task, or one that nobody labels.
    """
    if task not in ("helpfulness", "safety"):
        raise ValueError(f"task == {task!r}, annotators judge helpfulness or safety; love comes from reactions")
    rng = np.random.default_rng([seed, 10 + _number(task)])
    shares = SHARES if task == "helpfulness" else OPENINGS[task]
    conversations, responses = _examples(rng, count, shares)
    readings = formulas.read(conversations, responses)
    verdict = (
        rng.random(count) < formulas.helpful_chance(readings) if task == "helpfulness" else formulas.safe(readings)
    )
    label = verdict ^ (rng.random(count) < error_rate)
    seconds = np.sort(rng.integers(0, 30 * 86_400, size=count))[::-1].tolist()
    return pa.table(
        {
            "example_id": [f"{task}-{seed}-{place:07d}" for place in range(count)],
            "conversation": [json.dumps(conversation, ensure_ascii=False) for conversation in conversations],
            "response": responses,
            "label": pa.array(label),
            "user_id": [f"annotator-{who:02d}" for who in rng.integers(0, ANNOTATORS, size=count).tolist()],
            "served_at": pa.array([LAST_LABEL - timedelta(seconds=s) for s in seconds], pa.timestamp("us", tz="UTC")),
        }
    )


def _examples(rng: np.random.Generator, count: int, shares: tuple[float, ...]) -> tuple[list[Conversation], list[str]]:
    """`count` last turns of conversations by all the habits of `VARIETY`, in random order."""
    sizes = [round(share * count) for share, _ in VARIETY]
    sizes[0] += count - sum(sizes)
    talks = [_last_turns(rng, size, shares, habits) for size, (_, habits) in zip(sizes, VARIETY, strict=True)]
    rows = [row for talk in talks for row in talk]
    order = rng.permutation(len(rows)).tolist()
    return [rows[place][0] for place in order], [rows[place][1] for place in order]


def _last_turns(
    rng: np.random.Generator, count: int, shares: tuple[float, ...], habits: Habits
) -> list[tuple[Conversation, str]]:
    turns = np.minimum(draw_turns(rng, count), 3)
    talk: Talk = draw_talk(rng, turns, shares=shares, habits=habits)
    return [(talk.conversations[place], talk.responses[place]) for place in (np.cumsum(turns) - 1).tolist()]


def _number(task: Task) -> int:
    if task not in OPENINGS:
        raise ValueError(f"task == {task!r}, must be one of {', '.join(OPENINGS)}")
    return list(OPENINGS).index(task)
