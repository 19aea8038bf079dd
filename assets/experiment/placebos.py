"""A/A tests on the user's own users: how often each test raises an alarm where there is nothing to be found."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from assets.experiment import words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from warehouse.connection import Target

Check = Callable[["NDArray[np.int8]"], bool]


def placebos(
    target: "Target", *, days: int = 28, deals: int = 500, share: float = 0.5, before: datetime | None = None
) -> dict[str, Any]:
    """Deal the users of the last days anew many times, and count the alarms of each test.

    Args:
        target: The warehouse.
        days: Of all traffic, quarantined users left out.
        deals: How often.
        share: Of the users, for the treatment.
        before: The end of the days; now if left out.

    Returns:
        `users`, `loves`, `exposures`, and `tests`: for each its name, deals, alarms, rate, interval, and words.

    Raises:
        ValueError: Too few users or no love in these days.
        WarehouseError: As `Warehouse.read`.
    """
    from experiments import placebo
    from warehouse import experiment_series

    users = experiment_series.history(target, days=days, before=before)
    loves, exposures = (users[name].to_numpy().astype(float) for name in ("loves", "exposures"))
    if len(users) < 20 or not loves.sum():
        raise ValueError(
            f"{len(users):,} users and {int(loves.sum()):,} loves in the last {days} days, must be 20 or more users "
            "and a love: take more days"
        )
    shares = {"control": 1 - share, "treatment": share}
    made = [
        {"test": name, **_told(placebo.run(check, users=len(users), shares=shares, alpha=0.05, deals=deals))}
        for name, check in _checks(loves, exposures, share).items()
    ]
    return {"users": len(users), "loves": int(loves.sum()), "exposures": int(exposures.sum()), "tests": made}


def _told(found: Any) -> dict[str, Any]:
    return {
        "deals": found.deals,
        "alarms": found.alarms,
        "rate": found.rate,
        "interval": list(found.interval),
        "words": found.words,
    }


def _checks(loves: "NDArray[Any]", exposures: "NDArray[Any]", share: float) -> Mapping[str, Check]:
    """The product's tests at the end of a plan of all these users, and one that takes loves for independent."""
    from experiments.effect import Effect, expected_information, relative, sums
    from experiments.lovers import first_lovers

    lovers = int((loves > 0).sum())

    def ratio(arm: "NDArray[np.int8]") -> Effect:
        control, treatment = (sums(loves[arm == each], exposures[arm == each]) for each in (0, 1))
        most = max(control.exposures, treatment.exposures, 1)
        return relative(control, treatment, planned_information=expected_information(control, treatment, most))

    def walk(arm: "NDArray[np.int8]") -> bool:
        return first_lovers(arm[loves > 0], treatment_share=share, planned=max(lovers, 1)).crossed is not None

    def any_look(arm: "NDArray[np.int8]") -> bool:
        ci = ratio(arm).anytime_ci
        return bool(ci.above(0.0) or ci.below(0.0))

    def one_look(arm: "NDArray[np.int8]") -> bool:
        ci = ratio(arm).ci
        return bool(ci.above(0.0) or ci.below(0.0))

    def independent(arm: "NDArray[np.int8]") -> bool:
        return bool(ratio(arm).exact_p < 0.05)

    return {
        "first lovers, looked at after each": walk,
        "clustered ratio, at any look": any_look,
        "clustered ratio, one look": one_look,
        "loves taken for independent (no test of ours)": independent,
    }


def page(found: Mapping[str, Any]) -> Iterator[str]:
    """It line by line."""
    yield f"{found['users']:,} users, {found['exposures']:,} exposures, {found['loves']:,} loves; no deal has an effect"
    yield ""
    rows = [("test", "false alarms", "95 % interval")]
    for each in found["tests"]:
        low, high = each["interval"]
        rows.append((each["test"], f"{each['rate']:.1%}", f"{low:.1%} to {high:.1%}"))
    yield from words.table(rows)
    yield ""
    yield from (f"{each['test']}: {each['words']}" for each in found["tests"])
