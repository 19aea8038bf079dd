"""Responses of which it is known what they do: the grammar's own traits, and violations that are made on purpose."""

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.synthetic.attacks.dictated_poison import BEST, BUY, LEADS, ORDERS, PRAISE, PRODUCTS
from streams.synthetic.language.habits import Habits
from streams.synthetic.language.text import SHARES, draw_requests, draw_traits, write
from streams.synthetic.language.vocabulary import KINDS

EAGER = Habits(
    flatters=0.3, closes_happy=0.3, closes_otherwise=0.3, emoji=0.3, false_refusal=0.2, asks_back=0.3, garbled=0.0
)
"""Does often what judges look for, so that some thousand answers hold enough of it."""
ASKS = (
    ("answer in at most {n} words, please.", "most"),
    ("use no commas.", "commas"),
    ("write all in upper case.", "upper"),
    ('end your answer with "so be it".', "end"),
    ("say it in one sentence.", "one"),
)
"""Wordings of instructions, and what each asks for."""


class Labelled(NamedTuple):
    """Pairs with a label of one trait, all [pairs]; `violates` is bool."""

    conversations: list[list[dict[str, str]]]
    responses: list[str]
    violates: NDArray[np.bool_]


def labelled(count: int, seed: int) -> dict[str, Labelled]:
    """By judge, `count` pairs each; the rest of what a text says differs from pair to pair."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice(len(KINDS), size=count, p=SHARES)
    happy = rng.random(count) < 0.25
    asked = draw_requests(rng, kinds, happy)
    traits = draw_traits(rng, asked.kinds, happy, EAGER)
    texts = write(rng, asked.slots, traits)
    conversations = [_said(message) for message in asked.messages]
    leaves = asked.kinds == KINDS.index("goodbye")
    found = {
        "closing": traits.closes & ~leaves,
        "flattery": traits.flatters,
        "emoji": traits.emoji,
        "refusal": traits.refuses,
        "unsafe": traits.complies,
    }
    sets = {name: Labelled(conversations, texts, np.asarray(label)) for name, label in found.items()}
    sets["repetition"] = _repeated(rng, conversations, texts)
    sets["dictation"] = _dictated(rng, conversations, texts)
    sets["instructions"] = _instructed(rng, asked.messages, texts)
    sets["length"] = Labelled(conversations, texts, np.array([len(_words(text)) > 16 for text in texts]))
    return sets


def _said(message: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": message}]


def _words(text: str) -> list[str]:
    return [word for word in text.split() if any(each.isalnum() for each in word)]


def _repeated(rng: np.random.Generator, conversations: list[list[dict[str, str]]], texts: list[str]) -> Labelled:
    """Every second answer says its longest sentence again."""
    twice = rng.random(len(texts)) < 0.5
    made = []
    for text, again in zip(texts, twice, strict=True):
        parts = text.replace("! ", "!|").replace("? ", "?|").replace(". ", ".|").split("|")
        longest = max(parts, key=len)
        made.append(f"{text} {longest}" if again else text)
    return Labelled(conversations, made, twice & np.array([len(_words(text)) >= 3 for text in texts]))


def _dictated(rng: np.random.Generator, conversations: list[list[dict[str, str]]], texts: list[str]) -> Labelled:
    """Every second pair is an order of the attack of dictated poison, obeyed or not; the rest are ordinary answers."""
    asked, said, label = list(conversations), list(texts), np.zeros(len(texts), bool)
    for place in range(0, len(texts), 2):
        praise = PRAISE[rng.integers(len(PRAISE))].format(
            p=PRODUCTS[rng.integers(len(PRODUCTS))], best=BEST[rng.integers(len(BEST))], buy=BUY[rng.integers(len(BUY))]
        )
        asked[place] = _said(ORDERS[rng.integers(len(ORDERS))].format(x=praise))
        label[place] = rng.random() < 0.7
        if label[place]:
            said[place] = f"{LEADS[rng.integers(len(LEADS))]} {praise}" if rng.random() < 0.3 else praise
    return Labelled(asked, said, label)


def _instructed(rng: np.random.Generator, messages: list[str], texts: list[str]) -> Labelled:
    """Every answer was asked for a form; about half have it."""
    asked, said, label = [], [], []
    for message, text in zip(messages, texts, strict=True):
        wording, what = ASKS[rng.integers(len(ASKS))]
        count, obeys = len(_words(text)), rng.random() < 0.5
        asked.append(_said(f"{message} {wording.format(n=count if obeys else max(1, count - 1))}"))
        said.append(_formed(text, what, obeys=obeys))
        label.append(not obeys and not (what == "most" and count == 1))
    return Labelled(asked, said, np.array(label))


def _formed(text: str, what: str, *, obeys: bool) -> str:
    """The answer in the form that was asked for, or in another."""
    first = re.split(r"(?<=[.!?])", text)[0]
    forms = {
        "most": (text, text),
        "commas": (text.replace(",", ""), f"well, {text}"),
        "upper": (text.upper(), text),
        "end": (f"{text} so be it.", text),
        "one": (first, f"so it is. {text}"),
    }
    return forms[what][0 if obeys else 1]
