"""The A/B test of the staged candidate: serve both arms, bring the exposures home, read, decide, remember."""

import json
import math
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from assets import truth
from assets.recipe import Recipe
from assets.run import Facts, Run, Stage
from assets.stages import candidate, ingest, models, prompts, source

SHARES = {"control": 0.5, "treatment": 0.5}
LEAST_LIFT = 0.0
CLOSING_MARGIN = 0.01
"""The treatment may close needlessly in at most this many more responses (absolute)."""


def _exposures(run: Run) -> Facts:
    from streams.synthetic.serving import serve, true_effects
    from training.evaluation.offline import answer

    staged = run.facts("candidate")
    if not staged["passed"] and not _settings(run.recipe).force:
        raise ValueError(
            f"candidate {staged['name']} did not pass every gate; see its card, or set experiment.force in the recipe"
        )
    wanted, name = _settings(run.recipe), f"ab-{staged['name']}"
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


def _readout(run: Run) -> Facts:
    from assets.report import convert
    from experiments.plan import Guardrail, Plan
    from experiments.readout import read

    name = str(run.facts("exposures")["name"])
    plan = Plan(_settings(run.recipe).exposures // 2, SHARES, LEAST_LIFT)
    closings = Guardrail("closings", CLOSING_MARGIN, "needless closings")
    found = read(_users(run, name, filtered=True), plan, guardrails=[closings], raw=_users(run, name, filtered=False))
    facts = convert.experiment(found, plan, name=name, true_lift=run.facts("exposures").get("true_lift"))
    low, high = facts["lift_ci"]
    effect = f"Love rate {found.lift or 0:+.1%} ({low or 0:+.1%} to {high or 0:+.1%})"
    summary = f"{found.decision}: {effect}, SRM p = {found.srm.p:.2f}"
    return {"summary": summary, "rows": found.exposures, **facts}


def _users(run: Run, name: str, *, filtered: bool) -> Any:
    """One row a user: arm, exposures, loves, and needless closings by the judge that guards training."""
    import pyarrow as pa

    from training.judges import CONDITIONAL_CLOSING
    from warehouse import queries

    exposures = queries.experiment_exposures(run.warehouse, name, filtered=filtered, maturity_hours=0.0)
    texts = list(zip(exposures["conversation"].to_pylist(), exposures["response"].to_pylist(), strict=True))
    closes = {text: CONDITIONAL_CLOSING(json.loads(text[0]), text[1]).violates for text in set(texts)}
    judged = exposures.append_column("closings", pa.array([int(closes[text]) for text in texts]))
    sums = [("response", "count"), ("loves", "sum"), ("closings", "sum")]
    return (
        judged.group_by(["user_id", "arm"])
        .aggregate(sums)
        .rename_columns(["user_id", "arm", "exposures", "loves", "closings"])
    )


def _ledger(run: Run) -> Facts:
    from experiments import ledger
    from warehouse import queries

    staged, measured = run.facts("candidate"), run.facts("experiment_readout")
    row = ledger.row(
        staged["name"],
        predicted_lift=float(staged["predicted_lift"]),
        measured_lift=measured["lift"],
        measured_ci=_finite(measured["lift_ci"]),
        experiment=measured["name"],
        day=datetime.now(UTC).date(),
    )
    queries.append_ledger(run.warehouse, row._asdict())
    rows = queries.ledger(run.warehouse)
    agreement = ledger.agreement(rows)
    measured_lift = "not known" if row.measured_lift is None else f"{row.measured_lift:+.1%}"
    summary = f"predicted {row.predicted_lift:+.1%}, measured {measured_lift}; {agreement.words}"
    return {"summary": summary, "rows": len(rows), "ledger": rows, "agreement": agreement._asdict()}


def _finite(interval: list[float | None]) -> tuple[float, float]:
    low, high = (math.nan if each is None else each for each in interval)
    return low, high


def _settings(recipe: Recipe) -> Any:
    assert recipe.experiment is not None  # the stages are left out of such a recipe
    return recipe.experiment


EXPOSURES = Stage(
    "exposures",
    "A/B test: both arms are served, events come back",
    _exposures,
    ("candidate",),
    lambda recipe: recipe.experiment,
)
READOUT = Stage("experiment_readout", "readout: sample ratio, effect, guardrails, decision", _readout, ("exposures",))
LEDGER = Stage("lift_ledger", "lift ledger: predicted beside measured", _ledger, ("experiment_readout",))


def stages(recipe: Recipe) -> tuple[Stage, ...]:
    """The stages after the candidate: a simulated A/B test, or nothing."""
    return (EXPOSURES, READOUT, LEDGER) if recipe.experiment else ()
