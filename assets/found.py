"""What the stages of a run found, in the report's shapes: the report prints it, the plots draw it."""

from typing import TYPE_CHECKING

from assets.run import Facts, Run

if TYPE_CHECKING:
    from assets.report import schema


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

    facts = readout(run)
    return None if facts is None else msgspec.convert(facts, schema.Experiment)


def readout(run: Run) -> Facts | None:
    """What the readout recorded; None where there is none, or nothing was exposed yet."""
    facts = run.facts("experiment_readout") if run.finished("experiment_readout") else {"waiting": True}
    return None if "waiting" in facts else facts


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
