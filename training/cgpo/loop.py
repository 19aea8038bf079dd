"""The multi-task loop: CRRAFT in rounds over helpfulness, safety and Love, from a policy's directory to a new one."""

import hashlib
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from training import pretrained
from training.cgpo.collect import Bench, Winner, collect
from training.cgpo.config import CgpoConfig
from training.cgpo.learn import Weighted, blend, learn, learning_rate
from training.cgpo.report import PolicyReport, RoundReport, TaskRound
from training.cgpo.state import Progress, resume, save
from training.cgpo.tasks import Task, active, ranked_by
from training.judges.verdict import Judge
from training.policy.batches import Encoded, encode_pairs
from training.policy.load import ADAPTER, Policy, fingerprint, load_policy, name_base
from training.policy.pretrain import read_pairs
from training.rollout.generator import Generator, version_of
from training.rollout.speaker import LocalSpeaker, Speaker
from training.rollout.store import RolloutStore
from training.text import Conversation


def optimise(
    policy: str | Path,
    out: Path,
    *,
    tasks: Sequence[Task],
    judges: Mapping[str, Judge],
    config: CgpoConfig | None = None,
    supervised: pa.Table | None = None,
    rollouts: Path | None = None,
    speaker: Speaker | None = None,
) -> PolicyReport:
    """Optimise a policy for several rewards under judges, and save it.

    1. Open the reference and the policy; go on after the last finished round, where there is one of the same settings.
    2. In each round: draw, score, judge and choose (`collect`), then one epoch on the winners (`learn`), then keep the
       state.
    3. After the last round write `out` (adapter or model, tokenizer, `policy.json`) in one rename and drop the state.

    Interrupted at any point, a second call with the same arguments ends with the weights of an uninterrupted one. A
    finished `out` with the same settings is returned as it is.

    Args:
        policy: A causal language model's directory or hub name: start and frozen reference.
        out: Appears when all is done; until then its state lies beside it in `NAME.work`.
        tasks: Prompts, reward models and weights.
        judges: What no winner may break, by name.
        config: Rounds, sizes, limits and rates.
        supervised: Logged conversations (columns conversation, response) mixed into the epochs to keep the language.
        rollouts: Rollouts and scores to share with other runs; without it they are dropped at the end.
        speaker: Who draws the samples; without it, this process does.

    Raises:
        ValueError: Nothing to optimise for, or a round in which no prompt was left to learn from.
        FileNotFoundError: There is no model at `policy`.
    """
    config, speaker = config or CgpoConfig(), speaker or LocalSpeaker()
    started = time.perf_counter()
    kept, reference = active(tasks), version_of(policy)
    logged = read_pairs(supervised) if supervised is not None and config.supervised > 0 else ([], [])
    key = _key(reference, tasks, judges, config, logged)
    done = _finished(out, key)
    if done is not None:
        return done
    work = out.with_name(f"{out.name}.work")
    work.mkdir(parents=True, exist_ok=True)
    frozen, trained = load_policy(policy), _trainable(load_policy(policy), config)
    store = RolloutStore(rollouts or work / "rollouts")
    bench = Bench(speaker.reference(frozen, reference), frozen, judges, store, config)
    texts = encode_pairs(frozen.tokenizer, *logged, config.longest)
    reports = _rounds(
        trained, kept, bench, speaker=speaker, name=out.name, texts=texts, state=work / "state.pt", key=key
    )
    version = _save(trained, work / "policy", out, policy)
    report = PolicyReport(
        policy=version,
        reference=reference,
        weights={task.name: task.weight for task in tasks},
        judges=list(judges),
        tuning=config.tuning,
        rounds=reports,
        seconds=time.perf_counter() - started,
        key=key,
    )
    _publish(report, work, out)
    return report


def _rounds(
    trained: Policy,
    tasks: Sequence[Task],
    bench: Bench,
    *,
    speaker: Speaker,
    name: str,
    texts: Sequence[Encoded],
    state: Path,
    key: str,
) -> list[RoundReport]:
    config, model = bench.config, trained.model
    parameters = [each for each in model.parameters() if each.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=learning_rate(model, config), betas=(0.9, 0.95), weight_decay=0.0)
    progress = resume(state, key, model, optimiser)
    for number in range(progress.round, config.rounds):
        started = time.perf_counter()
        version = f"{name}-r{number}@{_hash_weights(model)}" if number else bench.reference.version
        lots, seen = _collect(tasks, speaker.policy(trained, version), bench, number=number, cursor=progress.cursor)
        collected = time.perf_counter()
        pad = trained.tokenizer.pad_token_id
        winners = _some(blend(lots), number, seen)
        steps, loss = learn(model, optimiser, winners, texts, pad=pad, config=config, seed=config.seed + number)
        report = RoundReport(
            round=number + 1,
            policy=version,
            tasks=seen,
            winners=len(winners),
            steps=steps,
            loss=loss,
            seconds={"collect": collected - started, "learn": time.perf_counter() - collected},
        )
        progress = Progress(number + 1, progress.cursor + config.prompts, [*progress.reports, report])
        save(state, key, model, optimiser, progress)
    return progress.reports


def _collect(
    tasks: Sequence[Task], speaker: Generator, bench: Bench, *, number: int, cursor: int
) -> tuple[list[tuple[float, list[Winner]]], list[TaskRound]]:
    lots, seen = [], []
    for task in tasks:
        several = min(bench.config.prompts, len(task.prompts))
        conversations = [task.prompts[(cursor + place) % len(task.prompts)] for place in range(several)]
        rankers = ranked_by(task, tasks)
        winners, report = collect(task, rankers, conversations, policy=speaker, number=number, bench=bench)
        lots.append((task.weight, winners))
        seen.append(report)
    return lots, seen


def _some(winners: list[Weighted], number: int, seen: Sequence[TaskRound]) -> list[Weighted]:
    if winners:
        return winners
    skips = ", ".join(f"{each.task}: {each.skipped} of {each.prompts} skipped, trips {each.trips}" for each in seen)
    raise ValueError(f"round {number + 1} has nothing to learn from ({skips}); look at the judges that trip")


def _trainable(policy: Policy, config: CgpoConfig) -> Policy:
    torch.manual_seed(config.seed)
    if config.tuning == "full":
        return policy
    from peft import LoraConfig, get_peft_model

    rank = config.lora_rank
    shape = LoraConfig(r=rank, lora_alpha=rank, target_modules="all-linear", task_type="CAUSAL_LM", lora_dropout=0.0)
    return Policy(get_peft_model(policy.model, shape), policy.tokenizer)


def _save(trained: Policy, place: Path, out: Path, reference: str | Path) -> str:
    pretrained.save(place, trained.model, trained.tokenizer)
    if (place / ADAPTER).exists():
        name_base(place, reference, seen_from=out)
    return f"{out.name}@{fingerprint(place)}"


def _publish(report: PolicyReport, work: Path, out: Path) -> None:
    (work / "policy" / "policy.json").write_text(report.model_dump_json(indent=1))
    shutil.rmtree(out, ignore_errors=True)
    (work / "policy").rename(out)
    shutil.rmtree(work)


def _finished(out: Path, key: str) -> PolicyReport | None:
    file = out / "policy.json"
    if not file.exists():
        return None
    report = PolicyReport.model_validate_json(file.read_text())
    return report if report.key == key else None


def _key(
    reference: str,
    tasks: Sequence[Task],
    judges: Mapping[str, Judge],
    config: CgpoConfig,
    logged: tuple[list[Conversation], list[str]],
) -> str:
    aims = [[task.name, list(task.prompts), task.weight, task.mixed, task.reward_version] for task in tasks]
    content = [reference, aims, list(judges), config.model_dump(), logged]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()[:20]


def _hash_weights(model: Any) -> str:
    digest = hashlib.sha256()
    for name, each in model.named_parameters():
        if each.requires_grad:
            digest.update(name.encode() + each.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]
