"""What a reward model does not see: texts longer than it reads lose their beginning, the question with it."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from training.text import Trimmed


class Trim(NamedTuple):
    """Counts of rows.

    Attributes:
        rows: That were read.
        cut: Of them longer than `max_tokens`; they lost their beginning.
        without_question: Of those that lost the whole of the user's last message.
        max_tokens: What is kept of a text, from its end.
    """

    rows: int
    cut: int
    without_question: int
    max_tokens: int

    @classmethod
    def of(cls, found: "Trimmed", max_tokens: int) -> "Trim":
        """Counted in pairs."""
        return cls(len(found.ids), len(found.cut), len(found.without_question), max_tokens)

    @property
    def many(self) -> bool:
        """Most rows were cut, or a tenth lost the question: what was learnt is of other texts than people read."""
        return 2 * self.cut > self.rows or 10 * self.without_question > self.rows

    @property
    def words(self) -> str:
        """A sentence.

        >>> Trim(600, 600, 580, 32).words
        '600 of 600 rows were cut to their last 32 tokens, 580 of them lost the whole question: raise max_tokens'
        >>> Trim(600, 0, 0, 32).words
        'none of 600 rows was longer than 32 tokens'
        """
        if not self.cut:
            return f"none of {self.rows:,} rows was longer than {self.max_tokens:,} tokens"
        lost = (
            f"{self.without_question or 'none':{',' if self.without_question else ''}} of them lost the whole question"
        )
        cure = ": raise max_tokens" if self.many else ""
        return f"{self.cut:,} of {self.rows:,} rows were cut to their last {self.max_tokens:,} tokens, {lost}{cure}"
