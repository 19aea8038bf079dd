"""The retention model of a run: what an answer does to people coming back, learnt from the warehouse's user-days."""

from assets.facts.models import AuditFinding, RetentionFacts
from assets.run import Run
from assets.stage import Stage
from assets.stages import adversary, feedback, ingest, models
from training.policy.load import fingerprint

NAME = "retention"


def _work(run: Run) -> RetentionFacts:
    from training.retention.train import train_retention
    from training.reward.config import RewardConfig
    from warehouse.retention import responses, visits

    out, moment = run.models / NAME, ingest.as_of(run)
    days, shown = (read(run.warehouse, as_of=moment) for read in (visits, responses))
    lineage = {"user-days": days.num_rows, "as of": moment.isoformat(), "command": models.command(run)}
    config = RewardConfig(model="views", seed=run.recipe.seed)
    report = train_retention(days, shown, out, base=models.incumbent(run), config=config, lineage=lineage)
    measured = report.reward.measured.as_dict()
    low, high = measured["auroc_ci"]
    lasting = "; ".join(f"after {delay} days {each.odds}" for delay, each in report.lasting.items())
    missing = "".join(f"; no {what}" for what in report.missing)
    words = f"{report.rows:,} user-days of {report.users:,} users"
    return RetentionFacts(
        summary=f"{words}, AUROC {measured['auroc']:.3f} ({low:.3f} to {high:.3f}) on unseen users; odds of a "
        f"return by one standard deviation of an answer's score: {lasting}{missing}",
        place=run.relative(out),
        fingerprint=fingerprint(out),
        findings=[AuditFinding(**each._asdict()) for each in report.reward.audit.results],
        accuracy=[each.as_dict() for each in report.accuracy],
        missing=list(report.missing),
        origin={"source": "log", "words": words, "simulated": run.recipe.source == "world"},
        **measured,
    )


STAGE = Stage(
    NAME,
    "retention: what an answer does to people coming back",
    _work,
    (adversary.STAGE.name, "incumbent"),
    lambda _: [],
    inputs=feedback.erasures,
    code=("training", "stats", "warehouse"),
    libraries=models.LIBRARIES,
)
