"""Whether people come back: a model of it from a warehouse, what an experiment does to it, and the words for both."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.disk import told
from warehouse.connection import Target

if TYPE_CHECKING:
    from training.retention.composite import BesideLove, Composite
    from training.retention.odds import ReturnOdds
    from training.retention.surrogate import Foretold, ReturnEffect
    from training.retention.train import RetentionReport

CONTROL = "control"


@dataclass(frozen=True, slots=True)
class ForetoldArm:
    """What one arm does to the late return, beside the control.

    Attributes:
        arm: Its name.
        users: Whose first week is over; `control_users`: of the control.
        control_users: See users.
        effect: By the surrogate index, and as seen where it is known.
        love: Share of days with a love, treatment less control; an early signal beside the index.
    """

    arm: str
    users: int
    control_users: int
    effect: "Foretold"
    love: "ReturnEffect"


@dataclass(frozen=True, slots=True)
class RankedReturns:
    """Signals by what they say of a return.

    Attributes:
        delay: Days after which the return is looked for.
        rows: User-days that say something of it.
        share: Of complete weeks, those that saw a return.
        alone: Each signal in a model of its own with past and amounts, the largest odds ratio first.
        joint: All in one model.
        composite: Their weights; `beside`: held against Love alone on users that neither has seen.
        beside: See composite.
    """

    delay: int
    rows: int
    share: float
    alone: "list[ReturnOdds]"
    joint: "list[ReturnOdds]"
    composite: "Composite"
    beside: "BesideLove"


def train(
    warehouse: Target,
    out: Path,
    *,
    base: str | Path,
    as_of: datetime | None,
    rows: int,
    seed: int,
    name: str,
    command: str,
) -> "RetentionReport":
    """Train a retention model from a warehouse; errors as `train_retention`.

    Args:
        warehouse: The log.
        out: Where it goes; nothing may lie there.
        base: A frozen encoder.
        as_of: Judge the log at this moment; now if left out.
        rows: User-days that are learnt from, at most about.
        seed: Of split and halves.
        name: In its card.
        command: As it was typed, for the card.
    """
    from training.retention.train import train_retention
    from training.reward.config import RewardConfig
    from warehouse.retention import responses, visits

    if (out / "metrics.json").exists() or (out / "config.json").exists():
        raise ValueError(f"{out} holds a model already: give another --out, or remove it")
    found, shown = visits(warehouse, as_of=as_of), responses(warehouse, as_of=as_of)
    days = found["day"].to_pylist()
    lineage = {"days": f"{days and min(days)} to {days and max(days)}", "user-days": len(days), "command": command}
    config = RewardConfig(model="views", seed=seed)
    with told(out, "the retention model"):
        return train_retention(
            found, shown, out, base=base, config=config, name=name, lineage=lineage, most_rows=rows, tell=_tell
        )


def effects(
    model: Path, warehouse: Target, experiment: str, *, control: str = CONTROL, as_of: datetime | None = None
) -> list[ForetoldArm]:
    """What an experiment's arms do to the return after 14 days, by their users' first week.

    Args:
        model: A retention model's directory.
        warehouse: The log.
        experiment: Its name.
        control: The arm to compare with.
        as_of: Judge the log at this moment; now if left out.

    Raises:
        ValueError: There is no such experiment or control, or an arm has too few users yet.
    """
    import numpy as np

    from training.retention.entries import entries
    from training.retention.last_responses import last_responses
    from training.retention.returns import read_user_days
    from training.retention.saved_model import RetentionModel
    from training.retention.surrogate import difference, foretell
    from warehouse.retention import responses, visits

    opened = RetentionModel(model)
    every = read_user_days(visits(warehouse, as_of=as_of))
    named = sorted({str(each) for each in every.arms if each is not None})
    mine = [each for each in named if each.startswith(f"{experiment}: ")]
    if f"{experiment}: {control}" not in mine:
        raise ValueError(
            f"the log has no arm {control!r} of experiment {experiment!r}; its arms are: {', '.join(named) or 'none'}"
        )
    days = every.take(np.isin(every.arms.astype(str), mine))
    rows = entries(days, opened.scores(last_responses(days, responses(warehouse, as_of=as_of))))
    base = rows.arms == f"{experiment}: {control}"
    found = []
    for arm in mine:
        own = rows.arms == arm
        if arm == f"{experiment}: {control}":
            continue
        both = rows.take(own | base)
        treated = both.arms == arm
        effect = foretell(opened.index, both, treated)
        love = difference(both.loves / both.shown, treated)
        found.append(ForetoldArm(arm.removeprefix(f"{experiment}: "), int(own.sum()), int(base.sum()), effect, love))
    return found


def ranked(warehouse: Target, *, delay: int, as_of: datetime | None = None, seed: int = 1) -> RankedReturns:
    """Signals ranked by the survival model, and a composite of them.

    Args:
        warehouse: The log.
        delay: Days after which the return is looked for.
        as_of: Judge the log at this moment; now if left out.
        seed: Salt of the users that the composite is not learnt from.

    Raises:
        ValueError: The log is too short for this delay, or too small for a figure.
    """
    import numpy as np

    from training.retention import odds
    from training.retention.composite import beside_love, fit_composite
    from training.retention.returns import SIGNALS, read_user_days, returns
    from training.reward.split import uniform
    from warehouse.retention import visits

    days = read_user_days(visits(warehouse, as_of=as_of))
    week = returns(days, delay)
    controls = np.column_stack([days.past, days.amounts])
    held = np.array([uniform(user, f"{seed}/signals") < 0.5 for user in days.user_ids.tolist()])
    composite = fit_composite(days.take(~held), delay)
    return RankedReturns(
        delay=delay,
        rows=int((week.periods > 0).sum()),
        share=float(week.returned[week.complete].mean()),
        alone=odds.ranked(days, days.signals, SIGNALS, controls, delay),
        joint=odds.ranked(days, days.signals, SIGNALS, controls, delay, jointly=True),
        composite=composite,
        beside=beside_love(composite, days.take(~held), days.take(held)),
    )


def accuracy_words(report: "RetentionReport") -> Iterator[str]:
    """How well returns are foretold, as lines of text."""
    yield f"{report.rows:,} user-days of {report.users:,} users, {report.held:,} of them unseen by any model"
    yield ""
    heads = ("return after", "model", "returned", "Brier", "gain on the line above", "AUROC", "ECE")
    cells: list[tuple[str, ...]] = [heads]
    for each in report.accuracy:
        gain = "" if each.gain is None else f"{each.gain.value:+.4f} [{each.gain.low:+.4f}, {each.gain.high:+.4f}]"
        figures = (f"{each.brier.value:.4f}", gain, str(each.auroc), f"{each.ece:.4f}")
        cells.append((f"{each.delay} days", each.model, f"{each.returned:.1%}", *figures))
    yield from _table(cells)
    yield ""
    for delay, one in report.lasting.items():
        yield f"one standard deviation of the last response's score: odds of a return after {delay} days x {one.odds}"
    for what, why in report.missing.items():
        yield f"no {what}: {why}"


def effect_words(found: list[ForetoldArm]) -> Iterator[str]:
    """What arms do, as lines of text."""
    heads = ("arm", "users", "foretold", "95 % interval", "seen", "seen less foretold", "days with a love")
    cells: list[tuple[str, ...]] = [heads]
    for each in found:
        index = each.effect.by_index.estimate
        seen = (_points(one) for one in (each.effect.direct, each.effect.gap, each.love))
        span = f"{100 * index.low:+.2f} to {100 * index.high:+.2f}"
        cells.append((each.arm, f"{each.users:,} + {each.control_users:,}", f"{100 * index.value:+.2f}", span, *seen))
    yield from _table(cells)
    yield ""
    yield (
        "In points of the share of users who return 14 to 20 days after their first day in the test. Foretold from "
        "their first week; the interval is of the users and takes the index as right. If the first week carried "
        f"nothing of an arm's effect, it could be off by up to {100 * max(each.effect.bound for each in found):.0f} "
        "points: hold it against tests that are over (seen less foretold)."
    )


def ranking_words(found: RankedReturns) -> Iterator[str]:
    """The ranking and the composite, as lines of text."""
    yield (
        f"{found.rows:,} user-days, counted as far as the log follows them; {found.share:.1%} of those followed to the "
        f"end returned {found.delay} to {found.delay + 6} days later"
    )
    yield ""
    joint = {one.name: one for one in found.joint}
    weights = dict(zip(found.composite.names, found.composite.weights.tolist(), strict=True))
    cells: list[tuple[str, ...]] = [("signal", "odds of a return", "95 % interval", "jointly", "chance", "weight")]
    for one in found.alone:
        span = f"{one.odds.low:.2f} to {one.odds.high:.2f}"
        both = f"{joint[one.name].odds.value:.2f}"
        moved = f"{one.chance:+.1f} points"
        cells.append((one.name, f"{one.odds.value:.2f}", span, both, moved, f"{weights[one.name]:+.2f}"))
    yield from _table(cells)
    yield ""
    gain = found.beside.gain
    better = "better than Love alone" if gain.low > 0 else "not shown to be better than Love alone"
    yield (
        f"The composite, {_sum(weights)}, is {better}: on users that neither was learnt from, its Brier score is lower "
        f"by {1e4 * gain.value:.2f} in ten thousand (95 % interval {1e4 * gain.low:.2f} to {1e4 * gain.high:.2f})."
    )


def plain(value: Any) -> Any:
    """Any of these findings as values that JSON can hold."""
    from dataclasses import fields, is_dataclass

    import numpy as np

    if is_dataclass(value):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if hasattr(value, "_asdict"):
        return {name: plain(each) for name, each in value._asdict().items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value


def _sum(weights: dict[str, float]) -> str:
    return " ".join(f"{weight:+.2f} {name}" for name, weight in weights.items())


def _points(effect: "ReturnEffect | None") -> str:
    if effect is None:
        return "not yet"
    return f"{100 * effect.value:+.2f} (± {100 * 1.96 * effect.error:.2f})"


def _table(cells: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[place]) for row in cells) for place in range(len(cells[0]))]
    for row in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _tell(line: str) -> None:
    from tqdm import tqdm

    tqdm.write(line)
