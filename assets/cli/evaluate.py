"""Policies compared offline: fixed prompts, one answer each, read by the same reward models and judges."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from assets.cli import options
from assets.cli.tables import table
from streams.record_fields import fields_of

if TYPE_CHECKING:
    from assets.run import Run
    from stats.estimate import Estimate
    from training.evaluation.offline import Evaluation
    from training.text import Conversation

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


def _beside(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, Path]:
    """Other reward models as they are typed, NAME=DIRECTORY."""
    found: dict[str, Path] = {}
    for each in given:
        name, equals, place = each.partition("=")
        if not equals or not name or name == "love" or name in found:
            raise click.BadParameter(f"{each!r}, must be NAME=DIRECTORY, each name once and none of them love")
        if not Path(place).is_dir():
            raise click.BadParameter(f"{place} (of {name}) is no directory of a reward model")
        found[name] = Path(place)
    return found


@click.command()
@click.argument("policies", nargs=-1, metavar="POLICY...")
@click.option(
    "--prompts",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Parquet, CSV or NDJSON with conversation (or prompt), and user_id where it is known.",
)
@click.option(
    "--run", "run_name", callback=options.folder, help="A run in --home: its held-out prompts and its models."
)
@click.option("--love", type=_FOLDER, help="The reward model P[Love]; the run's if left out.")
@click.option(
    "--beside", multiple=True, callback=_beside, metavar="NAME=DIRECTORY", help="Another reward model; may be repeated."
)
@click.option("--kept", type=click.Path(file_okay=False, path_type=Path), help="Where answers and scores are kept.")
@click.option("--temperature", type=options.Number(0, 10), default=1.0, show_default=True, help="Of the answers.")
@click.option("--longest", type=options.Whole(1), default=48, show_default=True, help="Tokens of the longest answer.")
@click.option("--seed", type=options.SEED, default=0, show_default=True, help="Of answers and resampling.")
@options.home
@click.option("--json", "as_json", is_flag=True, help="Write JSON instead, with every figure.")
def evaluate(
    *,
    policies: tuple[str, ...],
    prompts: Path | None,
    run_name: str | None,
    love: Path | None,
    beside: dict[str, Path],
    kept: Path | None,
    temperature: float,
    longest: int,
    seed: int,
    home: Path,
    as_json: bool,
) -> None:
    r"""Compare policies offline: mean P[Love] on fixed prompts, paired.

    Every POLICY (a directory, a hub name, or NAME=DIRECTORY) answers the same prompts with common chance; the first is
    the base that the others are compared with. Answers and scores are kept by the fingerprints of weights and by the
    prompts: what was evaluated before is read back. Where prompts say who sent them, intervals draw whole users again,
    since prompts of one user are not independent.

    With --run and no POLICY: the run's incumbent and every policy of its sweep.

    \b
    Example:
      loveloop evaluate --run demo
      loveloop evaluate runs/demo/cycles/0001/models/incumbent new-policy --prompts asked.jsonl --love my-p-love
    """
    from training.evaluation.offline import Kept
    from training.evaluation.offline import evaluate as on_prompts
    from training.judges import CONDITIONAL_CLOSING, UNSAFE
    from training.reward.saved_reward import SavedReward
    from training.rollout.store import RolloutStore

    given = _given(policies, prompts, _opened(home, run_name), love, beside)
    rewards = {name: SavedReward(place) for name, place in given.rewards.items()}
    folder = kept or (home / run_name / "rollouts" if run_name else Path("data/evaluations"))
    found = on_prompts(
        given.policies,
        given.conversations,
        love=rewards["love"],
        others={name: each for name, each in rewards.items() if name != "love"},
        users=given.users,
        judges={"closing": CONDITIONAL_CLOSING, "unsafe": UNSAFE},
        kept=Kept(RolloutStore(folder), {name: each.version for name, each in rewards.items()}),
        seed=seed,
        temperature=temperature,
        max_new_tokens=longest,
    )
    if as_json:
        _write(found, len(given.conversations), str(folder))
    else:
        click.echo("\n".join(_page(found, len(given.conversations), str(folder))))


class _Given(NamedTuple):
    """What is evaluated: policies by name, prompts, who sent them, and reward models by name, `love` among them."""

    policies: Mapping[str, str]
    conversations: "Sequence[Conversation]"
    users: list[str] | None
    rewards: Mapping[str, Path]


def _opened(home: Path, name: str | None) -> "Run | None":
    if name is None:
        return None
    from assets.pipeline import reopen

    return reopen(home / name)


def _given(
    policies: tuple[str, ...], prompts: Path | None, run: "Run | None", love: Path | None, beside: dict[str, Path]
) -> _Given:
    named = _named(policies) or (_of_run(run) if run else {})
    rewards: dict[str, Path] = {}
    if run is not None:
        rewards = {name: run.place(name) for name in run.recipe.labelled()} | {"love": run.place("p_love")}
    rewards |= beside | ({"love": love} if love else {})
    if not named:
        raise click.UsageError("name at least one POLICY, or a --run whose policies are to be compared")
    if "love" not in rewards:
        raise click.UsageError("give the reward model by --love DIRECTORY, or a --run that has one")
    if prompts is not None:
        from training.evaluation.prompt_file import read_prompts

        asked = read_prompts(prompts)
        return _Given(named, asked.conversations, asked.users, rewards)
    if run is None:
        raise click.UsageError("give prompts by --prompts FILE, or a --run whose held-out prompts are to be answered")
    from assets.stages.prompts import held_out

    drawn = held_out(run)
    return _Given(named, drawn.conversations, drawn.users, rewards)


def _named(policies: tuple[str, ...]) -> dict[str, str]:
    """Policies by name: the directory's, or the one before `=`."""
    found: dict[str, str] = {}
    for each in policies:
        name, equals, place = each.partition("=")
        place = place if equals else each
        name = name if equals else Path(each).name
        if name in found:
            raise click.UsageError(f"two policies are called {name!r}: name them, as in old={found[name]} new={place}")
        found[name] = place
    return found


def _of_run(run: "Run") -> dict[str, str]:
    from assets.stages import models, policy

    weights = run.recipe.policy.love_weights
    return {"incumbent": str(models.incumbent(run))} | {
        policy.name_of(each): str(run.place(f"policy-{each:g}")) for each in weights
    }


def _page(found: "Evaluation", prompts: int, folder: str) -> Iterator[str]:
    others = list(found.scores[0].others)
    heads = ["policy", "mean P[Love]", "lift", *others, "closings", "words", "questions", "emoji"]
    lines = []
    for place, each in enumerate(found.scores):
        lift = _percent(each.love_lift) if place else "base"
        behaviour = [each.trips["closing"], each.watched["question"], each.watched["emoji"]]
        closing, question, emoji = (f"{one.value:.1%}" for one in behaviour)
        means = [_chance(each.others[name]) for name in others]
        words = f"{each.watched['words'].value:.1f}"
        lines.append([each.policy, _chance(each.love), lift, *means, closing, words, question, emoji])
    yield table(heads, lines)
    yield ""
    yield f"{prompts:,} prompts, one answer each; 95 % intervals draw {found.drawn}, all policies alike"
    yield f"answers and scores are kept in {folder}"


def _chance(each: "Estimate") -> str:
    return f"{each.value:.4f} [{each.low:.4f}, {each.high:.4f}]"


def _percent(each: "Estimate") -> str:
    return f"{each.value:+.1%} [{each.low:+.1%}, {each.high:+.1%}]"


def _write(found: "Evaluation", prompts: int, folder: str) -> None:
    import json

    from assets.report.schema import plain

    rows = [_flat(fields_of(each)) for each in found.scores]
    told = {"prompts": prompts, "intervals": found.drawn, "kept": folder, "policies": rows}
    click.echo(json.dumps(plain(told), indent=2))


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Figures as `NAME` with `NAME_ci` beside them, tables of figures alike; what was not measured is left out."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            flat[name] = _flat(value)
        elif isinstance(value, tuple):
            flat |= {name: value[0], f"{name}_ci": list(value[1:])}
        elif value is not None:
            flat[name] = value
    return flat
