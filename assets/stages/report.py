"""The report of a run: report.html and report.json, from what the stages recorded."""

import platform
import shlex
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets import provenance, report_facts
from assets.cycle import read_json
from assets.facts.feedback import IngestFacts
from assets.facts.launch import CandidateFacts, LedgerFacts, ReportFacts
from assets.facts.models import PolicyFacts, RewardFacts
from assets.facts.stage_facts import figures
from assets.run import Run
from assets.stage import Stage
from streams.whole_file import whole

if TYPE_CHECKING:
    from assets.report.schema import Report

LIBRARIES = ("loveloop", "duckdb", "kafka-python", "torch", "transformers", "dagster", "pyarrow")


def report(run: Run) -> ReportFacts:
    """Write both files; returns where they are."""
    from assets.report.render import write_report
    from assets.report.schema import from_plain
    from assets.report.style import phone

    told = from_plain(_values(run))
    wide = _drawn(run, told)
    with phone():
        narrow = _drawn(run, told)
    written = write_report(told, wide, run.cycle_directory, narrow=narrow)
    if run.at is None:
        for file in (written.html, written.json):
            _point_to(run.directory / file.name, file)
    html, json = (run.relative(file) for file in (written.html, written.json))
    return ReportFacts(summary=html, html=html, json=json)


def _point_to(link: Path, file: Path) -> None:
    """Let `report.html` of the run be the newest cycle's: a relative link, so that a moved run keeps it."""
    with whole(link) as part:
        part.symlink_to(file.relative_to(link.parent))


def _drawn(run: Run, told: "Report") -> dict[str, bytes]:
    """Every figure of which there is enough to draw."""
    from assets import pictures

    drawn = pictures.adversary(told.adversary) | {
        "love_by_day": pictures.love_by_day(run),
        "reliability": pictures.reliability(run, "p_love"),
        "bots": pictures.bots(run),
        "pareto": pictures.pareto(run),
        "experiment": pictures.forest(run),
        "ledger": pictures.ledger(run),
        "seconds": pictures.seconds(run),
        **pictures.of_experiment(run),
    }
    more = {f"reward_{name}": image for name, image in pictures.of_reward(run, "p_love").items()}
    return {name: image for name, image in drawn.items() if image is not None} | more


def _values(run: Run) -> dict[str, Any]:
    from assets.report import words
    from assets.report.history_schema import Origin

    ledger = run.facts_or_none(LedgerFacts)
    p_love, test = run.facts(RewardFacts, "p_love"), report_facts.experiment(run)
    inputs = [Origin(**each) for each in provenance.origins(run)]
    source = words.source("a synthetic world" if run.recipe.source == "world" else "real input", inputs)
    return {
        "name": run.directory.name,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "source": source,
        "ingest": _ingest(run),
        "adversary": _adversary(run),
        "p_love": _p_love(run, p_love),
        "policies": [_struct(each) for each in report_facts.policies(run)],
        "candidate": figures(run.facts(CandidateFacts)),
        "experiment": _struct(test) if test else None,
        "ledger": ledger.ledger if ledger else [],
        "ledger_agreement": _agreement(ledger) if ledger else None,
        "baselines": None if p_love.baselines is None else [_struct(each) for each in p_love.baselines],
        "bots": None if p_love.bots is None else [_struct(each) for each in p_love.bots],
        "bots_r": p_love.bots_r,
        "bots_r_ci": p_love.bots_r_ci,
        "seconds": report_facts.seconds(run),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
        "commands": _commands(run),
        "notes": _notes(run),
        "origins": [_struct(each) for each in inputs],
        "cycles": [_struct(each) for each in report_facts.history(run)],
    }


def _struct(value: Any) -> dict[str, Any]:
    import msgspec

    plain: dict[str, Any] = msgspec.to_builtins(value)
    return plain


def _ingest(run: Run) -> dict[str, Any]:
    facts = run.facts(IngestFacts)
    counts, from_topics = facts.counts, facts.events_sent is None
    stored = counts["rows"] + counts["duplicates_dropped"] + counts["dead_letters"] + counts.get("erased", 0)
    sent, taken = (stored, stored) if from_topics else (facts.events_sent, facts.taken)
    kept = ("rows", "duplicates_dropped", "retractions", "late_joined", "dead_letters")
    later = ("erased", "waiting", "waiting_too_long", "waiting_since")  # runs of earlier versions recorded fewer
    return {
        "events_sent": sent,
        "lost": (sent or 0) - (taken or 0),
        "from_topics": from_topics,
        "by_reason": counts["dead_letters_by_reason"],
        **{name: counts[name] for name in kept},
        **{name: counts[name] for name in later if name in counts},
    }


def _adversary(run: Run) -> dict[str, Any]:
    from assets.adversary_facts import caught
    from assets.stages import ingest

    written = run.cycle_directory / "report.json"
    if run.at is not None and written.exists():  # what the filter did is not recorded elsewhere, and goes on since
        return dict(read_json(written, "adversary")["adversary"])
    hours, trials = run.recipe.training_set.maturity_hours, report_facts.trials(run)
    seen = caught(run.warehouse, moment=ingest.as_of(run), maturity_hours=hours, without=trials)
    if run.recipe.source != "world":
        return seen
    from assets import truth

    return seen | truth.adversary(run)


def _p_love(run: Run, facts: RewardFacts) -> dict[str, Any]:
    from assets.report import schema

    oracle = None
    if run.recipe.source == "world":
        from assets import truth

        oracle = truth.oracle_auroc(run)
    told = figures(facts)
    return {name: told[name] for name in schema.PLove.__struct_fields__ if name in told} | {"oracle_auroc": oracle}


def _agreement(ledger: LedgerFacts) -> dict[str, Any]:
    found = ledger.agreement
    return {name: value for name, value in found.items() if name != "ci"} | {"r_ci": found["ci"]}


def _commands(run: Run) -> list[str]:
    """What a shell needs to make the run again; where the recipe's file is not known, where its content is kept."""
    recipe = run.recipe_file
    words = ["loveloop", "run", "--recipe", str(recipe or "RECIPE.toml")]
    words += ["--data", str(run.data)] if run.data else []
    live = str(run.warehouse) if run.recipe.source == "warehouse" else ""
    lake = live.startswith("ducklake:")  # its keywords may hold a secret
    words += ["--warehouse", _short(Path(live))] if live and not lake else []
    words += ["--name", run.directory.name, "--home", _short(run.directory.parent)]
    kept = [] if recipe else [f"# RECIPE.toml: the recipe that is kept in {_short(run.directory / 'run.json')}"]
    kept += ["# LOVELOOP_WAREHOUSE: the lake that the run reads"] if lake else []
    return [*kept, shlex.join(words)]


def _short(path: Path) -> str:
    """A path as it would be typed here: relative where it lies below."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _notes(run: Run) -> list[str]:
    notes = []
    if run.recipe.source == "world":
        notes.append(
            "True figures come from the synthetic world's hidden truth; nothing that learns or decides read them."
        )
    tested = {name: run.facts(RewardFacts, name).tested for name in run.recipe.labelled()}
    notes += [f"The {name} model was {words}." for name, words in tested.items() if "too few" in words]
    notes += _rewards(run)
    if run.at is not None:
        from assets.stages import ingest

        notes.append(
            f"Written again from what cycle {run.at} recorded; loves by day are what the warehouse holds now of the "
            f"feedback until {ingest.as_of(run):%Y-%m-%d %H:%M} UTC."
        )
    return notes


def _rewards(run: Run) -> list[str]:
    """What the audits of the reward models found wrong, and which models ranked nothing."""
    notes = []
    for name in ("p_love", *run.recipe.labelled()):
        failed = [each for each in run.facts(RewardFacts, name).findings or () if each.state == "failed"]
        notes += [f"The {name} model failed its audit of {each.finding}: {each.words}." for each in failed]
    swept = [run.facts_or_none(PolicyFacts, f"policy-{weight:g}") for weight in run.recipe.policy.love_weights]
    left = {name: why for each in swept if each for name, why in each.left_out.items()}
    return [*notes, *(f"The {name} model was left out of ranking: {why}." for name, why in left.items())]


def stage(last: str) -> Stage:
    """The report, after the stage named `last`."""
    return Stage("report", "report: one page, and its figures as JSON", report, (last,), code=("assets.report",))
