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
@options.training_sets
@click.option("--force", is_flag=True, help="Record the request although nobody of that name is known.")
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
    force: bool,
    post: bool,
    bootstrap: str,
) -> None:
    r"""Forget USER: what they did until now leaves the warehouse, training sets and runs, bytes included.

    A receipt says what went and which training sets, models and experiments had seen the user; it names them by a hash.
    Interrupted, it is finished by --pending. What the user does from now on counts again. A name of which nothing is
    found is refused and nothing is recorded; --force records it, so that events still on their way are dropped.

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
        if not force:
            _refuse_strangers(user, warehouse, [home, *also], training_sets)
        event = requests.request(warehouse, user)
        if post:
            _post(event, bootstrap)
    written = erasure.finish_pending(warehouse, homes=[home, *also], sets=training_sets, say=click.echo)
    if not written:
        click.echo("nothing is pending")
    _warn_of_what_is_left(written)


def _refuse_strangers(user: str, warehouse: options.Target, homes: list[Path], sets: tuple[Path, ...]) -> None:
    """Stop before a misspelt name passes for an erasure.

    Raises:
        click.ClickException: Neither the warehouse nor a run nor a training set has met the user.
    """
    from assets import erasure
    from warehouse import connection
    from warehouse import erasure as requests

    known = requests.known(warehouse, user)
    if known.there or erasure.found_outside(user, homes=homes, sets=sets):
        return
    alike = f"; did you mean {' or '.join(map(repr, known.alike))}?" if known.alike else ""
    places = ", ".join(map(str, (connection.open(warehouse).name, *homes, *sets)))
    raise click.ClickException(
        f"nobody of the name {user!r} is known{alike}\n"
        f"Nothing of that user was found (0 rows) in {places}; nothing was recorded.\n"
        "Where their events may still be on their way, --force records the request: then they are dropped on arrival."
    )


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
