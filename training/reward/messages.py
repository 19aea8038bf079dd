"""Single messages as vectors: an encoder's states, averaged over a message's tokens.

A sentence encoder is trained for that mean (Reimers and Gurevych, *Sentence-BERT*, arXiv 1908.10084), not for its first
token. A message is read once, wherever it stands later: a conversation's vectors are those of its messages.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from training import pretrained
from training.reward.bases import check_base
from training.text import load_tokenizer

Vectors = npt.NDArray[np.float32]


class MessageEncoder:
    """Reads messages with a frozen encoder, and keeps what it read.

    Args:
        base: Directory or hub name of an encoder, or of any model whose last states can be averaged.
        max_tokens: A longer message loses its end.
        known: Vectors by text to start from, which new ones are added to; a fresh dictionary by default.

    Raises:
        FileNotFoundError: A path without a model.
    """

    def __init__(self, base: str | Path, *, max_tokens: int = 64, known: dict[str, Vectors] | None = None) -> None:
        self.base = check_base(base)
        self.max_tokens = max_tokens
        self.known = {} if known is None else known
        self.cut = 0
        """Messages of those read so far that were longer, and lost their end."""
        self._opened: tuple[Any, Any] | None = None

    @property
    def unread(self) -> str:
        """What of the messages it did not read, in a sentence; nothing where it read all of them whole."""
        if not self.cut:
            return ""
        return (
            f"{self.cut:,} of {len(self.known):,} messages were longer than {self.max_tokens} tokens and lost their end"
        )

    def vectors(self, texts: Sequence[str], *, progress: str | None = None) -> Vectors:
        """The messages' mean states, each of length 1, shape [texts, width]; an empty message is what `""` gives.

        Args:
            texts: Messages.
            progress: Label of a progress bar; None shows none.
        """
        self.read(texts, progress=progress)
        return np.stack([self.known[text] for text in texts])

    def read(self, texts: Iterable[str], *, progress: str | None = None) -> int:
        """Run the encoder over the messages that are not known yet; how many these were."""
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        if new:
            self._run(new, progress)
        return len(new)

    def save(self, directory: Path) -> None:
        """Write the encoder and its tokenizer."""
        pretrained.save(directory, *self._model())

    def _run(self, new: list[str], progress: str | None) -> None:
        import torch
        from tqdm import tqdm

        from training.batches import by_length
        from training.reward.batches import pad

        model, tokenizer = self._model()
        ids = tokenizer(new, truncation=True, max_length=self.max_tokens, verbose=False)["input_ids"]
        full = [row for row, each in enumerate(ids) if len(each) == self.max_tokens]
        whole = tokenizer([new[row] for row in full], verbose=False)["input_ids"] if full else []
        self.cut += sum(len(each) > self.max_tokens for each in whole)
        device = next(model.parameters()).device
        with tqdm(total=len(new), desc=progress, disable=None if progress else True, unit="row", leave=False) as bar:
            for rows in by_length([len(each) for each in ids], tokens=4_096):
                batch = {
                    key: value.to(device)
                    for key, value in pad([ids[row] for row in rows], tokenizer.pad_token_id).items()
                }
                with torch.inference_mode():
                    found = mean_states(model(**batch).last_hidden_state.float(), batch["attention_mask"])
                for row, vector in zip(rows, found.cpu().numpy(), strict=True):
                    self.known[new[row]] = vector
                bar.update(len(rows))

    def _model(self) -> tuple[Any, Any]:
        if self._opened is None:
            from transformers import AutoModel

            from training.engine.placement import read_only

            tokenizer = load_tokenizer(self.base)
            tokenizer.truncation_side = "right"
            self._opened = (read_only(pretrained.load(AutoModel, self.base)), tokenizer)
        return self._opened


def mean_states(states: Any, mask: Any) -> Any:
    """Mean over the tokens that a mask keeps, made to length 1.

    Args:
        states: [rows, tokens, width].
        mask: 1 or 0, [rows, tokens], with at least one 1 a row.
    """
    import torch

    kept = mask.unsqueeze(-1).to(states.dtype)
    return torch.nn.functional.normalize((states * kept).sum(1) / kept.sum(1), dim=-1)
