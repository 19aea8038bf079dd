"""The command that ranks feedback signals by what they foretell."""

from datetime import UTC, datetime
from pathlib import Path

import click

from assets.cli import options


@click.command()
@options.warehouse
@click.option("--as-of", type=click.DateTime(), help="Judge the log at this moment (UTC); now if left out.")
@click.option(
    "--days",
    type=options.Whole(9, 365),
    default=14,
    show_default=True,
    help="Retained is who is there again in the last week of so many days.",
)
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the figures here too."
)
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Write the plot here, a PNG.")
@click.option(
    "--return-after",
    type=click.Choice(["1", "7", "14"]),
    help="Rank by the survival model of the return after so many days instead, and weigh the signals together.",
)
def signals(
    warehouse: Path,
    as_of: datetime | None,
    days: int,
    *,
    json_file: Path | None,
    plot: Path | None,
    return_after: str | None,
) -> None:
    """Rank feedback signals by how well they foretell that users stay.

    Love, like, dislike, going on with the conversation, returning the next day and the sentiment of the next message:
    for each the odds ratio of being there again, adjusted for activity and tenure. An association, not a cause.
    """
    if return_after:
        _by_returns(warehouse, as_of, int(return_after), json_file, plot)
        return
    from assets.signals import plain, ranked, words

    found = ranked(warehouse, as_of=as_of.replace(tzinfo=UTC) if as_of else None, days=days)
    click.echo("\n".join(words(found, days)))
    if json_file:
        import json

        json_file.write_text(json.dumps(plain(found, days), indent=2) + "\n")
    if plot:
        from assets.report.association_plot import association_forest

        plot.write_bytes(association_forest(found))


def _by_returns(warehouse: Path, as_of: datetime | None, delay: int, json_file: Path | None, plot: Path | None) -> None:
    if plot:
        raise click.UsageError("--plot draws the ranking by --days; leave it or --return-after out")
    import json

    from assets import retention

    found = retention.ranked(warehouse, delay=delay, as_of=as_of.replace(tzinfo=UTC) if as_of else None)
    click.echo("\n".join(retention.ranking_words(found)))
    if json_file:
        json_file.write_text(json.dumps(retention.plain(found), indent=2) + "\n")
