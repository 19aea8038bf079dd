"""A plan from the user's own history: what each lift needs, which test is fastest, what cannot work and what would."""

import secrets
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from assets.experiment import control, forecasting, standing, words
from assets.experiment.definition import STAGES, Decides, Definition, values

if TYPE_CHECKING:
    from warehouse.connection import Target

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
    at: datetime | None = None,
    by: str,
    why: str = "",
) -> dict[str, Any]:
    """Forecast an experiment from the log's last days, and note its plan.

    With `at` the plan is dated by the clock of a product that is played, from the days before. The log must not hold
    an exposure of it yet: a plan that is dated back behind its data promises nothing.

    Returns:
        `name`, `definition` (as it was noted), `forecast` (rows as `experiments.forecast.HEADS`), `decides` and why,
        `warnings`, `told`, and `line`, one sentence on what was done.

    Raises:
        ValueError: Shares, stages or guardrails that cannot be, a plan that is dated back, or as `control.plan`.
        WarehouseError: As `Warehouse.read` and `Warehouse.transaction`.
    """
    from assets.experiment import control as controls

    if at is not None:
        _refuse_data_before(target, name, at)
    arms = _arms(shares, control)
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
        cap=cap,
        history_days=history_days,
        guardrails=dict(guardrails) or {"closings_per_exposure": 1.25},
        maturity_hours=maturity_hours,
        stages=_stages(stages, 1 - arms[control]),
        stage_hours=stage_hours,
        automatic=automatic,
    )
    _check_guardrails(wanted)
    forecast, cap, told = forecasting.forecast(target, wanted, decides=decides, before=at)
    fastest = forecasting.DESIGNS[forecast.decides] if forecast else "lovers"
    test = fastest if decides == "auto" else cast(Decides, decides)
    wanted = msgspec.structs.replace(wanted, decides=test, cap=cap)
    found = controls.plan(target, name, wanted, by=by, why=why, at=at)
    return {
        "name": name,
        "definition": values(wanted),
        "reach": wanted.reach,
        "heads": _heads(),
        "forecast": forecast.table() if forecast else [],
        "decides": test,
        "why": forecast.why if forecast else "nothing is known of your traffic: first lovers are exact at any rate",
        "warnings": list(forecast.warnings) if forecast else [],
        "told": [*told, *_held_out_together(target, name, wanted)],
        "line": standing.line(found),
    }


def _refuse_data_before(target: "Target", name: str, at: datetime) -> None:
    from warehouse.experiments import experiments

    there = experiments(target, name=name)
    if there:
        raise ValueError(
            f"--at {at:%Y-%m-%dT%H:%M}: the log holds exposures of {name!r} already, since "
            f"{there[0].first:%Y-%m-%d %H:%M}, and a plan is not dated back behind its data: leave --at out, and every "
            "reading will say so, or plan another name"
        )


def _held_out_together(target: "Target", name: str, wanted: Definition) -> Iterator[str]:
    """That others hold out the same users: what one salt holds out takes part in none of its experiments."""
    same = [
        each.name
        for each in control.every(target)
        if each.running and each.name != name and each.definition.salt == wanted.salt
    ]
    if wanted.holdout and same:
        yield f"{', '.join(same)} under the same salt holds out the same users: they are in no experiment of that salt"


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
    yield f"ramp         {_ramp(of, made['reach'])}, {of['stage_hours']:g} h each"
    yield from (f"warning      {each}" for each in made["warnings"])
    yield from (f"note         {each}" for each in made["told"])
    yield f"next         loveloop experiment start {made['name']} " + " ".join(
        f"--bundle {arm}=FOLDER" for arm in of["arms"]
    )


def _ramp(of: Mapping[str, Any], reach: float) -> str:
    """The stages, of the users whom the experiment may have; and of all, where it may not have all."""
    stages = ", ".join(f"{stage:.3g}" for stage in of["stages"])
    if reach == 1:
        return f"{stages} of all users"
    of_all = ", ".join(f"{stage * reach:.3g}" for stage in of["stages"])
    return f"{stages} of the experiment's users ({of_all} of all: it may have {reach:.3g} of them)"
