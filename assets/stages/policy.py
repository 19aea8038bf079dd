"""The policies: optimised in rounds under judges, one for each Love weight of the sweep."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from assets.facts.models import PolicyFacts, RewardFacts
from assets.recipe import Recipe
from assets.report.typesetting import counted
from assets.run import Run
from assets.stage import Stage
from assets.stages import feedback, models, panel, prompts, standing
from assets.stages.prompts import Task
from training.engine.config import EngineConfig
from training.engine.steps import silent

if TYPE_CHECKING:
    from training.cgpo.report import PolicyReport


def name_of(love_weight: float) -> str:
    """What the policy of a Love weight is called, in reports and on disk."""
    return f"love-{love_weight:g}"


def judges(run: Run) -> Any:
    """The judges that no winner may displease, a `training.judges.Panel`; empty where the recipe wants none."""
    return panel.of(run)


def reward(run: Run, name: str) -> Any:
    """A reward model that an earlier stage trained."""
    from training.reward.saved_reward import SavedReward

    return SavedReward(run.place(name))


def weights(recipe: Recipe, love_weight: float) -> dict[Task, float]:
    """The weight of each task; a task whose labels the recipe leaves out drops out."""
    every: dict[Task, float] = {
        "helpfulness": recipe.policy.helpfulness,
        "love": love_weight,
        "safety": recipe.policy.safety,
        "retention": recipe.policy.retention,
    }
    there = {"love", *recipe.labelled()} | ({"retention"} if recipe.policy.retention else set())
    return {name: weight for name, weight in every.items() if name in there}


def model_of(task: Task) -> str:
    """The stage of the reward model that ranks a task's answers."""
    return "p_love" if task == "love" else task


def _aims(run: Run, love_weight: float) -> tuple[dict[Task, float], standing.RewardStanding]:
    """The weight of each task whose reward may rank, and what was left out.

    Raises:
        UnprovenRewardError: See `standing.of`; or no reward with a weight is left.
    """
    every = weights(run.recipe, love_weight)
    found = standing.of(run, map(model_of, every))
    aims = {name: weight for name, weight in every.items() if model_of(name) in found.used}
    if found.left_out and not any(aims.values()):
        raise standing.UnprovenRewardError(
            f"nothing is left to optimise {name_of(love_weight)} for{found.words}. Give more labels, or take "
            f"{love_weight:g} out of policy.love_weights"
        )
    return aims, found


def optimisers(recipe: Recipe) -> str:
    """What the tasks' samples are learnt by, as it is printed: `CRRAFT`, or `CODPO and CRPG` where tasks differ."""
    config = recipe.policy.config
    return " and ".join(sorted({config.for_task(name).optimiser.upper() for name in weights(recipe, 0.0)}))


def _optimise(run: Run, love_weight: float) -> PolicyFacts:
    from assets.stages.ranks import optimise_on_ranks

    place, engine = run.policy(love_weight), run.recipe.engine
    _, stood = _aims(run, love_weight)  # before ranks are started
    if engine.kind == "deepspeed":
        report = optimise_on_ranks(run, love_weight)
    else:
        report = optimised(run, love_weight, silent if engine == EngineConfig() else tqdm.write)
    last = report.rounds[-1]
    rounds_done = counted(len(report.rounds), "round")
    summary = f"{report.policy}: {rounds_done}, {counted(last.winners, 'winner')} in the last{stood.words}"
    rounds = [each.model_dump(mode="json") for each in report.rounds]
    return PolicyFacts(
        summary=summary,
        version=report.policy,
        place=run.relative(place),
        prompts={name: found.origin for name, found in _asked(run, love_weight).items()},
        love_weight=love_weight,
        judges=list(report.judges),
        left_out=stood.left_out,
        leaks=report.leaks,
        rounds=rounds,
    )


def optimised(run: Run, love_weight: float, tell: Callable[[str], None]) -> "PolicyReport":
    """Optimise the policy of a Love weight in this process, which may be one of several ranks.

    Args:
        run: With its reward models trained.
        love_weight: Which of the sweep's.
        tell: Takes each line for the user.
    """
    from training.cgpo.loop import optimise
    from training.rollout.policy_source import speaker_of
    from warehouse import training_set

    wanted = run.recipe.policy
    log = training_set.load(feedback.training_set_directory(run))
    config = wanted.config.model_copy(update={"seed": run.recipe.seed})
    aims, stood = _aims(run, love_weight)
    for name, why in stood.left_out.items():
        tell(f"WARNING: {name} is left out of ranking: {why}")
    config = config.model_copy(update={"tasks": {name: own for name, own in config.tasks.items() if name in aims}})
    learnt = prompts.learnable(run, log)
    asked = _asked(run, love_weight)
    engine = config.engine_of(run.recipe.engine)
    rank = engine.lora_rank if engine.tuning == "lora" else None
    work = run.directory / "vllm" / name_of(love_weight)
    with speaker_of(wanted.rollouts, models.incumbent(run), work, lora_rank=rank, context=config.longest) as speaker:
        return optimise(
            models.incumbent(run),
            run.policy(love_weight),
            tasks=[_task(run, name, weight, asked[name].conversations) for name, weight in aims.items()],
            judges=judges(run),
            config=config,
            supervised=learnt.select(["conversation", "response"]).slice(0, wanted.supervised_rows),
            rollouts=run.directory / "rollouts",
            held_out=prompts.kept_out(run),
            speaker=speaker,
            engine=run.recipe.engine,
            sentinel=run.recipe.sentinel,
            tell=tell,
            follow=run.follow,
        )


def _asked(run: Run, love_weight: float) -> dict[Task, prompts.Prompts]:
    """Every task's prompts, as many as all rounds take."""
    config = run.recipe.policy.config
    count = config.rounds * config.prompts
    return {name: prompts.for_training(run, name, count) for name in _aims(run, love_weight)[0]}


def _task(run: Run, name: Task, weight: float, asked: list[prompts.Conversation]) -> Any:
    from training.cgpo.tasks import Task as Objective
    from training.reward.saved_reward import SavedReward

    model = model_of(name)
    return Objective(
        name=name,
        prompts=asked,
        reward=SavedReward(run.place(model)),
        weight=weight,
        mixed=name != "safety",
        reward_version=run.facts(RewardFacts, model).fingerprint,
    )


def stage(love_weight: float, recipe: Recipe) -> Stage:
    """The stage of one Love weight; which other weights the sweep has changes nothing about it."""

    def settings(recipe: Recipe) -> list[Any]:
        own = [recipe.policy.model_copy(update={"love_weights": ()}), love_weight, panel.versions(recipe)]
        return own if recipe.engine == EngineConfig() else [*own, recipe.engine]

    return Stage(
        f"policy-{love_weight:g}",
        f"policy with Love weight {love_weight:g}: {optimisers(recipe)} in rounds under judges",
        lambda run: _optimise(run, love_weight),
        ("incumbent", *recipe.labelled(), "p_love", *(["retention"] if recipe.policy.retention else [])),
        settings,
        code=(*models.LEARNING, prompts.CODE),
        libraries=models.LIBRARIES,
    )
