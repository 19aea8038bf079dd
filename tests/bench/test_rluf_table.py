"""The table of the published hack and its remedies: rows say what they are, answers are read truly, intervals hold."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"
TRAITS = 11
LOVE, CLOSING, WORDS, WARM, WARM_WORDS = 0, 1, 8, 9, 10


@pytest.fixture(autouse=True)
def _bench_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))


def traits(love: float, closing: float = 0.01, prompts: int = 200, seed: int = 0) -> np.ndarray:
    """Traits of a policy whose loves vary over its prompts."""
    found = np.full((prompts, TRAITS), 0.5)
    found[:, LOVE] = love * np.random.default_rng(seed).uniform(0.5, 1.5, prompts)
    found[:, CLOSING], found[:, WORDS] = closing, 12.0
    return found


def test_rows_are_named_once_and_every_way_has_a_weight_0_to_be_held_against() -> None:
    from rluf_parts.rows import WAYS, every_row

    names = [row.name for row in every_row()]
    assert len({*names}) == len(names)
    assert all(f"{way}-0" in names and f"{way}-0.3" in names for way in WAYS)


def test_rows_are_chosen_by_name_or_by_way_and_a_misspelt_one_is_refused() -> None:
    from rluf_parts.rows import chosen

    assert [row.name for row in chosen("pairs-0.3,free")] == ["pairs-0.3", "free-0", "free-0.1", "free-0.3"]
    assert [row.name for row in chosen("pairs-0.3,pairs")] == ["pairs-0.3", "pairs-0", "pairs-0.1"]
    with pytest.raises(ValueError, match=r"'pears' is no row; there are free-0, free-0\.1"):
        chosen("pears")


def test_the_settings_of_a_row_are_what_its_columns_say() -> None:
    from rluf_parts.rows import chosen
    from rluf_parts.table import row_of

    told = {
        row.name: row_of(row, {})
        for row in chosen("free-0.3,pairs-0.3,judges-0.3,crpg+pairs-0.3,together-0,pairs+mild-1")
    }
    assert told["free-0.3"]["judges"] == []
    assert not told["free-0.3"]["pairs"]
    assert "closing" in told["pairs-0.3"]["judges"]
    assert told["pairs-0.3"]["pairs"]
    assert not told["judges-0.3"]["pairs"]
    assert told["crpg+pairs-0.3"]["optimiser"] == "crpg"
    assert "length" in told["together-0"]["judges"]
    assert told["pairs+mild-1"]["temperature"] < told["pairs-0.3"]["temperature"]
    assert told["together-0"]["kl_limit"] < told["pairs-0.3"]["kl_limit"]


def test_seeds_differ_in_the_seed_alone_and_a_quick_run_is_smaller() -> None:
    from rluf_parts.world import recipe_of

    one, other, quick = recipe_of(1, quick=False), recipe_of(2, quick=False), recipe_of(1, quick=True)
    assert other == one.model_copy(update={"seed": 2})
    assert one.evaluation.judged == 5_000
    assert quick.world.responses < one.world.responses
    assert quick.world.attacks == one.world.attacks


def test_more_labels_are_a_seed_of_their_own(tmp_path: Path) -> None:
    from rluf_parts.world import opened, recipe_of

    usual, more = opened(2, tmp_path, quick=False), opened(2, tmp_path, quick=False, labels=60_000)
    assert usual.directory != more.directory
    assert usual.recipe == recipe_of(2, quick=False)
    assert more.recipe.helpfulness.count == 60_000
    assert more.recipe.model_copy(update={"helpfulness": usual.recipe.helpfulness}) == usual.recipe


def test_seeds_are_a_span_or_one() -> None:
    from rluf_parts.table import span

    assert [*span("2-4")] == [2, 3, 4]
    assert [*span("3")] == [3]


def test_answers_are_read_as_the_worlds_truth_reads_them() -> None:
    from rluf_parts.measure import TRAITS, read

    from assets.truth import of_answers
    from streams.synthetic.studies.sets import prompts

    asked = [list(each) for each in prompts("love", 4, seed=1)]
    answers = [["Bye! Sending love!", "I am here for you."]] * 4
    found = dict(zip(TRAITS, read(asked, answers, 0.01).mean(axis=0), strict=True))
    flat = [text for several in answers for text in several]
    truly = of_answers([prompt for prompt in asked for _ in range(2)], flat, 0.01)
    assert found["love"] == pytest.approx(truly["true_love"])
    assert found["closing"] == pytest.approx(truly["true_closing"])
    assert found["fluent"] == pytest.approx(truly["fluent"])


def test_a_row_is_kept_under_its_key_alone(tmp_path: Path) -> None:
    from rluf_parts.measure import Measured, keep, kept

    file = tmp_path / "rows" / "pairs-0.3.npz"
    assert kept(file, "a") is None
    keep(file, "a", Measured(traits(0.01), {"rounds": [1]}))
    there = kept(file, "a")
    assert there is not None
    assert np.array_equal(there.traits, traits(0.01))
    assert there.facts == {"rounds": [1]}
    assert kept(file, "another judge") is None
    assert [each.name for each in file.parent.iterdir()] == ["pairs-0.3.npz"]


def test_what_was_measured_so_far_is_found_without_training(tmp_path: Path) -> None:
    from rluf_parts import measure, rows, world
    from rluf_table import kept

    from assets.cycle import cycle_for
    from assets.facts.models import RewardFacts
    from assets.pipeline import stages
    from assets.stage import record

    run, wanted = world.opened(1, tmp_path, quick=True), rows.chosen("pairs")
    assert kept(run, wanted) == {}
    cycle_for(run.directory, "incumbent", "the first cycle")
    for stage in reversed([each for each in stages(run.recipe) if each.name in rows.SHARED]):
        assert kept(run, wanted) == {}
        record(run, stage, stage.key(run), 1.0, RewardFacts(fingerprint=stage.name))
    assert kept(run, wanted) == {}
    for row in (None, wanted[2]):
        file = run.directory / "rows" / f"{row.name if row else 'incumbent'}.npz"
        measure.keep(file, rows.key(run, row), measure.Measured(traits(0.01), {}))
    measure.keep(run.directory / "rows" / "pairs-0.npz", "other settings", measure.Measured(traits(0.02), {}))
    assert set(kept(run, wanted)) == {"incumbent", "pairs-0.3"}


def seeds_of(lifts: list[float]) -> dict[int, Any]:
    return {
        seed: {
            "incumbent": traits(0.01, closing=0.01, seed=seed),
            "pairs-0": traits(0.01, seed=seed),
            "pairs-0.3": traits(0.01 * (1 + lift), closing=0.005, seed=seed),
        }
        for seed, lift in enumerate(lifts, start=1)
    }


def test_the_interval_over_seeds_is_students() -> None:
    from rluf_parts.rows import chosen
    from rluf_parts.table import row_of

    row = row_of(chosen("pairs-0.3")[0], seeds_of([0.3, 0.5, 0.4]))
    lift = row["lift_over_weight_0"]
    assert (row["seeds"], row["interval"]) == ([1, 2, 3], "t over seeds")
    assert lift["value"] == pytest.approx(0.4)
    assert lift["by_seed"] == pytest.approx([0.3, 0.5, 0.4])
    assert lift["high"] - lift["value"] == pytest.approx(4.302653 * 0.1 / 3**0.5)
    assert row["closing_ratio"]["value"] == pytest.approx(0.5)
    assert row["length_ratio"]["low"] == pytest.approx(1.0)


def test_one_seed_has_an_interval_over_its_prompts_and_says_so() -> None:
    from rluf_parts.rows import chosen
    from rluf_parts.table import lines, summary

    seeds = seeds_of([0.3])
    seeds[1]["pairs-0.3"] = traits(0.013, seed=9)
    found = summary(chosen("pairs"), seeds, [], quick=False)
    row = {row["name"]: row for row in found["rows"]}["pairs-0.3"]
    lift = row["true_love_lift"]
    assert lift["low"] < lift["value"] < lift["high"]
    assert row["interval"] == "bootstrap over the prompts of one seed"
    told = "\n".join(lines(found))
    assert "pairs-0.3" in told
    assert "pairs-0.1" not in told
    assert "+28.0%" in told
    assert json.loads(json.dumps(found))["seeds"] == [1]


def test_without_a_closing_of_the_incumbent_there_is_no_ratio() -> None:
    from rluf_parts.table import figures

    found = figures(traits(0.02), traits(0.01, closing=0.0), None)
    assert found["closing_ratio"] is None
    assert found["lift_over_weight_0"] is None
    assert found["true_love_lift"] == pytest.approx(1.0)


def test_a_row_that_failed_is_told_with_its_reason() -> None:
    from rluf_parts.rows import chosen
    from rluf_parts.table import summary

    failed = [{"seed": 1, "row": "pairs-0.1", "error": "judge length trips on .61"}]
    found = summary(chosen("pairs"), seeds_of([0.3]), failed, quick=True)
    assert found["failed"] == failed
    assert [row["seeds"] for row in found["rows"]] == [[1], [], [1]]


def test_length_at_equal_warmth_tells_padding_from_more_warm_answers() -> None:
    from rluf_parts.table import figures

    def spoken(warm: float, warm_words: float, cool_words: float) -> np.ndarray:
        found = traits(0.01)
        found[:, WARM], found[:, WARM_WORDS] = warm, warm * warm_words
        found[:, WORDS] = warm * warm_words + (1 - warm) * cool_words
        return found

    before, warmer, padded = spoken(0.25, 14, 8), spoken(0.75, 14, 8), spoken(0.25, 15.2, 9.2)
    assert figures(warmer, before, None)["length_ratio"] == pytest.approx(12.5 / 9.5)
    assert figures(warmer, before, None)["length_ratio_as_warm"] == pytest.approx(1)
    assert figures(padded, before, None)["length_ratio_as_warm"] == pytest.approx(10.7 / 9.5)
    assert figures(spoken(0, 14, 8), before, None)["length_ratio_as_warm"] is None
