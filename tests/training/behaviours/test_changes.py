import numpy as np

from stats.estimate import Estimate
from training.behaviours.carrying import paid_for, score_change
from training.behaviours.changes import found_changes, segment_changes
from training.behaviours.config import BehaviourConfig
from training.behaviours.corpus import Corpus, CorpusPair, paired
from training.behaviours.features import feature_table

WORDS = ("tea", "milk", "rice", "bread", "salt", "plum", "corn", "fig")


def asked(count: int) -> list[list[dict[str, str]]]:
    return [[{"role": "user", "content": f"what is number {place}?"}] for place in range(count)]


def said(count: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [f"it is {WORDS[one]} with {WORDS[other]}." for one, other in rng.integers(len(WORDS), size=(count, 2))]


def with_end(texts: list[str], end: str, share: float, seed: int) -> list[str]:
    chosen = np.random.default_rng(seed).random(len(texts)) < share
    return [f"{text} {end}" if wanted else text for text, wanted in zip(texts, chosen, strict=True)]


def changes(pair: CorpusPair, config: BehaviourConfig | None = None) -> list:
    config = config or BehaviourConfig()
    return found_changes(pair, feature_table(pair, config), config)


def pair_with(end: str, before: float, after: float, count: int) -> CorpusPair:
    one, other = with_end(said(count, 1), end, before, 2), with_end(said(count, 3), end, after, 4)
    return paired(Corpus(asked(count), one), Corpus(asked(count), other))


def test_a_new_phrase_is_one_finding_with_its_parts() -> None:
    found = changes(pair_with("come back for the ending.", 0.0, 0.03, 2_000))
    assert [each.kind for each in found] == ["phrase", "style"]
    assert (found[0].grew, found[1].name) == (True, "long")
    assert found[0].before.value == 0
    assert 0.015 < found[0].after.value < 0.045
    assert {"back", "come back for", "the ending ."} <= {found[0].name, *found[0].also}
    assert len(found[0].name.split()) == 3  # of its parts a longest one tells most


def test_what_is_certain_and_does_not_matter_is_not_told() -> None:
    """A change of .4 points is beyond chance at this size, and below `change`."""
    pair = pair_with("bye!", 0.0, 0.004, 10_000)
    assert changes(pair) == []
    small = changes(pair, BehaviourConfig(change=0.001))
    assert [(each.name, each.kind) for each in small[:1]] == [("closing", "fault")]
    assert small[0].q < 1e-3


def test_a_style_that_moved_a_little_of_much_does_not_matter() -> None:
    """From 40 to 44 % is beyond chance, but the odds moved by less than a half."""
    pair = pair_with("shall i go on?", 0.40, 0.44, 6_000)
    assert changes(pair) == []
    assert changes(pair, BehaviourConfig(odds=1.05))


def test_the_same_policy_beside_itself_changes_nothing() -> None:
    for seed in range(5):
        count = 1_500
        pair = paired(Corpus(asked(count), said(count, 10 + seed)), Corpus(asked(count), said(count, 20 + seed)))
        assert changes(pair) == []


def test_a_fault_is_told_by_its_name_before_its_words() -> None:
    found = changes(pair_with("bye!", 0.005, 0.05, 2_000))
    assert found[0].name == "closing"
    assert "bye" in found[0].also
    assert [each.name for each in found] == ["closing", "long"]


def test_the_worst_kind_of_prompt_comes_first() -> None:
    count = 2_000
    pair = pair_with("bye!", 0.0, 0.0, count)
    kinds = np.array([f"kind {place % 4}" for place in range(count)] * 2, dtype=object)
    shown = np.zeros((2 * count, 1), bool)
    shown[count:][kinds[count:] == "kind 2"] = (np.arange(500) % 5 == 0)[:, None]
    found = segment_changes(pair, shown, ["closing"], kinds, BehaviourConfig())["closing"]
    assert (found[0].segment, round(found[0].after.value, 9)) == ("kind 2", 0.2)
    assert found[0].q < 1e-6
    assert all(each.q == 1 for each in found[1:])


def scored_pair(extra: float, gain: float, count: int = 1_000) -> tuple[CorpusPair, np.ndarray]:
    """Scores that differ by prompt, `gain` better everywhere, and `extra` where the candidate shows it (hard ones)."""
    rng = np.random.default_rng(5)
    worth, shown = rng.normal(size=count), np.zeros(count, bool)
    shown[np.argsort(worth)[:200]] = True
    after = worth + gain + extra * shown + rng.normal(size=count) * 0.1
    one = Corpus(asked(count), said(count, 1), proxy=worth + rng.normal(size=count) * 0.1)
    return paired(one, Corpus(asked(count), said(count, 2), proxy=after)), np.concatenate(
        [np.zeros(count, bool), shown]
    )


def inside(found: Estimate | None, value: float) -> bool:
    return found is not None and found.low < value < found.high


def test_what_a_reward_pays_is_found_beside_what_prompts_are_worth_and_what_gained_everywhere() -> None:
    pair, shown = scored_pair(extra=0.5, gain=0.3)
    assert inside(paid_for(pair, pair.proxy, shown), 0.5)
    assert inside(score_change(pair, pair.proxy), 0.3 + 0.5 * 0.2)
    nothing, shown = scored_pair(extra=0.0, gain=0.3)
    assert inside(paid_for(nothing, nothing.proxy, shown), 0.0)


def test_nothing_is_said_of_what_too_few_prompts_show_or_nobody_scored() -> None:
    pair, shown = scored_pair(extra=0.5, gain=0.3)
    few = shown & (np.cumsum(shown) < 10)
    assert paid_for(pair, pair.proxy, few) is None
    assert score_change(pair, pair.judge) is None
    assert paid_for(pair, pair.judge, shown) is None
