"""Writes a run's report: one HTML page that needs nothing beside it, and the same figures as JSON."""

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from assets.report import adversary_words, group_plot, words
from assets.report.schema import Report
from assets.report.style import DENSITY

CAPTIONS = {
    "love_by_day": "Love rate per day of serving, filtered, with a 95% band.",
    "reliability": "Predicted chance against the share that was loved, on unseen users, with 95% intervals.",
    "bots": "Each logged bot: mean P[Love] on unseen users against its Love rate.",
    "pareto": "Love against helpfulness, over the sweep of Love weights. Up and to the right is better.",
    "experiment": "The lift of the Love rate in the A/B test, with 95% intervals.",
    "ledger": "Predicted against measured lift, experiment by experiment; on the dashed line both agree.",
    "seconds": "Wall clock of each stage.",
    "left_out": "Loves left out of what is learnt, by rule; one that several rules left out is in each.",
    "attacks": "Against the hidden truth: the share of each attack's loves left out, and of the honest ones.",
    "trust": "Users whose feedback is weighed down, by trust. Everybody else has trust 1.",
    "judged_days": "Users that the daily job flagged for the first time, day by day.",
}
"""The figures that the page has a place for, and what is written under them; beside them `group_0`, `group_1` and so
on, one for each group of the report."""


class Written(NamedTuple):
    """Where the report stands."""

    html: Path
    json: Path


def write_report(report: Report, figures: Mapping[str, bytes], out_dir: Path) -> Written:
    """Write `report.html` and `report.json`.

    1. Render both in memory, so that nothing is written when a figure is wrong.
    2. Write each beside its place and move it there: a reader never sees half a report.

    Args:
        report: The run's figures.
        figures: PNG bytes by name; names as in `CAPTIONS`, and `group_N`.
        out_dir: Made if it is not there.

    Raises:
        ValueError: A figure that the page has no place for.
    """
    page, values = render(report, figures), msgspec.json.format(msgspec.json.encode(report), indent=2)
    out_dir.mkdir(parents=True, exist_ok=True)
    written = Written(out_dir / "report.html", out_dir / "report.json")
    _replace(written.html, page.encode())
    _replace(written.json, values + b"\n")
    return written


def render(report: Report, figures: Mapping[str, bytes]) -> str:
    """The page as HTML.

    Args:
        report: The run's figures.
        figures: PNG bytes by name.

    Raises:
        ValueError: A figure that the page has no place for.
    """
    import jinja2

    captions = _captions(report)
    strangers = sorted(set(figures) - set(captions))
    if strangers:
        raise ValueError(f"figures {strangers} have no place in the report, must be among {sorted(captions)}")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    for word in (words.percent, words.rate, words.number, words.signed, words.span, words.typeset, words.sentence):
        environment.filters[word.__name__] = word
    environment.filters["count"] = lambda value: f"{value:,}"
    environment.filters |= {"rule": adversary_words.rule, "colour": group_plot.colour, "quoted": _quoted}
    environment.globals["nobody"] = adversary_words.nobody
    template = environment.from_string(Path(__file__).with_name("template.html.j2").read_text(encoding="utf-8"))
    return template.render(report=report, summary=words.summary(report), figures=_embedded(figures, captions))


def _quoted(text: str) -> Any:
    """A user's words for the page: markup is defused, quotation marks stay, so that an erasure finds the words."""
    import html

    from markupsafe import Markup

    return Markup(html.escape(text, quote=False))


def _captions(report: Report) -> dict[str, str]:
    groups = report.adversary.groups if report.adversary else []
    return CAPTIONS | {f"group_{place}": adversary_words.caption(each) for place, each in enumerate(groups)}


def _embedded(figures: Mapping[str, bytes], captions: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    return {name: {"caption": captions[name], **_image(name, content)} for name, content in figures.items()}


def _image(name: str, content: bytes) -> dict[str, Any]:
    """The image as a data address, and its width on the page: the pixels of its header, at the plots' density."""
    if not content.startswith(b"\x89PNG"):
        raise ValueError(f"figure {name!r} starts with {content[:4]!r}, must be the bytes of a PNG")
    pixels = int.from_bytes(content[16:20], "big")
    source = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    return {"source": source, "width": round(pixels * 100 / DENSITY)}


def _replace(path: Path, content: bytes) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    os.replace(part, path)
