"""The A/B test of the staged candidate: read, decided on and remembered.

On the synthetic world both arms are served by the stage before it (`exposures`). Everywhere else the product serves
them, and the log is read.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from assets.experiment import words
from assets.facts.launch import CandidateFacts, ExposuresFacts, LedgerFacts, ReadoutFacts
from assets.recipe import ExperimentSection, Recipe
from assets.run import Run
from assets.stage import Stage
from assets.stages.exposures import EXPOSURES

if TYPE_CHECKING:
    from assets.experiment.control import Registered
    from warehouse.candidates import StagedCandidate
    from warehouse.experiments import LoggedExperiment


def _readout(run: Run) -> ReadoutFacts:
    from assets.experiment import reading

    exposed = run.facts(ExposuresFacts)
    if exposed.declined:
        return ReadoutFacts(summary="nothing was served, so there is nothing to read", declined=exposed.declined)
    read = _struct(reading.read(run.warehouse, exposed.name))
    return msgspec.structs.replace(read, true_lift=exposed.true_lift, shown=read.told)


def _struct(read: dict[str, Any]) -> ReadoutFacts:
    return msgspec.convert(read, ReadoutFacts)


def _readout_live(run: Run) -> ReadoutFacts:
    """Read what the product served; where there is nothing yet, say what to serve."""
    from assets.experiment import control
    from warehouse.candidates import staged_candidates
    from warehouse.experiments import experiments
    from warehouse.storage.transaction import WarehouseError

    wanted = _settings(run.recipe)
    staged, there = staged_candidates(run.warehouse), experiments(run.warehouse)
    test = _live(there, wanted, staged)
    if test is None:
        return _waiting(run.facts(CandidateFacts), wanted, there)
    treatment = wanted.treatment or _treatment(test, wanted.control, staged)
    try:
        planned = control.find(run.warehouse, test.name)
        facts, done = _read(run, test.name, treatment, planned)
    except WarehouseError:
        raise
    except ValueError as error:
        return _unread(test.name, str(error))
    return msgspec.structs.replace(facts, shown=[*done, *facts.told, f"next: {facts.next}"])


def _read(run: Run, name: str, treatment: str | None, planned: "Registered | None") -> tuple[ReadoutFacts, list[str]]:
    """A reading; of an experiment that runs by its plan also the ramp's next step, and what it did."""
    from assets.experiment import ramping, reading
    from warehouse.experiment_registry import ExperimentChangedError

    wanted = _settings(run.recipe)
    if planned is None:
        facts = reading.read(
            run.warehouse,
            name,
            planned_exposures=wanted.planned,
            shares=wanted.shares,
            control=wanted.control,
            treatment=treatment,
            maturity_hours=wanted.maturity_hours,
        )
        return _struct(facts), []
    if not planned.running:
        return _struct(reading.read(run.warehouse, name, treatment=treatment)), []
    try:
        taken = ramping.advance(run.warehouse, name, by="loveloop run", grow=planned.definition.automatic)
    except ExperimentChangedError as error:
        # who changed it meanwhile decided later than this step, and knew more
        facts, done = reading.read(run.warehouse, name, treatment=treatment), f"ramp: hold, {error}"
    else:
        facts = next((each for each in taken["readings"] if each["treatment"] == treatment), taken["reading"])
        done = f"ramp: {taken['action']}, {taken['why']}"
    ramping.follow(run.warehouse)
    return _struct(facts), [done]


def _live(
    there: "Sequence[LoggedExperiment]", wanted: ExperimentSection, staged: "Sequence[StagedCandidate]"
) -> "LoggedExperiment | None":
    """The experiment to read: the recipe's, else the one that was served last with a staged candidate as treatment."""
    if wanted.name is not None:
        return next((each for each in there if each.name == wanted.name), None)
    return next((each for each in reversed(there) if _treatment(each, wanted.control, staged)), None)


def _treatment(test: "LoggedExperiment", control: str, staged: "Sequence[StagedCandidate]") -> str | None:
    """The arm that a staged candidate serves, by its name or its weights; the latest candidate's, where several do."""
    arms = [arm for arm in test.arms if arm.name != control]
    served = ((arm.name, {each.name, each.policy} & {*arm.policies}) for each in reversed(staged) for arm in arms)
    return next((arm for arm, found in served if found), None)


def _waiting(staged: CandidateFacts, wanted: ExperimentSection, there: "Sequence[LoggedExperiment]") -> ReadoutFacts:
    """What to serve; beside a name that the recipe gives, what the log has instead (it may be misspelt)."""
    name = wanted.name or f"ab-{staged.name}"
    arms = f"with arms {wanted.control} and {wanted.treatment or 'treatment'}"
    todo = f"serve {staged.name} under experiment {name!r} {arms}"
    if not staged.passed:
        todo = f"{staged.name} did not pass every gate, its card says which; to test it all the same, {todo}"
    if wanted.name and there:
        todo += f" (experiment.name of the recipe; in the log are {', '.join(each.name for each in there[-5:])})"
    return ReadoutFacts(summary=f"no exposure yet: {todo}", name=name, waiting=todo)


def _unread(name: str, why: str) -> ReadoutFacts:
    """An experiment whose arms, shares or plan do not fit the recipe's: no reason to keep back the cycle's report."""
    todo = f"{why} (in [experiment] of the recipe: control, treatment, shares, planned)"
    return ReadoutFacts(summary=f"{name} was not read: {todo}", name=name, waiting=todo, unread=True)


def _ledger(run: Run) -> LedgerFacts:
    from experiments import ledger
    from warehouse import queries

    read = run.facts(ReadoutFacts)
    rows = queries.ledger(run.warehouse)
    agreement = ledger.agreement(rows)
    summary = f"{_booked(read)}; {agreement.words}"
    return LedgerFacts(summary=summary, rows=len(rows), ledger=rows, agreement=agreement.as_dict())


def _booked(read: ReadoutFacts) -> str:
    """What the readout wrote into the ledger, or why nothing."""
    if read.waiting or read.declined:
        return "nothing measured yet"
    row = read.ledger
    if row is None:
        return read.ledger_words
    measured = "not known" if row["measured_lift"] is None else f"{row['measured_lift']:+.1%}"
    return f"predicted {row['predicted_lift']:+.1%}, measured {measured}{words.forced(row['failed'])}"


def _log(run: Run) -> Any:
    """How far the live experiment's log has come, and whom the filter leaves out of it."""
    from warehouse.snapshot import filter_snapshot, log_snapshot

    log = log_snapshot(run.warehouse, maturity_hours=_settings(run.recipe).maturity_hours)
    return log | filter_snapshot(run.warehouse, with_flags=True)


def _settings(recipe: Recipe) -> ExperimentSection:
    return recipe.experiment or ExperimentSection()


READOUT = Stage(
    "experiment_readout",
    "readout: sample ratio, effect, guardrails, decision",
    _readout,
    ("exposures",),
    code=("experiments", "stats", "assets.experiment"),
)
READOUT_LIVE = Stage(
    "experiment_readout",
    "readout: what the product's A/B test says by now",
    _readout_live,
    ("candidate",),
    _settings,
    inputs=_log,
    code=("experiments", "stats", "assets.experiment"),
)
LEDGER = Stage(
    "lift_ledger",
    "lift ledger: predicted beside measured",
    _ledger,
    ("experiment_readout",),
    code=("experiments", "stats"),
)


def stages(recipe: Recipe) -> tuple[Stage, ...]:
    """The A/B test's stages: simulated where a recipe of the world asks for it, else read from the log."""
    if recipe.source == "world":
        return (EXPOSURES, READOUT, LEDGER) if recipe.experiment else ()
    return (READOUT_LIVE, LEDGER)
