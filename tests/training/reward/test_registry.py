import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from training.reward import registry
from training.reward.config import RewardConfig
from training.reward.saved_reward import SavedReward
from training.reward.train import train_reward_model

Draw = Callable[..., pa.Table]
CONFIG = RewardConfig(epochs=1, learning_rate=4e-3, batch=32)


@pytest.fixture(scope="module")
def rows(examples: Draw) -> pa.Table:
    return examples(3_000)


@pytest.fixture(scope="module")
def made(tiny: Path, rows: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two models: one that learnt something, one that hardly did."""
    folder = tmp_path_factory.mktemp("runs")
    for name, rate in (("good", 4e-3), ("weak", 1e-6)):
        config = CONFIG.model_copy(update={"learning_rate": rate})
        lineage = {"training_set": "abc123", "command": f"loveloop train reward --out {name}"}
        train_reward_model(rows, folder / "a" / name, base=tiny, config=config, name=name, lineage=lineage)
    return folder


@pytest.mark.slow
def test_models_are_found_below_a_folder_and_read(made: Path) -> None:
    good, weak = registry.find(made, pytest.fail)
    assert (good.name, weak.name, good.rows) == ("good", "weak", 3_000 - _left_out(good))
    assert good.made_at is not None
    assert good.made_at.endswith("+00:00")
    seen = good.estimate("auroc")
    assert seen is not None
    assert seen.low < seen.value < seen.high


def _left_out(model: registry.SavedModel) -> int:
    """Rows in none of the three parts: later rows of users who are trained on, and the like."""
    return 3_000 - sum(model.facts["rows"].values())


@pytest.mark.slow
def test_no_file_names_the_place_of_training(made: Path, tiny: Path) -> None:
    for file in (made / "a" / "good").iterdir():
        if file.suffix in (".json", ".md"):
            assert str(made) not in file.read_text(), file.name
            assert str(tiny) not in file.read_text(), file.name
    base = registry.read(made / "a" / "good").facts["lineage"]["base"]
    assert base.startswith(f"{tiny.name}@")


@pytest.mark.slow
def test_a_file_that_changed_is_noticed(made: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(made / "a" / "good", copy)
    assert registry.changes(copy) == []
    weights = copy / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    (copy / "README.md").unlink()
    (copy / "note.txt").write_text("mine")
    (copy / "calibration.json").write_text("{}")
    assert [each.split(" ")[0] for each in registry.changes(copy)] == [
        "README.md", "calibration.json", "note.txt", "model.safetensors",
    ]  # fmt: skip
    (copy / registry.MANIFEST).unlink()
    with pytest.raises(FileNotFoundError, match="earlier version"):
        registry.changes(copy)


@pytest.mark.slow
def test_a_model_that_lacks_a_file_or_a_part_of_one_scores_nothing(made: Path, tmp_path: Path) -> None:
    copy, asked = tmp_path / "copy", [{"role": "user", "content": "tea?"}]
    shutil.copytree(made / "a" / "good", copy)
    (copy / "README.md").write_text("# my own card\n")
    assert len(SavedReward(copy).logits([asked], ["yes"])) == 1
    weights = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(weights[:1000])
    with pytest.raises(ValueError, match=r"model.safetensors has 1,000 bytes, was saved with .*Copy it again"):
        SavedReward(copy).logits([asked], ["yes"])
    (copy / "model.safetensors").write_bytes(weights)
    (copy / "tokenizer.json").unlink()
    with pytest.raises(ValueError, match=r"is not as it was saved: tokenizer\.json is missing"):
        SavedReward(copy).logits([asked], ["yes"])


@pytest.mark.slow
def test_two_models_on_the_rows_that_neither_was_trained_on(made: Path, rows: pa.Table) -> None:
    good, weak = registry.find(made, pytest.fail)
    found = registry.compare(weak, good, rows)
    assert found.rows == good.facts["rows"]["test"]
    worse, better, gain = found.figures["auroc"]
    assert better.value == pytest.approx(good.facts["measured"]["auroc"])
    assert gain.value == pytest.approx(better.value - worse.value)
    assert gain.low < gain.value < gain.high
    nothing = registry.compare(good, good, rows).figures["auroc"][2]
    assert set(nothing) == {0.0}
    assert registry.compare(good, weak, rows, fresh=True).rows == 3_000


@pytest.mark.slow
def test_plain_transformers_opens_a_model_as_its_card_says(made: Path) -> None:
    """The three lines of the card, and those that score, are run as they stand there."""
    place = made / "a" / "good"
    card = (place / "README.md").read_text()
    opened, scored = (each.partition("```")[0] for each in card.split("```python\n")[1:])
    assert len(opened.strip().splitlines()) == 3
    told = [{"role": "user", "content": "tea ?"}]
    names = {"DIRECTORY": place, "conversation": told, "response": "warm tea ."}
    exec(opened + scored, names)
    from training.reward.model import RewardModel

    ours = RewardModel.load(place)
    raw = names["raw"].detach().numpy()[:, 0]  # type: ignore[attr-defined]
    assert ours.calibration.apply(raw) == pytest.approx(ours.logits([told], ["warm tea ."]), abs=1e-5)


@pytest.mark.slow
def test_the_card_says_what_made_it_and_what_it_is_not_for(made: Path) -> None:
    card = (made / "a" / "weak" / "README.md").read_text()
    assert "```sh\nloveloop train reward --out weak\n```" in card
    assert "## Must not be used for" in card
    assert "training_set: `abc123`" in card


@pytest.mark.parametrize(
    ("audit", "words"),
    [
        ([{"edit": "emoji appended"}], "no verdict"),
        ({"results": []}, "passed"),
        ({"results": [{"finding": "length", "state": "failed", "blocks": False}]}, "passed, 1 warning"),
        ({"results": [{"finding": "ranking", "state": "failed", "blocks": True}]}, "failed: ranking"),
    ],
)
def test_the_audit_s_verdict_is_told_in_a_word(audit: object, words: str) -> None:
    assert registry.SavedModel(Path("x"), None, {"audit": audit}).audit == words


def test_what_is_no_model_is_said(tmp_path: Path) -> None:
    assert [*registry.find(tmp_path, pytest.fail)] == []
    with pytest.raises(FileNotFoundError, match="is no reward model's directory"):
        registry.read(tmp_path)
    with pytest.raises(FileNotFoundError, match="is no folder"):
        [*registry.find(tmp_path / "nowhere", pytest.fail)]
    (tmp_path / "calibration.json").write_text("{}")
    (tmp_path / "metrics.json").write_text("{}")
    for name in ("metrics.json", "calibration.json", "manifest.json"):
        (tmp_path / name).write_text("{")
        with pytest.raises(ValueError, match=f"{name} is no JSON .*: it was cut or changed"):
            registry.read(tmp_path)
        (tmp_path / name).write_text("{}")
    with pytest.raises(ValueError, match=r"manifest.json names no made_at and files"):
        registry.read(tmp_path)


@pytest.mark.slow
def test_a_ranking_that_folds_judged_anew_stands_in_figures_and_card_and_the_manifest_knows(
    made: Path, tmp_path: Path
) -> None:
    shutil.copytree(made / "a" / "weak", tmp_path / "weak")
    before = registry.read(tmp_path / "weak")
    others = [each for each in before.facts["audit"]["results"] if each["finding"] != "ranking"]
    passed = {"finding": "ranking", "state": "passed", "words": "AUROC .7 over 5 folds", "blocks": True}
    registry.note_ranking(tmp_path / "weak", [passed, *others], "AUROC .7 over 5 folds")
    assert "failed: ranking" not in registry.read(tmp_path / "weak").audit
    assert "Ranking was judged anew: AUROC .7 over 5 folds." in (tmp_path / "weak" / "README.md").read_text()
    assert registry.changes(tmp_path / "weak") == []
