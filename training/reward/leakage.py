"""Does the test part hold what was trained on? Users, days, conversations, and copies of texts under other names.

A leak makes every figure of a model too good, so it ends the training before it begins. Short texts repeat by
themselves (half of all conversations open with a greeting, and a policy answers alike): only texts of at least
`copy_words` words are looked at, and a small share of copies among them is let pass.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from training.reward.data import Examples, Rows
from training.reward.split import Split, openings
from training.reward.thresholds import Thresholds
from training.text import plain

SHINGLE, HASHES, BANDS = 9, 32, 8
"""Characters a shingle; MinHash values a text; bands of them of which one must agree (Leskovec, Rajaraman and Ullman,
*Mining of massive datasets*, 3.4): two texts of similarity .9 are found with a chance of .9996, of .5 with .4."""
MOST = 20_000
"""Training texts, drawn evenly, that near copies are looked for in; exact copies are looked for in all."""
MOST_TESTED = 1_000
_RANDOM = np.random.default_rng(0)
_FACTORS, _TERMS = (_RANDOM.integers(1, 2**61, HASHES, dtype=np.uint64) | np.uint64(1) for _ in range(2))
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


class LeakageError(ValueError):
    """The test part holds what was trained on; the text names it."""


@dataclass(frozen=True, slots=True)
class Leakage:
    """What was compared, where nothing leaked.

    Attributes:
        tested: Test rows with enough words to be told apart, as far as they were looked at.
        exact: Of them whose whole text stands in the training part, but for case and punctuation.
        near: Of the others, near copies of one.
        compared: Training texts that near copies were looked for in.
        short: Test rows with fewer words, which were not looked at.
        repeated: Of these, whose text stands in the training part too.
        words: Least words of a text that is looked at.
    """

    tested: int
    exact: int
    near: int
    compared: int
    short: int
    repeated: int
    words: int

    @property
    def share(self) -> float:
        """Copies among the texts that were looked at; 0 where there were none."""
        return (self.exact + self.near) / self.tested if self.tested else 0.0

    @property
    def sentence(self) -> str:
        """What was compared, in words."""
        return (
            f"of {self.tested:,} test texts of at least {self.words} words {self.exact:,} stand in the training part "
            f"and {self.near:,} nearly do (in {self.compared:,} of its texts); of {self.short:,} shorter ones, which "
            f"repeat by themselves, {self.repeated:,} do"
        )


def check(
    examples: Examples, parts: Split, *, by: Literal["users", "conversations"], limits: Thresholds, seed: int
) -> Leakage:
    """Compare the test part with what is trained and calibrated on.

    Args:
        examples: All rows.
        parts: Their split.
        by: What keeps the parts apart.
        limits: `copy_words`, `copies`, `near`.
        seed: Of the rows that are looked at, where there are many.

    Raises:
        LeakageError: A user, a day or a conversation is in both, or more than the share `copies` of the texts; names
            what leaked.
    """
    learnt = np.concatenate([parts.train, parts.validation])
    if by == "users":
        _refuse("users", examples.users[learnt], examples.users[parts.test])
        old = learnt[examples.mature[learnt]]  # young rows are later than any test, by intention
        _refuse_days(examples.times[old], examples.times[parts.test])
    else:
        begun = np.array(openings(examples))
        _refuse("conversations", begun[learnt], begun[parts.test])
    found = _copies(examples, learnt, parts.test, limits, seed)
    if found.first is not None and found.seen.share > limits.copies:
        row, other = found.first
        raise LeakageError(
            f"{found.seen.exact + found.seen.near:,} of {found.seen.tested:,} test texts of at least "
            f"{limits.copy_words} words ({found.seen.share:.0%}) are copies or near copies of training texts, at most "
            f"{limits.copies:.0%} may be: row {row + 1:,} ({examples.users[row]}) is row {other + 1:,} "
            f"({examples.users[other]}): {examples.responses[row][:60]!r}. Give each conversation once, or raise "
            "audit.copies if your product really says the same to many"
        )
    return found.seen


def _refuse(what: str, learnt: npt.NDArray[np.str_], tested: npt.NDArray[np.str_]) -> None:
    both = np.intersect1d(learnt, tested)
    if len(both):
        raise LeakageError(
            f"{len(both):,} {what} are in the training part and in the test part, none may be: {both[0]}"
            f"{' and others' if len(both) > 1 else ''}; split by {what}"
        )


def _refuse_days(learnt: npt.NDArray[np.int64], tested: npt.NDArray[np.int64]) -> None:
    if learnt.max() >= tested.min():
        last, first = (np.datetime64(int(each), "us") for each in (learnt.max(), tested.min()))
        raise LeakageError(
            f"the training part ends {last} and the test part begins {first}, it must end before: split by time"
        )


class _Found(NamedTuple):
    seen: Leakage
    first: tuple[int, int] | None


def _copies(examples: Examples, learnt: Rows, tested: Rows, limits: Thresholds, seed: int) -> _Found:
    known: dict[str, int] = {}
    for row in learnt.tolist():
        known.setdefault(_normal(examples, row), row)
    texts = {row: _normal(examples, row) for row in tested.tolist()}
    long = [row for row, text in texts.items() if text.count(" ") + 1 >= limits.copy_words]
    repeated = sum(texts[row] in known for row in texts.keys() - set(long))
    random = np.random.default_rng(seed)
    looked = [long[each] for each in _some(len(long), MOST_TESTED, random)]
    exact = [(row, known[texts[row]]) for row in looked if texts[row] in known]
    others = [row for row in looked if texts[row] not in known]
    candidates = [text for text in known if text.count(" ") + 1 >= limits.copy_words // 2]
    candidates = [candidates[each] for each in _some(len(candidates), MOST, random)]
    near = near_copies([texts[row] for row in others], candidates, limits.near)
    pairs = exact + [(others[place], known[candidates[other]]) for place, other in near.items()]
    seen = Leakage(
        len(looked), len(exact), len(near), len(candidates), len(texts) - len(long), repeated, limits.copy_words
    )
    return _Found(seen, pairs[0] if pairs else None)


def _some(count: int, most: int, random: np.random.Generator) -> Iterable[int]:
    return range(count) if count <= most else np.sort(random.choice(count, most, replace=False)).tolist()


def _normal(examples: Examples, row: int) -> str:
    """A conversation with its response in lower case, without marks and with single blanks."""
    return normal(plain(examples.conversations[row], examples.responses[row]))


def normal(text: str) -> str:
    """Lower case, no marks, single blanks.

    >>> normal("Hello,  World!")
    'hello world'
    """
    return " ".join(re.findall(r"\w+", text.lower()))


def near_copies(texts: Sequence[str], others: Sequence[str], similarity: float) -> dict[int, int]:
    """For each text that has one, the first other with at least that Jaccard similarity of shingles.

    MinHash with banding finds candidates (Broder, 1997), their shingles decide.

    >>> near_copies(["the cat sat on the mat today"], ["a dog", "The cat sat on the mat today"], 0.7)
    {0: 1}
    """
    if not texts or not others:
        return {}
    ours, theirs = (_bands(_signatures(each)) for each in (texts, others))
    found: dict[int, int] = {}
    shingles: dict[int, set[str]] = {}
    for band in range(BANDS):
        order = np.argsort(theirs[:, band], kind="stable")
        keys = theirs[order, band]
        starts, ends = (np.searchsorted(keys, ours[:, band], side) for side in ("left", "right"))
        for place in np.flatnonzero(ends > starts).tolist():
            if place in found:
                continue
            mine = _shingles(texts[place])
            for other in order[starts[place] : ends[place]][:20].tolist():
                if other not in shingles:
                    shingles[other] = _shingles(others[other])
                if len(mine & shingles[other]) >= similarity * len(mine | shingles[other]):
                    found[place] = other
                    break
    return found


def _shingles(text: str) -> set[str]:
    return {text[place : place + SHINGLE] for place in range(max(1, len(text) - SHINGLE + 1))}


def _signatures(texts: Sequence[str]) -> npt.NDArray[np.uint64]:
    """MinHash values of each text, [texts, HASHES]."""
    return np.stack([_signature(text) for text in texts])


def _signature(text: str) -> npt.NDArray[np.uint64]:
    """The least of each of `HASHES` hashes over the shingles; overflow of 64 bits is the modulus."""
    codes = np.frombuffer(text.ljust(SHINGLE).encode("utf-32-le"), np.uint32).astype(np.uint64)
    hashed = np.zeros(len(codes) - SHINGLE + 1, np.uint64)
    for place in range(SHINGLE):
        hashed = (hashed ^ codes[place : place + len(hashed)]) * _SPREAD
        hashed ^= hashed >> np.uint64(29)
    mixed = hashed[:, None] * _FACTORS + _TERMS
    least: npt.NDArray[np.uint64] = (mixed ^ (mixed >> np.uint64(31))).min(axis=0)
    return least


def _bands(signatures: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """One key a band, [texts, BANDS]."""
    rows = signatures.reshape(len(signatures), BANDS, HASHES // BANDS)
    keys = np.zeros(rows.shape[:2], np.uint64)
    for place in range(rows.shape[2]):
        keys = (keys ^ rows[:, :, place]) * _SPREAD
        keys ^= keys >> np.uint64(29)
    return keys
