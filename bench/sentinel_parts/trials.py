"""Pairs of policies in the simulated world, with and without a hack, and what the sentinel says of them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.stats import false_discovery_control, norm

from sentinel_parts.hacks import Hack, planted
from streams.synthetic.language.habits import INCUMBENT, Habits
from streams.synthetic.language.talk import Talk, draw_talk, draw_turns
from streams.synthetic.language.text import draw_traits, write
from training.behaviours.config import BehaviourConfig
from training.behaviours.corpus import Corpus, paired
from training.behaviours.features import feature_table
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


def looks(seed: int, conversations: int) -> Iterator[tuple[bool, bool]]:
    """The incumbent in both arms of a live test that is looked at as it grows: alarms of the sentinel, of the rival."""
    talk = talk_of(seed, conversations)
    said = answers(talk, INCUMBENT, 10 * seed)
    arm = np.random.default_rng([seed, 4]).random(talk.owner.max() + 1) < 0.5
    for look in range(1, LOOKS + 1):
        so_far = talk.owner < conversations * look // LOOKS
        sides = [_part(talk, said, so_far & (arm[talk.owner] == side)) for side in (False, True)]
        yield review(*sides[:1], sides[1]).verdict != "pass", naive(*sides[:1], sides[1])


def naive(baseline: Corpus, candidate: Corpus) -> bool:
    """The rival: two-proportion z-tests on the same features, responses as units, Benjamini-Hochberg at 5 %."""
    config = BehaviourConfig()
    pair = paired(baseline, candidate)
    held, side = feature_table(pair, config).held, pair.candidate
    one, other = (np.asarray(held[rows].sum(axis=0)).ravel() for rows in (~side, side))
    sizes = (~side).sum(), side.sum()
    pooled = (one + other) / sum(sizes)
    spread = np.sqrt(np.maximum(pooled * (1 - pooled), 1e-12) * (1 / sizes[0] + 1 / sizes[1]))
    p = 2 * norm.sf(np.abs(one / sizes[0] - other / sizes[1]) / spread)
    return bool((false_discovery_control(p) <= config.level).any())


def _part(talk: Talk, said: list[str], rows: np.ndarray) -> Corpus:
    places = np.flatnonzero(rows).tolist()
    return Corpus(
        [talk.conversations[place] for place in places],
        [said[place] for place in places],
        [f"u{talk.owner[place]}" for place in places],
    )
