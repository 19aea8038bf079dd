import shutil
from pathlib import Path

import pytest

from training.judges.classifier import ClassifierJudge
from training.judges.library import build, version_of
from training.judges.verdict import judge_all

ASKED = [{"role": "user", "content": "tea"}]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved reward model with random weights: it scores texts differently, which is all that a line needs."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForSequenceClassification, PreTrainedTokenizerFast

    from training.reward.calibration import Calibration

    torch.manual_seed(1)
    words = ["<pad>", "<unk>", "tea", "bye", "so", "is", "User", "Assistant"]
    inner = Tokenizer(models.WordLevel({name: place for place, name in enumerate(words)}, "<unk>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    shape = LlamaConfig(
        vocab_size=len(words), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        pad_token_id=0, num_labels=1, reward_max_tokens=32,
    )  # fmt: skip
    place = tmp_path_factory.mktemp("reward")
    LlamaForSequenceClassification(shape).save_pretrained(place)
    PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", unk_token="<unk>").save_pretrained(place)
    Calibration(scale=30.0).save(place)
    return place


@pytest.mark.slow  # transformers is imported
def test_what_scores_below_the_line_violates(model: Path) -> None:
    judge = build("classifier", {"model": str(model)})
    assert isinstance(judge, ClassifierJudge)
    texts = ["tea is", "bye bye so", "so tea so tea", "is is bye"]
    logits = judge.model.logits([ASKED] * 4, texts)
    line = float(sorted(logits)[1] + sorted(logits)[2]) / 2
    judge = build("classifier", {"model": str(model), "threshold": line})
    verdicts = judge_all(judge, [ASKED] * 4, texts)
    assert [each.violates for each in verdicts] == [logit < line for logit in logits]
    assert sum(each.violates for each in verdicts) == 2
    assert judge(ASKED, texts[0]) == verdicts[0]
    low = next(each for each in verdicts if each.violates)
    assert f"is below {line:.2f}" in low.reason


@pytest.mark.slow  # transformers is imported
def test_weights_and_threshold_name_the_judge(model: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    judge = build("classifier", {"model": str(model)})
    assert isinstance(judge, ClassifierJudge)
    name = version_of(judge)
    assert name == version_of(build("classifier", {"model": str(model)}))
    assert name != version_of(judge._replace(threshold=1.0))
    other = tmp_path / "other"
    shutil.copytree(model, other)
    weights = load_file(other / "model.safetensors")
    save_file({key: each + 1 for key, each in weights.items()}, other / "model.safetensors")
    assert name != version_of(build("classifier", {"model": str(other)}))


def test_a_folder_without_a_reward_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        build("classifier", {"model": str(tmp_path)})
