"""A plan from the user's own history: what each lift needs, which test is fastest, what cannot work and what would."""

import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from assets.experiment import control, standing, words
from assets.experiment.definition import STAGES, Decides, Definition, values

if TYPE_CHECKING:
    from experiments.forecast import Forecast
    from experiments.requirement import Design
    from experiments.traffic import Traffic
    from warehouse.connection import Target

DESIGNS: Final[dict[str, Decides]] = {
    "first lovers": "lovers",
    "clustered ratio": "ratio",
    "adjusted ratio": "adjusted",
}
"""The forecast's designs, and the tests that they are."""
COUNTED: Final = ("loves", "exposures", "returned", "closings")
"""What the log counts of a user in an experiment."""
ARMS: Final = {"control": 0.5, "treatment": 0.5}


def plan(
    target: "Target",
    name: str,
    *,
    lift: float = 0.2,
    least_lift: float = 0.0,
    power: float = 0.8,
    shares: tuple[tuple[str, float], ...] = (),
    control: str = "control",
    decides: str = "auto",
    cap: int | None = None,
    guardrails: tuple[tuple[str, float], ...] = (),
    namespace: str | None = None,
    span: tuple[float, float] = (0.0, 1.0),
    holdout: float = 0.0,
    salt: str | None = None,
    stages: tuple[float, ...] = (),
    stage_hours: float = 24.0,
    maturity_hours: float = 24.0,
    history_days: int = 28,
    automatic: bool = False,
    by: str,
    why: str = "",
) -> dict[str, Any]:
    """Forecast an experiment from the log's last days, and note its plan.

    Returns:
        `name`, `definition` (as it was noted), `forecast` (rows as `experiments.forecast.HEADS`), `decides` and why,
        `warnings`, `told`, and `line`, one sentence on what was done.

    Raises:
        ValueError: Shares, stages or guardrails that cannot be, or as `control.plan`.
        WarehouseError: As `Warehouse.read` and `Warehouse.transaction`.
    """
    from assets.experiment import control as controls

    arms = _arms(shares, control)
    reach = (span[1] - span[0]) * (1 - holdout)
    forecast, told = _forecast(target, lift, 1 - arms[control], history_days, reach, decides=decides)
    fastest = DESIGNS[forecast.decides] if forecast else "lovers"
    test = fastest if decides == "auto" else cast(Decides, decides)
    wanted = Definition(
        salt=salt or _salt(target, namespace),
        arms=arms,
        control=control,
        namespace=namespace,
        start=span[0],
        end=span[1],
        holdout=holdout,
        lift=lift,
        least_lift=least_lift,
        power=power,
        decides=test,
        cap=cap if cap is not None else _cap(forecast),
        history_days=history_days,
        guardrails=dict(guardrails) or {"closings_per_exposure": 1.25},
        maturity_hours=maturity_hours,
        stages=_stages(stages, 1 - arms[control]),
        stage_hours=stage_hours,
        automatic=automatic,
    )
    _check_guardrails(wanted)
    found = controls.plan(target, name, wanted, by=by, why=why)
    return {
        "name": name,
        "definition": values(wanted),
        "heads": _heads(),
        "forecast": forecast.table() if forecast else [],
        "decides": test,
        "why": forecast.why if forecast else "nothing is known of your traffic: first lovers are exact at any rate",
        "warnings": list(forecast.warnings) if forecast else [],
        "told": told,
        "line": standing.line(found),
    }


def _arms(shares: tuple[tuple[str, float], ...], control: str) -> dict[str, float]:
    """Every arm's share; one that is left over belongs to the control, or to `treatment`."""
    if not shares:
        return dict.fromkeys((control, "treatment"), 0.5) if control != "treatment" else dict(ARMS)
    arms = dict(shares)
    if len(arms) < len(shares):
        twice = next(arm for arm, _ in shares if sum(arm == each for each, _ in shares) > 1)
        raise ValueError(f"--share names {twice!r} more than once, must name each arm once")
    rest = 1 - sum(arms.values())
    if rest > 1e-9:
        arms |= {control if control not in arms else "treatment": rest}
    if control not in arms or len(arms) < 2 or sum(arms.values()) > 1 + 1e-9:
        said = ", ".join(f"{arm}={share:g}" for arm, share in arms.items())
        raise ValueError(f"--share {said}: must name {control!r} (see --control) and another, at most 1 together")
    return {control: arms.pop(control), **arms}


def _stages(stages: tuple[float, ...], treated: float) -> tuple[float, ...]:
    """The ramp, as far as the treatment's share of the users lets it go."""
    if not stages:
        return (*(each for each in STAGES if each < treated), treated)
    if list(stages) != sorted(set(stages)) or stages[-1] > treated + 1e-9:
        raise ValueError(
            f"--stage {' '.join(f'{each:g}' for each in stages)}: must rise to at most {treated:g}, the treatment's "
            "share of the users in the test"
        )
    return stages


def _salt(target: "Target", namespace: str | None) -> str:
    """That of the namespace, since another salt would deal its users anew; drawn where there is none."""
    same = [each for each in control.every(target) if namespace and each.definition.namespace == namespace]
    return same[-1].definition.salt if same else secrets.token_hex(8)


def _check_guardrails(wanted: Definition) -> None:
    from dataclasses import replace

    from experiments.metrics import STANDARD

    # others have no column in the sums by user: a reading that must have it would fail
    there = [name for name, each in STANDARD.items() if each.column in COUNTED]
    for name, margin in wanted.guardrails.items():
        if name not in there:
            raise ValueError(f"--guardrail {name}: no such metric in the log, must be one of {', '.join(there)}")
        replace(STANDARD[name], margin=margin)


def _heads() -> list[str]:
    from experiments.forecast import HEADS

    return list(HEADS)


def _cap(forecast: "Forecast | None") -> int | None:
    from experiments.metrics import cap_from

    return int(cap_from(forecast.traffic.loves)) if forecast else None


def _forecast(
    target: "Target", lift: float, treated: float, days: int, reach: float, *, decides: str
) -> tuple["Forecast | None", list[str]]:
    """What each lift needs of the users whom the experiment may have; None, and why, where the log has too little."""
    from experiments.forecast import LIFTS, forecast

    try:
        traffic, left = _traffic(target, days)
    except ValueError as error:
        return None, [f"no forecast from the last {days} days: {error}"]
    lifts = sorted({*LIFTS, lift})
    # a range that holds nobody is refused with the layout
    covered = reach if 0 < reach <= 1 else 1.0
    told = [f"the log holds {traffic.days} of the last {days} days: they are counted on"] if traffic.days < days else []
    asked = next((cast("Design", design) for design, test in DESIGNS.items() if test == decides), None)
    found = forecast(
        traffic, lifts=lifts, coverage=covered, treatment_share=treated, variance_left=left, decides=asked, planned=lift
    )
    return found, told


def _traffic(target: "Target", days: int) -> tuple["Traffic", float | None]:
    """The past window, and what each user's first half of it leaves of the variance of the second."""
    import numpy as np

    from experiments.traffic import estimated_variance_left, window
    from warehouse import experiment_series

    now = datetime.now(UTC)
    users = experiment_series.history(target, days=days, before=now)
    arrivals = experiment_series.daily_arrivals(users, days)["users"].to_numpy()
    # a log that is younger than what was asked for: the days before it are no days without traffic
    seen = window(users["loves"].to_numpy(), users["exposures"].to_numpy(), np.trim_zeros(arrivals, "f"))
    half = seen.days // 2
    if half < 1:
        return seen, None
    later, earlier = (
        experiment_series.history(target, days=half, before=now - timedelta(days=back)) for back in (0, half)
    )
    if not len(later) or not len(earlier):
        return seen, None
    joined = later.join(earlier, "user_id", right_suffix="_past", join_type="left outer")
    columns = [joined[name].fill_null(0).to_numpy() for name in ("loves", "exposures", "loves_past", "exposures_past")]
    return seen, estimated_variance_left(*columns)


def page(made: Mapping[str, Any]) -> Iterator[str]:
    """It line by line."""
    yield f"experiment {made['name']}"
    yield ""
    if made["forecast"]:
        yield from words.table([tuple(made["heads"]), *(tuple(row) for row in made["forecast"])])
        yield ""
    of = made["definition"]
    yield f"decides      {made['decides']}: {made['why']}"
    yield f"shows        {of['lift']:+.0%} with a chance of {of['power']:.0%}"
    yield f"guardrails   {', '.join(f'{name} at {margin:g} times' for name, margin in of['guardrails'].items())}"
    stages = ", ".join(f"{stage:.3g}" for stage in of["stages"])
    yield f"ramp         {stages} of all users, {of['stage_hours']:g} h each"
    yield from (f"warning      {each}" for each in made["warnings"])
    yield from (f"note         {each}" for each in made["told"])
    yield f"next         loveloop experiment start {made['name']} " + " ".join(
        f"--bundle {arm}=FOLDER" for arm in of["arms"]
    )
