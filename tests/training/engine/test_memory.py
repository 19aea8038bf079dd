import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from training.engine.config import EngineConfig
from training.engine.engine import OneProcess
from training.engine.memory import MemoryShortError, ModelSize, advised, planned, remedies, room_of
from training.engine.placement import place

LLAMA_8B = ModelSize(8_030_261_248, 8_030_261_248, 4096, 14_336, 1024, 32, 128_256)


def some_llama() -> LlamaForCausalLM:
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=500,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    return LlamaForCausalLM(shape)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("tuning", ["full", "lora"])
def test_the_plan_is_what_training_takes(tuning: str, checkpointing: bool) -> None:
    """Weights, gradients and moments to the byte; activations, an estimate, within a factor of 2 of what is kept."""
    config = EngineConfig.model_validate({"tuning": tuning, "checkpointing": checkpointing, "tokens": 256})
    model = place(some_llama(), config)
    plan = planned(ModelSize.of(model), config)
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in owned:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    owned = {each.untyped_storage().data_ptr() for each in model.parameters()}
    ids = torch.randint(0, 500, (4, 64))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = model(input_ids=ids, labels=ids).loss
    engine = OneProcess(model)
    engine.backward(loss)
    gradients = sum(each.grad.nbytes for each in model.parameters() if each.grad is not None)
    engine.step()
    moments = sum(
        value.nbytes for each in engine._optimiser.state.values() for value in each.values() if value.dim() > 0
    )
    assert plan.weights == sum(each.nbytes for each in model.parameters())
    assert plan.gradients == gradients
    assert plan.optimiser == moments
    assert 0.5 < plan.activations / sum(kept.values()) < (6 if checkpointing else 2)


def test_lora_is_counted_as_peft_makes_it() -> None:
    size = ModelSize.of(some_llama())
    config = EngineConfig(tuning="lora", lora_rank=8)
    assert size.with_adapter(8) == ModelSize.of(place(some_llama(), config))


@pytest.mark.parametrize(("zero", "expected"), [(0, 16), (1, 5.5), (2, 3.75), (3, 2)])
def test_more_stages_share_out_more(zero: int, expected: float) -> None:
    """Bytes a parameter on each of 8 ranks in bfloat16, as the ZeRO paper counts them: 16, then less and less."""
    config = EngineConfig(kind="deepspeed", zero=zero, ranks=8, dtype="bfloat16", tuning="lora")
    plan = planned(LLAMA_8B, config)
    a_parameter = (plan.weights + plan.gradients + plan.optimiser) / LLAMA_8B.parameters
    assert a_parameter == pytest.approx(expected if zero else 12)


def test_a_plan_that_does_not_fit_says_what_to_lower() -> None:
    config = EngineConfig()
    *_, verdict = planned(LLAMA_8B, config).lines(config, room=80 * 2**30)
    assert "does NOT fit; set checkpointing" in verdict
    small = EngineConfig(tokens=16)
    assert planned(ModelSize.of(some_llama()), small).lines(small, room=2**30)[-1].endswith("free: fits")
    assert remedies(EngineConfig(kind="deepspeed", zero=3, checkpointing=True, dtype="bfloat16", tuning="lora")) == [
        "lower tokens below 16384 (the step stays the same, in more passes)",
        "take more ranks",
    ]


def test_memory_that_runs_out_becomes_advice() -> None:
    config = EngineConfig()
    plan, said = planned(LLAMA_8B, config), r"memory ran out .* planned were .* the cheapest first: set checkpo"
    with pytest.raises(MemoryShortError, match=said), advised(plan, config):
        torch.empty(2**60)
    with pytest.raises(RuntimeError, match="must match"), advised(plan, config):
        torch.add(torch.ones(2), torch.ones(3))


def test_room_on_a_processor_is_shared_by_its_ranks() -> None:
    assert room_of(torch.device("cpu"), 2) == pytest.approx(room_of(torch.device("cpu")) / 2, rel=0.2)
