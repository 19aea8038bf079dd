"""What a gateway counts, in Prometheus' text format (version 0.0.4). No text of a message and no user is among it."""

from collections import Counter
from collections.abc import Iterator, Mapping

from streams.gateway.acknowledgement_lag import AcknowledgementLag

CONTENT_TYPE = "text/plain; version=0.0.4"
_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the histogram of seconds."""
_LABELS = {
    "requests": ("path", "status"),
    "refusals": ("reason",),
    "responses": ("policy", "experiment", "arm"),
    "incomplete": ("why",),
    "unrecorded": (),
    "spans": ("outcome",),
    "reactions": ("reaction", "action"),
}
_HELP = {
    "requests": "Requests answered.",
    "refusals": "Requests refused, by reason.",
    "responses": "Responses served and acknowledged by the broker.",
    "incomplete": "Of them those that were cut: the client left, or the model broke off.",
    "spans": "Spans of traces: recorded, passed over, or rejected, each with the word that says why.",
    "unrecorded": "Texts that were shown although the broker did not acknowledge them; the client was told, or gone.",
    "reactions": "Reactions acknowledged by the broker; other than love, like and dislike are `other`.",
}
_REACTIONS = ("love", "like", "dislike")
"""Those that are named: a product's own could be any text."""


class GatewayMetrics:
    r"""Counters and a histogram; used by the event loop alone, so that no lock is needed.

    >>> metrics = GatewayMetrics()
    >>> metrics.count("refusals", "no_key")
    >>> "loveloop_gateway_refusals_total{reason=\"no_key\"} 1" in metrics.exposition({})
    True
    """

    def __init__(self) -> None:
        self._counts: dict[str, Counter[tuple[str, ...]]] = {name: Counter() for name in _LABELS}
        self._buckets: dict[str, list[int]] = {}
        self._seconds: Counter[str] = Counter()
        self.lag = AcknowledgementLag()

    def count(self, name: str, *labels: str) -> None:
        """Add one to a counter."""
        self._counts[name][labels] += 1

    def count_reaction(self, reaction: str, action: str) -> None:
        """Count a reaction that the broker has."""
        self.count("reactions", reaction if reaction in _REACTIONS else "other", action)

    def counts(self, name: str) -> dict[tuple[str, ...], int]:
        """A counter's values by its labels' values."""
        return dict(self._counts[name])

    def time(self, path: str, seconds: float) -> None:
        """Add a request's duration to the histogram of its path."""
        buckets = self._buckets.setdefault(path, [0] * (len(_BOUNDS) + 1))
        buckets[next((place for place, bound in enumerate(_BOUNDS) if seconds <= bound), len(_BOUNDS))] += 1
        self._seconds[path] += seconds  # type: ignore[assignment]  # a Counter sums floats as well

    def exposition(self, gauges: Mapping[str, float]) -> str:
        """Every metric with its help, type and samples.

        Args:
            gauges: Values of the moment, by name.
        """
        return "".join(f"{line}\n" for line in (*self._counters(), *self._histogram(), *_gauges(gauges)))

    def _counters(self) -> Iterator[str]:
        for name, labels in _LABELS.items():
            full = f"loveloop_gateway_{name}_total"
            yield f"# HELP {full} {_HELP[name]}"
            yield f"# TYPE {full} counter"
            counts = self._counts[name] if labels else {(): self._counts[name][()]}
            for values, count in sorted(counts.items()):
                yield f"{full}{_braces(dict(zip(labels, values, strict=True)))} {count}"

    def _histogram(self) -> Iterator[str]:
        full = "loveloop_gateway_request_seconds"
        yield f"# HELP {full} Seconds until the last byte of an answer."
        yield f"# TYPE {full} histogram"
        for path, buckets in sorted(self._buckets.items()):
            total = 0
            for bound, count in zip((*map(str, _BOUNDS), "+Inf"), buckets, strict=True):
                total += count
                yield f"{full}_bucket{_braces({'path': path, 'le': bound})} {total}"
            yield f"{full}_sum{_braces({'path': path})} {float(self._seconds[path])!r}"
            yield f"{full}_count{_braces({'path': path})} {total}"


def _gauges(gauges: Mapping[str, float]) -> Iterator[str]:
    for name, value in gauges.items():
        yield f"# TYPE loveloop_gateway_{name} gauge"
        yield f"loveloop_gateway_{name} {float(value)!r}"


def _braces(labels: Mapping[str, str]) -> str:
    inner = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{inner}}}" if inner else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
