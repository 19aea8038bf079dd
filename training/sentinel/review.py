"""The sentinel's look at two policies' texts: the same code for offline samples and for the arms of a live test."""

import dataclasses

import numpy as np
import numpy.typing as npt

from training.behaviours.carrying import paid_for, score_change
from training.behaviours.changes import BehaviourChange, found_changes, segment_changes
from training.behaviours.config import BehaviourConfig
from training.behaviours.corpus import Corpus, CorpusPair, paired
from training.behaviours.features import feature_table
from training.behaviours.known import FAULTS
from training.behaviours.segments import segments_of
from training.behaviours.sentence_clusters import Embed
from training.sentinel.config import SentinelConfig
from training.sentinel.report import Example, Finding, SentinelReport, verdict_of
from training.sentinel.rules import fired


def review(
    baseline: Corpus, candidate: Corpus, config: SentinelConfig | None = None, *, embed: Embed | None = None
) -> SentinelReport:
    """Look for what changed, and judge it.

    1. Put both sides beside each other, clustered by user, or by prompt.
    2. Read known behaviours, phrases and clusters of sentences; keep what changed beyond chance and matters.
    3. Look at faults within each kind of prompt, and at what the optimised reward and a second judge pay.
    4. Let the rules speak (`rules.fired`).

    Args:
        baseline: The texts to compare with: the incumbent's, the control arm's.
        candidate: Those of the policy in question.
        config: When to warn and block.
        embed: A frozen encoder for clusters; None takes TF-IDF and SVD.

    Raises:
        ValueError: A side without responses, or columns of other lengths.
    """
    config = config or SentinelConfig()
    pair, how = paired(baseline, candidate), config.behaviours
    table = feature_table(pair, how, embed)
    segments = segments_of(pair, most=how.segments, seed=how.seed, embed=embed)
    changes = found_changes(pair, table, how)
    faults = np.column_stack([table.carriers(table.names.index(name)) for name in FAULTS])
    within = segment_changes(pair, faults, FAULTS, segments, how)
    findings = tuple(
        _finding(pair, each, segments, config, len(changes)) for each in _placed(pair, changes, segments, how)
    )
    worst = {name: several[0] for name, several in within.items() if several}
    proxy, judge = score_change(pair, pair.proxy), score_change(pair, pair.judge)
    rules = fired(findings, worst, proxy, judge, config)
    return SentinelReport(
        verdict=verdict_of(rules),
        rules=rules,
        findings=findings,
        proxy=proxy,
        judge=judge,
        worst=worst,
        responses=(int((~pair.candidate).sum()), int(pair.candidate.sum())),
        units=(pair.units, pair.unit),
        features=len(table.names),
    )


def _placed(
    pair: CorpusPair, changes: list[BehaviourChange], segments: npt.NDArray[np.object_], config: BehaviourConfig
) -> list[BehaviourChange]:
    """The changes with the kind of prompt in which each grew, or fell, most; that is told, and not tested anew."""
    if not changes:
        return []
    shown = np.zeros((len(segments), len(changes)), bool)
    for column, each in enumerate(changes):
        shown[each.carriers, column] = True
    names = [str(column) for column in range(len(changes))]
    within = segment_changes(pair, shown, names, segments, config)
    return [
        dataclasses.replace(each, worst=within[name][0 if each.grew else -1]) if within[name] else each
        for name, each in zip(names, changes, strict=True)
    ]


def _finding(
    pair: CorpusPair,
    change: BehaviourChange,
    segments: npt.NDArray[np.object_],
    config: SentinelConfig,
    count: int,
) -> Finding:
    """A change with what it is paid, at a level shared by all findings (Bonferroni), and examples."""
    shown = np.zeros(len(pair.responses), bool)
    shown[change.carriers] = True
    confidence = 1 - config.behaviours.level / max(1, count)
    proxy, judge = (paid_for(pair, scores, shown, confidence=confidence) for scores in (pair.proxy, pair.judge))
    return Finding(change, proxy, judge, _examples(pair, change, segments, config.examples))


def _examples(
    pair: CorpusPair, change: BehaviourChange, segments: npt.NDArray[np.object_], most: int
) -> tuple[Example, ...]:
    """Distinct responses of the side that does it more, spread over its rows."""
    rows = change.carriers[pair.candidate[change.carriers] == change.grew]
    distinct = {pair.responses[row]: row for row in rows[::-1].tolist()}
    every = sorted(distinct.values())
    places = sorted({round(each) for each in np.linspace(0, len(every) - 1, min(most, len(every)))})
    return tuple(
        Example(
            [{"role": turn["role"], "content": turn["content"]} for turn in pair.conversations[row]],
            pair.responses[row],
            str(segments[row]),
        )
        for row in (every[place] for place in places)
    )
