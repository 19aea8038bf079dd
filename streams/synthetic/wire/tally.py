"""Counts what was posted, exactly: the amounts of one part of a stream, and of all parts together."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from streams.synthetic.config import Amounts, WorldConfig
from streams.synthetic.people.day import NEVER, REACTIONS, Day, Ints
from streams.synthetic.people.life import HOUR

LOVE: Final = REACTIONS.index("love")


class Tally:
    """What people posted, or one attack.

    Attributes:
        amounts: So far.
        seen: bool[users], who was served or reacted.
    """

    def __init__(self, config: WorldConfig, users: int) -> None:
        self._config = config
        self.amounts = Amounts()
        self.seen = np.zeros(users, bool)

    def day(self, day: Day, removed: int, early: int) -> None:
        """Count a stretch: its responses, the reactions to them, and how many were removed and came early."""
        amounts, reacts = self.amounts, day.reacted_at != NEVER
        amounts.responses += len(day.user)
        self.reactions(day.user, day.attack[reacts], day.reaction[reacts])
        amounts.late_reactions += int(np.sum(reacts & (day.reacted_at - day.at >= HOUR)))
        amounts.retractions += removed
        amounts.reactions += removed
        amounts.early_reactions += early
        for place in np.unique(day.attack[day.attack >= 0]).tolist():
            _add(amounts.attack_responses, self._name(place), int(np.sum(day.attack == place)))

    def reactions(self, users: Ints, attack: Ints, reaction: Ints) -> None:
        """Count reactions that were added (int64[m] each, as in `Day`), and users who were there (int64[any])."""
        amounts, love = self.amounts, reaction == LOVE
        self.seen[users] = True
        amounts.reactions += len(reaction)
        amounts.honest_loves += int(np.sum(love & (attack < 0)))
        amounts.likes += int(np.sum(reaction == REACTIONS.index("like")))
        amounts.dislikes += int(np.sum(reaction == REACTIONS.index("dislike")))
        for place in np.unique(attack[attack >= 0]).tolist():
            _add(amounts.attack_loves, self._name(place), int(np.sum(love & (attack == place))))

    def spoilt(self, reason: str) -> None:
        """Count a line that breaks the contract."""
        _add(self.amounts.malformed, reason, 1)
        self.amounts.malformed = dict(sorted(self.amounts.malformed.items()))
        self.amounts.dead_letters += 1

    def _name(self, place: int) -> str:
        return self._config.attacks[place].name


def together(config: WorldConfig, people: Tally | None, attacks: Sequence[Tally]) -> Amounts:
    """What was posted in all.

    Args:
        config: The world's; its attacks are in the order of `attacks`.
        people: The honest part; None for a file that holds attacks alone.
        attacks: One tally an attack.
    """
    found = Amounts()
    for part in [*([people] if people else []), *attacks]:
        for name, value in vars(part.amounts).items():
            mine = getattr(found, name)
            setattr(found, name, {**mine, **value} if isinstance(value, dict) else mine + value)
    found.users = int(np.sum(people.seen)) if people else 0
    found.attack_users = {share.name: int(part.seen.sum()) for share, part in zip(config.attacks, attacks, strict=True)}
    found.love_rate = found.honest_loves / people.amounts.responses if people and people.amounts.responses else 0.0
    found.events = found.responses + found.reactions + found.duplicates + found.dead_letters
    return found


def _add(counts: dict[str, int], name: str, count: int) -> None:
    counts[name] = counts.get(name, 0) + count
