"""Real texts of ragged lengths for all contenders: ConvAI's talks with their last answer, half of them loved."""

import json
from pathlib import Path

import numpy as np
from real_rewards_parts import sets

from training.reward.bases import minilm
from training.text import encode, load_tokenizer

TOKENS = 512
"""Longest text, as long as MiniLM reads: of these talks few are cut, and lengths are as ragged as people's."""


def written(data: Path, folder: Path, count: int) -> Path:
    """A file with `count` rows to learn from and as many again to score: talks, responses, labels, token ids."""
    talks = sets.convai(data)
    random = np.random.default_rng(1)
    loved, rest = (np.flatnonzero(talks.loves == kind) for kind in (1, 0))
    half = min(count, len(loved))
    rows = np.concatenate([random.choice(loved, half, False), random.choice(rest, 2 * count - half, False)])
    rows = random.permutation(rows)
    asked, said = ([column[row] for row in rows] for column in talks[:2])
    ids = encode(load_tokenizer(str(minilm())), asked, said, max_tokens=TOKENS)
    told = {"conversations": asked, "responses": said, "labels": talks.loves[rows].tolist(), "ids": ids, "learn": count}
    told["max_tokens"] = TOKENS
    path = folder / "rows.json"
    path.write_text(json.dumps(told))
    return path
