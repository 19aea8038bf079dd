"""transformers' Trainer and TRL's RewardTrainer on the same rows; run in the environment that the benchmark makes.

    python rival_trainers.py '{"kind": "hf" | "trl", "rows": FILE, "base": DIR, "batch": 32, ...}'

Float32, no gradient checkpointing, padding to the longest of a batch. TRL learns from pairs (a loved row against
another), as many rows a step. Only time within steps counts: batching is off their clock.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from peers_parts.memory import peak_mib
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)  # fmt: skip


class Clock(TrainerCallback):
    """Time within steps."""

    def __init__(self):
        self.seconds, self.cpu, self.steps, self.began = 0.0, 0.0, 0, (0.0, 0.0)

    def on_step_begin(self, *_, **__):
        """Start."""
        self.began = time.perf_counter(), time.process_time()

    def on_step_end(self, *_, **__):
        """Stop."""
        self.seconds += time.perf_counter() - self.began[0]
        self.cpu += time.process_time() - self.began[1]
        self.steps += 1


class Binary(Trainer):
    """Binary cross-entropy on one output, as ours."""

    def compute_loss(self, model, inputs, return_outputs=False, **_):
        """The mean over rows."""
        labels = inputs.pop("labels").float()
        found = model(**inputs)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(found.logits[:, 0].float(), labels)
        return (loss, found) if return_outputs else loss


def common(wanted):
    """Settings of both; the rate falls after a tenth of warm-up."""
    return {
        "output_dir": wanted["out"], "num_train_epochs": wanted["epochs"], "learning_rate": wanted["rate"],
        "warmup_steps": 0.1, "weight_decay": 0.01, "adam_beta2": 0.98, "max_grad_norm": 1.0, "seed": wanted["seed"],
        "use_cpu": True, "bf16": False, "gradient_checkpointing": False, "save_strategy": "no", "report_to": "none",
        "logging_strategy": "no", "disable_tqdm": True, "dataloader_pin_memory": False,
        "train_sampling_strategy": "group_by_length" if wanted.get("grouped") else "random",
    }  # fmt: skip


def hf(wanted, model, tokenizer, ids, labels, clock):  # noqa: PLR0917
    """Transformers' Trainer."""
    args = TrainingArguments(**common(wanted), per_device_train_batch_size=wanted["batch"])
    data = Dataset.from_dict({"input_ids": ids, "labels": labels})
    collate = DataCollatorWithPadding(tokenizer)
    return Binary(model=model, args=args, train_dataset=data, data_collator=collate, callbacks=[clock])


def trl(wanted, model, tokenizer, ids, labels, clock):  # noqa: PLR0917
    """TRL's RewardTrainer: every loved row against one that is not."""
    from trl import RewardConfig, RewardTrainer

    up, down = ([row for row, label in zip(ids, labels, strict=True) if label == kind] for kind in (1, 0))
    size = len(ids) // 2
    pairs = {
        name: [rows[at % len(rows)] for at in range(size)]
        for name, rows in (("chosen_ids", up), ("rejected_ids", down))
    }
    args = RewardConfig(
        **common(wanted), per_device_train_batch_size=wanted["batch"] // 2, max_length=wanted["max_tokens"]
    )
    data = Dataset.from_dict(pairs)
    return RewardTrainer(model=model, args=args, train_dataset=data, processing_class=tokenizer, callbacks=[clock])


def main(wanted):
    """Train, score, and print the figures as the last line."""
    told = json.loads(Path(wanted["rows"]).read_text())
    count = told["learn"]
    wanted |= {"max_tokens": told["max_tokens"]}
    tokenizer = AutoTokenizer.from_pretrained(wanted["base"])
    torch.manual_seed(wanted["seed"])
    model = AutoModelForSequenceClassification.from_pretrained(wanted["base"], num_labels=1)
    clock = Clock()
    make = {"hf": hf, "trl": trl}[wanted["kind"]]
    make(wanted, model, tokenizer, told["ids"][:count], told["labels"][:count], clock).train()
    peak = peak_mib()
    held, ids = np.array(told["labels"][count:]), told["ids"][count:]
    model.eval()
    before, raw = (time.perf_counter(), time.process_time()), []
    with torch.inference_mode():
        for at in range(0, len(ids), wanted["batch"]):
            batch = tokenizer.pad({"input_ids": ids[at : at + wanted["batch"]]}, return_tensors="pt")
            raw.append(model(**batch).logits[:, 0].double().numpy())
    seconds, cpu = time.perf_counter() - before[0], time.process_time() - before[1]
    raw = np.concatenate(raw)
    rows = count // 2 * 2 if wanted["kind"] == "trl" else count
    figures = {
        "train_rows": rows * wanted["epochs"], "train_s": clock.seconds, "train_cpu_s": clock.cpu,
        "score_rows": len(ids), "score_s": seconds, "score_cpu_s": cpu, "peak_mib": peak,
        "loss": float(np.mean(np.logaddexp(0, raw) - held * raw)),
    }  # fmt: skip
    print(json.dumps(figures))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
