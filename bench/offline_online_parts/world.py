"""The synthetic world: ten policies of different quality, each predicted offline and served in an A/B test of its own.

Log, P[Love] and incumbent are the loop's own stages; predictions and answers are the offline evaluation's; each test is
served by the product's simulation, stored by the sink's code and read out as any experiment. The A/B's answers are
drawn anew, so that a prediction has not seen what is served.
"""

import tempfile
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rluf_parts.world import DEMO, merged
from stored import store

from assets import pipeline, truth
from assets.experiment import reading
from assets.recipe import Recipe
from assets.run import Run
from assets.stage import perform
from assets.stages import feedback, labels, models, prompts, source
from experiments import ledger

WORK = Path.home() / ".cache" / "loveloop" / "offline_online"
SHARES = {"control": 0.5, "treatment": 0.5}
QUICK: Mapping[str, Any] = {"world": {"responses": 30_000, "users": 3_000}, "incumbent": {"examples": 6_000}}
FITTED: Mapping[str, tuple[float, float]] = {
    "a twentieth of the data": (0.05, 0.0),
    "a fifth of the data": (0.2, 0.0),
    "half loved": (0.3, 0.5),
    "loved alone": (0.0, 1.0),
}
"""Share of the incumbent's examples, and the share of loved responses among all that are learnt from."""
TEN: Mapping[str, tuple[tuple[str, float], ...]] = {
    "a twentieth of the data": (("a twentieth of the data", 1.0),),
    "a fifth of the data": (("a fifth of the data", 1.0),),
    "half loved": (("half loved", 1.0),),
    "loved alone": (("loved alone", 1.0),),
    "incumbent, temperature 0.5": (("incumbent", 0.5),),
    "incumbent, temperature 0.8": (("incumbent", 0.8),),
    "incumbent, temperature 1.3": (("incumbent", 1.3),),
    "half loved, temperature 0.5": (("half loved", 0.5),),
    "half loved on every second prompt": (("half loved", 1.0), ("incumbent", 1.0)),
    "a twentieth on every second prompt": (("a twentieth of the data", 1.0), ("incumbent", 1.0)),
}
"""Each policy as speakers with their temperatures, who take turns over the prompts."""
say = partial(print, flush=True)


def measured(seed: int, broken: float, *, quick: bool) -> dict[str, Any]:
    """Predicted and measured lift of every policy, and how far they agree.

    Args:
        seed: Of world, models, answers and tests.
        broken: Share of P[Love]'s rows that are learnt once more with their wording destroyed.
        quick: On a small world with small tests.
    """
    count = 400 if quick else 2_500
    changes = {"evaluation": {"prompts": count, "judged": count}, "p_love": {"config": {"broken": broken}}}
    run = _learnt(seed, changes, quick=quick)
    places = _speakers(run)
    drawn = prompts.held_out(run)
    love = _love(run)
    exposures = 20_000 if quick else 100_000
    base = _answers(places, (("incumbent", 1.0),), drawn.conversations, seed)
    served = _answers(places, (("incumbent", 1.0),), drawn.conversations, seed + 1_000)
    level = float(_sigmoid(love.logits(drawn.conversations, base)).mean())
    rows, told = [], []
    for name, speakers in TEN.items():
        said = _answers(places, speakers, drawn.conversations, seed)
        predicted = float(_sigmoid(love.logits(drawn.conversations, said)).mean()) / level - 1
        theirs = _answers(places, speakers, drawn.conversations, seed + 1_000)
        read, true = _tested(run, name, drawn.conversations, {"control": served, "treatment": theirs}, exposures)
        error = ledger.standard_error(read["lift"], tuple(read["lift_ci"]))
        rows.append({"predicted_lift": predicted, "measured_lift": read["lift"], "measured_error": error})
        told.append({"name": name, "predicted": predicted, "measured": read["lift"], "error": error, "true": true})
        seen = f"measured {_percent(read['lift'])} (± {_percent(error)}; {read['decision']}, {_loves(read)} loves)"
        say(f"{name}: predicted {predicted:+.1%}, {seen}, in truth {true:+.1%}")
    found = ledger.agreement(rows)
    exact = ledger.agreement([row | {"measured_lift": each["true"]} for row, each in zip(rows, told, strict=True)])
    assert found.ci is not None
    return {
        "r": found.r,
        "r_low": found.ci.low,
        "policies": told,
        "r_high": found.ci.high,
        "rho": [found.rho, *(found.rho_ci or ())],
        "r_corrected": [found.corrected_r, *(found.corrected_ci or ())],
        "slope": [found.slope, *(found.slope_ci or ())],
        "r_with_truth": [exact.r, *(exact.ci or ())],
        "may_gate_launches": found.passed,
        "exposures": exposures,
        "prompts": len(drawn.conversations),
        "broken": broken,
    }


def _learnt(seed: int, changes: dict[str, Any], *, quick: bool) -> Run:
    """A run up to P[Love], without what no prediction needs; what was made before is kept."""
    import tomllib

    content = merged(tomllib.loads(DEMO.read_text()) | {"seed": seed}, changes)
    recipe = Recipe.model_validate(merged(content, QUICK) if quick else content)
    directory = (WORK / f"{'quick' if quick else 'world'}-{seed}").resolve()
    directory.mkdir(parents=True, exist_ok=True)
    run = Run(directory, recipe)
    pipeline.keep(run)
    every = pipeline.stages(recipe)
    for stage in every[: 1 + every.index(models.P_LOVE)]:
        if stage.name not in recipe.labelled():
            done = perform(run, stage)
            say(f"{stage.name}: {done.recorded['summary']}{'' if done.ran else ' (kept)'}")
    return run


def _love(run: Run) -> Any:
    from training.reward.model import RewardModel

    return RewardModel.load(run.place("p_love"))


def _speakers(run: Run) -> dict[str, Path]:
    """Where each fitted policy lies, by name; fitted once."""
    import pyarrow as pa

    from training.policy.pretrain import PretrainConfig, pretrain_policy
    from warehouse import training_set

    wanted = run.recipe.incumbent
    log = prompts.learnable(run, training_set.load(feedback.training_set_directory(run)))
    loved = np.flatnonzero(np.array(labels.from_training_set(log)["label"].to_pylist(), float) > 0)
    random = np.random.default_rng(run.recipe.seed)
    found = {"incumbent": Path(models.incumbent(run))}
    for name, (share, liked) in FITTED.items():
        plain = random.choice(log.num_rows, int(share * min(wanted.examples, log.num_rows)), replace=False)
        count = len(loved) if liked == 1 else int(len(plain) * liked / (1 - liked))
        rows = np.concatenate([plain, np.resize(loved, count)]).astype(np.int64)
        place = run.directory / "speakers" / name.replace(" ", "-")
        if not (place / "pretrain.json").exists():
            config = PretrainConfig(width=wanted.width, layers=wanted.layers, epochs=wanted.epochs)
            pretrain_policy(log.take(pa.array(rows)), place, config=config, seed=run.recipe.seed)
        found[name] = place
    return found


def _answers(
    places: Mapping[str, Path], speakers: tuple[tuple[str, float], ...], asked: list[Any], seed: int
) -> list[str]:
    """One answer a prompt, the speakers taking turns."""
    from training.evaluation.offline import answer

    said: list[str] = [""] * len(asked)
    for turn, (name, temperature) in enumerate(speakers):
        own = list(range(turn, len(asked), len(speakers)))
        told = answer(places[name], [asked[row] for row in own], seed=seed, temperature=temperature)
        for row, text in zip(own, told, strict=True):
            said[row] = text
    return said


def _tested(
    run: Run, name: str, pool: list[Any], answers: dict[str, list[str]], exposures: int
) -> tuple[dict[str, Any], float]:
    """An A/B test as it is read out, and the lift that the world's truth knows."""
    from streams.assignment import assign
    from streams.synthetic.studies.serving import serve, true_effects

    world, title = source.world_config(run), f"ab-{name.replace(' ', '-').replace(',', '')}"
    starts = world.ends_at + timedelta(days=1)
    rate = run.recipe.world.base_love_rate
    lines = serve(
        pool, answers, {"control": "incumbent", "treatment": name}, exposures=exposures, users=exposures // 10,
        assign=lambda user: assign(user, experiment=title, arms=SHARES, salt="loveloop"), experiment=title,
        seed=run.recipe.seed, starts_at=starts, base_love_rate=rate,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        events, target = Path(folder) / "events.ndjson", Path(folder) / "warehouse.duckdb"
        events.write_bytes(b"".join(line + b"\n" for line in lines))
        store(events, target, starts + timedelta(days=30))
        read = reading.read(target, title, planned_exposures=exposures // 2, shares=SHARES, maturity_hours=0.0)
    effects = true_effects(pool, answers, base_love_rate=rate)
    lift = truth.lift(effects["treatment"].love, effects["control"].love)
    assert lift is not None
    return read, lift


def _loves(read: dict[str, Any]) -> str:
    return " and ".join(f"{arm['loves']:,}" for arm in read["arms"])


def _percent(value: float | None) -> str:
    """A share in per cent; an arm without a love has no lift with an error."""
    return "not known" if value is None else f"{value:+.1%}"


def _sigmoid(logits: Any) -> Any:
    return 1 / (1 + np.exp(-np.asarray(logits)))
