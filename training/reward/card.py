"""The model card: what a reader must know before trusting the scores."""

from typing import TYPE_CHECKING, Any

from training import template

if TYPE_CHECKING:
    from training.reward.config import RewardConfig
    from training.reward.report import RewardReport

_CARD = """# {name}

A sequence classifier with one label: `RewardModel.load(DIRECTORY).logits(conversations, responses)` gives logits
whose sigmoid is the chance that the label is positive, at the natural rate of the data ({base_rate:.3%} in the test
part).

## Made from
{lineage}

Negatives were sub-sampled to {positive_rate:.0%} positives; the prior shift is subtracted exactly, then scale and
offset were fitted on validation users (`calibration.json`). {epochs} epochs were planned, {ran} were run, trained in
{seconds:.0f} s.

| part | rows | positives |
|---|---|---|
{parts}

{trim}

## Measured on {unseen}
It was {tested}.

| figure | value [95 % interval over users] |
|---|---|
{figures}

## What moves the score without a better answer
| edit | mean change of the logit | raised |
|---|---|---|
{audit}

## Intended use
Ranking responses to one prompt while a policy is optimised, together with other rewards and under judges, and
comparing policies on fixed prompts. Not for judging users, and not as the only reward.

## Known biases
Labels say who reacted, not what is good: people in a good mood react more, whatever the answer. A kind of response
that changes the chance of a reaction (goodbyes, flattery, emoji) raises the score without helping anyone; see the
table above. Valid refusals tend to score low. Scores of texts unlike the training data mean little.
"""


_UNSEEN = {
    "users": "users that the model has not seen, later than anything it was trained on",
    "conversations": "conversations that the model has not seen",
}


def _figures(report: "RewardReport") -> dict[str, Any]:
    beside = {"auroc, later days, all users": report.later, "pair accuracy": report.pair_accuracy}
    return report.measured.estimates() | {name: value for name, value in beside.items() if value is not None}


def _trim(report: "RewardReport") -> str:
    """What of the texts the model did not see, or saw in another form."""
    cut = [f"Of the {part} part {each.words}." for part, each in report.trim.items()]
    warning = ["**Most of what decides may lie in what was cut.**"] if report.warnings else []
    retold = template.words(report.retold, sum(report.rows.values()))
    taken = [f"Scores are told {report.residual}."] if report.residual else []
    return "\n".join([*cut, *warning, *([f"{retold}."] if retold else []), *taken])


def card(report: "RewardReport", config: "RewardConfig", lineage: dict[str, Any]) -> str:
    """The card as Markdown."""
    return _CARD.format(
        name=report.name,
        base_rate=report.base_rate,
        lineage="\n".join(f"- {key}: `{value}`" for key, value in lineage.items()),
        positive_rate=config.positive_rate,
        epochs=config.epochs,
        ran=len(report.losses),
        seconds=report.seconds,
        parts="\n".join(f"| {part} | {rows:,} | {report.positives[part]:,} |" for part, rows in report.rows.items()),
        trim=_trim(report),
        unseen=_UNSEEN[report.by],
        tested=report.tested,
        figures="\n".join(f"| {name} | {estimate} |" for name, estimate in _figures(report).items()),
        audit="\n".join(f"| {e.edit} | {e.shift:+.2f} ± {e.error:.2f} | {e.raised:.0%} |" for e in report.audit),
    )
