"""The synthetic world from the command line."""

from pathlib import Path

import click


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("data/world"), show_default=True, help="Where to write."
)
@click.option(
    "--responses", type=click.IntRange(1), default=20_000, show_default=True, help="Served responses, at least."
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed writes the same bytes.")
@click.option("--long", is_flag=True, help="Six weeks in which satisfaction decides who stays, for `loveloop signals`.")
def simulate(out: Path, responses: int, seed: int, long: bool) -> None:
    """Write a synthetic stream of events, with its hidden truth.

    OUT/events.ndjson is ready for `loveloop send`; OUT/truth says who is a bot and what each user truly thought;
    OUT/amounts.json counts what was put in (duplicates, retractions, malformed lines and so on).
    """
    from streams.synthetic.config import WorldConfig
    from streams.synthetic.world import simulate as write

    make, share = (WorldConfig.long, 6) if long else (WorldConfig, 16)
    amounts = write(make(seed=seed, responses=responses, users=max(20, responses // share)), out)
    click.echo(
        f"{out}/events.ndjson: {amounts.events:,} event lines for {amounts.responses:,} responses, "
        f"Love rate {amounts.love_rate:.2%}"
    )
