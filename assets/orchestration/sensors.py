"""What Dagster does by itself when something happens: new loves, a staged candidate, dead letters, a tripped arm.

Each sensor asks the warehouse for a few counts, keeps in its cursor how far it has come, and says why it did nothing.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from assets.asset import RunResource
from assets.checks import dead_letter_verdict, told, trip_verdict
from assets.errors import expected
from assets.facts.feedback import TrainingSetFacts
from assets.facts.launch import CandidateFacts
from assets.facts.stage_facts import figures
from assets.lock import holder
from assets.orchestration import history, jobs
from assets.orchestration.metadata import table
from assets.run import Run

SETTLED = timedelta(seconds=30)
"""A stage that finished so long ago and that Dagster has no event of was finished by the command line."""
FEWEST = 10
"""Dead letters below which no share is taken of them."""


def sensors(named: dict[str, Any], of: Mapping[str, Iterable[str]], *, live: bool) -> list[dg.SensorDefinition]:
    """Every sensor. Those of a live run are on from the start; the others are switched on in the UI.

    Args:
        named: The jobs, by name.
        of: Their stages.
        live: The run reads a live warehouse.
    """
    readout = named.get("readout")
    shared: dict[str, Any] = {
        "default_status": dg.DefaultSensorStatus.RUNNING if live else dg.DefaultSensorStatus.STOPPED
    }

    @dg.sensor(job=named["loop"], minimum_interval_seconds=600, **shared)
    def enough_new_loves(
        context: dg.SensorEvaluationContext,  # noqa: ARG001  (Dagster's signature)
        run: RunResource,
    ) -> dg.SensorResult | dg.SkipReason:
        """Starts the loop when enough loves count that the newest training set does not hold."""
        return _looked(run, lambda seen: _new_loves(seen, of["loop"]))

    @dg.sensor(job=readout or named["loop"], minimum_interval_seconds=120, **shared)
    def staged_candidate(context: dg.SensorEvaluationContext, run: RunResource) -> dg.SensorResult | dg.SkipReason:
        """Says what to do with a candidate that passed its gates, and has the A/B test read once it is served."""
        return _looked(run, lambda seen: _candidate(seen, context.cursor, can_be_read=readout is not None))

    @dg.sensor(minimum_interval_seconds=120, asset_selection=dg.AssetSelection.assets("ingest"), **shared)
    def dead_letters(context: dg.SensorEvaluationContext, run: RunResource) -> dg.SensorResult | dg.SkipReason:
        """Warns when too many of the lines that came since it last looked break the contract."""
        return _looked(run, lambda seen: _dead_letters(seen, context.cursor))

    @dg.sensor(job=readout or named["loop"], minimum_interval_seconds=60, **shared)
    def tripped_arm(context: dg.SensorEvaluationContext, run: RunResource) -> dg.SensorResult | dg.SkipReason:
        """Warns when the live guard switched an arm off, and has its A/B test read."""
        return _looked(run, lambda seen: _trips(seen, context.cursor, can_be_read=readout is not None))

    @dg.sensor(
        minimum_interval_seconds=30,
        asset_selection=dg.AssetSelection.all(),
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def finished_elsewhere(context: dg.SensorEvaluationContext, run: RunResource) -> dg.SensorResult | dg.SkipReason:
        """Tells Dagster what `loveloop run` finished in this run's directory."""
        return _looked(run, lambda seen: _finished(seen, context.cursor, context.instance))

    return [enough_new_loves, staged_candidate, dead_letters, tripped_arm, finished_elsewhere]


def _looked(
    run: RunResource, look: Callable[[Run], dg.SensorResult | dg.SkipReason]
) -> dg.SensorResult | dg.SkipReason:
    """What a look at the run comes to; a warehouse that is not there or does not answer is a reason, not a failure."""
    try:
        return look(run.seen())
    except expected() as error:
        return dg.SkipReason(str(error))


def _new_loves(run: Run, stages: Iterable[str]) -> dg.SensorResult | dg.SkipReason:
    """One request for each further threshold of loves, so that a cycle that failed is not begun every ten minutes."""
    from warehouse import queries

    held = holder(run.directory)
    if held:
        return dg.SkipReason(f"{held} works in {run.directory}")
    there = run.facts_or_none(TrainingSetFacts)
    learnt = there.positives if there else 0
    name = there.hash[:12] if there else "none"
    frozen = run.recipe.training_set
    found = queries.clean_feedback_summary(
        run.warehouse, maturity_hours=frozen.maturity_hours, positive=frozen.positive
    )
    new, wanted = int(found["loves"]) - learnt, run.recipe.triggers.new_loves
    words_of_it = f"{new:,} loves count that training set {name} does not hold; a cycle begins at {wanted:,}"
    if new < wanted:
        return dg.SkipReason(words_of_it)
    asked = jobs.request(stages, run_key=f"{name}-{new // wanted}", tags={"loveloop/why": f"{new} new loves"})
    return dg.SensorResult(run_requests=[asked])


def _candidate(run: Run, cursor: str | None, *, can_be_read: bool) -> dg.SensorResult | dg.SkipReason:
    """1. A new candidate that passed is announced, once. 2. Once it is served in an experiment, it is read out."""
    from warehouse import pulse

    staged = run.facts_or_none(CandidateFacts)
    if staged is None:
        return dg.SkipReason(f"no candidate is staged in {run.directory}")
    before = json.loads(cursor) if cursor else {}
    new = before.get("candidate") != staged.name
    read = not new and bool(before.get("read"))
    served = 0 if read else pulse.served_by(run.warehouse, staged.name)
    now = json.dumps({"candidate": staged.name, "read": read or served > 0})
    asked = served > 0 and can_be_read
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=f"served-{staged.name}")] if asked else None,
        skip_reason=None if asked else _next_step(staged, served),
        asset_events=[_announced(run, staged)] if new and staged.passed else [],
        cursor=now,
    )


def _next_step(staged: CandidateFacts, served: int) -> str:
    if not staged.passed:
        return f"candidate {staged.name} did not pass every gate: its check says which"
    if served:
        return f"candidate {staged.name} is served: {served:,} responses"
    return f"candidate {staged.name} passed: serve it to a share of users, with policy {staged.name} in the events"


def _announced(run: Run, staged: CandidateFacts) -> dg.AssetObservation:
    return dg.AssetObservation(
        "candidate",
        description=_next_step(staged, 0),
        metadata={
            "next step": _next_step(staged, 0),
            "lies in": dg.MetadataValue.path(run.directory / staged.place),
            "gates": table([figures(gate) for gate in staged.gates]),
        },
    )


def _dead_letters(run: Run, cursor: str | None) -> dg.SensorResult | dg.SkipReason:
    """The share is taken of what came since the last look: old dead letters neither hide new ones nor warn on."""
    from warehouse import pulse

    now = pulse.pulse(run.warehouse)
    before = json.loads(cursor) if cursor else {"events": 0, "dead_letters": 0}
    events, dead = now.events - before["events"], now.dead_letters - before["dead_letters"]
    kept = json.dumps({"events": now.events, "dead_letters": now.dead_letters})
    if events <= 0:
        return dg.SensorResult(skip_reason="nothing new was read", cursor=kept)
    line = run.recipe.triggers.dead_letter_share
    found = dead_letter_verdict(max(dead, 0), events, line)
    if dead < FEWEST or found.passed:
        return dg.SensorResult(skip_reason=f"{max(dead, 0):,} of {events:,} new lines are dead letters", cursor=kept)
    said = (
        f"{dead:,} of {events:,} new lines ({dead / events:.1%}) are dead letters, the line is {line:.1%}: "
        "loveloop dead-letters list shows why"
    )
    return dg.SensorResult(skip_reason=said, asset_events=[told("ingest", "dead_letters_are_few", found)], cursor=kept)


def _trips(run: Run, cursor: str | None, *, can_be_read: bool) -> dg.SensorResult | dg.SkipReason:
    from warehouse import pulse

    found = pulse.trips(run.warehouse)
    if len(found) <= int(cursor or 0):
        return dg.SkipReason(f"{len(found)} arms have tripped so far, none is new")
    newest = found[int(cursor or 0) :]
    said = "; ".join(f"{each['experiment']}/{each['arm']} tripped by {each['metric']}" for each in newest)
    asked = can_be_read and run.finished("candidate") is not None
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=f"tripped-{len(found)}", tags={"loveloop/why": said})] if asked else None,
        skip_reason=None if asked else said,
        asset_events=[told("ingest", "no_arm_tripped", trip_verdict(found))],
        cursor=str(len(found)),
    )


def _finished(run: Run, cursor: str | None, instance: dg.DagsterInstance) -> dg.SensorResult | dg.SkipReason:
    """Dagster's own steps tell of themselves as soon as they let the run go, so those are waited for."""
    state = history.state(run)
    if state == cursor:
        return dg.SkipReason("no stage has finished since")
    held = holder(run.directory)
    if held and held.startswith("Dagster"):
        return dg.SkipReason(f"{held} tells of itself")
    newest = datetime.fromtimestamp(int(state.split()[1]) / 1e9, UTC)
    if datetime.now(UTC) - newest < SETTLED:
        return dg.SkipReason(f"a stage finished at {newest:%H:%M:%S} UTC; whoever did it may still tell of it")
    events = list(history.untold(instance, run))
    return dg.SensorResult(asset_events=events, cursor=state, skip_reason=f"{len(events)} events told")
