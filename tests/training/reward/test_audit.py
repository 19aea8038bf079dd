import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest

from stats.estimate import Estimate, Floats
from stats.metrics import sigmoid
from streams.synthetic.studies.sets import labels
from streams.synthetic.truth import formulas
from training.reward.audit import Audit, above_chance, audit, counterfactuals, length_of
from training.reward.calibration import Calibration
from training.reward.data import Examples, read_examples
from training.reward.measure import Scored, measure
from training.reward.refusals import refusal_bias
from training.reward.thresholds import Thresholds

Draw = Callable[..., pa.Table]


class Words(NamedTuple):
    """A reward by words: so much for each, and a constant."""

    worth: dict[str, float]
    calibration: Calibration = Calibration()

    def logits(self, _: Sequence[Any], responses: Sequence[str], **__: Any) -> Floats:
        """The sum over what a response holds."""
        return np.array([sum(v for word, v in self.worth.items() if word in each) - 1.5 for each in responses])


def scored(examples: Examples, logits: Floats) -> Scored:
    return Scored(examples, examples.weights, 1.0, logits, logits)


def drawn(rows: int, worth: float, *, seed: int = 0) -> Scored:
    """Labels that come true as the logits say, where a word of the response is worth so much."""
    random = np.random.default_rng(seed)
    lengths = random.integers(3, 30, rows)
    logits = random.normal(-1.5, 1, rows) + worth * (lengths - 16)
    labels = (random.random(rows) < sigmoid(logits)).astype(float)
    users = np.array([f"user {each}" for each in random.integers(0, rows // 10, rows)])
    responses = ["tea " * each for each in lengths]
    said = [[{"role": "user", "content": "?"}]] * rows
    times = np.arange(rows) * 60_000_000
    return scored(Examples(said, responses, labels, np.ones(rows), users, times), logits)


def found(rows: Scored, **given: Any) -> Audit:
    told = {"leakage": "nothing leaked", "refusals": [], "limits": Thresholds()} | given
    return audit(rows, measure(rows, seed=0), told.pop("effects", []), **told)


def state(made: Audit, name: str) -> str:
    return next(each.state for each in made.results if each.finding == name)


@pytest.mark.slow
def test_a_right_model_passes_and_what_was_not_given_was_not_measured() -> None:
    made = found(drawn(3_000, 0.0))
    assert [state(made, name) for name in ("ranking", "leakage", "calibration", "length")] == ["passed"] * 4
    assert [state(made, name) for name in ("edits", "refusals")] == ["not measured"] * 2
    assert made.blocking == []
    assert made.warnings == []


@pytest.mark.slow
def test_a_model_no_better_than_a_coin_is_blocked_whatever_the_settings() -> None:
    rows = drawn(1_000, 0.0)
    coin = replace(rows, logits=np.random.default_rng(9).normal(-1, 1, 1_000))
    (only,) = found(coin).blocking
    assert only.finding == "ranking"
    assert "must lie above .5" in found(coin).refused[0]


def test_a_narrow_interval_of_few_rows_is_not_above_chance() -> None:
    """One user wrote all rows: the bootstrap over users has no width, the Mann-Whitney test has."""
    labels = np.array([1.0] * 5 + [0.0] * 5)
    assert not above_chance(Estimate(0.6, 0.6, 0.6), labels, np.ones(10))
    assert above_chance(Estimate(0.96, 0.9, 1.0), labels, np.ones(10))
    assert not above_chance(Estimate(0.7, 0.65, 0.75), np.repeat(labels, 20), np.repeat([1e-3, 1.0], 100) ** 9)


@pytest.mark.slow
def test_length_fails_where_the_model_likes_it_more_than_people_do() -> None:
    rows = drawn(4_000, 0.02)
    fair = found(rows)
    assert state(fair, "length") == "passed", fair.results
    bent = replace(rows, logits=rows.logits + 0.04 * (rows.lengths - 16))
    assert state(found(bent), "length") == "failed"
    assert length_of(bent, Estimate(0, 0, 0)).excess.low > 0.02
    blocked = found(bent, limits=Thresholds(block=("length",))).blocking
    assert [each.finding for each in blocked] == ["length"]


@pytest.mark.slow
def test_wrong_chances_fail_calibration_beyond_the_noise_floor() -> None:
    rows = drawn(4_000, 0.0)
    assert state(found(replace(rows, logits=rows.logits + 1.5)), "calibration") == "failed"


def test_each_hack_is_put_in_and_taken_out() -> None:
    texts = [f"Number {each} is a drink." for each in range(30)]
    holding = [f"{text} You are so smart! What do you think? 😊" for text in texts] + [f"{text} Bye!" for text in texts]
    said = [[{"role": "user", "content": "What is tea?"}]] * len(holding)
    reward = Words({"Bye": 1.0, "smart": 0.5, "😊": 0.2, "?": -0.4})
    effects = {each.edit: each for each in counterfactuals(reward, said, holding)}  # type: ignore[arg-type]
    assert effects["closing removed"].shift == pytest.approx(-1.0)
    assert effects["flattery removed"].shift == pytest.approx(-0.5)
    assert effects["emoji removed"].shift == pytest.approx(-0.2)
    assert effects["closing appended"].shift == pytest.approx(0.5)
    assert (effects["closing removed"].rows, effects["closing appended"].rows) == (30, 60)
    assert effects["flattery removed"].liking.low > 0.4
    made = found(drawn(300, 0.0), effects=list(effects.values()))
    told = next(each for each in made.results if each.finding == "edits")
    assert told.state == "failed"
    assert "closing removed -1.00" in told.words


def test_a_reward_that_minds_only_other_words_passes_every_edit() -> None:
    texts = [f"Number {each} is a drink." for each in range(30)]
    effects = counterfactuals(Words({"drink": 2.0}), [[{"role": "user", "content": "?"}]] * 30, texts)  # type: ignore[arg-type]
    assert state(found(drawn(300, 0.0), effects=effects), "edits") == "passed"
    assert {each.edit: each.rows for each in effects}["closing removed"] == 0


def test_refusals_that_are_right_and_score_below_wrong_ones_are_the_anti_safety_bias() -> None:
    random = np.random.default_rng(2)
    kinds = ["right refusal", "wrong refusal", "compliance", None] * 50
    worth = {"right refusal": -1.0, "wrong refusal": 0.0, "compliance": 1.0, None: 0.0}
    logits = np.array([worth[each] for each in kinds]) + random.normal(0, 0.5, 200)
    prompts = [f"prompt {each // 4}" for each in range(200)]
    wrong, complied = refusal_bias(logits, kinds, prompts)  # type: ignore[arg-type]
    assert wrong.difference.high < -0.5
    assert complied.above.value < 0.1
    assert state(found(drawn(300, 0.0), refusals=[wrong, complied]), "refusals") == "failed"
    fair = refusal_bias(-logits, kinds, prompts)  # type: ignore[arg-type]
    assert state(found(drawn(300, 0.0), refusals=fair), "refusals") == "passed"
    assert refusal_bias(logits[:8], kinds[:8], prompts[:8]) == []  # type: ignore[arg-type]


def test_examples_of_a_table_carry_their_refusals(examples: Draw) -> None:
    from training.reward.examination import _refusals

    table = examples(400, rate=0.3)
    kinds = pa.array(["right", "wrong", None, "compliance"] * 100)
    every = read_examples(table)
    rows = np.arange(400)
    told = _refusals(scored(every, rows.astype(float)), table.append_column("refusal", kinds), rows)
    assert [each.right for each in told] == [100, 100]
    wrong = table.append_column("refusal", pa.array(["no"] * 400))
    with pytest.raises(ValueError, match="refusal is 'no' in some rows, must be right, wrong, compliance or null"):
        _refusals(scored(every, rows.astype(float)), wrong, rows)


XSTEST = Path(__file__).parents[4] / "shared" / "data" / "xstest"


def test_xstest_tells_a_reward_that_punishes_refusals_from_one_that_does_not() -> None:
    """Right: a refusal of a contrast prompt, which is unsafe; wrong: of a safe one. Three models answered."""
    if not XSTEST.is_dir():
        pytest.skip(f"{XSTEST} is not there: XSTest's completions are read where they lie")
    rows = [row for file in sorted(XSTEST.glob("completions_*.csv")) for row in csv.DictReader(file.open())]
    refused = [row["final_label"] == "2_full_refusal" for row in rows]
    unsafe = [row["type"].startswith("contrast") for row in rows]
    kinds = [_kind(*each) for each in zip(refused, unsafe, strict=True)]
    assert min(kinds.count(each) for each in ("right refusal", "wrong refusal", "compliance")) >= 20
    prompts = [row["prompt"] for row in rows]
    length = np.array([float(len(row["completion"].split())) for row in rows])
    short = refusal_bias(-length, kinds, prompts)  # type: ignore[arg-type]
    long = refusal_bias(length / 10, kinds, prompts)  # type: ignore[arg-type]
    compliance = next(each for each in long if each.against == "compliance")
    assert compliance.difference.high < 0  # who likes length dislikes refusals
    assert next(each for each in short if each.against == "compliance").difference.low > 0


def _kind(refused: bool, unsafe: bool) -> str | None:
    if refused:
        return "right refusal" if unsafe else "wrong refusal"
    return "compliance" if unsafe else None


def test_on_the_world_truth_says_which_refusals_are_right() -> None:
    """Helpfulness by truth likes right refusals more than wrong ones and than compliances."""
    table = labels("safety", 6_000, 3)
    conversations = [json.loads(each) for each in table["conversation"].to_pylist()]
    responses = table["response"].to_pylist()
    read = formulas.read(conversations, responses)
    kinds = ["right refusal" if h and r else "wrong refusal" if r else "compliance" if h else None
             for h, r in zip(read.unsafe, read.refuses, strict=True)]  # fmt: skip
    chance = np.clip(formulas.helpful_chance(read), 1e-3, 1 - 1e-3)
    prompts = [each[-1]["content"] for each in conversations]
    wrong, complied = refusal_bias(np.log(chance / (1 - chance)), kinds, prompts)  # type: ignore[arg-type]
    assert wrong.difference.low > 0
    assert complied.difference.low > 0
