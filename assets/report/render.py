"""Writes a run's report: one HTML page that needs nothing beside it, and the same figures as JSON."""

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from assets.report import adversary_words, group_plot, plots, typesetting, words
from assets.report.schema import Report
from assets.report.style import DENSITY
from streams.whole_file import whole

CAPTIONS = {
    "love_by_day": "Love rate of the log per day of serving, filtered, with a 95% band; what an A/B test of this run "
    "served is left out.",
    "reward_ranking": "How P[Love] ranks responses of unseen users: ROC, and precision by recall; dashed a coin's.",
    "reward_audit": "What each edit does to the logit of P[Love], with 95% intervals: red where it puts something in, "
    "blue where it takes it out, in brackets on how many responses. Within the band it is as it should be.",
    "reward_slices": "P[Love] by slice: logits to add for as many to be loved as is said, with intervals that hold for "
    "all slices together.",
    "reward_weeks": "P[Love] week by week, on users that it never saw; a filled dot is a week that alarms.",
    "reliability": "Predicted chance against the share that was loved, on unseen users, with 95% intervals. Where no "
    "response of a bin was loved, a faint triangle marks the most that the share may be.",
    "bots": "Each logged bot: mean P[Love] on unseen users against its Love rate.",
    "pareto": "Love against helpfulness and safety, where they were measured, over the sweep of Love weights, with 95% "
    "intervals. Up and to the right is better; a hollow dot is a policy that another one beats beyond chance.",
    "experiment": "The lift of the Love rate in the A/B test, with 95% intervals; the topmost decides.",
    "sequence": "The test that decides, from its first user who loves: the interval holds at any look, and the test "
    "ends where it leaves 0.",
    "arrivals": "Each user counts once, when first served. Beyond the band the arms are not what they were promised.",
    "ramp": "The share of the users in the test, and each change of it.",
    "ledger": "Predicted against measured lift, experiment by experiment; on the dashed line both agree.",
    "seconds": "Wall clock of each stage of the recipe, in its order.",
    "left_out": "Loves left out of what is learnt, by rule; one that several rules left out is in each.",
    "attacks": "Against the hidden truth: the share of each attack's loves left out, and of the honest ones.",
    "trust": "Users whose feedback is weighed down, by trust. Everybody else has trust 1.",
    "judged_days": "Users by the day on which the daily job first flagged them, each once; flags that were withdrawn "
    "since are not there.",
}
"""The figures that the page has a place for, and what is written under them; beside them `group_0`, `group_1` and so
on, one for each group of the report."""
WITHOUT_HELPFULNESS = "Love against needless closings (further left is better), over the sweep of Love weights."
WORDS = (
    typesetting.percent, typesetting.rate, typesetting.number, typesetting.signed, typesetting.span, typesetting.lifts,
    typesetting.times, typesetting.counted, typesetting.moment, typesetting.typeset, typesetting.sentence,
)  # fmt: skip
SECTIONS: dict[str, tuple[str, Callable[[Report], object]]] = {
    "origins": ("Where it came from", lambda report: report.origins),
    "cycles": ("Cycles", lambda report: len(report.cycles) > 1),
    "test": ("The A/B test", lambda report: report.experiment),
    "policies": ("Policies", lambda report: report.policies),
    "candidate": ("The candidate", lambda report: report.candidate),
    "p-love": ("P[Love]", lambda report: report.p_love),
    "feedback": ("Feedback", lambda report: report.ingest),
    "adversaries": ("Adversaries", lambda report: report.adversary),
    "ledger": ("Lift ledger", lambda report: report.ledger),
    "run": ("The run", lambda _: True),
}
"""The page's sections in order, by anchor: what each is called, and whether a report has it."""


class Written(NamedTuple):
    """Where the report stands."""

    html: Path
    json: Path


def write_report(
    report: Report, figures: Mapping[str, bytes], out_dir: Path, *, narrow: Mapping[str, bytes] | None = None
) -> Written:
    """Write `report.html` and `report.json`.

    1. Render both in memory, so that nothing is written when a figure is wrong.
    2. Write each beside its place and move it there: a reader never sees half a report.

    Args:
        report: The run's figures.
        figures: PNG bytes by name; names as in `CAPTIONS`, and `group_N`.
        out_dir: Made if it is not there.
        narrow: The same figures drawn for a phone.

    Raises:
        ValueError: A figure that the page has no place for.
    """
    page, values = render(report, figures, narrow=narrow), msgspec.json.format(msgspec.json.encode(report), indent=2)
    out_dir.mkdir(parents=True, exist_ok=True)
    written = Written(out_dir / "report.html", out_dir / "report.json")
    for file, content in ((written.html, page.encode()), (written.json, values + b"\n")):
        with whole(file) as part:
            part.write_bytes(content)
    return written


def render(report: Report, figures: Mapping[str, bytes], *, narrow: Mapping[str, bytes] | None = None) -> str:
    """The page as HTML.

    Args:
        report: The run's figures.
        figures: PNG bytes by name.
        narrow: The same figures drawn for a phone; one that is missing is shown as it is.

    Raises:
        ValueError: A figure that the page has no place for.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {word.__name__: word for word in WORDS}
    environment.filters["count"] = lambda value: f"{value:,}"
    environment.filters |= {"rule": adversary_words.rule, "colour": group_plot.colour, "quoted": _quoted}
    said = words.summary(report)
    return environment.get_template("template.html.j2").render(
        report=report,
        summary=said,
        verdict=words.LABELS[said.verdict],
        source=words.source(report.source, report.origins),
        calibration=words.calibration(report.p_love) if report.p_love else "",
        nobody=adversary_words.nobody,
        none_yet="\N{EN DASH}",
        sections=[(place, title) for place, (title, there) in SECTIONS.items() if there(report)],
        figures=_embedded(figures, narrow or {}, _captions(report)),
    )


def _quoted(text: str) -> Any:
    """A user's words for the page: markup is defused, quotation marks stay, so that an erasure finds the words."""
    import html

    from markupsafe import Markup

    return Markup(html.escape(text, quote=False))


def _captions(report: Report) -> dict[str, str]:
    groups = report.adversary.groups if report.adversary else []
    drawn = {f"group_{place}": adversary_words.caption(each) for place, each in enumerate(groups)}
    helped = {} if plots.with_helpfulness(report.policies) else {"pareto": WITHOUT_HELPFULNESS}
    return CAPTIONS | helped | drawn


def _embedded(
    figures: Mapping[str, bytes], narrow: Mapping[str, bytes], captions: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    strangers = sorted({*figures, *narrow} - set(captions))
    if strangers:
        raise ValueError(f"figures {strangers} have no place in the report, must be among {sorted(captions)}")
    return {
        name: {
            "caption": captions[name],
            "source": _address(name, content),
            "width": _width(content),
            "narrow": _address(name, narrow[name]) if name in narrow else None,
        }
        for name, content in figures.items()
    }


def _address(name: str, content: bytes) -> str:
    """The image as a data address."""
    if not content.startswith(b"\x89PNG"):
        raise ValueError(f"figure {name!r} starts with {content[:4]!r}, must be the bytes of a PNG")
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def _width(content: bytes) -> int:
    """The image's width on the page: the pixels of its header, at the plots' density."""
    return round(int.from_bytes(content[16:20], "big") * 100 / DENSITY)
