"""Writes a run's report: one HTML page that needs nothing beside it, and the same figures as JSON."""

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from assets.report import words
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
}
"""The figures that the page has a place for, and what is written under them."""


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
        figures: PNG bytes by name; names as in `CAPTIONS`.
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

    strangers = sorted(set(figures) - set(CAPTIONS))
    if strangers:
        raise ValueError(f"figures {strangers} have no place in the report, must be among {sorted(CAPTIONS)}")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    for word in (words.percent, words.rate, words.number, words.signed, words.span, words.typeset, words.sentence):
        environment.filters[word.__name__] = word
    environment.filters["count"] = lambda value: f"{value:,}"
    template = environment.from_string(Path(__file__).with_name("template.html.j2").read_text(encoding="utf-8"))
    return template.render(report=report, summary=words.summary(report), figures=_embedded(figures))


def _embedded(figures: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    return {name: {"caption": CAPTIONS[name], **_image(name, content)} for name, content in figures.items()}


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
