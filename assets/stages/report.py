"""The report of a run: report.html and report.json, from what the stages recorded."""

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from assets import found, provenance
from assets.run import Facts, Run, Stage

LIBRARIES = ("loveloop", "duckdb", "kafka-python", "torch", "transformers", "dagster", "pyarrow")


def report(run: Run) -> Facts:
    """Write both files; returns where they are."""
    from assets import pictures
    from assets.report.render import write_report
    from assets.report.schema import from_plain

    found = from_plain(_values(run))
    drawn = pictures.adversary(found.adversary) | {
        "love_by_day": pictures.love_by_day(run),
        "reliability": pictures.reliability(run, "p_love"),
        "bots": pictures.bots(run),
        "pareto": pictures.pareto(run),
        "experiment": pictures.forest(run),
        "ledger": pictures.ledger(run),
        "seconds": pictures.seconds(run),
    }
    images = {name: image for name, image in drawn.items() if image is not None}
    written = write_report(found, images, run.cycle_directory)
    if run.at is None:
        for file in (written.html, written.json):
            _point_to(run.directory / file.name, file)
    html, json = (run.relative(file) for file in (written.html, written.json))
    return {"summary": html, "html": html, "json": json}


def _point_to(link: Path, file: Path) -> None:
    """Let `report.html` of the run be the newest cycle's: a relative link, so that a moved run keeps it."""
    part = link.with_name(f".{link.name}.part")
    part.unlink(missing_ok=True)
    part.symlink_to(file.relative_to(link.parent))
    part.replace(link)


def _values(run: Run) -> dict[str, Any]:
    trial = run.finished("lift_ledger") is not None
    p_love = run.facts("p_love")
    source = "a synthetic world" if provenance.anything_simulated(run) else "real input"
    return {
        "name": run.directory.name,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "source": source,
        "ingest": _ingest(run),
        "adversary": _adversary(run),
        "p_love": _p_love(run, p_love),
        "policies": [_struct(each) for each in found.policies(run)],
        "candidate": run.facts("candidate"),
        "experiment": found.readout(run) if trial else None,
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
    stored = counts["rows"] + counts["duplicates_dropped"] + counts["dead_letters"] + counts.get("erased", 0)
    sent = facts.get("events_sent", stored)
    kept = ("rows", "duplicates_dropped", "retractions", "late_joined", "dead_letters")
    return {
        "events_sent": sent,
        "lost": sent - stored,
        "by_reason": counts["dead_letters_by_reason"],
        **{name: counts[name] for name in kept},
    }


def _adversary(run: Run) -> Facts:
    from assets.caught import caught
    from assets.stages import source

    moment = source.world_config(run).ends_at if run.recipe.source == "world" else datetime.now(UTC)
    found = caught(run.warehouse, moment=moment, maturity_hours=run.recipe.training_set.maturity_hours)
    if run.recipe.source != "world":
        return found
    from assets import truth

    return found | truth.adversary(run)


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
    if not staged["passed"] and run.finished("exposures"):
        notes.append("The staged candidate did not pass every gate; the recipe forced its A/B test (experiment.force).")
    if run.recipe.source == "world":
        notes.append(
            "True figures come from the synthetic world's hidden truth; nothing that learns or decides read them."
        )
    return notes


def stage(last: str) -> Stage:
    """The report, after the stage named `last`."""
    return Stage("report", "report: one page, and its figures as JSON", report, (last,), code=("assets.report",))
