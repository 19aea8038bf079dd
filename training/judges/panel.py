"""Several judges together: cheap ones are asked first, and one that trips too often stops the run."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from training.judges.library import version_of
from training.judges.verdict import BatchJudge, Judge, Verdict, checked, judge_all
from training.text import Conversation

MOST_TRIPS = 0.5
"""Share of a task's samples in a round on which a judge may trip."""
FEWEST = 20
"""Responses that a judge must have been asked about before its share says anything of it."""
_SHOWN, _LONG = 3, 160


class TooManyTripsError(ValueError):
    """A judge trips on so much that what is left would teach little: it is wrong, or the policy is."""


class Trips(NamedTuple):
    """How many responses a judge was asked about, and on how many of them it tripped."""

    asked: int
    tripped: int

    @property
    def share(self) -> float:
        """Tripped over asked; 0 of none."""
        return self.tripped / max(1, self.asked)


class Ruling(NamedTuple):
    """What a panel says of some responses.

    Attributes:
        responses: How many.
        verdicts: By judge, in the panel's order, one for each response; None where the judge was not asked.
    """

    responses: int
    verdicts: dict[str, list[Verdict | None]]

    @property
    def violating(self) -> list[bool]:
        """Of each response, whether any judge objects."""
        return [self.objection(place) is not None for place in range(self.responses)]

    @property
    def trips(self) -> dict[str, Trips]:
        """By judge."""
        asked = {name: [each for each in said if each is not None] for name, said in self.verdicts.items()}
        return {name: Trips(len(said), sum(each.violates for each in said)) for name, said in asked.items()}

    def objection(self, place: int) -> Verdict | None:
        """The first judge's verdict that objects to a response; None where all let it pass."""
        return next((each for said in self.verdicts.values() if (each := said[place]) and each.violates), None)

    def said(self, responses: Sequence[str]) -> dict[str, list[tuple[str, Verdict]]]:
        """By judge, what it was asked about and its verdicts, as `Panel.check` reads them."""
        return {
            name: [(text, each) for text, each in zip(responses, said, strict=True) if each is not None]
            for name, said in self.verdicts.items()
        }

    def at(self, places: Sequence[int]) -> "Ruling":
        """What was said of some of the responses, by their places."""
        return Ruling(len(places), {name: [said[place] for place in places] for name, said in self.verdicts.items()})


class Panel(Mapping[str, Judge]):
    """Judges by name, asked as one.

    A judge may have a `cost`, 0 without: those at 0 are asked about every response, so that their trip rates are of
    all; one above 0 only about what all cheaper ones let pass, and its rate is of those.
    """

    def __init__(self, judges: Mapping[str, Judge], most_trips: float = MOST_TRIPS) -> None:
        """Put the judges in the order of their cost.

        Args:
            judges: By name.
            most_trips: Share of a task's samples in a round above which a judge stops the run; 1 for never.

        Raises:
            ValueError: The share is not in (0, 1].
        """
        if not 0 < most_trips <= 1:
            raise ValueError(f"most_trips == {most_trips}, must be in (0, 1]: 1 never stops")
        self._judges = dict(sorted(judges.items(), key=lambda each: cost_of(each[1])))
        self.most_trips = most_trips

    def __getitem__(self, name: str) -> Judge:
        return self._judges[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._judges)

    def __len__(self) -> int:
        return len(self._judges)

    @property
    def versions(self) -> dict[str, str]:
        """By name, what changes when the judge's verdicts may: for keys that decide what is done again."""
        return {name: version_of(judge) for name, judge in self.items()}

    def ask(self, conversations: Sequence[Conversation], responses: Sequence[str]) -> Ruling:
        """Every judge's verdicts, as lazily as their costs say.

        Raises:
            ValueError: The lengths differ, or a judge raised or gave no verdict: it is named, with the response.
        """
        if len(conversations) != len(responses):
            raise ValueError(f"{len(conversations)} conversations and {len(responses)} responses, must be as many")
        verdicts: dict[str, list[Verdict | None]] = {}
        for name, judge in self.items():
            places = self._left(verdicts, cost_of(judge), len(responses))
            asked = [conversations[place] for place in places], [responses[place] for place in places]
            said: list[Verdict | None] = [None] * len(responses)
            for place, verdict in zip(places, verdicts_of(name, judge, *asked), strict=True):
                said[place] = verdict
            verdicts[name] = said
        return Ruling(len(responses), verdicts)

    def repair(
        self, conversations: Sequence[Conversation], responses: Sequence[str], judged: Ruling | None = None
    ) -> list[str | None]:
        """Each violating response less what any judge objects to; None where it passes or cannot be repaired.

        A repair is judged like a response, and repaired again where another judge objects; what comes out passes the
        whole panel.

        Args:
            conversations: Each up to the user's last message.
            responses: As many.
            judged: What `ask` said of them; None where it was not asked yet.
        """
        judged = judged or self.ask(conversations, responses)
        repaired: list[str | None] = [None] * len(responses)
        places = [place for place, broken in enumerate(judged.violating) if broken]
        said = judged.at(places)
        for _ in range(len(self) + 1):  # each round another judge's objection; what then still violates is given up
            found = [(place, said.objection(row)) for row, place in enumerate(places)]
            mended = [(place, each.repaired) for place, each in found if each and each.repaired is not None]
            places, texts = [place for place, _ in mended], [text for _, text in mended]
            said = self.ask([conversations[place] for place in places], texts)
            for place, text, broken in zip(places, texts, said.violating, strict=True):
                repaired[place] = None if broken else text
            still = [row for row, broken in enumerate(said.violating) if broken]
            places, said = [places[row] for row in still], said.at(still)
            if not places:
                break
        return repaired

    def check(self, said: Mapping[str, Sequence[tuple[str, Verdict]]], where: str) -> None:
        """Stop where a judge tripped on more than `most_trips` of what it was asked about.

        Args:
            said: By judge, the responses that it was asked about with its verdicts: the policy's samples for one task
                in one round (`Ruling.said`).
            where: Which: `task love, round 2`.

        Raises:
            TooManyTripsError: Judge, task, share, limit, examples and what to do.
        """
        for name, verdicts in said.items():
            asked, tripped = len(verdicts), sum(each.violates for _, each in verdicts)
            if asked >= FEWEST and tripped > self.most_trips * asked:
                raise TooManyTripsError(
                    f"judge {name!r} tripped on {tripped:,} of {asked:,} responses ({tripped / asked:.0%}) in {where}, "
                    f"at most {self.most_trips:.0%} may (policy.most_trips): {_examples(verdicts)}. "
                    f"Where the judge is wrong, repair it or change [policy.judge.{name}], or drop it from "
                    "policy.judges; where it is right about a policy that bad, raise policy.most_trips"
                )

    def _left(self, verdicts: Mapping[str, list[Verdict | None]], cost: float, count: int) -> list[int]:
        """Places of the responses that every judge of a lower cost let pass."""
        cheaper = Ruling(count, {name: said for name, said in verdicts.items() if cost_of(self[name]) < cost})
        return [place for place, broken in enumerate(cheaper.violating) if not (broken and cost)]


def cost_of(judge: Judge) -> float:
    """What asking a judge costs; 0 where it does not say.

    Raises:
        ValueError: It says something else than a number from 0 on.
    """
    said = getattr(judge, "cost", 0)
    if isinstance(said, int | float) and 0 <= said < math.inf:
        return float(said)
    raise ValueError(
        f"a judge ({getattr(judge, '__name__', type(judge).__name__)}) has cost == {said!r}, must be a number: 0 to be "
        "asked about every response, more to be asked about what cheaper judges let pass"
    )


def verdicts_of(
    name: str, judge: Judge, conversations: Sequence[Conversation], responses: Sequence[str], where: str = ""
) -> list[Verdict]:
    """A judge's verdicts, in order; what goes wrong in it is told with its name.

    Args:
        name: Of the judge.
        judge: The judge.
        conversations: Each up to the user's last message.
        responses: As many.
        where: For errors: `task love, round 2`.

    Raises:
        ValueError: The judge raised, or gave no verdict.
        ConnectionError: Its server is away; told as it is.
    """
    if not responses:
        return []
    told = f" in {where}" if where else ""
    try:
        found = judge_all(judge, conversations, responses)
        said = found if isinstance(found, list) else [*found]
    except (ConnectionError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"judge {name!r} raised {type(error).__name__} ({error}){told}{_culprit(judge, conversations, responses)}: "
            "mend it, or drop it from policy.judges, then run the same command again; samples and scores are kept"
        ) from error
    if len(said) != len(responses):
        raise ValueError(
            f"judge {name!r} gave {len(said)} verdicts on {len(responses)} responses{told}, must give one "
            "training.judges.Verdict for each: mend it"
        )
    try:
        return [checked(*pair) for pair in zip(said, responses, strict=True)]
    except ValueError as error:
        seen, rule, must = str(error).rpartition(", must ")
        raise ValueError(f"judge {name!r} gave {seen}{told}{rule}{must}: mend it") from None


def _culprit(judge: Judge, conversations: Sequence[Conversation], responses: Sequence[str]) -> str:
    """The response at which a judge raises; of one that takes many at once, how many it was given."""
    if isinstance(judge, BatchJudge):
        return f", asked about {len(responses)} responses"
    for conversation, response in zip(conversations, responses, strict=True):
        try:
            judge(conversation, response)
        except (Exception, SystemExit):  # told already; only where it was is looked for
            return f", at the response {_short(response)}"
    return ", and not when it was asked again"


def _examples(said: Sequence[tuple[str, Verdict]]) -> str:
    tripped = {_short(text): each.reason for text, each in said if each.violates}
    return "; ".join(f"{text} ({reason})" for text, reason in [*tripped.items()][:_SHOWN])


def _short(text: str) -> str:
    return repr(text if len(text) <= _LONG else f"{text[: _LONG - 3]}...")
