"""The guard's numbers in Prometheus' text format (version 0.0.4), a dozen lines that need no client library.

Counters are of this process. What is said of arms is what all workers together have counted: every worker says the
same, so take `max by (experiment, arm)`, not the sum.
"""

import time
from collections.abc import Iterator, Mapping

from streams.live import view
from streams.live.guard import Guard

CONTENT_TYPE = "text/plain; version=0.0.4"
MOST_ARMS = 200
"""Arms with the most responses; whoever posts made-up arms fills no time-series database."""

Sample = tuple[Mapping[str, str], float]


def exposition(guard: Guard) -> str:
    """Every metric with its help, type and samples."""
    return "".join(f"{line}\n" for metric in (*_of_worker(guard), *_of_arms(guard)) for line in _lines(*metric))


def _of_worker(guard: Guard) -> Iterator[tuple[str, str, str, list[Sample]]]:
    pulse, newest, age = guard.pulse, view.newest_event(guard), guard.pulse.age()
    now = time.time()
    lag: list[Sample] = [({"partition": str(number)}, lag) for number, lag in sorted(pulse.lag.items())]
    for name, kind, text, samples in (
        ("events_total", "counter", "Lines read since the start.", _one(guard.lines)),
        ("unreadable_events_total", "counter", "Of them those that break the contract.", _one(guard.unreadable)),
        ("events_per_second", "gauge", "Lines read a second, over a minute.", _one(pulse.events_per_second())),
        ("lag_messages", "gauge", "Messages that wait to be counted.", lag),
        ("newest_event_age_seconds", "gauge", "Age of the newest event.", newest and _one(now - newest.timestamp())),
        ("broker_up", "gauge", "1 when the broker answers, else 0.", _one(pulse.lost is None)),
        ("healthy", "gauge", "1 when /health says 200, else 0.", _one(pulse.trouble() is None)),
        ("last_refresh_timestamp_seconds", "gauge", "When the numbers were last up to date.",
         None if age is None else _one(now - age)),
        ("start_timestamp_seconds", "gauge", "When this worker started.", _one(now - pulse.clock() + pulse.since)),
    ):  # fmt: skip
        yield name, kind, text, samples or []


def _of_arms(guard: Guard) -> Iterator[tuple[str, str, str, list[Sample]]]:
    most = sorted(view.arms(guard), key=lambda row: -row["served"])[:MOST_ARMS]
    named = [({name: row[name] or "" for name in ("experiment", "arm", "policy")}, row) for row in most]
    for name, text in (
        ("served", "Responses served, over what is remembered."),
        ("loves", "Of them loved at present."),
        ("closings", "Of them needless closings."),
    ):
        yield f"arm_{name}", "gauge", text, [(labels, row[name]) for labels, row in named]
    shown = {(row["experiment"], row["arm"]) for row in most}
    tests = [each for each in guard.standings() if (each.experiment, each.arm) in shown]
    labels = [{name: getattr(each, name) for name in ("experiment", "arm", "metric", "against")} for each in tests]
    evidence: list[Sample] = [(label, each.log_evidence) for label, each in zip(labels, tests, strict=True)]
    lines: list[Sample] = [(label, each.line) for label, each in zip(labels, tests, strict=True)]
    yield "arm_log_evidence", "gauge", "Natural logarithm of the e-value of a test.", evidence
    yield "arm_log_evidence_line", "gauge", "The arm trips when its evidence reaches this.", lines
    off = {trip.identity[:2] for trip in guard.trips.values()}
    arms = sorted({pair for pair in shown if None not in pair} | off)
    tripped: list[Sample] = [({"experiment": pair[0], "arm": pair[1]}, pair in off) for pair in arms]
    yield "arm_tripped", "gauge", "1 when the arm must not be served.", tripped


def _one(value: float) -> list[Sample]:
    return [({}, value)]


def _lines(name: str, kind: str, text: str, samples: list[Sample]) -> Iterator[str]:
    if not samples:
        return
    yield f"# HELP loveloop_guard_{name} {text}"
    yield f"# TYPE loveloop_guard_{name} {kind}"
    for labels, value in samples:
        inner = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"loveloop_guard_{name}{f'{{{inner}}}' if inner else ''} {float(value)!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
