"""The grammar: how the users of the synthetic world ask, and how a policy with known habits answers.

What is said is drawn as numbers first (traits, arrays of one entry a response) and written as sentences after. Nothing
here judges a text: that is `truth`, which reads the sentences and never these numbers.
"""

from functools import lru_cache
from itertools import accumulate
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.synthetic.language.habits import INCUMBENT, Habits, MixedHabits, mixed
from streams.synthetic.language.phrases import (
    CHEERS,
    CLOSINGS,
    COLD,
    EMOJI,
    EVASIONS,
    FILLERS,
    FLATTERY,
    GREETINGS,
    QUESTIONS,
    REFUSALS,
    WARM,
)
from streams.synthetic.language.slots import slots, slots_of
from streams.synthetic.language.vocabulary import KINDS

__all__ = [
    "INCUMBENT",
    "Habits",
    "MixedHabits",
    "Requests",
    "Traits",
    "ask",
    "draw_kinds",
    "draw_requests",
    "draw_traits",
    "garble",
    "mixed",
    "sentences",
    "write",
]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

HAPPY: Final = 0.25
"""Chance that a user is happy during a conversation; hidden."""
SHOWS_HAPPY: Final = 0.45
SHOWS_OTHERWISE: Final = 0.05
"""Chance that one message of a user shows a happy mood, by the mood."""
GREETS: Final = 0.15
SHARES: Final = (0.36, 0.18, 0.14, 0.10, 0.06, 0.0, 0.04, 0.06, 0.06)
"""How conversations open, by kind of request in the order of `KINDS`; thanks come later in a conversation."""

_GOODBYE, _UNSAFE, _BORDERLINE = (KINDS.index(kind) for kind in ("goodbye", "unsafe", "borderline"))


class Requests(NamedTuple):
    """User messages: `kinds` and `slots` int64[n], `messages` the n texts."""

    kinds: Ints
    slots: Ints
    messages: list[str]


class Traits(NamedTuple):
    """What each response is to do, bool[n] each; see `Habits` for the names."""

    right: Bools
    warm: Bools
    cold: Bools
    asks_back: Bools
    emoji: Bools
    flatters: Bools
    filler: Bools
    closes: Bools
    evades: Bools
    complies: Bools
    refuses: Bools
    garbled: Bools


def draw_kinds(rng: np.random.Generator, count: int) -> Ints:
    """Kinds of the opening requests of `count` conversations, int64[count]."""
    return rng.choice(len(KINDS), size=count, p=SHARES)


def draw_requests(rng: np.random.Generator, kinds: Ints, happy: Bools, asked: Ints | None = None) -> Requests:
    """Say a request of each kind; a happy mood shows in some (`SHOWS_HAPPY`, `SHOWS_OTHERWISE`).

    Args:
        rng: The only source of chance.
        kinds: int64[n], numbers of `KINDS`.
        happy: bool[n], the hidden mood.
        asked: int64[n], slots that are asked for whatever the kind; -1 for any slot of the kind.
    """
    grammar = _grammar()
    chosen = grammar.kind_starts[kinds] + _below(rng, grammar.kind_counts[kinds])
    if asked is not None:
        chosen = np.where(asked >= 0, asked, chosen)
        kinds = np.array([slot.kind for slot in slots()])[chosen]
    return Requests(kinds, chosen, ask(rng, chosen, happy))


def ask(rng: np.random.Generator, chosen: Ints, happy: Bools) -> list[str]:
    """Say a request for each slot in `chosen` (int64[n]), as `draw_requests` does for kinds."""
    grammar, pool = _grammar(), _grammar().pool
    shows = rng.random(len(chosen)) < np.where(happy, SHOWS_HAPPY, SHOWS_OTHERWISE)
    greets = ~shows & (rng.random(len(chosen)) < GREETS)
    openings = _pick(rng, shows, grammar.cheers) + _pick(rng, greets, grammar.greetings)
    requests = grammar.requests.draw(rng, chosen)
    return [f"{pool[a]} {pool[b]}" if a else pool[b] for a, b in zip(openings.tolist(), requests.tolist(), strict=True)]


def draw_traits(
    rng: np.random.Generator, kinds: Ints, happy: Bools, habits: Habits | MixedHabits = INCUMBENT
) -> Traits:
    """Draw what a policy with these habits does, one entry for each of the n requests."""
    chance = rng.random((12, len(kinds)))
    unsafe, leaves = kinds == _UNSAFE, kinds == _GOODBYE
    refuses = ~unsafe & (
        chance[0] < np.where(kinds == _BORDERLINE, habits.false_refusal_borderline, habits.false_refusal * ~leaves)
    )
    right = (chance[1] < habits.right) & ~refuses
    warm = chance[2] < habits.warm
    needless = np.where(happy, habits.closes_happy, habits.closes_otherwise)
    missed = ~right & ~refuses & ~leaves
    complies = unsafe & (chance[10] < habits.complies)
    return Traits(
        right=right,
        warm=warm,
        cold=~warm & (chance[3] < habits.cold),
        asks_back=~leaves & (chance[4] < habits.asks_back),
        emoji=chance[5] < habits.emoji,
        flatters=chance[6] < habits.flatters,
        filler=~leaves & (chance[7] < habits.filler),
        closes=chance[8] < np.where(leaves, habits.returns_goodbye, needless),
        evades=missed & np.where(unsafe, ~complies, chance[9] < habits.evades),
        complies=missed & complies,
        refuses=refuses,
        garbled=chance[11] < habits.garbled,
    )


def write(rng: np.random.Generator, chosen: Ints, traits: Traits) -> list[str]:
    """Write one response for each slot in `chosen` (int64[n]) with those traits."""
    grammar = _grammar()
    body = np.where(traits.right, grammar.right.draw(rng, chosen), grammar.wrong.draw(rng, chosen))
    body = np.where(traits.complies, grammar.harms.draw(rng, chosen), body)
    body = np.where(traits.evades, _pick(rng, traits.evades, grammar.evasions), body)
    body = np.where(traits.refuses, _pick(rng, traits.refuses, grammar.refusals), body)
    parts = (
        _pick(rng, traits.warm, grammar.warm) + _pick(rng, traits.cold, grammar.cold),
        _pick(rng, traits.flatters, grammar.flattery),
        body,
        _pick(rng, traits.filler, grammar.fillers),
        traits.asks_back * grammar.questions.draw(rng, chosen),
        _pick(rng, traits.closes, grammar.closings),
        _pick(rng, traits.emoji, grammar.emoji),
    )
    pool = grammar.pool
    texts = [" ".join([pool[part] for part in row if part]) for row in np.column_stack(parts).tolist()]
    for place in np.flatnonzero(traits.garbled).tolist():
        texts[place] = garble(rng, texts[place])
    return texts


def garble(rng: np.random.Generator, text: str) -> str:
    """The same words in disorder."""
    words = text.split()
    return " ".join(words[place] for place in rng.permutation(len(words)))


def sentences() -> list[str]:
    """Every sentence that a response may hold, in a fixed order: what counts as fluent is read from these."""
    return [sentence for sentence in _grammar().pool[: _grammar().spoken] if sentence]


class _Ragged(NamedTuple):
    """For each slot a run of places in the pool, `starts` and `counts` int64[slots].

    An empty run draws place 0, the empty text.
    """

    starts: Ints
    counts: Ints

    def draw(self, rng: np.random.Generator, chosen: Ints) -> Ints:
        return self.starts[chosen] + _below(rng, np.maximum(self.counts[chosen], 1))


class _Grammar(NamedTuple):
    pool: list[str]
    spoken: int
    kind_starts: Ints
    kind_counts: Ints
    right: _Ragged
    wrong: _Ragged
    harms: _Ragged
    questions: _Ragged
    requests: _Ragged
    warm: range
    cold: range
    fillers: range
    evasions: range
    refusals: range
    flattery: range
    closings: range
    emoji: range
    cheers: range
    greetings: range


@lru_cache(maxsize=1)
def _grammar() -> _Grammar:
    pool, table = [""], slots()
    right, wrong, harms = (_lay(pool, [getattr(slot, name) for slot in table]) for name in ("right", "wrong", "harms"))
    asked = _lay(pool, [QUESTIONS.get(KINDS[slot.kind], QUESTIONS["question"]) for slot in table])
    spoken = [
        _extend(pool, phrases) for phrases in (WARM, COLD, FILLERS, EVASIONS, REFUSALS, FLATTERY, CLOSINGS, EMOJI)
    ]
    last = len(pool)
    requests = _lay(pool, [slot.requests for slot in table])
    runs = [slots_of(kind) for kind in range(len(KINDS))]
    starts, counts = np.array([run.start for run in runs]), np.array([len(run) for run in runs])
    heard = [_extend(pool, run) for run in (CHEERS, GREETINGS)]
    return _Grammar(pool, last, starts, counts, right, wrong, harms, asked, requests, *spoken, *heard)


def _lay(pool: list[str], runs: list[tuple[str, ...]]) -> _Ragged:
    counts = [len(run) for run in runs]
    before = accumulate(counts, initial=len(pool))
    starts = [start if count else 0 for start, count in zip(before, counts, strict=False)]
    pool.extend(sentence for run in runs for sentence in run)
    return _Ragged(np.array(starts), np.array(counts))


def _extend(pool: list[str], phrases: tuple[str, ...]) -> range:
    pool.extend(phrases)
    return range(len(pool) - len(phrases), len(pool))


def _pick(rng: np.random.Generator, wanted: Bools, run: range) -> Ints:
    """A place of the run where wanted, else 0."""
    return wanted * rng.integers(run.start, run.stop, size=len(wanted))


def _below(rng: np.random.Generator, limits: Ints) -> Ints:
    """A whole number in [0, limit) for each limit."""
    return (rng.random(len(limits)) * limits).astype(np.int64)
