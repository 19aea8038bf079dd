"""What changed from one policy to the other: features that moved beyond chance and by as much as matters."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from stats.estimate import Estimate, Floats
from training.behaviours.config import BehaviourConfig
from training.behaviours.corpus import CorpusPair
from training.behaviours.discovery import q_values
from training.behaviours.features import FeatureTable, Kind
from training.behaviours.prevalence import Prevalence, prevalence
from training.judges.repair import WORD

_OVERLAP = 0.7
"""Share of the smaller feature's responses that are the larger one's, from which on both are told as one."""
_EACH_WORD = 0.2
_TELLING = 0.1
_LEAST_SEGMENT = 50
"""Responses of either side that a kind of prompt must have to be looked at by itself."""


@dataclass(frozen=True, slots=True)
class SegmentChange:
    """A behaviour's shares within one kind of prompt."""

    segment: str
    before: Estimate
    after: Estimate
    change: Estimate
    q: float


@dataclass(frozen=True, slots=True)
class BehaviourChange:
    """One change that is told.

    Attributes:
        name: A behaviour's, a phrase, or a cluster's most typical sentence.
        kind: `fault`, `style`, `phrase` or `cluster`.
        before: Share of the baseline's responses, with its 95 % interval.
        after: Share of the candidate's.
        change: Their difference.
        odds: The shrunken odds ratio.
        q: The least level of false discoveries at which it is told.
        carriers: Rows of the pair that show it, ascending.
        also: Further features of nearly the same responses, the strongest first.
        telling: Those phrases of these that the side with less of it says at most a tenth as often.
        worst: The kind of prompt in which it grew most; None where kinds were not looked at.
    """

    name: str
    kind: Kind
    before: Estimate
    after: Estimate
    change: Estimate
    odds: Estimate
    q: float
    carriers: npt.NDArray[np.int64]
    also: tuple[str, ...] = ()
    telling: tuple[str, ...] = ()
    worst: SegmentChange | None = None

    @property
    def grew(self) -> bool:
        """Whether the candidate does it more often."""
        return self.change.value > 0


def found_changes(pair: CorpusPair, table: FeatureTable, config: BehaviourConfig) -> list[BehaviourChange]:
    """The features that changed, the strongest evidence first; those of nearly the same responses are told as one.

    A change is told when weighted e-BH tells it at `config.level` *and* it matters: the share moved by
    `config.change`, the shrunken odds by `config.odds`. Materiality only takes findings away that no reader would act
    on; with millions of responses everything is significant. The level bounds false discoveries among what e-BH tells,
    before any is taken away.
    """
    measured = prevalence(pair, table.held, prior=config.prior, scale=config.scale)
    q = q_values(measured.log_evidence, table.weights)
    told = np.flatnonzero((q <= config.level) & matters(measured, config.change, config.odds))
    faults = table.kinds[told] == "fault"
    order = told[np.lexsort((-measured.log_evidence[told] * _telling(table, told), ~faults))]
    leads: list[tuple[int, list[int]]] = []
    for feature in order.tolist():
        lead = next((each for each in leads if _same(measured, table, each[0], feature)), None)
        if lead is None or table.kinds[feature] in ("fault", "style"):
            leads.append((feature, []))
        else:
            lead[1].append(feature)
    return [_told(measured, table, feature, float(q[feature]), also) for feature, also in leads]


def _telling(table: FeatureTable, features: npt.NDArray[np.int64]) -> Floats:
    """How much more of a finding's name a longer phrase is worth: of nearly equal ones it is told."""
    words = [len(WORD.findall(table.names[place])) if table.kinds[place] == "phrase" else 1 for place in features]
    return 1 + _EACH_WORD * np.array(words, np.float64)


def matters(measured: Prevalence, change: float, odds: float) -> npt.NDArray[np.bool_]:
    """Which features moved by as much as matters, bool [features]."""
    moved, shrunk = np.abs(measured.after - measured.before), np.abs(measured.log_odds)
    return np.asarray((moved >= change) & (shrunk >= np.log(odds)))


def segment_changes(
    pair: CorpusPair, carriers: npt.NDArray[np.bool_], names: Sequence[str], segments: npt.NDArray[np.object_],
    config: BehaviourConfig,
) -> dict[str, list[SegmentChange]]:  # fmt: skip
    """Each behaviour's change within every kind of prompt that is large enough, the worst growth first.

    Args:
        pair: The texts.
        carriers: bool [rows, behaviours].
        names: Of the behaviours.
        segments: The kind of each row's prompt.
        config: q-values are over all kinds and behaviours together.
    """
    rows = [(name, place, kind) for kind in _large(pair, segments) for place, name in enumerate(names)]
    measured = {kind: _within(pair, carriers, segments == kind, config) for kind in {kind for _, _, kind in rows}}
    evidence = np.array([measured[kind].log_evidence[place] for _, place, kind in rows])
    q: Floats = q_values(evidence, np.ones(len(rows)))
    found: dict[str, list[SegmentChange]] = {name: [] for name in names}
    for (name, place, kind), level in zip(rows, q, strict=True):
        before, after = measured[kind].shares(place)
        found[name].append(SegmentChange(kind, before, after, measured[kind].change(place), float(level)))
    return {name: sorted(several, key=lambda each: -each.change.value) for name, several in found.items()}


def _within(
    pair: CorpusPair, carriers: npt.NDArray[np.bool_], rows: npt.NDArray[np.bool_], config: BehaviourConfig
) -> Prevalence:
    held = csr_array(carriers[rows].astype(np.float64))
    return prevalence(pair.part(rows), held, prior=config.prior, scale=config.scale)


def _large(pair: CorpusPair, segments: npt.NDArray[np.object_]) -> list[str]:
    kinds = sorted({*segments.tolist()})
    counts = {kind: np.bincount(pair.candidate[segments == kind], minlength=2).min() for kind in kinds}
    return [kind for kind in kinds if counts[kind] >= _LEAST_SEGMENT]


def _same(measured: Prevalence, table: FeatureTable, lead: int, feature: int) -> bool:
    """Whether two features moved alike and stand in nearly the same responses."""
    moved = measured.after - measured.before
    if (moved[lead] > 0) != (moved[feature] > 0):
        return False
    one, other = table.carriers(lead), table.carriers(feature)
    return bool((one & other).sum() >= _OVERLAP * min(one.sum(), other.sum()))


def _told(measured: Prevalence, table: FeatureTable, feature: int, q: float, also: list[int]) -> BehaviourChange:
    before, after = measured.shares(feature)
    shares = np.sort([measured.before, measured.after], axis=0)
    said = (place for place in (feature, *also) if table.kinds[place] == "phrase")
    return BehaviourChange(
        name=table.names[feature],
        kind=table.kinds[feature],
        before=before,
        after=after,
        change=measured.change(feature),
        odds=measured.odds(feature),
        q=q,
        carriers=np.flatnonzero(table.carriers(feature)),
        also=tuple(table.names[place] for place in also),
        telling=tuple(table.names[place] for place in said if shares[0, place] <= _TELLING * shares[1, place]),
    )
