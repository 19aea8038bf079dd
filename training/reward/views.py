"""A reward model for little data: views of a conversation and its response over a frozen encoder, and a small head.

The views are the response's vector, the message's, the product of both, how alike they and earlier turns are, where the
response stands, and what can be counted in the text (`surface`). With a few hundred loves an encoder that is tuned
learns the place in the conversation and little else; trees over these views learn more (docs/log.md).

What a response cannot change (its place, the user's message) foretells whether anybody reacts, and ranks nothing.
A model whose scores are optimised should be judged within equal places.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stats.estimate import Floats
from training.reward.config import Context, ViewsConfig
from training.reward.messages import MessageEncoder, Vectors
from training.reward.surface import PLACE, SURFACE, place, surface
from training.text import Conversation

SIMILARITIES = (
    "response, message", "response, turn before", "message, turn before", "message, message before",
    "response, likest earlier turn", "response, likest message", "response, all messages",
    "response, all earlier turns",
)  # fmt: skip
KNOWN = ("seconds since the response before", "responses before", "loves before", "dislikes before")
"""What the log alone knows, `data.CONTEXT`; not known where a response is scored that was never served."""
COLUMNS = (
    *(f"place: {name}" for name in PLACE),
    *SURFACE,
    *(f"alike: {name}" for name in SIMILARITIES),
    *(f"known: {name}" for name in KNOWN),
)
"""Names of the columns that trees read; a linear head reads the vectors beside them."""
CONTEXT_COLUMNS: Mapping[Context, tuple[int, ...]] = {
    "place": tuple(range(len(PLACE))),
    "closing": (COLUMNS.index("talk: user closes"),),
    "pause": (COLUMNS.index(f"known: {KNOWN[0]}"),),
    "reactions": tuple(COLUMNS.index(f"known: {name}") for name in KNOWN[1:]),
}
"""The columns of each context."""


def masked(rows: Floats, contexts: Sequence[Context]) -> Floats:
    """Rows whose columns of other contexts than these say nothing."""
    hidden = [column for name, columns in CONTEXT_COLUMNS.items() if name not in contexts for column in columns]
    found = rows.copy()
    found[:, hidden] = np.nan
    return found


def views(
    encoder: MessageEncoder,
    conversations: Sequence[Conversation],
    responses: Sequence[str],
    config: ViewsConfig,
    *,
    known: Floats | None = None,
    progress: str | None = None,
) -> Floats:
    """What the head reads, shape [pairs, columns]: `COLUMNS`, and for a linear head three vectors behind them.

    Args:
        encoder: Reads messages.
        conversations: Each up to the user's last message.
        responses: As many.
        config: The dials; columns of other contexts than its are NaN.
        known: What the log knew, `KNOWN`, [pairs, 4]; None knows nothing.
        progress: Label of a progress bar; None shows none.
    """
    turns = [turn["content"] for conversation in conversations for turn in conversation]
    encoder.read([*turns, *responses], progress=progress)
    shape = next(iter(encoder.known.values())).shape
    said = np.stack([encoder.known[text] for text in responses])
    asked = np.stack([_last(encoder, turns, "user", shape) for turns in conversations])
    alike = np.array([_alike(encoder, *row) for row in zip(conversations, said, asked, strict=True)])
    log = np.full((len(responses), len(KNOWN)), np.nan) if known is None else known
    rows = masked(
        np.column_stack([place(conversations), surface(conversations, responses), alike, log]), config.context
    )
    if config.head == "trees":
        return rows
    width = np.sqrt(shape[0])  # vectors have length 1: with this their numbers vary by about 1
    return np.column_stack([rows, said * width, asked * width, said * asked * width**2])


def _last(encoder: MessageEncoder, turns: Conversation, role: str, shape: Any) -> Vectors:
    """The vector of the last message of a role; zeros where there is none."""
    texts = [turn["content"] for turn in turns if turn["role"] == role]
    return encoder.known[texts[-1]] if texts else np.zeros(shape, np.float32)


def _alike(encoder: MessageEncoder, turns: Conversation, said: Vectors, asked: Vectors) -> list[float]:
    """Cosines by `SIMILARITIES`; 0 where there is nothing to compare with."""
    earlier, messages = (
        np.array([encoder.known[turn["content"]] for turn in turns if turn["role"] == role] or [np.zeros_like(said)])
        for role in ("assistant", "user")
    )
    before = earlier[-1]
    older = messages[-2] if len(messages) > 1 else np.zeros_like(said)
    return [
        float(each)
        for each in (
            said @ asked, said @ before, asked @ before, asked @ older, (earlier @ said).max(), (messages @ said).max(),
            messages.mean(axis=0) @ said, earlier.mean(axis=0) @ said,
        )
    ]  # fmt: skip
