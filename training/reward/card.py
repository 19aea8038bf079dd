"""The model card: what a reader must know before trusting the scores."""

from typing import TYPE_CHECKING, Any

from training import template

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stats.estimate import Estimate
    from training.reward.audit import Audit, EditEffect
    from training.reward.config import RewardConfig
    from training.reward.report import RewardReport
    from training.reward.slices import Slice

_CARD = """# {name}

{kind}.logits(conversations, responses)` gives logits whose sigmoid is the
chance that the label is positive, at the natural rate of the data ({base_rate:.3%} in the test part).

## Made from
{lineage}

{sampled} After it: {calibration} (`calibration.json`). {course}, in {seconds:.0f} s.

| part | rows | positives |
|---|---|---|
{parts}

{trim}

## Measured on {unseen}
It was {tested}.

| figure | value [95 % interval over users] |
|---|---|
{figures}

A perfectly calibrated model would have an ECE of {floor.expected:.4f} on these rows (at most {floor.high:.4f}); less
that, the model's is {debiased:.4f}.

## Audit
{verdict}

| looked at | found | blocks | what was seen |
|---|---|---|---|
{findings}

### What moves the score without a better answer
| edit | responses | mean change of the logit | raised |
|---|---|---|---|
{effects}

### By slice
{slices}

### By week, of users that the model has not seen
{weeks}

## Intended use
Ranking responses to one prompt while a policy is optimised, together with other rewards and under judges, and
comparing policies on fixed prompts. Not for judging users, and not as the only reward.

## Known biases
Labels say who reacted, not what is good: people in a good mood react more, whatever the answer. A kind of response
that changes the chance of a reaction (goodbyes, flattery, emoji) raises the score without helping anyone; see the
audit above. Valid refusals tend to score low. Scores of texts unlike the training data mean little.
"""


_UNSEEN = {
    "users": "users that the model has not seen, later than anything it was trained on",
    "conversations": "conversations that the model has not seen",
}


def _figures(report: "RewardReport") -> dict[str, Any]:
    beside = {"auroc, later days, all users": report.later, "pair accuracy": report.pair_accuracy}
    return report.measured.estimates() | {name: value for name, value in beside.items() if value is not None}


_CLASSIFIER = "A sequence classifier: `RewardModel.load(DIRECTORY)"
_VIEWS = "A small head over the messages' vectors of a frozen encoder: `ViewsReward.load(DIRECTORY)"


def _sampled(report: "RewardReport", config: "RewardConfig") -> str:
    """Which negatives it learnt from, in a sentence."""
    if config.loss == "bradley_terry":
        return "Pairs were learnt, one response against the other: there is no prior shift."
    if report.calibration.prior_shift == 0:
        share = report.positives["train"] / report.rows["train"]
        return f"Every negative was learnt from ({share:.1%} of the training part are positives): no prior shift."
    return f"Negatives were sub-sampled to {config.positive_rate:.0%} positives; the prior shift is subtracted exactly."


def _course(report: "RewardReport", config: "RewardConfig") -> str:
    """How it was fitted, in a clause."""
    if config.model == "classifier":
        return f"{config.epochs} epochs were planned, {len(report.losses)} were run"
    tried = [
        f"{name} ({gain.value:+.5f} [{gain.low:+.5f}, {gain.high:+.5f}] nats, {'kept' if gain.low > 0 else 'left out'})"
        for name, gain in report.contexts.items()
    ]
    told = f"of what no response can change {', '.join(tried)} was tried" if tried else "no context was tried"
    return f"The head is {config.views.head}; {told}"


def _trim(report: "RewardReport") -> str:
    """What of the texts the model did not see, or saw in another form."""
    cut = [f"Of the {part} part {each.words}." for part, each in report.trim.items()]
    many = any(each.many for each in report.trim.values())
    warning = ["**Most of what decides may lie in what was cut.**"] if many else []
    retold = template.words(report.retold, sum(report.rows.values()))
    taken = [f"Scores are told {report.residual}."] if report.residual else []
    sentences = [f"{each}." for each in (report.unread, retold) if each]
    return "\n".join([*cut, *warning, *sentences, *taken])


def _told(name: str, estimate: "Estimate") -> str:
    """Chances are small numbers, of which three digits may be nothing."""
    if not name.startswith(("ece", "brier")):
        return str(estimate)
    return f"{estimate.value:.4f} [{estimate.low:.4f}, {estimate.high:.4f}]"


def _verdict(audit: "Audit") -> str:
    if audit.blocking:
        return f"**Not to be used: {', '.join(each.finding for each in audit.blocking)} failed.**"
    failed = [each.finding for each in audit.results if each.state == "failed"]
    return f"Usable; a warning on {', '.join(failed)}." if failed else "Usable; nothing failed."


def _effect(effect: "EditEffect") -> str:
    if not effect.rows:
        return f"| {effect.edit} | 0 | no response holds one | |"
    reach = 1.96 * effect.error
    moved = f"{effect.shift:+.2f} [{effect.shift - reach:+.2f}, {effect.shift + reach:+.2f}]"
    return f"| {effect.edit} | {effect.rows:,} | {moved} | {effect.raised:.0%} |"


def _slices(slices: "Sequence[Slice]", title: str) -> str:
    """A table; empty where there is no row."""
    head = (
        f"| {title} | rows | positives | rate | said | ECE before | after, less a perfect model's | Brier before | "
        "after | AUROC | odds that come true, of those said |\n|---|---|---|---|---|---|---|---|---|---|---|"
    )
    rows = [
        f"| {'' if each.dimension == 'week' else f'{each.dimension}: '}{each.value} | {each.rows:,} | "
        f"{each.positives:,} | {each.rate:.2%} | {each.said:.2%} | {each.ece_before:.4f} | {each.ece_debiased:.4f} | "
        f"{each.brier_before:.4f} | {each.brier_after:.4f} | {each.auroc} | {each.odds} |"
        for each in slices
    ]
    return "\n".join([head, *rows]) if rows else ""


def card(report: "RewardReport", config: "RewardConfig", lineage: dict[str, Any]) -> str:
    """The card as Markdown."""
    return _CARD.format(
        name=report.name,
        base_rate=report.base_rate,
        lineage="\n".join(f"- {key}: `{value}`" for key, value in lineage.items()),
        sampled=_sampled(report, config),
        kind=_VIEWS if config.model == "views" else _CLASSIFIER,
        course=_course(report, config),
        seconds=report.seconds,
        parts="\n".join(f"| {part} | {rows:,} | {report.positives[part]:,} |" for part, rows in report.rows.items()),
        trim=_trim(report),
        unseen=_UNSEEN[report.by],
        tested=report.tested,
        figures="\n".join(f"| {name} | {_told(name, each)} |" for name, each in _figures(report).items()),
        calibration=report.calibration.words,
        floor=report.measured.ece_floor,
        debiased=report.measured.ece_debiased,
        verdict=_verdict(report.audit),
        findings="\n".join(
            f"| {each.finding} | {each.state} | {'yes' if each.blocks else 'no'} | {each.words} |"
            for each in report.audit.results
        ),
        effects="\n".join(_effect(each) for each in report.audit.effects),
        slices=_slices(report.slices, "slice") or "No dimension has two slices.",
        weeks=_slices(report.weeks.weeks, "week of") or f"Not measured: {report.weeks.why}.",
    )
