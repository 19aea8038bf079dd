"""Does the retention model foretell what A/B tests do to people's return? [--quick] [--seeds 1-3] [--json FILE].

For each seed: a world of six weeks (`WorldConfig.long`), its log through the sink's own code, an encoder fitted to that
log, and a retention model trained from it (`training/retention`). Then many A/B tests in one warehouse, their arms
random habits around the incumbent's. Predicted is the difference in the return 14 to 20 days after a user's first day,
by the surrogate index from their first week. True is the same people's lived return under either arm, by the world's
hidden formulas; no model reads those. Tests come in sets, each with arms, prompts and people of its own.

Keys of the JSON:
    r, r_low       Pearson's between foretold and true effect over all tests, and the lower end of its interval (Fisher)
    slope          of the true effect on the foretold one, with its interval: 1 where effects come out as foretold
    r_corrected    the same as if the index had no sampling error of its own (Spearman, 1904)
    by_seed        r of each seed
    rivals         r, low, high of what else might foretell: Love, early returns, the composite of signals, the offline
                   score of answers (no test at all), the late return itself as seen in the test
    validity       direct less foretold over tests: mean, error, spread (tau), tests outside chance, margin
    tests          each test
    accuracy       of the survival models, by seed; composite: its weights and its Brier score beside Love alone's

What a seed needs is kept in the work folder (`--work`); the same command goes on where it stopped.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import harness
import numpy as np
from retention_parts.arms import INCUMBENT, AnswerPool, pool_of, random_habits
from retention_parts.tests import offline_scores, results, served, true_loves, true_returns
from rluf_parts.table import span
from stored import store

from stats.correlation import corrected, pearson, reliability, slope
from stats.heterogeneity import pooled
from streams.synthetic import WorldConfig, simulate
from streams.synthetic.studies.serving import ServedTrial
from training.retention.composite import beside_love, fit_composite
from training.retention.returns import DELAYS, read_user_days
from training.retention.saved_model import RetentionModel
from training.retention.train import train_retention
from training.reward.config import RewardConfig
from training.reward.split import uniform

WORK = Path.home() / ".cache" / "loveloop" / "retention"
RIVALS = {
    "love": "Love rate by day",
    "true_love": "expected Love rate, known exactly",
    "soon": "return within three days",
    "next_week": "return within the week",
    "composite": "composite of signals",
    "offline": "offline score of answers",
    "seen": "late return, as seen",
}
say = partial(print, flush=True)


class Size(NamedTuple):
    """How much of everything."""

    responses: int
    users: int
    examples: int
    rows: int
    tests: int
    trial_users: int
    lived_users: int
    prompts: int
    sets: int


FULL = Size(60_000, 10_000, 12_000, 25_000, 20, 24_000, 12_000, 200, 3)
_DAYS = 21
"""Over which users enter a test."""
QUICK = Size(15_000, 2_500, 1_500, 5_000, 6, 4_000, 1_500, 60, 1)


class Prepared(NamedTuple):
    """What all of a seed rests on."""

    world: WorldConfig
    place: Path
    log: Path
    encoder: Path
    model: Path


def prepared(seed: int, work: Path, size: Size) -> Prepared:
    """World, log, encoder and retention model of a seed, each made once."""
    world = WorldConfig.long(seed=seed, responses=size.responses, users=size.users)
    place = work / f"seed-{seed}-{size.responses}"
    place.mkdir(parents=True, exist_ok=True)
    log = once(place / "log.duckdb", partial(_log, world))
    encoder = once(place / "encoder", partial(_encoder, log, size, seed))
    model = once(place / "model", partial(_model, log, encoder, world, size))
    return Prepared(world, place, log, encoder, model)


def measured(seed: int, work: Path, size: Size) -> dict[str, Any]:
    """One seed's tests and accuracy, kept part by part."""
    world, place, log, _, model = prepared(seed, work, size)
    opened = RetentionModel(model)
    composite = _composite(log, world, seed)
    tests: list[dict[str, Any]] = []
    for number in range(size.sets):
        drawn = seed + 1_000 * number
        pool = _pool(drawn, size)
        lived_by = once(place / f"lived-{number}.json", partial(_lived, pool, world, size, drawn))
        work_on = partial(_tests, opened, pool, world, size, seed=drawn, weights=composite["weights"])
        lived, seen = (
            json.loads(file.read_text()) for file in (lived_by, once(place / f"tests-{number}.json", work_on))
        )
        tests += [each | {"set": number, "true": lived[each["arm"]] - lived["control"]} for each in seen]
    return {"seed": seed, "tests": tests, "accuracy": opened.facts["accuracy"], "composite": composite}


def once(target: Path, make: Callable[[Path], object]) -> Path:
    """Make a file or folder once, in one rename."""
    if not target.exists():
        part = target.with_name(f"{target.name}.part")
        if part.is_file():
            part.unlink()
        make(part)
        part.rename(target)
        say(f"{target.parent.name}: {target.name} is there")
    return target


def _log(world: WorldConfig, target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="loveloop-retention-") as folder:
        simulate(world, Path(folder))
        store(Path(folder) / "events.ndjson", target, world.ends_at)


def _encoder(log: Path, size: Size, seed: int, target: Path) -> None:
    from retention_parts.policies import logged_rows

    from training.policy.pretrain import PretrainConfig, pretrain_policy

    pretrain_policy(logged_rows(log, size.examples), target, config=PretrainConfig(), seed=seed)


def _model(log: Path, encoder: Path, world: WorldConfig, size: Size, target: Path) -> None:
    from warehouse.retention import responses, visits

    config = RewardConfig(model="views", seed=world.seed, evaluation_rows=1_500)
    found, shown = (read(log, as_of=world.ends_at) for read in (visits, responses))
    train_retention(found, shown, target, base=encoder, config=config, most_rows=size.rows, tell=say)


def _composite(log: Path, world: WorldConfig, seed: int) -> dict[str, Any]:
    """Weights of signals learnt from the first week's return, and how they do beside Love alone, by delay."""
    from warehouse.retention import visits

    days = read_user_days(visits(log, as_of=world.ends_at))
    held = np.array([uniform(user, f"{seed}/signals") < 0.5 for user in days.user_ids.tolist()])
    learnt, unseen = days.take(~held), days.take(held)
    gains = {delay: beside_love(fit_composite(learnt, delay), learnt, unseen).gain for delay in DELAYS}
    fitted = fit_composite(learnt, DELAYS[0])
    return {"names": fitted.names, "weights": fitted.weights.tolist(), "gain": {d: [*g] for d, g in gains.items()}}


def _pool(seed: int, size: Size) -> AnswerPool:
    drawn = random_habits(np.random.default_rng([seed, 7]), size.tests)
    habits = {"control": INCUMBENT} | {f"arm-{number:02}": each for number, each in enumerate(drawn, 1)}
    return pool_of(habits, size.prompts, seed, samples=1)


def _served(pool: AnswerPool, world: WorldConfig, users: int, seed: int) -> ServedTrial:
    """As many exposures to a user and day as the log has."""
    exposures = int(users * _DAYS * world.responses / world.users / world.days)
    return served(pool, world, users=users, exposures=exposures, days=_DAYS, seed=seed)


def _lived(pool: AnswerPool, world: WorldConfig, size: Size, seed: int, target: Path) -> None:
    target.write_text(json.dumps(true_returns(_served(pool, world, size.lived_users, seed + 100))))


def _tests(
    model: RetentionModel,
    pool: AnswerPool,
    world: WorldConfig,
    size: Size,
    target: Path,
    *,
    seed: int,
    weights: Sequence[float],
) -> None:
    with tempfile.TemporaryDirectory(prefix="loveloop-retention-") as folder:
        found = results(
            _served(pool, world, size.trial_users, seed + 200),
            model,
            Path(folder),
            loves=true_loves(pool, world.base_love_rate),
            offline=offline_scores(model, pool),
            weights=np.array(weights),
            ends=world.ends_at + timedelta(days=60),
        )
    target.write_text(json.dumps([each.as_dict() for each in found]))


def summary(seeds: list[dict[str, Any]]) -> dict[str, Any]:
    """All seeds together; effects are differences within a seed, so that tests of several seeds go into one r."""
    tests = [each for one in seeds for each in one["tests"]]
    true, index = (np.array([each[name] for each in tests]) for name in ("true", "index"))
    found = pearson(index[:, 0], true)
    assert found is not None
    share = reliability(index[:, 0], index[:, 1])
    clean = None if share is None else corrected(found, share)
    line = slope(index[:, 0], true)
    gaps = np.array([each["gap"] for each in tests if np.isfinite(each["gap"]).all()]).reshape(-1, 2)
    together = pooled(gaps[:, 0], gaps[:, 1]) if len(gaps) else None
    rivals = {}
    for name, title in RIVALS.items():
        values = np.array([np.atleast_1d(each[name])[0] for each in tests])
        known = np.isfinite(values)
        r = pearson(values[known], true[known]) if known.sum() > 3 else None
        rivals[name] = {"title": title, "r": r and r.r, "low": r and r.ci.low, "high": r and r.ci.high}
    by_seed = [
        pearson([each["index"][0] for each in one["tests"]], [each["true"] for each in one["tests"]]) for one in seeds
    ]
    return {
        "r": found.r,
        "r_low": found.ci.low,
        "r_high": found.ci.high,
        "r_corrected": clean and [clean.r, *clean.ci],
        "reliability": share,
        "by_seed": [each and each.r for each in by_seed],
        "tests_in_all": len(tests),
        "true_sd": float(true.std(ddof=1)),
        "slope": line and [line.value, *line.ci],
        "rivals": rivals,
        "validity": together
        and {
            **together._asdict(),
            "tests": len(gaps),
            "outside": int((abs(gaps[:, 0]) > 1.96 * gaps[:, 1]).sum()),
        },
        "tests": [each | {"seed": one["seed"]} for one in seeds for each in one["tests"]],
        "accuracy": {str(one["seed"]): one["accuracy"] for one in seeds},
        "composite": {str(one["seed"]): one["composite"] for one in seeds},
    }


def lines(found: dict[str, Any]) -> list[str]:
    """What is printed."""
    told = [f"{'test':8} {'true':>7} {'foretold':>9} {'error':>7} {'seen':>7} {'Love':>7}  (points)"]
    for each in sorted(found["tests"], key=lambda one: float(one["true"])):
        figures = (each["true"], *each["index"], each["seen"][0], each["love"])
        told.append(f"{each['arm']:8}" + " ".join(f"{100 * value:+8.2f}" for value in figures))
    told.append(f"true effects: standard deviation {100 * found['true_sd']:.2f} points, {found['tests_in_all']} tests")
    for each in found["rivals"].values():
        if each["r"] is not None:
            told.append(f"  r of {each['title']:36} {each['r']:+.3f} [{each['low']:+.3f}, {each['high']:+.3f}]")
    told.append(f"true effect by a point foretold: {found['slope']}")
    told.append(f"validity (seen less foretold): {found['validity']}")
    told.append(f"by seed: {found['by_seed']}; without the index's own sampling error: {found['r_corrected']}")
    told.append(f"surrogate index: r = {found['r']:.3f} [{found['r_low']:.3f}, {found['r_high']:.3f}] (aim .8)")
    return told


def _read() -> argparse.Namespace:
    read = harness.arguments(__doc__, quick="a small world and few small tests, one seed; figures mean little")
    read.add_argument("--seeds", type=span, default="1-3", help="FIRST-LAST, or one (1-3)")
    read.add_argument("--work", type=Path, default=WORK, help=f"where seeds are kept ({WORK})")
    return read.parse_args()


def main() -> None:
    """Measure, print, write."""
    asked = _read()
    size = QUICK if asked.quick else FULL
    seeds = []
    for seed in (1,) if asked.quick else asked.seeds:
        seeds.append(measured(seed, asked.work, size))
        found = summary(seeds)
        harness.write(asked.json, found)
    say("\n".join(lines(found)))


if __name__ == "__main__":
    main()
