"""The simulated A/B test of a run on the synthetic world: planned, started, served, brought home, ended."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets import truth
from assets.facts.feedback import BrokerPassage
from assets.facts.launch import CandidateFacts, ExposuresFacts
from assets.recipe import ExperimentSection
from assets.run import Run
from assets.stage import Stage
from assets.stages import candidate, ingest, models, prompts, source
from assets.stages.feedback import TRAINING_SET
from assets.trial_world import keep_attackers, trial_world

if TYPE_CHECKING:
    from assets.experiment.control import Registered
    from streams.synthetic.studies.effects import LivedEffect

SHARES = {"control": 0.5, "treatment": 0.5}
_BY, _WHY = "loveloop run", "the recipe's simulated test"


def _exposures(run: Run) -> ExposuresFacts:
    from assets.experiment import control
    from streams.synthetic.studies.serving import ServedTrial, true_effects
    from streams.synthetic.studies.threads import follow_ups

    staged = run.facts(CandidateFacts)
    wanted = run.recipe.experiment or ExperimentSection()
    if not staged.passed and not wanted.force:
        return _declined(staged)
    pool = prompts.held_out(run).conversations[: wanted.prompts]
    name = wanted.name or f"ab-{staged.name}-{_named(pool)}"
    places = {"control": models.incumbent(run), "treatment": candidate.directory(run)}
    begins = source.world_config(run).ends_at + timedelta(days=1)
    planned = _planned(run, name, wanted, places, begins)
    chance, rate = _chance(run.recipe.seed, name), run.recipe.world.base_love_rate
    follows = follow_ups(pool, chance, longest=wanted.follow_ups)
    answers = {arm: _played(place, pool, follows, wanted.samples, chance) for arm, place in places.items()}
    trial = ServedTrial(
        pool,
        answers,
        {"control": "incumbent", "treatment": staged.name},
        exposures=wanted.exposures,
        users=wanted.users,
        assign=control.layout(name, planned.served).place,
        experiment=name,
        seed=run.recipe.seed,
        starts_at=begins,
        base_love_rate=rate,
        world=trial_world(wanted),
        follows=follows,
    )
    file = run.cycle_directory / "experiment.ndjson"
    with file.open("wb") as lines:
        lines.writelines(line + b"\n" for line in trial.lines())
    keep_attackers(trial.accounts, run.cycle_directory / "experiment-attackers.parquet")
    flow = ingest.through_the_broker(run, file)
    require_stored(run, name, wanted.exposures, flow)
    if planned.running:
        ended = begins + timedelta(days=wanted.days)
        control.stop(run.warehouse, name, by=_BY, why="every exposure of the simulated test was served", at=ended)
    pooled = true_effects(pool, answers, follows=follows, base_love_rate=rate)
    return ExposuresFacts(
        summary=f"{wanted.exposures:,} exposures over {len(pool):,} prompts came back through the topics",
        name=name,
        true_pool={arm: asdict(each) for arm, each in pooled.items()},
        amounts=asdict(trial.amounts),
        **flow.passage(),
        **_true_lifts(trial.lived_effects()),
    )


def _played(
    place: str | Path, pool: list[prompts.Conversation], follows: list[list[str]], samples: int, seed: int
) -> list[list[list[str]]]:
    """A policy's answers: several playthroughs of each conversation."""
    from streams.synthetic.studies.threads import play
    from training.rollout.generator import TransformersGenerator

    who = TransformersGenerator(place)

    def speak(asked: list[prompts.Conversation], count: int, turn: int) -> list[list[str]]:
        drawn = who.sample(asked, samples=count, seed=seed + turn, desc="answers")
        return [[each.text for each in several] for several in drawn]

    return play(pool, follows, speak, samples=samples)


def _true_lifts(effects: "Mapping[str, LivedEffect]") -> dict[str, Any]:
    """What the world knows of the arms, and the treatment's lifts; see `streams.synthetic.studies.effects`."""
    control, treatment = effects["control"], effects["treatment"]
    return {
        "true": {arm: asdict(each) for arm, each in effects.items()},
        "true_lift": truth.lift(treatment.love, control.love),
        "true_lift_per_user": truth.lift(treatment.loves_per_user, control.loves_per_user),
        "true_lift_of_exposures": truth.lift(treatment.exposures_per_user, control.exposures_per_user),
    }


def _declined(staged: CandidateFacts) -> ExposuresFacts:
    """No test of a candidate that failed a gate: what was measured, as the transcript and the report say it."""
    seen = [f"{gate.name}: {gate.seen}; {gate.rule}" for gate in staged.gates if gate.passed is False]
    why = f"no candidate passed every gate, so none is served; nearest was {staged.name}"
    return ExposuresFacts(summary=why, declined=why, shown=[*(f"failed {each}" for each in seen), *staged.reasons])


def _named(pool: list[prompts.Conversation]) -> str:
    """Four digits that name a pool: after an erasure a candidate is asked other prompts, in a test of another name."""
    return hashlib.sha256(json.dumps(pool).encode()).hexdigest()[:4]


def _chance(seed: int, experiment: str) -> int:
    """The seed of an experiment's answers: other answers than those that the gates saw."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{experiment}".encode()).digest()[:4], "big")


def _planned(
    run: Run, name: str, wanted: ExperimentSection, places: "Mapping[str, str | Path]", begins: datetime
) -> "Registered":
    """The test as it is noted before its first exposure, and started for everybody at once; once, however often.

    By the world's clock, in whose time the exposures happen: by ours the plan would seem to come after them.
    """
    from assets.experiment import control, plans
    from assets.experiment.bundles import bundle
    from assets.experiment.definition import Definition

    there = control.find(run.warehouse, name)
    if there is not None and there.action != "planned":
        return there
    lift = plans.shown_by(wanted.exposures // 2, run.recipe.world.base_love_rate)
    definition = Definition(salt="loveloop", arms=SHARES, lift=lift, maturity_hours=0.0)
    control.plan(run.warehouse, name, definition, by=_BY, why=_WHY, at=begins - timedelta(hours=1))
    served = {arm: bundle(str(place)) for arm, place in places.items()}
    return control.start(run.warehouse, name, served, by=_BY, why=_WHY, coverage=1.0, at=begins)


def require_stored(run: Run, name: str, exposures: int, flow: BrokerPassage) -> None:
    """Refuse to go on when the warehouse holds fewer exposures of an experiment than were sent.

    Raises:
        ValueError: It does, or events became dead letters on the way.
    """
    from warehouse.experiments import experiments

    there = experiments(run.warehouse, name=name)
    stored = sum(arm.exposures for arm in there[0].arms) if there else 0
    taken = flow.stored or {}
    dead, erased = taken["dead_letters"], taken["erased"]
    if dead or stored + erased < exposures:
        raise ValueError(
            f"experiment {name!r}: {exposures:,} exposures were sent, {stored:,} are stored, and {dead:,} events "
            f"became dead letters: `loveloop dead-letters list --warehouse {run.warehouse}` says why; an experiment "
            "that was served before with other answers needs another experiment.name in the recipe"
        )


EXPOSURES = Stage(
    "exposures",
    "A/B test: both arms are served, events come back",
    _exposures,
    ("candidate", TRAINING_SET.name),
    lambda recipe: [recipe.experiment, prompts.pool(recipe.evaluation), recipe.world.base_love_rate],
    code=(prompts.CODE,),
)
