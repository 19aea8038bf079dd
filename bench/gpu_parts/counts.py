"""Floating-point operations and bytes of a Llama, counted from its shape: pure functions.

A product of [m, k] and [k, n] is 2 m k n operations. Norms, rotations and softmax are left out, as usual: they are
under 1 %. Only what is asked for is counted, no padding and no second forward pass of gradient checkpointing: a share
of the peak is a *model's* utilisation (MFU, Chowdhery et al., PaLM, arXiv 2204.02311, appendix B).
"""

from typing import Any, NamedTuple


class Shape(NamedTuple):
    """What counts of a Llama.

    Attributes:
        hidden: Width.
        inner: Width inside the feed-forward part.
        keys: Width of all keys together; values have the same.
        layers: How many.
        outputs: Columns of the head: the vocabulary, or 1 of a reward model.
    """

    hidden: int
    inner: int
    keys: int
    layers: int
    outputs: int

    @classmethod
    def of(cls, config: Any, outputs: int | None = None) -> "Shape":
        """The shape that a `LlamaConfig` describes."""
        keys = config.hidden_size // config.num_attention_heads * config.num_key_value_heads
        out = config.vocab_size if outputs is None else outputs
        return cls(config.hidden_size, config.intermediate_size, keys, config.num_hidden_layers, out)

    @property
    def block(self) -> int:
        """Weights of one layer's seven matrices.

        >>> Shape(hidden=4, inner=8, keys=2, layers=1, outputs=10).block  # 16 + 16 (q, o), 8 + 8 (k, v), 3 x 32
        144
        """
        return 2 * self.hidden**2 + 2 * self.hidden * self.keys + 3 * self.hidden * self.inner


class Work(NamedTuple):
    """What a forward pass was asked to do.

    Attributes:
        tokens: Read.
        pairs: Of a token and one that it attends to, itself included.
        heads: Tokens that went through the head.
    """

    tokens: int
    pairs: int
    heads: int

    def plus(self, other: "Work") -> "Work":
        """Both together."""
        return Work(self.tokens + other.tokens, self.pairs + other.pairs, self.heads + other.heads)


def causal_pairs(length: int, past: int = 0) -> int:
    """How many tokens are attended to by `length` tokens behind `past` ones: each sees those before it and itself.

    >>> causal_pairs(3), causal_pairs(1, past=9)
    (6, 10)
    """
    return length * past + length * (length + 1) // 2


def forward_flops(shape: Shape, work: Work) -> int:
    """Operations of a forward pass: `2 tokens x weights + 4 pairs x hidden x layers + 2 heads x hidden x outputs`.

    Of attention 2 x hidden a pair and layer are the scores, and as many the sum of values.

    >>> forward_flops(Shape(hidden=4, inner=8, keys=2, layers=1, outputs=10), Work(tokens=3, pairs=6, heads=1))
    1040
    """
    matrices = 2 * work.tokens * shape.block * shape.layers
    attention = 4 * work.pairs * shape.hidden * shape.layers
    return matrices + attention + 2 * work.heads * shape.hidden * shape.outputs


def update_flops(shape: Shape, work: Work, *, lora: bool) -> int:
    """Operations of forward and backward: three forward passes; two where the weights are frozen beside LoRA.

    Going backward costs one pass for the gradients of the inputs and one for those of the weights; attention, which has
    no weights, needs both in any case. LoRA's own small matrices are left out.
    """
    whole = forward_flops(shape, work)
    if not lora:
        return 3 * whole
    return 2 * whole + 4 * work.pairs * shape.hidden * shape.layers


def decode_bytes(shape: Shape, *, forwards: int, pairs: int, rows: int, size: int) -> int:
    """Bytes that decoding must move at least: all matrices once a step, and the cached keys and values of every row.

    `size x (forwards x (layers x block + hidden x outputs) + 2 x layers x keys x (pairs + rows))`: a row reads the keys
    and values that it attends to and writes its own; `rows` also read one embedding each, which is left out.

    Args:
        shape: The model's.
        forwards: Steps, each of which reads the weights.
        pairs: Attended tokens over all rows and steps.
        rows: Rows over all steps.
        size: Bytes of a number.

    >>> decode_bytes(Shape(hidden=4, inner=8, keys=2, layers=1, outputs=10), forwards=2, pairs=10, rows=2, size=2)
    832
    """
    weights = forwards * (shape.layers * shape.block + shape.hidden * shape.outputs)
    return size * (weights + 2 * shape.layers * shape.keys * (pairs + rows))
