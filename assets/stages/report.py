"""The report of a run: report.html and report.json, from what the stages recorded."""

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from assets.run import Facts, Run, Stage

if TYPE_CHECKING:
    from assets.report import schema

LIBRARIES = ("loveloop", "duckdb", "kafka-python", "torch", "transformers", "dagster", "pyarrow")


def report(run: Run) -> Facts:
    """Write both files; returns where they are."""
    from assets import pictures
    from assets.report.render import write_report
    from assets.report.schema import from_plain

    drawn = {
        "love_by_day": pictures.love_by_day(run),
        "reliability": pictures.reliability(run, "p_love"),
        "bots": pictures.bots(run),
        "pareto": pictures.pareto(run),
        "experiment": pictures.forest(run),
        "ledger": pictures.ledger(run),
        "seconds": pictures.seconds(run),
    }
    written = write_report(
        from_plain(_values(run)), {name: image for name, image in drawn.items() if image is not None}, run.directory
    )
    return {"summary": str(written.html), "html": str(written.html), "json": str(written.json)}


def policies(run: Run) -> "list[schema.Policy]":
    """The sweep as the report shows it."""
    from assets.report import schema

    found = run.facts("offline_evaluation")["policies"][1:]
    judged = run.recipe.policy.judges
    staged = run.facts("candidate") if run.finished("candidate") else None
    rows = []
    for each in found:
        chosen = staged is not None and staged["love_weight"] == each["love_weight"]
        kept = {name: each[name] for name in schema.Policy.__struct_fields__ if name in each}
        extra = {"name": each["policy"], "judges": ["closing", "unsafe"] if judged else [], "chosen": chosen}
        rows.append(kept | extra | {"passed": staged["passed"] if chosen and staged else None})
    import msgspec

    return msgspec.convert(schema.plain(rows), list[schema.Policy])


def experiment(run: Run) -> "schema.Experiment | None":
    """The readout, where there was an experiment."""
    import msgspec

    from assets.report import schema

    return (
        msgspec.convert(run.facts("experiment_readout"), schema.Experiment)
        if run.finished("experiment_readout")
        else None
    )


def ledger_rows(run: Run) -> "list[schema.LedgerRow]":
    """Every row of the ledger."""
    import msgspec

    from assets.report import schema

    rows = run.facts("lift_ledger")["ledger"] if run.finished("lift_ledger") else []
    return msgspec.convert(rows, list[schema.LedgerRow])


def logged_bots(run: Run) -> "list[schema.Bot]":
    """Mean P[Love] beside the Love rate of each logged policy, where P[Love] was cross-validated."""
    import msgspec

    from assets.report import schema

    return msgspec.convert(run.facts("p_love").get("bots", []), list[schema.Bot])


def _values(run: Run) -> dict[str, Any]:
    trial = run.finished("lift_ledger") is not None
    p_love = run.facts("p_love")
    source = "a synthetic world" if run.recipe.source == "world" else "real input"
    return {
        "name": run.directory.name,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "source": source,
        "ingest": _ingest(run),
        "adversary": _adversary(run),
        "p_love": _p_love(run, p_love),
        "policies": [_struct(each) for each in policies(run)],
        "candidate": run.facts("candidate"),
        "experiment": run.facts("experiment_readout") if trial else None,
        "ledger": run.facts("lift_ledger")["ledger"] if trial else [],
        "ledger_agreement": _agreement(run) if trial else None,
        "baselines": p_love.get("baselines"),
        "bots": p_love.get("bots"),
        "bots_r": p_love.get("bots_r"),
        "bots_r_ci": p_love.get("bots_r_ci"),
        "seconds": run.seconds(),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
        "commands": _commands(run),
        "notes": _notes(run),
    }


def _struct(value: Any) -> dict[str, Any]:
    import msgspec

    plain: dict[str, Any] = msgspec.to_builtins(value)
    return plain


def _ingest(run: Run) -> Facts:
    facts = run.facts("ingest")
    counts = facts["counts"]
    stored = counts["rows"] + counts["duplicates_dropped"] + counts["dead_letters"]
    sent = facts.get("events_sent", stored)
    kept = ("rows", "duplicates_dropped", "retractions", "late_joined", "dead_letters")
    return {
        "events_sent": sent,
        "lost": sent - stored,
        "by_reason": counts["dead_letters_by_reason"],
        **{name: counts[name] for name in kept},
    }


def _adversary(run: Run) -> Facts | None:
    if run.recipe.source != "world":
        return None
    from assets import truth

    found = truth.adversary(run)
    return {name: found[name] for name in ("recall", "honest_loss")} if found["recall"] is not None else None


def _p_love(run: Run, facts: Facts) -> Facts:
    from assets.report import schema

    oracle = None
    if run.recipe.source == "world":
        from assets import truth

        oracle = truth.oracle_auroc(run)
    return {name: facts[name] for name in schema.PLove.__struct_fields__ if name in facts} | {"oracle_auroc": oracle}


def _agreement(run: Run) -> Facts:
    found = run.facts("lift_ledger")["agreement"]
    return {"r": found["r"], "r_ci": found["ci"], "passed": found["passed"], "words": found["words"]}


def _commands(run: Run) -> list[str]:
    if run.recipe.source == "world":
        return [f"make demo    # or: loveloop run --recipe RECIPE --name {run.directory.name}"]
    return [f"loveloop run --recipe RECIPE --data DATA --name {run.directory.name}"]


def _notes(run: Run) -> list[str]:
    notes = []
    staged = run.facts("candidate")
    if not staged["passed"] and run.finished("experiment_readout"):
        notes.append("The staged candidate did not pass every gate; the recipe forced its A/B test (experiment.force).")
    if run.recipe.source == "world":
        notes.append(
            "True figures come from the synthetic world's hidden truth; nothing that learns or decides read them."
        )
    return notes


def stage(last: str) -> Stage:
    """The report, after the stage named `last`."""
    return Stage("report", "report: one page, and its figures as JSON", report, (last,))
