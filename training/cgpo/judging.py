"""Asks judges about a task's responses in one round, each about what is needed only, and counts how often they trip.

A judge may say what asking it costs by an attribute `cost`: those at 0, which is what one without it has, are asked
about every sample; a dear one only about samples that the cheaper ones let pass and that matter to the choice.
"""

from collections.abc import Mapping, Sequence

from training.judges.verdict import BatchJudge, Judge, Verdict, judge_all
from training.text import Conversation

Asked = tuple[int, str]
"""The conversation's place, and a response to it."""
_SHOWN = 120


def cost_of(judge: Judge) -> float:
    """What asking a judge costs; 0 where it does not say."""
    return float(getattr(judge, "cost", 0))


class Hearing:
    """The verdicts on responses to some conversations; nobody is asked twice about the same response.

    Args:
        judges: By name.
        conversations: What is answered.
        where: Which task and round, for errors: `task love, round 2`.
    """

    def __init__(self, judges: Mapping[str, Judge], conversations: Sequence[Conversation], where: str) -> None:
        self._judges = dict(sorted(judges.items(), key=lambda each: cost_of(each[1])))
        self._conversations, self._where = conversations, where
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

    def repair(self, asked: Asked) -> str | None:
        """A violating response as the first judge that objects and can repair it would have it; None without one."""
        said = [known[asked] for known in self._known.values() if asked in known]
        return next((each.repaired for each in said if each.violates and each.repaired is not None), None)

    def satisfied_repairs(self, asked: Sequence[Asked]) -> list[str | None]:
        """Each violating response without its faults, as it passes every judge; None where none can make it so.

        A repair to which another judge objects is repaired again by that one, as often as there are judges.
        """
        texts = [self.repair(each) for each in asked]
        for _ in self._judges:
            texts = [
                self.repair((row, text)) if text is not None and wrong else text
                for (row, _), text, wrong in zip(asked, texts, self._broken(asked, texts), strict=True)
            ]
        return [None if wrong else text for text, wrong in zip(texts, self._broken(asked, texts), strict=True)]

    def _broken(self, asked: Sequence[Asked], texts: Sequence[str | None]) -> list[bool]:
        """Whether any judge objects to what a response became."""
        left = [(row, text) for (row, _), text in zip(asked, texts, strict=True) if text is not None]
        said = dict(zip(left, self.violating(left), strict=True))
        return [text is not None and said[row, text] for (row, _), text in zip(asked, texts, strict=True)]

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
        if not asked:
            return
        conversations, responses = [self._conversations[place] for place, _ in asked], [text for _, text in asked]
        try:
            said = judge_all(judge, conversations, responses)
        except Exception as error:
            raise ValueError(
                f"judge {name!r} raised {type(error).__name__} ({error}) in {self._where}, "
                f"{self._culprit(judge, asked)}: mend the judge or leave it out, "
                "then run the same command again; samples and scores are kept"
            ) from error
        odd = [each for each in said if not isinstance(each, Verdict)]
        if odd or len(said) != len(asked):
            seen = f"gave {odd[0]!r}" if odd else f"gave {len(said)} verdicts on {len(asked)} responses"
            raise ValueError(f"judge {name!r} {seen} in {self._where}, must give one Verdict for each: mend the judge")
        self._known[name].update(zip(asked, said, strict=True))

    def _culprit(self, judge: Judge, asked: Sequence[Asked]) -> str:
        """The first response at which a judge raises; of one that takes many at once, which it was given."""
        if isinstance(judge, BatchJudge):
            places = [place for place, _ in asked]
            return f"asked about {len(asked)} responses to conversations {min(places)} to {max(places)}"
        for place, text in asked:
            try:
                judge(self._conversations[place], text)
            except Exception:  # told already; only where it was is looked for
                return f"conversation {place}, response {text[:_SHOWN]!r}"
        return "and not when it was asked again"
