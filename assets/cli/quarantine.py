"""Commands about the filter's findings: who is in quarantine, why, and what a person decides about it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from assets.cli import options
from streams.record_fields import fields_of

if TYPE_CHECKING:
    from warehouse.adversary.decisions import Word
    from warehouse.adversary.explain import Explanation, Held

_reason = click.option("--reason", required=True, help="Why; it is kept with the decision.")
_by = click.option("--by", envvar="USER", default="unknown", show_default="you", help="Who decides.")
_json = click.option("--json", "as_json", is_flag=True, help="Write JSON, one object a line.")


@click.group()
def quarantine() -> None:
    """Show who is in quarantine and why; release them, or confirm it.

    What is in quarantine stays in the tables and out of the clean feedback. docs/adversary.md explains the rules.
    """


@quarantine.command("list")
@options.warehouse
@click.option("--rule", help="Only what this rule puts aside; `confirmed` for what a person did.")
@click.option("--released", is_flag=True, help="Those released from it, and whether more speaks against them since.")
@click.option("--limit", type=options.Whole(1), default=20, show_default=True, help="How many, most loves first.")
@_json
def list_(warehouse: options.Target, *, rule: str | None, released: bool, limit: int, as_json: bool) -> None:
    """List users, then single reactions, in quarantine: rules, score, since when, loves at stake."""
    from warehouse.adversary import explain

    every = explain.held(warehouse, rule=rule, released=released)
    found = every[:limit]
    if as_json:
        for each in found:
            click.echo(_dumps(fields_of(each)))
    elif not found:
        click.echo("nobody was released" if released else "nobody is in quarantine")
    else:
        click.echo(f"{'loves':>7} {'score':>7}  {'since':<16}  who (rules)")
        for each in found:
            click.echo(_row(each))
    if len(found) < len(every):
        click.echo(f"{len(found):,} of {len(every):,} shown; --limit {len(every)} shows all", err=as_json)


@quarantine.command()
@options.warehouse
@click.argument("user")
@_json
def explain(warehouse: options.Target, user: str, as_json: bool) -> None:
    """Show what speaks against USER (or the user of a reaction), their figures beside everybody's, and decisions."""
    from warehouse.adversary import explain as explaining

    found = explaining.explain(warehouse, user)
    click.echo(_dumps(_plain(found)) if as_json else _page(found))


@quarantine.command()
@options.warehouse
@click.argument("subjects", metavar="USER|EVENT_ID...", nargs=-1, required=True)
@_reason
@_by
def release(warehouse: options.Target, subjects: tuple[str, ...], reason: str, by: str) -> None:
    r"""Let users, or single reactions by their event_id, count again, whatever rules find later, until confirmed.

    A user's release leaves flags of single reactions as they are: release those by their event_id.

    \b
    Example:
      loveloop quarantine list --rule network_crowd
      loveloop quarantine explain u17
      loveloop quarantine release u17 u18 --reason "a school class in one room"
    """
    _decide(warehouse, subjects, "released", reason, by)


@quarantine.command()
@options.warehouse
@click.argument("subjects", metavar="USER|EVENT_ID...", nargs=-1, required=True)
@_reason
@_by
def confirm(warehouse: options.Target, subjects: tuple[str, ...], reason: str, by: str) -> None:
    """Keep users, or single reactions by their event_id, out, whatever rules find later, until released.

    A user is left out from the moment that the flags name, and wholly where no flag speaks against them.
    """
    _decide(warehouse, subjects, "confirmed", reason, by)


@quarantine.command()
@options.warehouse
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="The last day (UTC); the last one that is over.")
@click.option(
    "--honest-loss",
    type=options.Number(0, 0.5, min_open=True, max_open=True),
    default=0.01,
    show_default=True,
    help="Share of honest loves that the filter may cost, in expectation.",
)
@click.option(
    "--from",
    "since",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Judge this day (UTC) and all after it again, such as days of which rows were imported since.",
)
def update(warehouse: options.Target, until: datetime | None, *, honest_loss: float, since: datetime | None) -> None:
    r"""Judge every day that is over and was not judged yet: evidence over time, groups, trust.

    What takes longer to see than one batch of ingest is found here, once a day of event time. Days of imported history
    are judged in their turn. A judged day stays so, whatever comes of it later: it is told, and --from judges it again.

    \b
    Example:
      loveloop quarantine update --until 2026-01-30
      loveloop quarantine update --from 2026-01-15
      loveloop quarantine list
    """
    from training.trust import CrossFit
    from warehouse import connection
    from warehouse.adversary.daily import gaps, periodic

    if since:
        with connection.open(warehouse).transaction() as writer:
            again = gaps.reopen(writer, since.date())
        click.echo(f"judged days from {since:%Y-%m-%d} on that are judged again: {again:,}")
    day = until.date() if until else None
    reports = periodic.run(warehouse, CrossFit.load, until=day, honest_loss=honest_loss, say=click.echo)
    if not reports:
        click.echo("no day is pending")
    for sentence in reports[-1].sentences if reports else ():
        click.echo(sentence)
    with connection.open(warehouse).read() as reader:
        late = gaps.late_rows(reader)
    if late:
        click.echo(late.sentence)


def _decide(target: options.Target, subjects: tuple[str, ...], decision: Word, reason: str, by: str) -> None:
    from warehouse.adversary import decisions

    for name in subjects:
        made = decisions.decide(target, name, decision, reason=reason, by=by)
        against = ", ".join(f"{rule} ({score:.2f})" for rule, (_, score) in made.evidence.items()) or "no rule"
        what = f"reaction {made.subject.event_id} of " if made.subject.event_id else ""
        click.echo(f"{decision} {what}{made.subject.user_id}; against it: {against}")


def _row(each: Held) -> str:
    who = f"{each.user_id} reaction {each.event_id}" if each.event_id else each.user_id
    rules = ", ".join(each.rules) or "no rule any more"
    grown = "  MORE EVIDENCE SINCE ITS RELEASE" if each.grown else ""
    return f"{each.loves:>7,} {each.score:>7.2f}  {_moment(each.since):<16}  {who} ({rules}){grown}"


def _page(found: Explanation) -> str:
    lines = [f"{found.user_id}: {found.state}, trust {found.trust:.2f}"]
    if found.reasons:
        lines.append(f"  because of {_because(found.reasons)}")
    lines.append("\nflags" if found.flags else "\nno flags")
    for flag in found.flags:
        about = f" reaction {flag.event_id}" if flag.event_id else ""
        by = f" by {flag.key}" if flag.key else ""
        lines.append(f"  {flag.rule} ({flag.source}) {flag.score:.2f}, {_moment(flag.flagged_at)}{about}{by}")
        lines.append(f"    {flag.words}")
    lines.append(f"\n{'':<26} {'this user':>12} {'usual':>12}   (middle one of users who gave a love)")
    lines += [f"{name:<26} {_number(own):>12} {_number(usual):>12}" for name, (own, usual) in found.figures.items()]
    for key, (members, count) in found.groups.items():
        more = f" and {count - len(members):,} more" if count > len(members) else ""
        lines.append(f"\nalso flagged by {key}: {', '.join(members) or 'nobody'}{more}")
    lines.append("\ndecisions" if found.decisions else "\nno decisions")
    for made in found.decisions:
        what = f" reaction {made.subject.event_id}" if made.subject.event_id else ""
        lines.append(f"  {_moment(made.decided_at)} {made.decision}{what} by {made.decided_by}: {made.reason}")
    return "\n".join(lines)


def _because(reasons: dict[str, dict[str, float]]) -> str:
    """Why trust is below 1, by rule.

    >>> _because({"loves_too_much": {"log_e": 11.06}})
    'loves_too_much (logarithm of the e-value 11.06)'
    """
    names = {"log_e": "logarithm of the e-value"}
    return "; ".join(
        f"{rule} ({', '.join(f'{names.get(name, name)} {value:g}' for name, value in figures.items())})"
        for rule, figures in reasons.items()
    )


def _plain(found: Explanation) -> dict[str, Any]:
    return fields_of(found) | {
        "flags": [fields_of(flag) for flag in found.flags],
        "figures": {name: {"user": own, "usual": usual} for name, (own, usual) in found.figures.items()},
        "decisions": [fields_of(made) | {"subject": made.subject._asdict()} for made in found.decisions],
        "groups": {key: {"members": members, "others": count} for key, (members, count) in found.groups.items()},
    }


def _dumps(value: Any) -> str:
    import json

    return json.dumps(value, default=lambda each: each.isoformat() if isinstance(each, datetime) else str(each))


def _moment(moment: datetime | None) -> str:
    from datetime import UTC

    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}" if moment else "the beginning"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.3g}" if isinstance(value, float) else f"{value:,}"
