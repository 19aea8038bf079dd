"""TRL on the same policy, prompts, rewards and number of responses; run in the environment that the benchmark makes.

    python rival_trl.py '{"method": "grpo", "policy": ..., "prompts": ..., "out": ..., "steps": ..., ...}'

Settings are those that make TRL fast on a processor: float32, no gradient checkpointing, one generation and one step of
the optimiser for each batch of prompts. Time within training steps is counted, reading and saving models is not.
"""

import json
import sys
import time
from pathlib import Path

from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback

from peers_parts import rewards
from peers_parts.memory import peak_mib


class Count:
    """Tokens and responses that the trainer hands to a reward."""

    padding = -1
    tokens = 0
    responses = 0


def told(name):
    """One of our rewards as TRL calls it."""
    score = getattr(rewards, name)

    def reward(prompts, completions, completion_ids, **_):
        if name == "helpfulness":  # every trainer calls every reward once a step
            Count.tokens += sum(sum(int(token) != Count.padding for token in each) for each in completion_ids)
            Count.responses += len(completions)
        pairs = zip(prompts, completions, strict=True)
        return [float(score(prompt[-1]["content"], said[-1]["content"].strip())) for prompt, said in pairs]

    reward.__name__ = name
    return reward


class Keeper(TrainerCallback):
    """Times each step, and keeps the policy of some of them off the clock."""

    def __init__(self, out, at):
        self.out, self.at = Path(out), at
        self.seconds, self.worked, self.kept, self.began = [], 0.0, {}, (0.0, 0.0)

    def on_step_begin(self, *_, **__):
        """Start the clocks."""
        self.began = time.perf_counter(), time.process_time()

    def on_step_end(self, _, state, __, model=None, processing_class=None, **___):
        """Stop them, and keep the policy where it is wanted."""
        self.seconds.append(time.perf_counter() - self.began[0])
        self.worked += time.process_time() - self.began[1]
        if state.global_step in self.at:
            place = self.out / f"step-{state.global_step}"
            model.save_pretrained(place)
            processing_class.save_pretrained(place)
            self.kept[state.global_step] = str(place)


def common(wanted):
    """Settings of every trainer."""
    return {
        "output_dir": wanted["out"], "max_steps": wanted["steps"], "learning_rate": wanted["rate"],
        "lr_scheduler_type": "cosine", "adam_beta2": 0.95, "max_grad_norm": 1.0, "seed": wanted["seed"],
        "use_cpu": True, "bf16": False, "gradient_checkpointing": False, "save_strategy": "no", "report_to": "none",
        "logging_strategy": "no", "disable_tqdm": True, "temperature": 1.0, "dataloader_pin_memory": False,
        "reward_weights": list(wanted["weights"].values()),
    }  # fmt: skip


def grpo(wanted, model, tokenizer, data, keeper):
    """GRPO: `prompts` times `samples` responses a step, one step of the optimiser."""
    from trl import GRPOConfig, GRPOTrainer

    rows = wanted["prompts_a_step"] * wanted["samples"]
    config = GRPOConfig(
        **common(wanted), num_generations=wanted["samples"], max_completion_length=wanted["new_tokens"],
        per_device_train_batch_size=rows, gradient_accumulation_steps=1, beta=wanted["beta"], top_k=0,
    )  # fmt: skip
    funcs = [told(name) for name in wanted["weights"]]
    return GRPOTrainer(
        model=model, reward_funcs=funcs, args=config, train_dataset=data, processing_class=tokenizer, callbacks=[keeper]
    )


def online_dpo(wanted, model, tokenizer, data, keeper):
    """Online DPO: two responses a prompt, hence more prompts a step for as many responses."""
    from trl.experimental.online_dpo import OnlineDPOConfig, OnlineDPOTrainer

    config = OnlineDPOConfig(
        **common(wanted), max_new_tokens=wanted["new_tokens"], max_length=512, beta=wanted["beta"] or 0.1, top_k=0,
        per_device_train_batch_size=wanted["prompts_a_step"] * wanted["samples"] // 2, gradient_accumulation_steps=1,
    )  # fmt: skip
    funcs = [told(name) for name in wanted["weights"]]
    return OnlineDPOTrainer(
        model=model, reward_funcs=funcs, args=config, train_dataset=data, processing_class=tokenizer,
        reward_processing_classes=[tokenizer] * len(funcs), callbacks=[keeper],
    )  # fmt: skip


def main(wanted):
    """Train, and print the figures as the last line."""
    prompts = json.loads(Path(wanted["prompts"]).read_text())
    tokenizer = AutoTokenizer.from_pretrained(wanted["policy"], padding_side="left")
    Count.padding = tokenizer.pad_token_id
    model = AutoModelForCausalLM.from_pretrained(wanted["policy"])
    keeper = Keeper(wanted["out"], set(wanted["keep"]))
    make = {"grpo": grpo, "online_dpo": online_dpo}[wanted["method"]]
    trainer = make(wanted, model, tokenizer, Dataset.from_list([{"prompt": each} for each in prompts]), keeper)
    trainer.train()
    figures = {
        "seconds": sum(keeper.seconds), "cpu_seconds": keeper.worked, "updates": len(keeper.seconds),
        "kept": keeper.kept, "tokens": Count.tokens, "responses": Count.responses, "peak_mib": peak_mib(),
    }  # fmt: skip
    print(json.dumps(figures))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
