"""The A/B test of the staged candidate: exposures come home, are read, decided on and remembered.

On the synthetic world both arms are served here. Everywhere else the product serves them, and the log is read.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from assets import truth
from assets.recipe import Experiment, Recipe
from assets.run import Facts, Run, Stage
from assets.stages import candidate, ingest, models, prompts, source

if TYPE_CHECKING:
    from warehouse.experiments import LoggedExperiment

SHARES = {"control": 0.5, "treatment": 0.5}


def _exposures(run: Run) -> Facts:
    from streams.synthetic.serving import serve, true_effects
    from training.evaluation.offline import answer

    staged = run.facts("candidate")
    wanted = _settings(run.recipe)
    if not staged["passed"] and not wanted.force:
        raise ValueError(
            f"candidate {staged['name']} did not pass every gate; see its card, or set experiment.force in the recipe"
        )
    name = wanted.name or f"ab-{staged['name']}"
    pool = prompts.held_out(run, wanted.pool, salt=2)
    places = {"control": models.incumbent(run), "treatment": candidate.directory(run)}
    answers = {arm: answer(place, pool, seed=run.recipe.seed) for arm, place in places.items()}
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


def _arm(experiment: str, user: str) -> str:
    from experiments.assignment import assign

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
    from assets import trial

    exposed = run.facts("exposures")
    planned = _settings(run.recipe).exposures // 2
    facts = trial.read(
        run.warehouse, str(exposed["name"]), planned_exposures=planned, shares=SHARES, maturity_hours=0.0
    )
    return facts | {"true_lift": exposed.get("true_lift"), "shown": facts["told"]}


def _readout_live(run: Run) -> Facts:
    """Read what the product served; where there is nothing yet, say what to serve."""
    from assets import trial
    from warehouse.candidates import staged_candidates
    from warehouse.experiments import experiments

    wanted = _settings(run.recipe)
    staged = [each.name for each in staged_candidates(run.warehouse)]
    test = _live(experiments(run.warehouse), wanted, staged)
    if test is None:
        return _waiting(str(run.facts("candidate")["name"]), wanted)
    facts = trial.read(
        run.warehouse,
        test.name,
        planned_exposures=wanted.planned,
        shares=wanted.shares,
        control=wanted.control,
        treatment=wanted.treatment or _treatment(test, wanted.control, staged),
        maturity_hours=wanted.maturity_hours,
    )
    return facts | {"shown": [*facts["told"], f"next: {facts['next']}"]}


def _live(there: "Sequence[LoggedExperiment]", wanted: Experiment, staged: Sequence[str]) -> "LoggedExperiment | None":
    """The experiment to read: the recipe's, else the one that was served last with a staged candidate as treatment."""
    if wanted.name is not None:
        return next((each for each in there if each.name == wanted.name), None)
    return next((each for each in reversed(there) if _treatment(each, wanted.control, staged)), None)


def _treatment(test: "LoggedExperiment", control: str, staged: Sequence[str]) -> str | None:
    """The arm that a staged candidate serves; the latest candidate's, where several do."""
    arms = [arm for arm in test.arms if arm.name != control]
    return next((arm.name for name in reversed(staged) for arm in arms if name in arm.policies), None)


def _waiting(staged: str, wanted: Experiment) -> Facts:
    name = wanted.name or f"ab-{staged}"
    todo = f"serve {staged} under experiment {name!r} with arms {wanted.control} and {wanted.treatment or 'treatment'}"
    return {"summary": f"no exposure yet: {todo}", "name": name, "waiting": todo}


def _ledger(run: Run) -> Facts:
    from experiments import ledger
    from warehouse import queries

    read = run.facts("experiment_readout")
    rows = queries.ledger(run.warehouse)
    agreement = ledger.agreement(rows)
    summary = f"{_booked(read)}; {agreement.words}"
    return {"summary": summary, "rows": len(rows), "ledger": rows, "agreement": agreement._asdict()}


def _booked(read: Facts) -> str:
    """What the readout wrote into the ledger, or why nothing."""
    if "waiting" in read:
        return "nothing measured yet"
    row = read["ledger"]
    if row is None:
        return str(read["ledger_words"])
    measured = "not known" if row["measured_lift"] is None else f"{row['measured_lift']:+.1%}"
    return f"predicted {row['predicted_lift']:+.1%}, measured {measured}"


def _log(run: Run) -> Any:
    """How far the live experiment's log has come."""
    from warehouse.snapshot import log_snapshot

    return log_snapshot(run.warehouse, maturity_hours=_settings(run.recipe).maturity_hours)


def _settings(recipe: Recipe) -> Experiment:
    return recipe.experiment or Experiment()


EXPOSURES = Stage(
    "exposures",
    "A/B test: both arms are served, events come back",
    _exposures,
    ("candidate",),
    lambda recipe: recipe.experiment,
)
READOUT = Stage(
    "experiment_readout",
    "readout: sample ratio, effect, guardrails, decision",
    _readout,
    ("exposures",),
    code=("experiments", "assets.trial"),
)
READOUT_LIVE = Stage(
    "experiment_readout",
    "readout: what the product's A/B test says by now",
    _readout_live,
    ("candidate",),
    _settings,
    inputs=_log,
    code=("experiments", "assets.trial"),
)
LEDGER = Stage(
    "lift_ledger", "lift ledger: predicted beside measured", _ledger, ("experiment_readout",), code=("experiments",)
)


def stages(recipe: Recipe) -> tuple[Stage, ...]:
    """The A/B test's stages: simulated where a recipe of the world asks for it, else read from the log."""
    if recipe.source == "world":
        return (EXPOSURES, READOUT, LEDGER) if recipe.experiment else ()
    return (READOUT_LIVE, LEDGER)
