"""A small run's figures and pictures, and a reader of pages."""

import copy
from collections import Counter
from datetime import date, timedelta
from html.parser import HTMLParser
from typing import Any

import pyarrow as pa
import pytest

from assets.facts.models import LoggedBot
from assets.report import adversary_plots, convert, experiment_plots, group_plot, plots, reward_plots, schema
from experiments import gates, ledger
from experiments.plan import Plan
from experiments.readout import read

INGEST = ("events_sent", "rows", "duplicates_dropped", "retractions", "late_joined", "dead_letters", "lost")
P_LOVE = ("auroc", "auroc_ci", "oracle_auroc", "base_rate", "ece_before", "ece_after", "length_rho")


def _experiment() -> dict[str, Any]:
    """A readout of a small A/B test, as a run would record it."""
    plan = Plan({"control": 0.5, "treatment": 0.5}, lift=0.5, exposures=10_000)
    loves = [int(user % 40 < 2 + user % 2 * 2) for user in range(4_000)]
    columns = {
        "arm": ["control", "treatment"] * 2_000,
        "exposures": [5] * 4_000,
        "loves": loves,
        "closings": [0] * 4_000,
    }
    moments = pa.array(range(4_000), pa.timestamp("s", "UTC"))
    loved = pa.array([moment if loved else None for moment, loved in zip(moments, loves, strict=True)], moments.type)
    users = pa.table({"user_id": range(4_000), **columns, "first_love": loved, "first_exposure": moments})
    shown, counts = convert.arrivals(users, ("control", "treatment"))
    found = read(users, plan, arrivals=counts)
    changes = [
        {"at": "2026-03-01T12:00:00+00:00", "by": "ann", "action": "started", "why": "launch", "coverage": 0.1},
        {"at": "2026-03-02T12:00:00+00:00", "by": "ann", "action": "ramped", "why": "all is well", "coverage": 1.0},
    ]
    more = {"walk": convert.walk(users, plan), "arrivals": shown, "changes": changes, "notes": ["the effect lasts"]}
    return convert.experiment(found, plan, name="ab-1", true_lift=0.8) | more


def _figures() -> dict[str, Any]:
    row = {
        "love_lift": 0.3,
        "love_lift_ci": [0.2, 0.4],
        "helpfulness_delta": -0.005,
        "helpfulness_delta_ci": [-0.01, 0.0],
        "safety_delta": 0.01,
        "safety_delta_ci": [0.0, 0.02],
        "closing_delta_ci": [-0.01, 0.0],
        "closing_rate": 0.0065,
        "closing_ratio": 0.6,
        "closing_ratio_ci": [0.4, 0.9],
        "closing_counts": "39 of 6,000 against 65 of 6,000",
        "length": 20.0,
    }
    passed = gates.check(row, {"length": 21.0}, p_love={"auroc_ci": (0.6, 0.7)})
    booked = ledger.row(
        "love-0.1",
        predicted_lift=0.3,
        measured_lift=0.9,
        measured_ci=(0.2, 1.9),
        experiment="ab-1",
        day=date(2026, 3, 2),
    )
    policy = {name: value for name, value in row.items() if name in schema.ReportPolicy.__struct_fields__}
    return {
        "name": "small",
        "created_at": "2026-03-02T10:00:00+00:00",
        "source": "a synthetic world",
        "ingest": dict.fromkeys(INGEST, 7) | {"lost": 0},
        "adversary": _caught(),
        "p_love": dict.fromkeys(P_LOVE, 0.6) | {"auroc_ci": [0.58, 0.62]},
        "policies": [policy | {"love_weight": 0.1, "judges": ["closing"], "chosen": True, "true_love_lift": 0.28}],
        "candidate": {
            "name": "love-0.1",
            "love_weight": 0.1,
            "passed": True,
            "gates": [each._asdict() for each in passed],
        },
        "experiment": _experiment(),
        "ledger": [booked._asdict()],
        "ledger_agreement": {
            "r": None,
            "r_ci": None,
            "passed": False,
            "words": ledger.agreement([booked._asdict()]).words,
        },
        "seconds": {"ingest": 12.0, "p_love": 61.0},
        "versions": {"python": "3.11"},
        "commands": ["make demo"],
    }


def _caught() -> dict[str, Any]:
    """What the filter did: two rules, two days, and a group of three that met on one question, twice."""
    met = [(account, 0, f"2026-02-0{day}T10:0{account}:00+00:00") for day in (2, 4) for account in range(3)]
    group = {
        "name": "lockstep-1",
        "rule": "lockstep",
        "members": 3,
        "score": 4.2,
        "surprise": 69.1,
        "density": None,
        "line": None,
        "flagged_at": "2026-02-03T00:00:00+00:00",
        "begins": met[0][2],
        "ends": met[-1][2],
        "objects": [{"side": "prompt", "words": "what's new?", "accounts": 3, "loves": 6}],
        "loves": [*met, (1, None, "2026-02-05T09:00:00+00:00")],
        "ties": [(0, 1, 30.0), (0, 2, 25.0), (1, 2, 14.1)],
    }
    day = {"users": 9, "loves": 30, "flags": {"lockstep": 3}, "first_flagged": {"lockstep": 3}, "cpu_s": 0.4}
    return {
        "recall": 0.8,
        "honest_loss": 0.005,
        "recall_by_attack": {"lockstep_farm": 0.9, "slow_drip": 0.7},
        "loves": 200,
        "left_out": 12.5,
        "left_out_by_rule": {"lockstep": 7.0, "weighed down": 5.5},
        "users": 100,
        "users_aside": 3,
        "users_by_rule": {"lockstep": 3},
        "reactions_aside": 0,
        "released": 0,
        "confirmed": 0,
        "trust": [0, 1, 0, 0, 0, 0, 0, 0, 2, 0],
        "days": [day | {"day": "2026-02-02"}, day | {"day": "2026-02-03", "flags": {}, "first_flagged": {}}],
        "groups": [group],
        "sentences": ["A block of 20 accounts stays undetected below 8.8 loves each."],
        "dial": 0.01,
    }


def _bare() -> dict[str, Any]:
    """A run that got no further than its events."""
    nothing = dict.fromkeys(("adversary", "p_love", "candidate", "experiment", "ledger_agreement"))
    return _figures() | nothing | {"policies": [], "ledger": []}


def _drawn(report: schema.Report) -> dict[str, bytes]:
    assert report.experiment is not None
    days = [date(2026, 2, 1) + timedelta(days=day) for day in range(9)]
    bins = [plots.PlottedBin(0.001 * 2**place, place * 3, 1_000) for place in range(8)]
    rates = {"mean_p_love": 0.01, "love_rate": 0.012, "love_rate_ci": (0.01, 0.02)}
    return {
        "love_by_day": plots.love_by_day(days, [900] * 8 + [0], [9] * 8 + [0]),
        "reliability": plots.reliability(bins, bins[:3]),
        "pareto": plots.pareto(report.policies),
        "experiment": experiment_plots.forest(report.experiment),
        "sequence": experiment_plots.sequence(report.experiment),
        "arrivals": experiment_plots.arrivals(report.experiment),
        "ramp": experiment_plots.ramp(report.experiment.changes),
        "ledger": plots.predicted_against_measured(report.ledger),
        "bots": plots.bots([LoggedBot(name="a", responses=9, **rates)]),
        "seconds": plots.seconds(report.seconds),
        **_rewards(),
        **_adversaries(report),
    }


def _rewards() -> dict[str, bytes]:
    edits = [{"edit": "closing appended", "shift": 0.8, "error": 0.05, "rows": 400, "hack": "closing", "sign": 1}]
    known = {"offset": 0.1, "offset_ci": [0.0, 0.2], "auroc": 0.8, "auroc_ci": [0.7, 0.9]}
    return {
        "reward_ranking": reward_plots.curves(
            [(0.0, 0.0), (0.2, 0.7), (1.0, 1.0)], [(0.5, 0.4), (1.0, 0.1)], auroc="0.8", average="0.3", rate=0.1
        ),
        "reward_audit": reward_plots.audit(edits, 0.1),
        "reward_slices": reward_plots.slices([{"dimension": "place", "value": "turn 1"} | known], 0.2),
        "reward_weeks": reward_plots.weeks([{"value": f"2026-01-{day:02d}"} | known for day in (5, 12)], 0.2),
    }


def _adversaries(report: schema.Report) -> dict[str, bytes]:
    found = report.adversary
    assert found is not None
    assert found.loves is not None
    assert found.honest_loss is not None
    return {
        "left_out": adversary_plots.left_out(found.left_out_by_rule, found.loves),
        "attacks": adversary_plots.attacks(found.recall_by_attack, found.honest_loss),
        "trust": adversary_plots.trust(found.trust),
        "judged_days": adversary_plots.judged_days(found.days),
        "group_0": group_plot.group(found.groups[0]),
    }


class Page(HTMLParser):
    """Collects what a page would fetch, where it leads, its tables' parts, and whether its tags close."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.anchors: list[str] = []
        self.ids: list[str] = []
        self.tags: Counter[str] = Counter()
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: str(value) for name, value in attrs}
        self.tags[tag] += 1
        self.tags["th without scope"] += tag == "th" and "scope" not in given
        figure = tag == "td" and given.get("class") == "figure"
        self.tags["figure without label"] += figure and "data-label" not in given
        self.ids += [given["id"]] if "id" in given else []
        for address in (given[name] for name in ("src", "href", "srcset") if name in given):
            if address.startswith("#"):
                self.anchors.append(address[1:])
            elif not address.startswith("data:"):
                self.fetched.append(address)
        if tag not in ("meta", "img", "br", "source"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="session")
def computed() -> dict[str, Any]:
    """The same, computed once; not to be changed."""
    return _figures()


@pytest.fixture
def figures(computed: dict[str, Any]) -> dict[str, Any]:
    """Every part of a run on the synthetic world, as plain values; a copy, to be changed at will."""
    return copy.deepcopy(computed)


@pytest.fixture
def bare() -> dict[str, Any]:
    """A run that got no further than its events."""
    return _bare()


@pytest.fixture
def caught() -> dict[str, Any]:
    """What the filter did, on its own."""
    return _caught()


@pytest.fixture(scope="session")
def report(computed: dict[str, Any]) -> schema.Report:
    """The run's report."""
    return schema.from_plain(copy.deepcopy(computed))


@pytest.fixture(scope="session")
def images(report: schema.Report) -> dict[str, bytes]:
    """All of its pictures."""
    return _drawn(report)


@pytest.fixture
def page() -> type[Page]:
    """Reads a page's HTML."""
    return Page
