"""What the stages of a run found, in the report's shapes: the report prints it, the plots draw it."""

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from assets.facts.feedback import TrainingSetFacts
from assets.facts.launch import CandidateFacts, EvaluationFacts, LedgerFacts, ReadoutFacts
from assets.facts.models import LoggedBot, RewardFacts
from assets.facts.stage_facts import Pair, figures
from assets.run import Run

if TYPE_CHECKING:
    from assets.facts.experiment import ReportExperiment
    from assets.report import schema
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

    rows, every = [], [replace(run, at=each.number) for each in cycles(run.directory)]
    decisions: dict[str | None, str | None] = {}
    for each in every:
        read, staged = each.facts_or_none(ReadoutFacts), each.facts_or_none(CandidateFacts)
        tested = (read.candidate if read else None) or (staged.name if staged else None)
        decisions[tested] = _decision(read) or decisions.get(tested)
    for each in every:
        assert each.cycle is not None
        opened, staged = each.cycle.opened(), each.facts_or_none(CandidateFacts)
        taught, p_love = each.facts_or_none(TrainingSetFacts), each.facts_or_none(RewardFacts, "p_love")
        rows.append(
            CycleRow(
                number=each.cycle.number,
                opened_at=opened["opened_at"],
                why=opened["why"],
                training_set=taught.hash[:12] if taught else None,
                rows=taught.rows if taught else None,
                loves=taught.positives if taught else None,
                auroc=p_love.auroc if p_love else None,
                candidate=staged.name if staged else None,
                passed=staged.passed if staged else None,
                decision=decisions.get(staged.name if staged else None),
            )
        )
    return rows


def _decision(read: ReadoutFacts | None) -> str | None:
    """What a reading decided; None where there was nothing to read."""
    if read is None or read.declined or read.waiting:
        return None
    return read.verdict or read.decision


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

    _, *found = run.facts(EvaluationFacts).policies
    judged = list(run.recipe.policy.judge_names())
    staged = run.facts_or_none(CandidateFacts)
    rows = []
    for each in found:
        chosen = staged is not None and staged.love_weight == each.love_weight
        extra = {"name": each.policy, "judges": judged, "chosen": chosen}
        rows.append(figures(each) | extra | {"passed": staged.passed if chosen and staged else None})
    return msgspec.convert(schema.plain(rows), list[schema.ReportPolicy])


def experiment(run: Run) -> "ReportExperiment | None":
    """The readout, where there was an experiment; none where the simulated test declined a candidate."""
    from assets.facts.experiment import ReportExperiment

    read = run.facts_or_none(ReadoutFacts)
    if read is None or read.declined:
        return None
    return msgspec.convert(figures(read) | {"simulated": run.recipe.source == "world"}, ReportExperiment)


def ledger_rows(run: Run) -> "list[schema.LedgerRow]":
    """Every row of the ledger."""
    from assets.report import schema

    told = run.facts_or_none(LedgerFacts)
    return msgspec.convert(told.ledger if told else [], list[schema.LedgerRow])


def logged_bots(run: Run) -> list[LoggedBot]:
    """Mean P[Love] beside the Love rate of each logged policy, where P[Love] was cross-validated."""
    return run.facts(RewardFacts, "p_love").bots or []


def with_interval(value: float | None, ci: Pair) -> str:
    """A figure with its interval, in words.

    >>> with_interval(0.8, (0.75, 0.84))
    '0.800 [0.750, 0.840]'
    """
    shown, low, high = (float("nan") if each is None else each for each in (value, *ci))
    return f"{shown:.3f} [{low:.3f}, {high:.3f}]"
