"""The synthetic world from the command line."""

from pathlib import Path
from typing import Any

import click

from assets.cli import options


def _attack(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> tuple[Any, ...]:
    from streams.synthetic.shares import AttackShare, check_shares

    try:
        return check_shares(AttackShare.parse(text) for text in given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("data/world"), show_default=True, help="Where to write."
)
@click.option(
    "--responses", type=options.Whole(1), default=20_000, show_default=True, help="Responses served to people."
)
@click.option("--users", type=options.Whole(1), help="People who may show up; by default one for 16 responses.")
@click.option("--days", type=options.Whole(1, 3_650), help="Event time that passes; 14 days by default.")
@click.option(
    "--love-rate",
    type=options.Number(0.0005, 0.05),
    help="Loves per response of people, from 0.0005 to 0.05; 0.005 by default.",
)
@click.option(
    "--attack",
    "attacks",
    multiple=True,
    callback=_attack,
    metavar="NAME:SHARE",
    help="Add an attack whose loves are this share of all loves; may be given several times. Attacks: burst_bots, "
    "slow_drip, lockstep_farm, camouflaged_farm, hijacked_accounts, targeted_arm, dictated_poison, unsafe_trolls, "
    "replay_flood, paid_crowd, taste_clique (docs/attacks.md).",
)
@click.option("--social", is_flag=True, help="People influence each other: tastes, brigades and leaving spread.")
@click.option("--experiment", is_flag=True, help="Serve everything in an A/B test: arm `treatment` is warmer.")
@click.option("--seed", type=options.SEED, default=1, show_default=True, help="The same seed writes the same bytes.")
@click.option("--long", is_flag=True, help="Six weeks in which satisfaction decides who stays, for `loveloop signals`.")
def simulate(out: Path, attacks: tuple[Any, ...], social: bool, experiment: bool, long: bool, **given: Any) -> None:
    r"""Write a synthetic stream of events, with its hidden truth.

    People with tastes and rhythms come, talk and react; attackers may join them; the network repeats, delays and spoils
    some lines. OUT/events.ndjson is ready for `loveloop send`; OUT/truth says what each user truly thought and which
    loves are foul; OUT/amounts.json counts what was put in. docs/world.md explains the world and its files.

    \b
    loveloop simulate --responses 100000 --love-rate 0.01 --out data/calm
    loveloop simulate --attack burst_bots:0.05 --attack slow_drip:0.05 --out data/attacked

    The honest lines of both are the same for the same seed and sizes: an attack only adds.
    """
    from streams.synthetic.config import Experiment, WorldConfig
    from streams.synthetic.social.config import SocialConfig
    from streams.synthetic.world import simulate as write

    make, people = (WorldConfig.long, 6) if long else (WorldConfig, 16)
    sizes = {"users": max(20, given["responses"] // people)} | {k: v for k, v in given.items() if v is not None}
    sizes |= {"base_love_rate": sizes.pop("love_rate")} if "love_rate" in sizes else {}
    test = Experiment() if experiment or any(attack.name == "targeted_arm" for attack in attacks) else None
    influence = SocialConfig() if social else None
    amounts = write(make(**sizes, attacks=attacks, experiment=test, social=influence), out)
    click.echo(
        f"{out}/events.ndjson: {amounts.events:,} event lines for {amounts.responses:,} responses, "
        f"Love rate {amounts.love_rate:.2%}"
    )
    for name, loves in amounts.attack_loves.items():
        click.echo(f"{name}: loves {loves:,}, accounts {amounts.attack_users[name]:,}")
