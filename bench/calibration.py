"""The world beside real people: what its constants are taken from, as numbers and as a picture.

    .venv/bin/python bench/calibration.py [--data DIR] [--events FILE] [--json FILE] [--figure FILE.png]

Reads chitchat (how people talk), fb_live (which reactions they give) and starscout (how paid stars come), in place, and
a stream of the synthetic world: the given one, or one of 60,000 responses made for the purpose.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import harness
import numpy as np
from calibration_parts import reactions, talks
from scipy.stats import ks_2samp

from assets.report.style import CONTROL, LOVE, canvas, legend, png
from streams.synthetic import WorldConfig, simulate

FILES = ("chitchat/conversations.jsonl.gz", "fb_live/posts.csv", "starscout/suspected_fake_stars.csv")
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
DRAWN = {
    "seconds between answer and next message": (0.5, 2_000),
    "words of a message": (0.8, 60),
    "talks of a person on a day": (0.8, 40),
    "the same, off the person's own mean": (-12, 12),
}
"""Distributions that are drawn, and the ends of their axes."""


def main() -> None:
    """Compare, print, draw."""
    parser = harness.arguments(__doc__, quick=None, data=True)
    parser.add_argument("--events", type=Path, help="events of a world (one of 60,000 responses is made)")
    parser.add_argument("--figure", type=Path, help="draw real and synthetic distributions here (PNG)")
    wanted = parser.parse_args()
    missing = [name for name in FILES if not (wanted.data / name).is_file()]
    if missing:
        raise SystemExit(f"{wanted.data} lacks {', '.join(missing)}: say with --data where the real data are")
    with tempfile.TemporaryDirectory(prefix="loveloop-calibration-") as folder:
        events = wanted.events or _world(Path(folder))
        real = talks.distributions(talks.of_chats(wanted.data / FILES[0]))
        ours = talks.distributions(talks.of_stream(events))
        figures = {
            "talk": {name: _compared(real[name], ours[name]) for name in real},
            "reactions": {"fb_live": reactions.of_posts(wanted.data / FILES[1]), "world": reactions.of_stream(events)},
            "paid_stars": reactions.of_stars(wanted.data / FILES[2]),
        }
    print(_table(figures["talk"]))
    print(json.dumps({name: figures[name] for name in ("reactions", "paid_stars")}, indent=1))
    harness.write(wanted.json, figures)
    if wanted.figure:
        wanted.figure.write_bytes(picture(real, ours))


def picture(real: dict[str, np.ndarray], ours: dict[str, np.ndarray]) -> bytes:
    """Cumulative shares, real against synthetic, one panel a distribution; a PNG."""
    figure, first = canvas(9.2, 6.0)
    first.remove()
    for place, (name, (low, high)) in enumerate(DRAWN.items(), 1):
        axes = figure.add_subplot(2, 2, place)
        for label, values, colour in (("people", real[name], LOVE), ("world", ours[name], CONTROL)):
            ordered = np.sort(values)
            axes.step(ordered, np.arange(1, len(ordered) + 1) / len(ordered), color=colour, linewidth=1.8, label=label)
        axes.set(
            xlim=(low, high),
            ylim=(0, 1),
            xscale="log" if low > 0 else "linear",
            xlabel=name.replace("the same, ", "hours "),
        )
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.grid(visible=True, color="#e7e4ea", linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
    legend(figure.axes[0], "lower right")
    figure.axes[0].set_ylabel("share of all")
    return png(figure)


def _world(folder: Path) -> Path:
    simulate(WorldConfig(responses=60_000, users=4_000), folder)
    return folder / "events.ndjson"


def _compared(real: np.ndarray, ours: np.ndarray) -> dict[str, Any]:
    """Quantiles of both, and the largest distance between their cumulative shares (Kolmogorov-Smirnov)."""
    return {
        "real": [len(real), *np.quantile(real, QUANTILES).round(2).tolist()],
        "world": [len(ours), *np.quantile(ours, QUANTILES).round(2).tolist()],
        "real_mean": round(float(real.mean()), 4),
        "world_mean": round(float(ours.mean()), 4),
        "distance": round(float(ks_2samp(real, ours).statistic), 3),
    }


def _table(talk: dict[str, dict[str, Any]]) -> str:
    head = (
        f"{'':<42}{'':<7}{'rows':>8}"
        + "".join(f"{f'{share:.0%}':>8}" for share in QUANTILES)
        + f"{'mean':>9}{'apart':>7}"
    )
    lines = [head]
    for name, found in talk.items():
        for who in ("real", "world"):
            rows, *quantiles = found[who]
            figures = "".join(f"{value:>8.1f}" for value in quantiles)
            apart = f"{found['distance']:>7.2f}" if who == "world" else ""
            lines.append(
                f"{name if who == 'real' else '':<42}{who:<7}{rows:>8}{figures}{found[f'{who}_mean']:>9.2f}{apart}"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
