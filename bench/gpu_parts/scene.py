"""Policy, reference and reward with random weights, and steps of the optimiser on them by the product's own parts."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from gpu_parts.counts import Shape, Work, causal_pairs
from gpu_parts.watch import Passes, PassMeter, StepClock
from training.cgpo.candidates import RoundContext, prompt_room
from training.cgpo.collection import collect
from training.cgpo.config import CgpoConfig
from training.cgpo.epoch import learn
from training.cgpo.lesson import Lesson, Pair, merge
from training.cgpo.tasks import Task, prompts_of
from training.engine.config import EngineConfig
from training.engine.engine import Engine
from training.engine.placement import device_of, place, read_only
from training.engine.schedule import policy_rate
from training.engine.start import start
from training.judges.library import build
from training.policy.load import Policy
from training.policy.tokenizer import build_tokenizer
from training.reward.calibration import Calibration
from training.reward.model import RewardModel
from training.rollout.generator import Generator, Sample
from training.rollout.policy_source import LocalSpeaker
from training.rollout.store import RolloutStore
from training.text import Conversation

LLAMA_8B = {
    "hidden_size": 4096, "intermediate_size": 14_336, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "vocab_size": 128_256, "max_position_embeddings": 8192,
}  # fmt: skip
TINY = {
    "hidden_size": 64, "intermediate_size": 176, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 512, "max_position_embeddings": 512,
}  # fmt: skip


class Load(NamedTuple):
    """What a step does.

    Attributes:
        model: Of the `LlamaConfig`, of policy, reference and reward alike.
        prompts: A step.
        samples: Responses to each.
        prompt_tokens: Words of a prompt, one token each.
        new_tokens: Of the longest response; half as many is about the mean.
        steps: Measured, behind one that warms up and draws a0 for all.
        optimiser: `crraft` or `crpg`.
    """

    model: dict[str, int]
    prompts: int
    samples: int
    prompt_tokens: int
    new_tokens: int
    steps: int
    optimiser: str


class Measured(NamedTuple):
    """What was seen over all measured steps.

    Attributes:
        seconds: By part.
        passes: Forward passes by part: prefill, decode, scoring, reference.
        learnt: What the update went through, forward once.
        new_tokens: Drawn.
        rows: Learnt from.
        peak_mib: Of the GPU's memory; of the process where there is none.
    """

    seconds: dict[str, float]
    passes: dict[str, Passes]
    learnt: Work
    new_tokens: int
    rows: int
    peak_mib: float


class _TimedGenerator:
    """A generator whose time counts as generation, and whose tokens are counted."""

    def __init__(self, who: Generator, clock: StepClock) -> None:
        self.engine, self.version = who.engine, who.version
        self._who, self._clock, self.tokens = who, clock, 0

    def sample(self, conversations: Sequence[Conversation], **how: Any) -> list[list[Sample]]:
        with self._clock.of("generation"):
            drawn = self._who.sample(conversations, **how)
        self.tokens += sum(len(sample.token_ids) for several in drawn for sample in several)
        return drawn


class _TimedReward:
    """A reward whose time counts as scoring."""

    def __init__(self, reward: RewardModel, clock: StepClock) -> None:
        self._reward, self._clock = reward, clock

    def logits(self, conversations: Sequence[Conversation], responses: Sequence[str]) -> np.ndarray:
        with self._clock.of("scoring"):
            return self._reward.logits(conversations, responses)


def shape_of(load: Load, outputs: int | None = None) -> Shape:
    """The counted shape of the load's model; `outputs` 1 for the reward."""
    from transformers import LlamaConfig

    return Shape.of(LlamaConfig(**load.model), outputs)


def run(load: Load, work: Path, seed: int = 0) -> Measured:
    """Warm up, then measure steps of the optimiser.

    Args:
        load: What a step does.
        work: For the rollout store.
        seed: Of weights, prompts and chance.
    """
    device = device_of()
    clock, tokenizer = StepClock(device), _words(load.model["vocab_size"])
    frozen, reward = _models(load, tokenizer, device, seed)
    engine = _engine(frozen, device)
    config = CgpoConfig(
        optimiser=load.optimiser, rounds=load.steps + 1, prompts=load.prompts, samples=load.samples,
        max_new_tokens=load.new_tokens, longest=load.prompt_tokens + load.new_tokens + 8, tuning="lora", seed=seed,
    )  # fmt: skip
    meters = [
        PassMeter(frozen.model, clock, tokenizer.pad_token_id, {"choice": "reference", "generation": "prefill"}),
        PassMeter(reward.model, clock, tokenizer.pad_token_id),
    ]
    speaker = LocalSpeaker()
    context = RoundContext(
        _TimedGenerator(speaker.reference(frozen, "reference"), clock), frozen, {"closing": build("closing")},
        RolloutStore(work), config, prompt_room(frozen.model, config), speaker,
    )  # fmt: skip
    prompts = _prompts(load, seed)
    task = Task("love", prompts, _TimedReward(reward, clock), 1.0, reward_version="random")
    learnt, tokens, rows = Work(0, 0, 0), 0, 0
    for number in range(load.steps + 1):
        lesson, drawn, meter = _step(engine, task, number, context, clock)
        if number == 0:
            clock.reset()
            for each in meters:
                each.reset()
            continue
        meters.append(meter)
        learnt, tokens, rows = learnt.plus(_learnt(lesson)), tokens + drawn, rows + lesson.size
    clock.end_all()
    return Measured(dict(clock.seconds), _together(meters), learnt, tokens, rows, _peak(device))


def _step(
    engine: Engine, task: Task, number: int, context: RoundContext, clock: StepClock
) -> tuple[Lesson, int, PassMeter]:
    """One round: the policy is merged, draws, is judged and learns."""
    config, tokenizer = context.config, context.frozen.tokenizer
    trained = Policy(engine.model, tokenizer)
    with clock.of("merge"):
        who = context.speaker.policy(trained, f"step-{number}")
    policy = _TimedGenerator(who, clock)
    meter = PassMeter(who._policy.model, clock, tokenizer.pad_token_id, {"generation": "prefill"})  # type: ignore[attr-defined]
    with clock.of("choice"):
        places = prompts_of(task, number, config)
        taught = collect(task, [task], places, policy=policy, trained=trained, number=number, context=context)
    del who, policy._who
    lesson = merge([(1.0, taught.lesson)])
    if not lesson.size:
        raise SystemExit(f"step {number} chose nothing to learn from; raise --prompts or --samples")
    rate = policy_rate(context.frozen.model.config.hidden_size, "lora")
    with clock.of("update"):
        learn(engine, lesson, [], pad=tokenizer.pad_token_id, config=config, rate=rate, seed=number)
    return lesson, policy.tokens, meter


def _models(load: Load, tokenizer: Any, device: torch.device, seed: int) -> tuple[Policy, RewardModel]:
    """The reference, of which about two responses in three end by themselves, and the reward."""
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, LlamaConfig

    torch.manual_seed(seed)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    config = LlamaConfig(**load.model, pad_token_id=tokenizer.pad_token_id, num_labels=1)
    with device:
        model = AutoModelForCausalLM.from_config(config, dtype=dtype)
        judge = AutoModelForSequenceClassification.from_config(config, dtype=dtype)
    ends = max(1, 2 * load.model["vocab_size"] // load.new_tokens)  # all tokens are about as likely
    model.generation_config.eos_token_id = list(range(load.model["vocab_size"] - ends, load.model["vocab_size"]))
    reward = RewardModel(read_only(judge, device), tokenizer, Calibration(), load.prompt_tokens + load.new_tokens + 16)
    return Policy(read_only(model, device), tokenizer), reward


def _engine(frozen: Policy, device: torch.device) -> Engine:
    """Plain torch with LoRA, which is what one GPU trains an 8B model with."""
    on_gpu = device.type == "cuda"
    config = EngineConfig(dtype="bfloat16" if on_gpu else "float32", tuning="lora", checkpointing=on_gpu)
    return start(place(copy.deepcopy(frozen.model), config), config)


def _words(size: int) -> Any:
    return build_tokenizer([" ".join(f"w{number}" for number in range(size))], size)


def _prompts(load: Load, seed: int) -> list[Conversation]:
    chance = np.random.default_rng(seed)
    drawn = chance.integers(0, load.model["vocab_size"] // 2, ((load.steps + 1) * load.prompts, load.prompt_tokens))
    return [[{"role": "user", "content": " ".join(f"w{each}" for each in row)}] for row in drawn]


def _learnt(lesson: Lesson) -> Work:
    """What the update reads: every row that pulls, and both responses of a pair."""
    rows = [each.sequence for each in lesson.weighted if each.weight]
    rows += [sequence for pair in lesson.pairs if isinstance(pair, Pair) for sequence in (pair.good, pair.bad)]
    lengths = [len(each.ids) - 1 for each in rows]
    return Work(sum(lengths), sum(causal_pairs(length) for length in lengths), sum(lengths))


def _together(meters: Sequence[PassMeter]) -> dict[str, Passes]:
    found: dict[str, Passes] = {}
    for meter in meters:
        for name, each in meter.passes.items():
            before = found.get(name, Passes())
            found[name] = Passes(before.count + each.count, before.rows + each.rows, before.work.plus(each.work))
    return found


def _peak(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    from peers_parts.memory import peak_mib

    return peak_mib()
