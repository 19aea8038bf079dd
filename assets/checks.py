"""The blocking asset checks: what must hold before anything downstream may use a result."""

import dagster as dg

from assets.asset import RunResource


@dg.asset_check(asset="training_set", blocking=True, description="rows, loves, and a Love rate that can be one")
def training_set_is_usable(run: RunResource) -> dg.AssetCheckResult:
    """A set without positives, or with more loves than a product ever sees, is not to be trained on."""
    facts = run.open().facts("training_set")
    rate = facts["positives"] / max(facts["rows"], 1)
    return dg.AssetCheckResult(
        passed=bool(facts["positives"] >= 30 and rate < 0.5),
        metadata={
            "rows": facts["rows"],
            "positives": facts["positives"],
            "love_rate": rate,
            "rule": "at least 30 loves, rate under 0.5",
        },
    )


@dg.asset_check(asset="p_love", blocking=True, description="better than chance on unseen users, and calibrated")
def p_love_beats_chance(run: RunResource) -> dg.AssetCheckResult:
    """The lower end of AUROC's interval on users that were not trained on lies above one half."""
    facts = run.open().facts("p_love")
    low = float(facts["auroc_ci"][0])
    return dg.AssetCheckResult(
        passed=low > 0.5,
        metadata={"auroc": facts["auroc"], "auroc_low": low, "rule": "the interval's lower end above 0.5"},
    )


@dg.asset_check(
    asset="candidate",
    blocking=True,
    description="a candidate that passed every gate, or one staged by force, and said so",
)
def candidate_passed_the_gates(run: RunResource) -> dg.AssetCheckResult:
    """Blocks the experiment unless the gates passed or the recipe forces it."""
    opened = run.open()
    facts = opened.facts("candidate")
    forced = bool(opened.recipe.experiment and opened.recipe.experiment.force)
    return dg.AssetCheckResult(
        passed=bool(facts["passed"] or forced),
        metadata={"candidate": facts["name"], "passed": facts["passed"], "forced": forced},
    )


@dg.asset_check(asset="ingest", description="no reaction has waited for its response for more than a day")
def reactions_find_their_responses(run: RunResource) -> dg.AssetCheckResult:
    """Warns: responses are lost on the way, or their response_id differs. The age is taken at the newest response."""
    from warehouse import queries

    opened = run.open()
    newest = queries.counts(opened.warehouse)["last_served_at"]
    found = queries.counts(opened.warehouse, as_of=newest)
    return dg.AssetCheckResult(
        passed=found["waiting_too_long"] == 0,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "waiting": found["waiting"],
            "waiting_too_long": found["waiting_too_long"],
            "waiting_since": str(found["waiting_since"]),
            "rule": f"none for more than {queries.WAITING_ALARM_HOURS:g} h",
        },
    )


CHECKS = [reactions_find_their_responses, training_set_is_usable, p_love_beats_chance, candidate_passed_the_gates]
