"""The A/B test of the staged candidate: exposures come home, are read, decided on and remembered.

On the synthetic world both arms are served here. Everywhere else the product serves them, and the log is read.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from assets import truth
from assets.experiment import words
from assets.recipe import ExperimentSection, Recipe
from assets.run import Facts, Run, Stage
from assets.stages import candidate, ingest, models, prompts, source
from assets.stages.feedback import TRAINING_SET

if TYPE_CHECKING:
    from warehouse.candidates import StagedCandidate
    from warehouse.experiments import LoggedExperiment

SHARES = {"control": 0.5, "treatment": 0.5}


def _exposures(run: Run) -> Facts:
    from streams.synthetic.studies.serving import serve, true_effects
    from training.evaluation.offline import answer

    staged = run.facts("candidate")
    wanted = _settings(run.recipe)
    if not staged["passed"] and not wanted.force:
        return _declined(staged)
    pool = prompts.held_out(run).conversations
    name = wanted.name or f"ab-{staged['name']}-{_named(pool)}"
    places = {"control": models.incumbent(run), "treatment": candidate.directory(run)}
    chance = _chance(run.recipe.seed, name)
    answers = {arm: answer(place, pool, seed=chance) for arm, place in places.items()}
    lines = serve(
        pool,
        answers,
        {"control": "incumbent", "treatment": staged["name"]},
        exposures=wanted.exposures,
        users=wanted.users,
        assign=partial(_arm, name),
        experiment=name,
        seed=run.recipe.seed,
        starts_at=source.world_config(run).ends_at + timedelta(days=1),
        base_love_rate=run.recipe.world.base_love_rate,
    )
    file = run.cycle_directory / "experiment.ndjson"
    file.write_bytes(b"".join(line + b"\n" for line in lines))
    flow = ingest.through_the_broker(run, file)
    require_stored(run, name, wanted.exposures, flow)
    effects = true_effects(pool, answers, base_love_rate=run.recipe.world.base_love_rate)
    true_lift = truth.lift(effects["treatment"].love, effects["control"].love)
    summary = f"{wanted.exposures:,} exposures over {len(pool):,} prompts came back through the topics"
    return {
        "summary": summary,
        "name": name,
        **flow,
        "true_lift": true_lift,
        "true": {arm: each._asdict() for arm, each in effects.items()},
    }


def _declined(staged: Facts) -> Facts:
    """No test of a candidate that failed a gate: what was measured, as the transcript and the report say it."""
    seen = [f"{gate['name']}: {gate['seen']}; {gate['rule']}" for gate in staged["gates"] if gate["passed"] is False]
    why = f"no candidate passed every gate, so none is served; nearest was {staged['name']}"
    return {"summary": why, "declined": why, "shown": [*(f"failed {each}" for each in seen), *staged["reasons"]]}


def _named(pool: list[prompts.Conversation]) -> str:
    """Four digits that name a pool: after an erasure a candidate is asked other prompts, in a test of another name."""
    return hashlib.sha256(json.dumps(pool).encode()).hexdigest()[:4]


def _chance(seed: int, experiment: str) -> int:
    """The seed of an experiment's answers: other answers than those that the gates saw."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{experiment}".encode()).digest()[:4], "big")


def _arm(experiment: str, user: str) -> str:
    from streams.assignment import assign

    return assign(user, experiment=experiment, arms=SHARES, salt="loveloop")


def require_stored(run: Run, name: str, exposures: int, flow: Facts) -> None:
    """Refuse to go on when the warehouse holds fewer exposures of an experiment than were sent.

    Raises:
        ValueError: It does, or events became dead letters on the way.
    """
    from warehouse.experiments import experiments

    there = experiments(run.warehouse, name=name)
    stored = sum(arm.exposures for arm in there[0].arms) if there else 0
    dead, erased = flow["stored"]["dead_letters"], flow["stored"]["erased"]
    if dead or stored + erased < exposures:
        raise ValueError(
            f"experiment {name!r}: {exposures:,} exposures were sent, {stored:,} are stored, and {dead:,} events "
            f"became dead letters: `loveloop dead-letters list --warehouse {run.warehouse}` says why; an experiment "
            "that was served before with other answers needs another experiment.name in the recipe"
        )


def _readout(run: Run) -> Facts:
    from assets.experiment import reading

    exposed = run.facts("exposures")
    if "declined" in exposed:
        return {"summary": "nothing was served, so there is nothing to read", "declined": exposed["declined"]}
    planned = _settings(run.recipe).exposures // 2
    facts = reading.read(
        run.warehouse, str(exposed["name"]), planned_exposures=planned, shares=SHARES, maturity_hours=0.0
    )
    return facts | {"true_lift": exposed.get("true_lift"), "shown": facts["told"]}


def _readout_live(run: Run) -> Facts:
    """Read what the product served; where there is nothing yet, say what to serve."""
    from assets.experiment import reading
    from warehouse.candidates import staged_candidates
    from warehouse.experiments import experiments
    from warehouse.storage.transaction import WarehouseError

    wanted = _settings(run.recipe)
    staged, there = staged_candidates(run.warehouse), experiments(run.warehouse)
    test = _live(there, wanted, staged)
    if test is None:
        return _waiting(run.facts("candidate"), wanted, there)
    try:
        facts = reading.read(
            run.warehouse,
            test.name,
            planned_exposures=wanted.planned,
            shares=wanted.shares,
            control=wanted.control,
            treatment=wanted.treatment or _treatment(test, wanted.control, staged),
            maturity_hours=wanted.maturity_hours,
        )
    except WarehouseError:
        raise
    except ValueError as error:
        return _unread(test.name, str(error))
    return facts | {"shown": [*facts["told"], f"next: {facts['next']}"]}


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


def _waiting(staged: Facts, wanted: ExperimentSection, there: "Sequence[LoggedExperiment]") -> Facts:
    """What to serve; beside a name that the recipe gives, what the log has instead (it may be misspelt)."""
    name = wanted.name or f"ab-{staged['name']}"
    arms = f"with arms {wanted.control} and {wanted.treatment or 'treatment'}"
    todo = f"serve {staged['name']} under experiment {name!r} {arms}"
    if not staged["passed"]:
        todo = f"{staged['name']} did not pass every gate, its card says which; to test it all the same, {todo}"
    if wanted.name and there:
        todo += f" (experiment.name of the recipe; in the log are {', '.join(each.name for each in there[-5:])})"
    return {"summary": f"no exposure yet: {todo}", "name": name, "waiting": todo}


def _unread(name: str, why: str) -> Facts:
    """An experiment whose arms, shares or plan do not fit the recipe's: no reason to keep back the cycle's report."""
    todo = f"{why} (in [experiment] of the recipe: control, treatment, shares, planned)"
    return {"summary": f"{name} was not read: {todo}", "name": name, "waiting": todo, "unread": True}


def _ledger(run: Run) -> Facts:
    from experiments import ledger
    from warehouse import queries

    read = run.facts("experiment_readout")
    rows = queries.ledger(run.warehouse)
    agreement = ledger.agreement(rows)
    summary = f"{_booked(read)}; {agreement.words}"
    return {"summary": summary, "rows": len(rows), "ledger": rows, "agreement": agreement.as_dict()}


def _booked(read: Facts) -> str:
    """What the readout wrote into the ledger, or why nothing."""
    if "waiting" in read or "declined" in read:
        return "nothing measured yet"
    row = read["ledger"]
    if row is None:
        return str(read["ledger_words"])
    measured = "not known" if row["measured_lift"] is None else f"{row['measured_lift']:+.1%}"
    return f"predicted {row['predicted_lift']:+.1%}, measured {measured}{words.forced(row['failed'])}"


def _log(run: Run) -> Any:
    """How far the live experiment's log has come, and whom the filter leaves out of it."""
    from warehouse.snapshot import filter_snapshot, log_snapshot

    log = log_snapshot(run.warehouse, maturity_hours=_settings(run.recipe).maturity_hours)
    return log | filter_snapshot(run.warehouse, with_flags=True)


def _settings(recipe: Recipe) -> ExperimentSection:
    return recipe.experiment or ExperimentSection()


EXPOSURES = Stage(
    "exposures",
    "A/B test: both arms are served, events come back",
    _exposures,
    ("candidate", TRAINING_SET.name),
    lambda recipe: [recipe.experiment, prompts.pool(recipe.evaluation), recipe.world.base_love_rate],
    code=(prompts.CODE,),
)
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
