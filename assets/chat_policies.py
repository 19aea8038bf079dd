"""What a chat serves: the incumbent of a run and its staged candidate, and the experiment between the two."""

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from assets.experiment import bundles, control, planning
from assets.facts.models import IncumbentFacts
from assets.pipeline import RECORD, reopen

if TYPE_CHECKING:
    from assets.experiment.control import Registered
    from warehouse.connection import Target

_LIFT = 0.5
"""The relative lift that the test is planned to show: a few people at a desk cannot show a small one."""


class ChatPolicies(NamedTuple):
    """The policies of a run.

    Attributes:
        run: The run's folder.
        incumbent: Where the policy that wrote the log lies.
        candidate: Where the staged candidate lies; None where the run has none.
    """

    run: Path
    incumbent: Path
    candidate: Path | None

    def places(self) -> dict[str, Path]:
        """Folder by arm."""
        return {"control": self.incumbent} | ({"treatment": self.candidate} if self.candidate else {})

    def decoding(self) -> tuple[str, ...]:
        """The options of `loveloop serve` by which both are served as they were compared offline: the candidate's."""
        from training.policy import decoding

        found = decoding.read(self.candidate) if self.candidate else None
        return ("--temperature", str(found.temperature), "--max-tokens", str(found.max_tokens)) if found else ()


def policies(run: Path) -> ChatPolicies | None:
    """The policies of a run; None where no run lies there, or it has made no incumbent yet.

    Raises:
        ValueError: The run's incumbent is no folder of this machine.
    """
    if not (run / RECORD).exists():
        return None
    opened = reopen(run)
    if opened.finished("incumbent") is None:
        return None
    base = opened.facts(IncumbentFacts).base
    incumbent = Path(base) if base else opened.place("incumbent")
    if not incumbent.is_dir():
        raise ValueError(
            f"the incumbent of {run} is {incumbent}, which is no folder here: a chat serves models of this machine; "
            "name another run with --name"
        )
    candidate = opened.place("candidate") if opened.finished("candidate") else None
    return ChatPolicies(opened.directory, incumbent, candidate if candidate and candidate.is_dir() else None)


def experiment(warehouse: "Target", served: ChatPolicies) -> str:
    """Have the experiment between incumbent and candidate run for everybody; what is not served any more stops.

    An arm that tripped in an earlier chat stays off: its experiment is stopped, since the broker may have forgotten it.

    Returns:
        One line: which experiment runs, or why none does.
    """
    from warehouse import connection

    connection.open(warehouse).migrate()
    by, names = getpass.getuser(), {place.resolve().name for place in served.places().values()}
    _stop_tripped(warehouse, by)
    for each in _running(warehouse):
        if not names >= {bundle.policy for bundle in each.definition.bundles.values()}:
            control.stop(warehouse, each.name, by=by, why=f"the chat serves {' and '.join(sorted(names))} now")
    if served.candidate is None:
        return f"no experiment: {served.run} has no staged candidate, everybody is answered by the incumbent"
    name = f"ab-{served.candidate.name}"
    known = {each.name: each for each in control.every(warehouse)}
    if name not in known:
        planning.plan(warehouse, name, lift=_LIFT, maturity_hours=0.0, by=by, why="a chat")
    if name not in known or known[name].action == "planned":
        places = {arm: bundles.bundle(str(place)) for arm, place in served.places().items()}
        control.start(warehouse, name, places, by=by, why="a chat", coverage=1.0)
    return _line(control.registered(warehouse, name))


def _stop_tripped(warehouse: "Target", by: str) -> None:
    from warehouse import pulse

    tripped = {str(each["experiment"]): str(each["arm"]) for each in pulse.trips(warehouse)}
    for each in _running(warehouse):
        if each.name in tripped:
            control.stop(warehouse, each.name, by=by, why=f"arm {tripped[each.name]} was tripped by the live guard")


def _running(warehouse: "Target") -> "list[Registered]":
    return [each for each in control.every(warehouse) if each.running]


def _line(found: "Registered") -> str:
    if not found.running:
        last = found.changes[-1]
        return f"no experiment: {found.name} is {found.action} ({last.why}), everybody is answered by the incumbent"
    of = found.definition
    shares = ", ".join(f"{arm} {of.coverage * share:.0%}" for arm, share in of.arms.items())
    return f"experiment {found.name}: {shares} of the visitors"
