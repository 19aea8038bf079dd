"""The one plot of each stage, drawn from what the run recorded; the report and Dagster show the same."""

from datetime import date
from typing import TYPE_CHECKING, Any

from assets import report_facts
from assets.facts.models import PolicyFacts, RewardFacts
from assets.recipe import RewardSection
from assets.run import Run

if TYPE_CHECKING:
    from assets.report.adversary_schema import ReportAdversary


def picture(run: Run, stage: str) -> bytes | None:
    """The plot of a stage as PNG; None for a stage that has none, or too little to draw."""
    draw = _DRAWN_BY.get("policy" if stage.startswith("policy-") else stage)
    return None if draw is None else draw(run, stage)


def love_by_day(run: Run, _: str = "") -> bytes | None:
    """Love rate per day of serving, from the warehouse; without what the run's own A/B tests served."""
    from assets.report import plots
    from assets.stages import ingest
    from warehouse import queries

    hours = run.recipe.training_set.maturity_hours
    moment = ingest.as_of(run)
    days = queries.love_by_day(run.warehouse, as_of=moment, maturity_hours=hours, without=report_facts.trials(run))
    moments: list[date] = days["day"].to_pylist()
    if len(moments) < 2:
        return None
    return plots.love_by_day(moments, days["exposures"].to_pylist(), days["loves"].to_pylist())


def reliability(run: Run, stage: str) -> bytes | None:
    """Predicted chance against the share that came true, before and after calibration."""
    from assets.report import plots

    facts = run.facts(RewardFacts, stage)
    before, after = (
        [plots.PlottedBin(*row) for row in rows] for rows in (facts.reliability_before, facts.reliability_after)
    )
    return plots.reliability(after, before if before != after else ())


def of_reward(run: Run, stage: str) -> dict[str, bytes]:
    """What more is drawn of a reward model: its ranking, its audit, its slices and weeks, as far as it has them."""
    from assets.report import reward_plots

    facts, drawn = run.facts(RewardFacts, stage), {}
    trained: dict[str, RewardSection] = {"p_love": run.recipe.p_love}
    trained.update(run.recipe.labelled().items())
    limits = trained[stage].config.audit
    if facts.roc:
        drawn["ranking"] = reward_plots.curves(
            facts.roc,
            facts.pr,
            auroc=report_facts.with_interval(facts.auroc, facts.auroc_ci),
            average=report_facts.with_interval(facts.pr_auc, facts.pr_auc_ci),
            rate=facts.pr[-1][1],
        )
    if any(each["rows"] for each in facts.audit if "rows" in each):
        drawn["audit"] = reward_plots.audit(facts.audit, limits.edit)
    if any(each["offset"] is not None for each in facts.slices):
        drawn["slices"] = reward_plots.slices(facts.slices, limits.drift)
    if len(facts.weeks) > 1:
        drawn["weeks"] = reward_plots.weeks(facts.weeks, limits.drift, facts.alarms)
    return drawn


def pareto(run: Run, _: str = "") -> bytes | None:
    """Love against helpfulness over the sweep, or against needless closings where no helpfulness is known."""
    from assets.report import plots

    return plots.pareto(report_facts.policies(run))


def rounds(run: Run, stage: str) -> bytes | None:
    """What each reward thinks of a policy's samples, round by round."""
    from assets.report import rounds_plot

    return rounds_plot.rounds(run.facts(PolicyFacts, stage).rounds)


def forest(run: Run, _: str = "") -> bytes | None:
    """The A/B test's effect with its intervals."""
    from assets.report import experiment_plots

    test = report_facts.experiment(run)
    return experiment_plots.forest(test) if test and test.lift is not None else None


def of_experiment(run: Run) -> dict[str, bytes | None]:
    """What more is drawn of an A/B test: the deciding test from its beginning, the arms' users, the ramp."""
    from assets.report import experiment_plots

    test = report_facts.experiment(run)
    if test is None:
        return {}
    return {
        "sequence": experiment_plots.sequence(test),
        "arrivals": experiment_plots.arrivals(test),
        "ramp": experiment_plots.ramp(test.changes),
    }


def ledger(run: Run, _: str = "") -> bytes | None:
    """Predicted against measured lift."""
    from assets.report import plots

    rows = report_facts.ledger_rows(run)
    known = [each for each in rows if each.predicted_lift is not None and each.measured_lift is not None]
    return plots.predicted_against_measured(known) if known else None


def bots(run: Run, _: str = "") -> bytes | None:
    """Each logged policy: mean P[Love] against its Love rate."""
    from assets.report import plots

    rows = report_facts.logged_bots(run)
    return plots.bots(rows) if rows else None


def judged_days(run: Run, _: str = "") -> bytes | None:
    """Users by the day on which the daily job first flagged them."""
    import msgspec

    from assets.adversary_facts import judged
    from assets.report import adversary_plots
    from assets.report.adversary_schema import JudgedDay
    from warehouse.adversary import excluded

    plain = judged(excluded.judged_days(run.warehouse), excluded.first_flags(run.warehouse))
    days = msgspec.convert(plain, list[JudgedDay])
    return adversary_plots.judged_days(days) if len(days) > 1 else None


def adversary(found: "ReportAdversary | None") -> dict[str, bytes]:
    """What the adversary filter did, by the names that the report has places for; nothing is drawn of nothing."""
    from assets.report import adversary_plots, group_plot

    if found is None:
        return {}
    drawn: dict[str, bytes] = {}
    if found.left_out_by_rule and found.loves:
        drawn["left_out"] = adversary_plots.left_out(found.left_out_by_rule, found.loves)
    if found.recall_by_attack and found.honest_loss is not None:
        drawn["attacks"] = adversary_plots.attacks(found.recall_by_attack, found.honest_loss)
    if any(found.trust):
        drawn["trust"] = adversary_plots.trust(found.trust)
    if len(found.days) > 1 and any(day.first_flagged for day in found.days):
        drawn["judged_days"] = adversary_plots.judged_days(found.days)
    return drawn | {f"group_{place}": group_plot.group(each) for place, each in enumerate(found.groups) if each.loves}


def seconds(run: Run, _: str = "") -> bytes | None:
    """Wall clock of each stage."""
    from assets.report import plots

    return plots.seconds(report_facts.seconds(run))


_DRAWN_BY: dict[str, Any] = {
    "adversary": judged_days,
    "clean_feedback": love_by_day,
    "training_set": love_by_day,
    "p_love": reliability,
    "helpfulness": reliability,
    "safety": reliability,
    "policy": rounds,
    "offline_evaluation": pareto,
    "candidate": pareto,
    "experiment_readout": forest,
    "lift_ledger": ledger,
    "report": seconds,
}
