"""What each arm has to say: every answer of an A/B test, read once, and which prompt suits which user and mood."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.synthetic.language.talk import Conversation
from streams.synthetic.language.vocabulary import KINDS
from streams.synthetic.studies.threads import so_far
from streams.synthetic.truth import formulas
from streams.synthetic.truth.lexicon import hear

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Said = Sequence[str] | Sequence[Sequence[Sequence[str]]]
"""An arm's answers: one text to each prompt, or for each prompt several playthroughs of one text a turn."""

GROUPS: Final = len(KINDS) + 1
"""Kinds of prompts; the last are those of no kind that this world knows."""


class _Shelf(NamedTuple):
    """Prompts by kind, for drawing.

    Attributes:
        order: int64[prompts], numbers of prompts, kind by kind.
        reached: float64[2, prompts], chance of another mood and of a happy one, summed up in that order.
        mass: float64[GROUPS, 2], its sum in each kind; `before`: what lies ahead of the kind.
    """

    order: Ints
    reached: Floats
    mass: Floats
    before: Floats


class AnswerBook:
    """The answers of every arm, as rows: arm by arm, prompt by prompt, playthrough by playthrough, turn by turn.

    Attributes:
        arms: Their names, in the order in which they were given.
        turns: int64[prompts], turns of each conversation, the same in every arm.
        conversations: For each row what had been said before it.
        texts: The answers.
        readings: What they do.
        weight: float64[rows], 1 over the playthroughs of the row's prompt in its arm.
        letters: int64[rows], characters of each text.
        slot: int64[rows], what the user asked for; -1 for nothing that this world knows.
        arm: int64[rows], number of the row's arm; `opening`: bool[rows], whether it is the first turn.
    """

    def __init__(self, prompts: Sequence[Conversation], said: Mapping[str, Said], follows: Sequence[Sequence[str]]):
        """Read all answers.

        Raises:
            ValueError: There is no arm or no prompt, or an arm has not one answer to each turn of each prompt.
        """
        self.arms = [*said]
        played = {arm: _played(arm, each, prompts, follows) for arm, each in said.items()}
        self.turns = np.array([1 + len(each) for each in follows], np.int64)
        counts = np.array([[len(several) for several in each] for each in played.values()], np.int64)
        sizes = counts * self.turns
        self._first = np.cumsum(sizes).reshape(sizes.shape) - sizes
        self._counts = counts
        self.conversations = [
            so_far(prompt, after, own, turn)
            for each in played.values()
            for prompt, after, several in zip(prompts, follows, each, strict=True)
            for own in several
            for turn in range(len(own))
        ]
        self.texts = [*chain.from_iterable(own for each in played.values() for several in each for own in several)]
        self.readings = formulas.read(self.conversations, self.texts)
        self.letters = np.fromiter(map(len, self.texts), np.int64, len(self.texts))
        heard = [hear(said[-1]["content"]) for said in self.conversations]
        self.slot = np.array([one.slot for one in heard], np.int64)
        self.arm = np.repeat(np.arange(len(self.arms)), sizes.sum(axis=1))
        self.weight = np.repeat(1 / counts.ravel(), sizes.ravel())
        self.opening = np.zeros(len(self.texts), bool)
        for turn_first, count, length in zip(
            self._first.ravel(), counts.ravel(), np.tile(self.turns, len(counts)), strict=True
        ):
            self.opening[turn_first + np.arange(count) * length] = True
        self._shelf = _shelved(prompts, follows)

    def prompts_for(self, taste: Floats, odds: Floats, chance: Floats) -> tuple[Ints, NDArray[np.bool_]]:
        """What n conversations are about, and whether the user is happy.

        `P(prompt, mood | user) ~ taste[kind] P(mood | prompt) odds[mood]`: who likes a kind brings it up more often,
        and who is happy says what happy people say.

        Args:
            taste: float64[n, GROUPS], how much each user likes each kind.
            odds: float64[n, 2], factor on the chance to be in another mood, and to be happy.
            chance: float64[2, n], in (0, 1): for the kind and mood, and for the prompt.

        Returns:
            int64[n], numbers of prompts, and bool[n].
        """
        shelf, rows = self._shelf, len(taste)
        reached = np.cumsum((taste[:, :, None] * odds[:, None, :] * shelf.mass).reshape(rows, 2 * GROUPS), axis=1)
        group = (reached < chance[0, :, None] * reached[:, -1:]).sum(axis=1)
        kind, mood = np.divmod(np.minimum(group, 2 * GROUPS - 1), 2)
        level = shelf.before[kind, mood] + chance[1] * shelf.mass[kind, mood]
        place = np.where(mood == 1, *(np.searchsorted(shelf.reached[each], level) for each in (1, 0)))
        return shelf.order[np.minimum(place, len(shelf.order) - 1)], mood == 1

    def opens_at(self, arm: Ints, prompt: Ints, chance: Floats) -> Ints:
        """The first row of a playthrough that is drawn for each conversation, int64[n]; its other turns follow it."""
        several = self._counts[arm, prompt]
        which = np.minimum((chance * several).astype(np.int64), several - 1)
        return np.asarray(self._first[arm, prompt] + which * self.turns[prompt], np.int64)


def _played(
    arm: str, said: Said, prompts: Sequence[Conversation], follows: Sequence[Sequence[str]]
) -> list[list[list[str]]]:
    """An arm's answers as playthroughs."""
    if len(said) != len(prompts) or not prompts:
        raise ValueError(f"arm {arm!r} has {len(said)} answers to {len(prompts)} prompts, must have one to each")
    if len(follows) != len(prompts):
        raise ValueError(f"{len(follows)} lists of follow-ups for {len(prompts)} prompts, must be one for each")
    played = [[[each]] if isinstance(each, str) else [list(own) for own in each] for each in said]
    for place, (several, after) in enumerate(zip(played, follows, strict=True)):
        seen = sorted({len(own) for own in several})
        if seen != [1 + len(after)]:
            raise ValueError(
                f"arm {arm!r} answers {', '.join(map(str, seen)) or 'no'} turns of prompt {place}, which has "
                f"{1 + len(after)}: give at least one playthrough, with an answer to each turn"
            )
    return played


def _shelved(prompts: Sequence[Conversation], follows: Sequence[Sequence[str]]) -> _Shelf:
    heard = np.array([hear(prompt[-1]["content"]).kind for prompt in prompts], np.int64)
    kind = np.where(heard < 0, GROUPS - 1, heard)
    whole = [
        so_far(prompt, after, [""] * len(after), len(after)) for prompt, after in zip(prompts, follows, strict=True)
    ]
    happy = formulas.happy_chance(whole)  # as it shows over the whole conversation
    order = np.argsort(kind, kind="stable")
    chances = np.array([1 - happy, happy])[:, order]
    mass = np.array([[chances[mood][kind[order] == each].sum() for mood in (0, 1)] for each in range(GROUPS)])
    return _Shelf(order, np.cumsum(chances, axis=1), mass, np.cumsum(mass, axis=0) - mass)
