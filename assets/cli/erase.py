"""The command that forgets users: by name, or whoever asked by event."""

from pathlib import Path

import click

from assets.cli import options


@click.command()
@click.argument("user", required=False)
@click.option("--pending", is_flag=True, help="Finish every request that came by event or was interrupted; no USER.")
@options.warehouse
@options.home
@click.option(
    "--also",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    multiple=True,
    help="Another folder in which runs lie; may be given several times.",
)
@click.option(
    "--training-sets",
    type=click.Path(file_okay=False, path_type=Path),
    multiple=True,
    default=[Path("data/training-sets")],
    show_default="data/training-sets",
    help="A folder in which other training sets lie; may be given several times.",
)
@click.option("--post", is_flag=True, help="Also post the request to the broker, so that a log read anew knows of it.")
@options.bootstrap
def erase(
    user: str | None,
    pending: bool,
    warehouse: options.Target,
    *,
    home: Path,
    also: tuple[Path, ...],
    training_sets: tuple[Path, ...],
    post: bool,
    bootstrap: str,
) -> None:
    r"""Forget USER: what they did until now leaves the warehouse, training sets and runs, bytes included.

    A receipt says what went and which training sets, models and experiments had seen the user; it names them by a hash.
    Interrupted, it is finished by --pending. What the user does from now on counts again.

    \b
    Example:
      loveloop erase u1 --home runs --training-sets data/training-sets
      loveloop erase --pending
    """
    from assets import erasure
    from warehouse import erasure as requests

    if bool(user) == pending:
        raise click.UsageError("give either a USER or --pending")
    if user:
        event = requests.request(warehouse, user)
        if post:
            _post(event, bootstrap)
    written = erasure.finish_pending(warehouse, homes=[home, *also], sets=training_sets, say=click.echo)
    if not written:
        click.echo("nothing is pending")
    _warn_of_what_is_left(written)


def _post(event: object, bootstrap: str) -> None:
    from streams.events import ErasureRequested
    from streams.producer import EventProducer

    assert isinstance(event, ErasureRequested)
    with EventProducer(bootstrap) as producer:
        producer.send(event)


def _warn_of_what_is_left(receipts: list[Path]) -> None:
    import json

    left = {each["path"] for file in receipts for each in json.loads(file.read_text())["left"]}
    if left:
        raise click.ClickException(
            "these files still hold an erased user's text and are no files of a run; see to them yourself: "
            + ", ".join(sorted(left))
        )
