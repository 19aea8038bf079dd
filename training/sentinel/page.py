"""The sentinel's report as lines of text, for a terminal and for a run's transcript."""

from collections.abc import Iterator

from stats.estimate import Estimate
from training.behaviours.corpus import last_message
from training.sentinel.report import Finding, SentinelReport

_SHOWN, _LONG = 12, 110


def page(report: SentinelReport, *, most: int = _SHOWN) -> Iterator[str]:
    """The verdict, the rules that fired, the findings with examples, rewards and the worst kinds of prompt."""
    before, after = report.responses
    units, unit = report.units
    yield report.verdict.upper()
    sizes = f"{before:,} responses of the baseline, {after:,} of the candidate"
    yield f"{sizes}; {units:,} {unit}s, {report.features:,} features"
    yield ""
    for each in report.rules[:most]:
        yield f"{each.level:<5}  {each.name:<8}  {each.words}"
    yield from _more(len(report.rules) - most, "rule")
    for finding in report.findings[:most]:
        yield ""
        yield from _finding(finding)
    yield from _more(len(report.findings) - most, "finding")
    yield ""
    yield from _rewards(report)
    yield from _worst(report)


def _finding(found: Finding) -> Iterator[str]:
    change = found.change
    yield f"{change.kind} {change.name!r}: {_share(change.before)} -> {_share(change.after)}"
    yield f"  odds x {change.odds.value:.2f} [{change.odds.low:.2f}, {change.odds.high:.2f}], q {change.q:.2g}"
    if change.also:
        yield f"  with {', '.join(map(repr, change.also[:5]))}{' ...' if len(change.also) > 5 else ''}"
    if change.worst:
        worst = change.worst
        yield f"  most in prompts like {worst.segment}: {worst.before.value:.2%} -> {worst.after.value:.2%}"
    if found.proxy and found.judge:
        yield f"  the reward pays {_signed(found.proxy)}, the second judge {_signed(found.judge)}"
    for each in found.examples:
        yield f"    {_short(last_message(each.prompt))}  ->  {_short(each.response)}"


def _rewards(report: SentinelReport) -> Iterator[str]:
    if report.proxy is None or report.judge is None:
        yield "rewards: not compared, since the responses have no scores of both"
    else:
        yield f"rewards: the optimised one {_signed(report.proxy)}, the second judge {_signed(report.judge)}"


def _worst(report: SentinelReport) -> Iterator[str]:
    for name, each in report.worst.items():
        shares = f"{_share(each.before)} -> {_share(each.after)}"
        yield f"{name}, worst kind of prompt ({each.segment}): {shares}, q {each.q:.2g}"


def _more(count: int, what: str) -> Iterator[str]:
    if count > 0:
        yield f"... and {count:,} {what}{'' if count == 1 else 's'} more, see --json"


def _share(each: Estimate) -> str:
    return f"{each.value:.2%} [{each.low:.2%}, {each.high:.2%}]"


def _signed(each: Estimate) -> str:
    return f"{each.value:+.4f} [{each.low:+.4f}, {each.high:+.4f}]"


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _LONG else f"{flat[: _LONG - 3]}..."
