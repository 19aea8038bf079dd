"""The models that are learnt before any policy moves: the incumbent, helpfulness, safety, P[Love]."""

import math
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from assets.facts.models import AuditFinding, BaselineAuroc, IncumbentFacts, LoggedBot, RewardFacts
from assets.facts.stage_facts import InputOrigin, RecordedFacts
from assets.recipe import Labelled, Recipe, RewardSection
from assets.run import Run
from assets.stage import Stage
from assets.stages import feedback, labels, prompts, standing
from streams.record_fields import fields_of
from training.disk import sha256
from training.engine.config import EngineConfig
from training.policy.load import fingerprint
from training.reward import registry

LEARNING = ("training", "stats")
"""Packages whose code decides about a model; with them the versions of `LIBRARIES`."""
LIBRARIES = ("torch", "transformers", "peft")


def incumbent(run: Run) -> str | Path:
    """Where the policy that wrote the log lies: the user's own, or the small one that was fitted to the log."""
    return run.facts(IncumbentFacts).base or run.place("incumbent")


def _incumbent(run: Run) -> IncumbentFacts:
    wanted = run.recipe.incumbent
    if wanted.base:
        return IncumbentFacts(
            summary=f"{wanted.base}, as it is",
            base=wanted.base,
            fingerprint=fingerprint(wanted.base),
            origin={"source": "base", "words": f"{wanted.base}, as the recipe names it", "simulated": False},
        )
    from training.policy.pretrain import PretrainConfig, pretrain_policy
    from warehouse import training_set

    log = prompts.learnable(run, training_set.load(feedback.training_set_directory(run)))
    chosen = log.take(_evenly(log.num_rows, wanted.examples))
    config = PretrainConfig(width=wanted.width, layers=wanted.layers, epochs=wanted.epochs)
    place = run.models / "incumbent"
    report = pretrain_policy(chosen, place, config=config, seed=run.recipe.seed, follow=run.follow)
    summary = f"{report.parameters / 1e6:.2f} M parameters, {report.tokens:,} tokens, loss {report.loss:.2f} nats"
    return IncumbentFacts(
        summary=summary,
        place=run.relative(place),
        rows=chosen.num_rows,
        fingerprint=fingerprint(place),
        origin={
            "source": "log",
            "words": f"a small Llama fitted to {chosen.num_rows:,} logged conversations of users who are not held "
            "out: it imitates the model that served them and is not that model; incumbent.base in the recipe names "
            "your own",
            "simulated": False,
        },
        **fields_of(report),
    )


def _evenly(rows: int, wanted: int) -> list[int]:
    step = max(rows / wanted, 1.0)
    return [int(place * step) for place in range(min(rows, wanted))]


def _reward(
    run: Run,
    name: str,
    wanted: RewardSection,
    examples: Any,
    lineage: dict[str, Any],
    *,
    by: Literal["users", "conversations"] = "users",
) -> RewardFacts:
    from training.reward.ranks import train_on_ranks
    from training.reward.train import train_reward_model

    out, engine = run.models / name, run.recipe.engine
    fit = train_on_ranks if engine.kind == "deepspeed" else train_reward_model
    config = wanted.config.model_copy(update={"seed": run.recipe.seed})
    base = _base(run, wanted.base)
    lineage = lineage | {"command": command(run)}
    told: dict[str, Any] = {"name": name, "lineage": lineage, "by": by, "engine": engine, "follow": run.follow}
    report = fit(examples, out, base=base, config=config, **told)
    measured = report.measured.as_dict()
    low, high = measured["auroc_ci"]
    summary = (
        f"AUROC {measured['auroc']:.3f} ({low:.3f} to {high:.3f}) on unseen {by}, ECE {measured['ece_after']:.4f}, "
        f"{report.tested}{''.join(f'; {line}' for line in report.warnings)}"
    )
    later = report.later
    return RewardFacts(
        summary=summary,
        place=run.relative(out),
        fingerprint=fingerprint(out),
        rows=sum(report.rows.values()),
        base_rate=report.base_rate,
        tested=report.tested,
        trim={part: each._asdict() for part, each in report.trim.items()},
        warnings=report.warnings,
        retold=report.retold,
        auroc_later=later.value if later else None,
        auroc_later_ci=(later.low, later.high) if later else None,
        calibration=report.calibration.words,
        findings=[AuditFinding(**each._asdict()) for each in report.audit.results],
        audit=_finite([fields_of(effect) for effect in report.audit.effects]),
        slices=_finite([each.as_dict() for each in report.slices]),
        weeks=_finite([each.as_dict() for each in report.weeks.weeks]),
        alarms=report.weeks.alarms,
        **measured,
    )


def _finite(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same rows with None for what is not a number, as JSON has it."""

    def plain(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [plain(each) for each in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return [{name: plain(value) for name, value in row.items()} for row in rows]


def command(run: Run) -> str:
    """What makes the model again, without this machine's folders; the recipe's content is kept in `run.json`."""
    recipe = Path(run.recipe_file).name if run.recipe_file else "RECIPE.toml"
    return shlex.join(["loveloop", "run", "--recipe", recipe, "--name", run.directory.name])


def _base(run: Run, base: str) -> str | Path:
    if base == "incumbent":
        return incumbent(run)
    if base == "minilm":
        from training.reward.bases import minilm

        return minilm()
    return base


def _p_love(run: Run) -> RewardFacts:
    from warehouse import training_set

    directory = feedback.training_set_directory(run)
    manifest = training_set.Manifest.read(directory)
    rows = training_set.load(directory)
    examples = labels.from_training_set(rows)
    window = f"{manifest.first_served_at.isoformat()} to {manifest.last_served_at.isoformat()}"
    rule = manifest.credit if manifest.decay is None else f"{manifest.credit}({manifest.decay:g})"
    lineage = {
        "training_set": manifest.hash,
        "window": window,
        "filter_version": manifest.filter_version,
        "credit": rule,
    }
    facts = _reward(run, "p_love", run.recipe.p_love, examples, lineage)
    words = f"{manifest.positives:,} loves among {manifest.rows:,} responses of training set {manifest.hash[:12]}"
    origin: InputOrigin = {"source": "log", "words": words, "simulated": run.recipe.source == "world"}
    facts = msgspec.structs.replace(facts, origin=origin)
    if run.recipe.p_love.folds > 1:
        facts = _cross_validated(run, facts, examples, rows["policy"].to_pylist())
    return facts


def _cross_validated(run: Run, single: RewardFacts, examples: Any, policies: list[str]) -> RewardFacts:
    """Figures on users that no model saw, beside simple predictors; they take the place of the single split's."""
    from stats import correlation
    from training.reward.cross_validation import cross_validate
    from training.reward.report import tested_on

    wanted = run.recipe.p_love
    found = cross_validate(
        examples,
        policies,
        base=_base(run, wanted.base),
        config=wanted.config.model_copy(update={"seed": run.recipe.seed}),
        folds=wanted.folds,
        name="p_love",
    )
    rivals = [
        BaselineAuroc(name=name, auroc=each.value, auroc_ci=(each.low, each.high))
        for name, each in found.baselines.items()
    ]
    shown = ", ".join(f"{rival.name} {rival.auroc:.3f}" for rival in rivals)
    r = correlation.pearson([row.mean_p_love for row in found.policies], [row.love_rate for row in found.policies])
    span = f"r = {r}" if r else "no correlation of so few"  # of one policy, or of rates that are all the same
    low, high = found.auroc.low, found.auroc.high
    words = f"AUROC {found.auroc.value:.3f} [{low:.3f}, {high:.3f}] over {wanted.folds} folds of users"
    findings = standing.with_ranking(single.findings or [], low, words)
    registry.note_ranking(run.models / "p_love", [msgspec.to_builtins(each) for each in findings], words)
    told_by_folds = "WARNING: not to be used: the audit of ranking"
    warnings = [each for each in single.warnings if not each.startswith(told_by_folds)]
    summary = f"AUROC {found.auroc} on unseen users (baselines: {shown}); by bot {span}"
    return msgspec.structs.replace(
        single,
        summary="; ".join([summary, *warnings]),
        shown=_table(found.policies),
        tested=tested_on(examples.num_rows, sum(label > 0 for label in examples["label"].to_pylist())),
        warnings=warnings,
        findings=findings,
        auroc=found.auroc.value,
        auroc_ci=(low, high),
        auroc_by_fold=list(found.auroc_by_fold),
        baselines=rivals,
        bots=[_bot(row) for row in found.policies],
        bots_r=r.r if r else None,
        bots_r_ci=(r.ci.low, r.ci.high) if r else None,
    )


def _bot(row: Any) -> LoggedBot:
    return LoggedBot(name=row.policy, responses=row.responses, mean_p_love=row.mean_p_love, love_rate=row.love_rate)


def _table(bots: Sequence[Any]) -> list[str]:
    head = f"{'bot':24} {'responses':>9} {'mean P[Love]':>12} {'Love rate':>9}"
    return [head, *(f"{bot.policy:24} {bot.responses:9,} {bot.mean_p_love:12.3f} {bot.love_rate:9.3f}" for bot in bots)]


def _learns(name: Labelled) -> Callable[[Run], RewardFacts]:
    def work(run: Run) -> RewardFacts:
        wanted = run.recipe.labelled()[name]
        found = labels.read(run, name, wanted)
        lineage = {"labels": found.origin["source"], "labels from": found.origin["words"]}
        facts = _reward(run, name, wanted, found.table, lineage, by="conversations")
        summary = f"{facts.summary}; from {found.origin['words']}"
        return msgspec.structs.replace(facts, origin=found.origin, summary=summary)

    return work


def _stage(name: str, title: str, work: Callable[[Run], RecordedFacts], inputs: Callable[[Run], Any]) -> Stage:
    def settings(recipe: Recipe) -> Any:
        own = getattr(recipe, name)
        return own if name == "incumbent" or recipe.engine == EngineConfig() else [own, recipe.engine]

    needs = (_SET,) if name == "incumbent" else (_SET, "incumbent")
    return Stage(
        name,
        title,
        work,
        needs,
        settings,
        inputs=inputs,
        code=(*LEARNING, prompts.CODE) if name == "incumbent" else LEARNING,
        libraries=LIBRARIES,
    )


def labelled(name: Labelled) -> Stage:
    """The stage of a reward model that learns from labels."""

    def labels_file(run: Run) -> Any:
        wanted = run.recipe.labelled()[name]
        place = Path(str(wanted.labels))
        return [sha256(place) if place.is_file() else None, _weights(wanted.base)]

    return _stage(name, f"{name}: a reward model from labels", _learns(name), labels_file)


def _own_base(run: Run) -> Any:
    """The weights of a base that the user named, where they lie on this machine."""
    return _weights(run.recipe.incumbent.base)


def _weights(base: str | None) -> str | None:
    return fingerprint(base) if base and Path(base).is_dir() else base


def _p_love_base(run: Run) -> Any:
    return _weights(run.recipe.p_love.base)


_SET = feedback.TRAINING_SET.name
INCUMBENT = _stage("incumbent", "incumbent: the policy that wrote the log", _incumbent, _own_base)
P_LOVE = _stage("p_love", "P[Love]: the chance that a response is loved", _p_love, _p_love_base)
