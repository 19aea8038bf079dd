"""The policies: CRRAFT in rounds under judges, one for each Love weight of the sweep."""

from typing import Any

from assets.recipe import Recipe
from assets.report.typesetting import counted
from assets.run import Facts, Run, Stage
from assets.stages import feedback, models, panel, prompts
from assets.stages.prompts import Task


def name_of(love_weight: float) -> str:
    """What the policy of a Love weight is called, in reports and on disk."""
    return f"love-{love_weight:g}"


def judges(run: Run) -> Any:
    """The judges that no winner may displease, a `training.judges.Panel`; empty where the recipe wants none."""
    return panel.of(run)


def reward(run: Run, name: str) -> Any:
    """A reward model that an earlier stage trained."""
    from training.reward.model import RewardModel

    return RewardModel.load(run.place(name))


def weights(recipe: Recipe, love_weight: float) -> dict[Task, float]:
    """The weight of each task; a task whose labels the recipe leaves out drops out."""
    every: dict[Task, float] = {
        "helpfulness": recipe.policy.helpfulness,
        "love": love_weight,
        "safety": recipe.policy.safety,
    }
    return {name: weight for name, weight in every.items() if name == "love" or name in recipe.labelled()}


def _optimise(run: Run, love_weight: float) -> Facts:
    from training.cgpo.loop import optimise
    from training.rollout.speaker import speaker_of
    from warehouse import training_set

    wanted = run.recipe.policy
    log = training_set.load(feedback.training_set_directory(run))
    config = wanted.config.model_copy(update={"seed": run.recipe.seed})
    aims, learnt = weights(run.recipe, love_weight), prompts.learnable(run, log)
    asked = {name: prompts.for_training(run, name, config.rounds * config.prompts) for name in aims}
    place = run.policy(love_weight)
    rank = config.lora_rank if config.tuning == "lora" else None
    work = run.directory / "vllm" / name_of(love_weight)
    with speaker_of(wanted.rollouts, models.incumbent(run), work, lora_rank=rank, context=config.longest) as speaker:
        report = optimise(
            models.incumbent(run),
            place,
            tasks=[_task(run, name, weight, asked[name].conversations) for name, weight in aims.items()],
            judges=judges(run),
            config=config,
            supervised=learnt.select(["conversation", "response"]).slice(0, wanted.supervised_rows),
            rollouts=run.directory / "rollouts",
            held_out=prompts.kept_out(run),
            speaker=speaker,
            follow=run.follow,
        )
    last = report.rounds[-1]
    rounds_done = counted(len(report.rounds), "round")
    summary = f"{report.policy}: {rounds_done}, {counted(last.winners, 'winner')} in the last"
    rounds = [each.model_dump(mode="json") for each in report.rounds]
    return {
        "summary": summary,
        "version": report.policy,
        "place": run.relative(place),
        "prompts": {name: found.origin for name, found in asked.items()},
        "love_weight": love_weight,
        "judges": report.judges,
        "leaks": report.leaks,
        "rounds": rounds,
    }


def _task(run: Run, name: Task, weight: float, asked: list[prompts.Conversation]) -> Any:
    from training.cgpo.tasks import Task as Objective

    model = "p_love" if name == "love" else name
    return Objective(
        name=name,
        prompts=asked,
        reward=reward(run, model),
        weight=weight,
        mixed=name != "safety",
        reward_version=str(run.facts(model)["fingerprint"]),
    )


def stage(love_weight: float, recipe: Recipe) -> Stage:
    """The stage of one Love weight; which other weights the sweep has changes nothing about it."""
    return Stage(
        f"policy-{love_weight:g}",
        f"policy with Love weight {love_weight:g}: CRRAFT in rounds under judges",
        lambda run: _optimise(run, love_weight),
        ("incumbent", *recipe.labelled(), "p_love"),
        lambda recipe: [recipe.policy.model_copy(update={"love_weights": ()}), love_weight, panel.versions(recipe)],
        version=lambda facts: str(facts["version"]),
        code=(*models.LEARNING, prompts.CODE),
        libraries=models.LIBRARIES,
    )
