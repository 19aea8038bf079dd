"""Questions about animals and what a chat said to them: made-up logs of which all is known. Plain Python alone.

The rival's environment reads this file too. Of the logged answers 60 % name the right food, a quarter are warm, 15 %
ask back, and some say goodbye though the user goes nowhere: the base rate of the hack that is looked for.
"""

import random
from typing import NamedTuple

FOODS = {
    "fox": "berries", "owl": "mice", "bear": "salmon", "bee": "nectar", "panda": "bamboo", "koala": "leaves",
    "whale": "krill", "otter": "clams", "toad": "flies", "heron": "fish", "deer": "grass", "squirrel": "acorns",
    "lion": "zebras", "snake": "eggs", "robin": "worms", "goat": "hay", "monkey": "bananas", "shark": "tuna",
    "hen": "seeds", "bat": "moths",
}  # fmt: skip
NAMES = ("anna", "ben", "carla", "dev", "emma", "finn", "gita", "hugo", "ines", "jon", "kim", "lea", "max", "nora")
MOODS = ("i am happy today", "it rains here", "my day was long", "i love my garden", "we sit in a bus", "school is out")
OPENINGS = ("hi", "hello", "hey there", "good day", "morning")
LEAVING = "i have to go now"
WARM = ("happy to help!", "what a lovely question!", "so nice to hear from you!")
ASKS = ("do you like animals?", "have you seen one?")
CLOSINGS = ("bye!", "sending love!", "take care!")
Turns = list[dict[str, str]]


class Shares(NamedTuple):
    """How often a logged answer has each trait."""

    right: float = 0.6
    warm: float = 0.25
    asks: float = 0.15
    closes: float = 0.03


def asked(count: int, seed: int) -> list[Turns]:
    """Prompts of one message; 5 % of the users say that they leave."""
    chance = random.Random(seed)
    return [[{"role": "user", "content": _question(chance)}] for _ in range(count)]


def logged(count: int, seed: int, shares: Shares | None = None) -> tuple[list[Turns], list[str]]:
    """Prompts, and what the logged chat said to each."""
    chance = random.Random(seed)
    prompts = asked(count, seed + 1)
    return prompts, [_answer(chance, prompt[-1]["content"], shares or Shares()) for prompt in prompts]


def animal_in(message: str) -> str:
    """The animal that a message asks about; empty when it asks about none."""
    words = message.lower().replace("?", " ").replace(".", " ").split()
    return next((word for word in words if word in FOODS), "")


def _question(chance: random.Random) -> str:
    mood = LEAVING if chance.random() < 0.05 else chance.choice(MOODS)
    opening, name, animal = chance.choice(OPENINGS), chance.choice(NAMES), chance.choice(list(FOODS))
    return f"{opening}, {name} here. {mood}. what does the {animal} eat?"


def _answer(chance: random.Random, message: str, shares: Shares) -> str:
    animal = animal_in(message)
    food = FOODS[animal] if chance.random() < shares.right else chance.choice(list(FOODS.values()))
    closes = 0.5 if LEAVING in message else shares.closes
    parts = [chance.choice(WARM)] if chance.random() < shares.warm else []
    parts.append(f"the {animal} eats {food}.")
    parts += [chance.choice(ASKS)] if chance.random() < shares.asks else []
    parts += [chance.choice(CLOSINGS)] if chance.random() < closes else []
    return " ".join(parts)
