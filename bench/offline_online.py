"""Does offline evaluation foretell A/B tests? Predicted against measured lifts: [--real] [--quick] [--json FILE].

Without `--real`: policies of different quality on the synthetic world. Each is predicted by the run's P[Love] on
held-out prompts, as `loveloop evaluate` does it, and then served in an A/B test of its own against the incumbent, whose
events are stored and read out as any experiment's. Some write broken text, which no log holds: P[Love] learns it by
`broken` (docs/rewards.md), and `--broken 0` shows what happens without.

With `--real`: Upworthy's randomised headline tests. Policies pick headlines, learnt from one half of the past; a judge
learnt from the other half foretells their lift; later tests say what clicks they would have got.

Keys of the JSON:
    r               Pearson's, over policies
    r_low           lower end of its 95 % interval; with --real the lower of those over tests and over policies
    policies        each with `name`, `predicted` and `measured` lift, `error` (standard error of the measured one)
    rho, slope      Spearman's, and measured on predicted, with intervals
"""

import argparse
from pathlib import Path
from typing import Any

import harness

FILE = Path(__file__).resolve().parents[2] / "shared" / "data" / "upworthy" / "arms_before_201447.parquet"


def main() -> None:
    read = harness.arguments(__doc__, quick="a small part; the figures mean little")
    read.add_argument("--real", action="store_true", help="on Upworthy's tests instead of the world")
    read.add_argument("--upworthy", type=Path, default=FILE, help="the arms, as Parquet (../shared/data/upworthy)")
    read.add_argument("--seed", type=int, default=1, help="of the world (1)")
    read.add_argument("--broken", type=float, default=1.0, help="share of P[Love]'s rows learnt once more broken (1)")
    asked = read.parse_args()
    if asked.real and not asked.upworthy.is_file():
        print(f"skipped: {asked.upworthy} is not there; --upworthy names the archive's arms")
        return
    found = _real(asked) if asked.real else _world(asked)
    print("\n".join(_lines(found)))
    harness.write(asked.json, found)


def _real(asked: argparse.Namespace) -> dict[str, Any]:
    from offline_online_parts import real

    return real.measured(asked.upworthy, quick=asked.quick)


def _world(asked: argparse.Namespace) -> dict[str, Any]:
    from offline_online_parts import world

    return world.measured(asked.seed, asked.broken, quick=asked.quick)


def _lines(found: dict[str, Any]) -> list[str]:
    lines = [f"{'policy':36} {'predicted':>9} {'measured':>9} {'error':>9}"]
    for each in sorted(found["policies"], key=lambda one: float(one["measured"] or 0)):
        figures = " ".join(f"{_percent(each[key]):>9}" for key in ("predicted", "measured", "error"))
        lines.append(f"{each['name']:36} {figures}")
    shown = {name: value for name, value in found.items() if name not in ("policies", "r", "r_low")}
    lines.append(f"r = {found['r']:.3f}, lower end {found['r_low']:.3f}, over {len(found['policies'])} policies")
    return [*lines, *(f"{name}: {_figures(value)}" for name, value in shown.items())]


def _percent(value: float | None) -> str:
    return "not known" if value is None else f"{value:+.1%}"


def _figures(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_figures(each) for each in value)
    return f"{value:.3f}" if isinstance(value, float) else f"{value}"


if __name__ == "__main__":
    main()
