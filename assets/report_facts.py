"""What the stages of a run found, in the report's shapes: the report prints it, the plots draw it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from assets.run import Run

if TYPE_CHECKING:
    from assets.report import schema
    from assets.report.experiment_schema import ReportExperiment
    from assets.report.history_schema import CycleRow


def seconds(run: Run) -> dict[str, float]:
    """Seconds that each stage of the recipe took, in the recipe's order, but the report's own.

    What an earlier recipe left in the run's directory is not counted.
    """
    from assets.pipeline import stages

    took = run.seconds()
    return {
        stage.name: took[stage.name] for stage in stages(run.recipe) if stage.name in took and stage.name != "report"
    }


def history(run: Run) -> "list[CycleRow]":
    """Every cycle of the run, oldest first, and what it came to."""
    from assets.cycle import cycles
    from assets.report.history_schema import CycleRow

    rows, every = [], cycles(run.directory)
    decisions: dict[str | None, str | None] = {}
    for each in every:
        read = (each.finished("experiment_readout") or {"facts": {}})["facts"]
        tested = read.get("candidate") or (each.finished("candidate") or {"facts": {}})["facts"].get("name")
        decisions[tested] = read.get("verdict") or read.get("decision") or decisions.get(tested)
    for each in every:
        opened = each.opened()
        read = {name: (each.finished(name) or {"facts": {}})["facts"] for name in _TOLD}
        rows.append(
            CycleRow(
                number=each.number,
                opened_at=opened["opened_at"],
                why=opened["why"],
                training_set=str(read["training_set"].get("hash", ""))[:12] or None,
                rows=read["training_set"].get("rows"),
                loves=read["training_set"].get("positives"),
                auroc=read["p_love"].get("auroc"),
                candidate=read["candidate"].get("name"),
                passed=read["candidate"].get("passed"),
                decision=decisions.get(read["candidate"].get("name")),
            )
        )
    return rows


_TOLD = ("training_set", "p_love", "candidate")


def trials(run: Run) -> list[str]:
    """The experiments that this run served: every one in a warehouse of its own, in a live one that which it read."""
    if run.recipe.source == "warehouse":
        test = experiment(run)
        return [test.name] if test is not None and test.name else []
    from warehouse import open as open_warehouse

    with open_warehouse(run.warehouse).read() as reader:
        rows = reader.execute("SELECT DISTINCT experiment FROM responses WHERE experiment IS NOT NULL ORDER BY 1")
        return [name for (name,) in rows.fetchall()]


def policies(run: Run) -> "list[schema.ReportPolicy]":
    """The sweep as the report shows it."""
    from assets.report import schema

    found = run.facts("offline_evaluation")["policies"][1:]
    judged = list(run.recipe.policy.judge_names())
    staged = run.facts("candidate") if run.finished("candidate") else None
    rows = []
    for each in found:
        chosen = staged is not None and staged["love_weight"] == each["love_weight"]
        kept = {name: each[name] for name in schema.ReportPolicy.__struct_fields__ if name in each}
        extra = {"name": each["policy"], "judges": judged, "chosen": chosen}
        rows.append(kept | extra | {"passed": staged["passed"] if chosen and staged else None})
    import msgspec

    return msgspec.convert(schema.plain(rows), list[schema.ReportPolicy])


def experiment(run: Run) -> "ReportExperiment | None":
    """The readout, where there was an experiment; none where the simulated test declined a candidate."""
    import msgspec

    from assets.report.experiment_schema import ReportExperiment

    if not run.finished("experiment_readout") or run.facts("experiment_readout").get("declined"):
        return None
    simulated = {"simulated": run.recipe.source == "world"}
    return msgspec.convert(simulated | run.facts("experiment_readout"), ReportExperiment)


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


def with_interval(facts: Mapping[str, Any], name: str) -> str:
    """A figure of a stage with its interval, in words.

    >>> with_interval({"auroc": 0.8, "auroc_ci": [0.75, 0.84]}, "auroc")
    '0.800 [0.750, 0.840]'
    """
    low, high = (float("nan") if end is None else end for end in facts[f"{name}_ci"])
    return f"{facts[name]:.3f} [{low:.3f}, {high:.3f}]"
