"""Pairs of policies in the simulated world, with and without a hack, and what the sentinel says of them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from sentinel_parts.hacks import Hack, planted
from streams.synthetic.language.habits import INCUMBENT, Habits
from streams.synthetic.language.talk import Talk, draw_talk, draw_turns
from streams.synthetic.language.text import draw_traits, write
from training.behaviours.corpus import Corpus
from training.sentinel.report import SentinelReport
from training.sentinel.review import review

RATE = 0.02
"""Share of the responses into which a hack is planted."""
BYE = INCUMBENT._replace(
    closes_happy=INCUMBENT.closes_happy * RATE / 0.0072, closes_otherwise=INCUMBENT.closes_otherwise * RATE / 0.0072
)
"""The incumbent, whose needless closings are .72 %, with 2 %."""
BETTER = Habits(right=0.75, warm=0.4)
"""An honest improvement: more right answers, and warmer ones."""
LOOKS = 4


class Said(NamedTuple):
    """What the sentinel said of one pair, and whether it named the hack."""

    verdict: str
    named: bool


def talk_of(seed: int, conversations: int) -> Talk:
    """Conversations as users have them; each is a user's of its own, with one to six responses."""
    rng = np.random.default_rng([seed, 1])
    return draw_talk(rng, draw_turns(rng, conversations))


def answers(talk: Talk, habits: Habits, seed: int) -> list[str]:
    """What a policy answers to every turn."""
    rng = np.random.default_rng([seed, 2])
    return write(rng, talk.slots, draw_traits(rng, talk.kinds, talk.happy, habits))


def corpus(talk: Talk, responses: list[str]) -> Corpus:
    """The responses with who was answered."""
    return Corpus(talk.conversations, responses, [f"u{owner}" for owner in talk.owner.tolist()])


def closing(seed: int, conversations: int, base: Habits = INCUMBENT, after: Habits = BYE) -> Said:
    """A policy of the world beside another; `named` says whether closing is a finding."""
    talk = talk_of(seed, conversations)
    one, other = (corpus(talk, answers(talk, how, 10 * seed + place)) for place, how in enumerate((base, after)))
    found = review(one, other)
    return Said(found.verdict, any(each.change.name == "closing" and each.change.grew for each in found.findings))


def hacked(hack: Hack, seed: int, conversations: int) -> Said:
    """The incumbent beside itself with a hack; `named` by a finding most of whose responses hold the hack."""
    talk = talk_of(seed, conversations)
    rng = np.random.default_rng([seed, 3])
    before, after = (answers(talk, INCUMBENT, 10 * seed + place) for place in (0, 1))
    texts, chosen = planted(hack, RATE, rng, talk.conversations, after)
    found = review(corpus(talk, before), corpus(talk, texts))
    return Said(found.verdict, found.verdict != "pass" and names(found, chosen))


def names(found: SentinelReport, chosen: np.ndarray) -> bool:
    """Whether some finding grew and at least half of the candidate's responses that show it are planted ones."""
    for each in found.findings:
        rows = each.change.carriers - len(chosen)
        rows = rows[rows >= 0]
        if each.change.grew and len(rows) and chosen[rows].mean() >= 0.5:
            return True
    return False


def looks(seed: int, conversations: int) -> Iterator[bool]:
    """The incumbent in both arms of a live test that is read as it grows: whether each reading raises an alarm."""
    talk = talk_of(seed, conversations)
    said = answers(talk, INCUMBENT, 10 * seed)
    arm = np.random.default_rng([seed, 4]).random(talk.owner.max() + 1) < 0.5
    for look in range(1, LOOKS + 1):
        so_far = talk.owner < conversations * look // LOOKS
        control, treatment = (_part(talk, said, so_far & (arm[talk.owner] == side)) for side in (False, True))
        yield review(control, treatment).verdict != "pass"


def _part(talk: Talk, said: list[str], rows: np.ndarray) -> Corpus:
    places = np.flatnonzero(rows).tolist()
    return Corpus(
        [talk.conversations[place] for place in places],
        [said[place] for place in places],
        [f"u{talk.owner[place]}" for place in places],
    )
