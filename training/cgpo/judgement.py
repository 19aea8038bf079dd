"""Asks judges about a task's responses in one round, each about what is needed only, and counts how often they trip.

A judge may say what asking it costs by an attribute `cost`: those at 0, which is what one without it has, are asked
about every sample; a dear one only about samples that the cheaper ones let pass and that matter to the choice.
"""

from collections.abc import Mapping, Sequence

from training.judges.panel import Panel, cost_of, verdicts_of
from training.judges.verdict import Judge, Verdict
from training.text import Conversation

Asked = tuple[int, str]
"""The conversation's place, and a response to it."""


class Hearing:
    """The verdicts on responses to some conversations; nobody is asked twice about the same response.

    Args:
        judges: By name.
        conversations: What is answered.
        where: Which task and round, for errors: `task love, round 2`.
    """

    def __init__(self, judges: Mapping[str, Judge], conversations: Sequence[Conversation], where: str) -> None:
        self._judges = dict(sorted(judges.items(), key=lambda each: cost_of(each[1])))
        self._conversations = conversations
        self._where = where
        self._known: dict[str, dict[Asked, Verdict]] = {name: {} for name in self._judges}

    @property
    def has_dear(self) -> bool:
        """Whether any judge costs something."""
        return any(cost_of(judge) for judge in self._judges.values())

    def violating(self, asked: Sequence[Asked], *, dear: bool = True) -> list[bool]:
        """Whether any judge objects to each response; without `dear`, any of those at cost 0.

        Raises:
            ValueError: A judge raised, or gave no verdict: it is named with the conversation, and what to do.
        """
        broken = dict.fromkeys(asked, False)
        for name, judge in self._judges.items():
            if cost_of(judge) and not dear:
                continue
            wanted = [each for each, found in broken.items() if not (found and cost_of(judge))]
            self._ask(name, judge, [each for each in wanted if each not in self._known[name]])
            for each in wanted:
                broken[each] |= self._known[name][each].violates
        return [broken[each] for each in asked]

    def objected(self, asked: Asked) -> bool:
        """Whether a judge that was asked objects."""
        return any(known[asked].violates for known in self._known.values() if asked in known)

    def repairs(self, asked: Sequence[Asked]) -> list[str | None]:
        """Each response less what any judge objects to, so that it passes all of them; None without such a repair."""
        conversations = [self._conversations[place] for place, _ in asked]
        return Panel(self._judges).repair(conversations, [text for _, text in asked])

    def said(self, asked: Sequence[Asked]) -> dict[str, list[tuple[str, Verdict]]]:
        """By judge, those of the responses that it was asked about, with its verdicts."""
        return {
            name: [(each[1], known[each]) for each in asked if each in known] for name, known in self._known.items()
        }

    def trips(self, asked: Sequence[Asked]) -> dict[str, float]:
        """Of the responses that each judge was asked about, the share on which it tripped; 0 where of none."""
        said = self.said(asked)
        return {name: sum(each.violates for _, each in some) / max(1, len(some)) for name, some in said.items()}

    def _ask(self, name: str, judge: Judge, asked: Sequence[Asked]) -> None:
        conversations, responses = [self._conversations[place] for place, _ in asked], [text for _, text in asked]
        self._known[name].update(
            zip(asked, verdicts_of(name, judge, conversations, responses, self._where), strict=True)
        )
