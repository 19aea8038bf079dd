"""What the card of a retention model says beside that of its reward."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.retention.accuracy import Accuracy
    from training.retention.train import RetentionReport

_SECTION = """
## Retention
The label above is a return: a response was shown on at least one of the seven UTC days after the row's. Fitted beyond
what the past foretells, to the last response of {rows:,} user-days of {users:,} users; on validation users the text
adds {gain:+.5f} nats a row. Survival models and a surrogate index (`retention.json`) were fitted to the users that the
test does not hold ({held:,} users), and measured on these, over all days.

| return after | model | rows | returned | Brier | better than the line above by | AUROC | calibration slope | ECE |
|---|---|---|---|---|---|---|---|---|
{accuracy}

{lasting}
{missing}
Not randomised: who is answered well may be who would have come anyway. Within one policy's log an answer is chance
given its conversation, and differences of scores on one conversation are read by that. Whether a policy keeps people,
an A/B test on returns tells.
"""


def section(made: "RetentionReport") -> str:
    """The part of the card, as Markdown."""
    lasting = [f"after {delay} days {each.odds}" for delay, each in made.lasting.items()]
    missing = [f"- No {what}: {why}." for what, why in made.missing.items()]
    told = f"Odds ratio of a return by one standard deviation of the response's score: {'; '.join(lasting)}."
    return _SECTION.format(
        rows=made.rows,
        users=made.users,
        held=made.held,
        gain=made.gain,
        accuracy="\n".join(_row(each) for each in made.accuracy),
        lasting=told if lasting else "",
        missing="\n".join(missing) + "\n" if missing else "",
    )


def _row(each: "Accuracy") -> str:
    gain = "" if each.gain is None else f"{each.gain.value:+.4f} [{each.gain.low:+.4f}, {each.gain.high:+.4f}]"
    slope = "-" if each.slope.value != each.slope.value else str(each.slope)
    return (
        f"| {each.delay} days | {each.model} | {each.rows:,} | {each.returned:.1%} | {each.brier.value:.4f} | {gain} | "
        f"{each.auroc} | {slope} | {each.ece:.4f} |"
    )
