"""The multi-task loop: CGPO in rounds over helpfulness, safety and Love, from a policy's directory to a new one."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from training import pretrained
from training.cgpo.candidates import Bench, prompt_room
from training.cgpo.collect import collect
from training.cgpo.config import CgpoConfig
from training.cgpo.judging import Hearing
from training.cgpo.leaks import without_leaks
from training.cgpo.learn import Learnt, learn
from training.cgpo.lesson import Lesson, Pair, merge
from training.cgpo.report import PolicyReport, RoundReport, TaskRound, figures
from training.cgpo.state import Prepared, Progress, load_prepared, resume, save, save_prepared, told
from training.cgpo.tasks import Task, active, gradient_weights, prompts_of, ranked_by
from training.engine.engine import Engine, OneProcess
from training.judges.library import version_of as judge_version
from training.judges.verdict import Judge
from training.policy.batches import Encoded, encode_pairs
from training.policy.load import ADAPTER, Policy, fingerprint, load_policy, name_base
from training.policy.pretrain import read_pairs
from training.progress import Advance, Follow, nobody
from training.rollout.generator import version_of
from training.rollout.speaker import LocalSpeaker, Speaker
from training.rollout.store import RolloutStore
from training.text import Conversation

Logged = tuple[list[Conversation], list[str]]


def optimise(
    policy: str | Path,
    out: Path,
    *,
    tasks: Sequence[Task],
    judges: Mapping[str, Judge],
    config: CgpoConfig | None = None,
    supervised: pa.Table | None = None,
    rollouts: Path | None = None,
    held_out: Sequence[Conversation] = (),
    speaker: Speaker | None = None,
    follow: Follow = nobody,
) -> PolicyReport:
    """Optimise a policy for several rewards under judges, and save it.

    1. Drop prompts that another task or the evaluation holds too.
    2. Open the reference and the policy; go on after the last kept step, where there is one of the same settings.
    3. In each round: draw, score, judge and choose (`collect`), keep the lesson, then one epoch on it (`learn`), its
       state kept every few steps.
    4. After the last round write `out` (adapter or model, tokenizer, `policy.json`) in one rename and drop the state.

    Interrupted at any point, a second call with the same arguments ends with the weights of an uninterrupted one. A
    finished `out` with the same settings is returned as it is.

    Args:
        policy: A causal language model's directory or hub name: start and frozen reference.
        out: Appears when all is done; until then its state lies beside it in `NAME.work`.
        tasks: Prompts, reward models and weights.
        judges: What nothing that is made likelier may break, by name.
        config: Rounds, sizes, limits and rates.
        supervised: Logged conversations (columns conversation, response) mixed into the epochs to keep the language,
            save those to which a judge objects.
        rollouts: Rollouts and scores to share with other runs; without it they are dropped at the end.
        held_out: Prompts of evaluations and A/B pools; none of them is learnt from.
        speaker: Who draws the samples; without it, this process does.
        follow: Told the figures of every round's samples and the loss of every step.

    Raises:
        ValueError: Nothing to optimise for, a round in which nothing was left to learn from, a reward that is not
            finite, or a judge that raised.
        FileNotFoundError: There is no model at `policy`.
        OSError: A state could not be written; the one before it is whole.
    """
    config, speaker = config or CgpoConfig(), speaker or LocalSpeaker()
    started = time.perf_counter()
    kept, leaks = without_leaks(active(tasks, config), held_out)
    reference = version_of(policy)
    logged = read_pairs(supervised) if supervised is not None and config.supervised > 0 else ([], [])
    key = _key(reference, kept, judges, config, logged)
    done = _finished(out, key)
    if done is not None:
        return done
    work = out.with_name(f"{out.name}.work")
    frozen, trained = load_policy(policy), _trainable(load_policy(policy), config)
    room = prompt_room(frozen.model, config)
    state = _state_of(work, key)
    store = RolloutStore(rollouts or work / "rollouts")
    bench = Bench(speaker.reference(frozen, reference), frozen, judges, store, config, room, speaker)
    passed = _satisfied(logged, judges)
    texts = encode_pairs(frozen.tokenizer, *passed, room + config.max_new_tokens)
    engine = OneProcess(trained.model)
    reports = _rounds(engine, trained.tokenizer, kept, bench, name=out.name, texts=texts, state=state, follow=follow)

    def finish() -> PolicyReport:
        report = PolicyReport(
            policy=_save(Policy(model, trained.tokenizer), work / "policy", out, policy),
            reference=reference,
            weights={task.name: task.weight for task in tasks},
            gradient=gradient_weights(kept, config),
            judges=list(judges),
            leaks=leaks,
            supervised={"texts": len(passed[1]), "violating": len(logged[1]) - len(passed[1])},
            tuning=config.tuning,
            rounds=reports,
            seconds=time.perf_counter() - started,
            key=key,
        )
        _publish(report, work, out)
        return report

    with told(work, "the finished policy"), engine.whole() as model:
        return engine.shared(finish)


def _rounds(
    engine: Engine,
    tokenizer: Any,
    tasks: Sequence[Task],
    bench: Bench,
    *,
    name: str,
    texts: Sequence[Encoded],
    state: Path,
    follow: Follow,
) -> list[RoundReport]:
    config, progress = bench.config, resume(state, engine)
    for number in range(progress.round, config.rounds):
        title = f"{name}, round {number + 1} of {config.rounds}"
        with engine.whole() as model:
            speaks = Policy(model, tokenizer)
            prepare = partial(_prepared, speaks, tasks, bench, number=number, name=name, state=state)
            prepared = engine.shared(prepare)
        follow(Advance(f"{title}: samples", number + 1, config.rounds, figures(prepared.seen)))
        shared = {"pad": tokenizer.pad_token_id, "config": config, "seed": config.seed + number}
        epoch = partial(learn, **shared, title=f"{title}: learning", follow=follow)
        report = _learn(engine, prepared, texts, epoch, progress=progress, state=state)
        progress = Progress(number + 1, reports=(*progress.reports, report))
        save(state, engine, progress)
    return list(progress.reports)


def _prepared(trained: Policy, tasks: Sequence[Task], bench: Bench, *, number: int, name: str, state: Path) -> Prepared:
    """A round's lesson: as it was kept, or drawn, scored, judged, chosen and kept."""
    prepared = load_prepared(state, number)
    if prepared is None:
        prepared = _prepare(trained, tasks, bench, number=number, name=name)
        save_prepared(state, prepared)
    return prepared


def _prepare(trained: Policy, tasks: Sequence[Task], bench: Bench, *, number: int, name: str) -> Prepared:
    """Draw, score, judge and choose for all tasks."""
    started, config = time.perf_counter(), bench.config
    version = f"{name}-r{number}@{_hash_weights(trained.model)}" if number else bench.reference.version
    policy = bench.speaker.policy(trained, version)
    rho = gradient_weights(tasks, config)
    lots: list[tuple[float, Lesson]] = []
    minimal: list[Pair] = []
    seen: list[TaskRound] = []
    for task in tasks:
        places = prompts_of(task, number, config)
        if places:
            rankers = ranked_by(task, tasks, config)
            taught = collect(task, rankers, places, policy=policy, number=number, bench=bench)
            lots.append((rho[task.name], taught.lesson))
            minimal += taught.minimal
            seen.append(taught.report)
    lesson = _something(merge(lots, minimal), number, seen)
    return Prepared(number, version, lesson, seen, time.perf_counter() - started)


def _learn(
    engine: Engine,
    prepared: Prepared,
    texts: Sequence[Encoded],
    epoch: Callable[..., Learnt],
    *,
    progress: Progress,
    state: Path,
) -> RoundReport:
    started, number, lesson = time.perf_counter(), prepared.round, prepared.lesson
    learnt = epoch(
        engine,
        lesson,
        texts,
        done=progress.learnt,
        keep=lambda learnt: save(state, engine, progress._replace(learnt=learnt)),
    )
    return RoundReport(
        round=number + 1,
        policy=prepared.policy,
        tasks=prepared.seen,
        winners=len(lesson.weighted),
        pairs=len(lesson.pairs),
        steps=learnt.steps,
        loss=learnt.loss,
        pair_loss=learnt.pair_loss,
        seconds={"collect": prepared.seconds, "learn": time.perf_counter() - started},
    )


def _satisfied(logged: Logged, judges: Mapping[str, Judge]) -> Logged:
    """The logged texts to which no judge objects that is asked about every response: faults are not taught."""
    conversations, responses = logged
    hearing = Hearing(judges, conversations, "the supervised texts")
    broken = hearing.violating([*enumerate(responses)], dear=False)
    kept = [place for place, wrong in enumerate(broken) if not wrong]
    return [conversations[place] for place in kept], [responses[place] for place in kept]


def _something(lesson: Lesson, number: int, seen: Sequence[TaskRound]) -> Lesson:
    if lesson.size:
        return lesson
    skips = ", ".join(f"{each.task}: {each.skipped} of {each.prompts} skipped, trips {each.trips}" for each in seen)
    if not seen:
        raise ValueError(
            f"round {number + 1} has no prompt of any task; give the tasks more prompts, or take fewer rounds"
        )
    raise ValueError(f"round {number + 1} has nothing to learn from ({skips}); look at the judges that trip")


def _trainable(policy: Policy, config: CgpoConfig) -> Policy:
    torch.manual_seed(config.seed)
    if config.tuning == "full":
        return policy
    from peft import LoraConfig, get_peft_model

    rank = config.lora_rank
    shape = LoraConfig(r=rank, lora_alpha=rank, target_modules="all-linear", task_type="CAUSAL_LM", lora_dropout=0.0)
    return Policy(get_peft_model(policy.model, shape), policy.tokenizer)


def _state_of(work: Path, key: str) -> Path:
    """Where the state of these settings lies; that of any others is dropped."""
    state = work / f"state-{key}"
    for other in work.glob("state-*"):
        if other != state:
            shutil.rmtree(other)
    state.mkdir(parents=True, exist_ok=True)
    return state


def _save(trained: Policy, place: Path, out: Path, reference: str | Path) -> str:
    pretrained.save(place, trained.model, trained.tokenizer)
    version = f"{out.name}@{fingerprint(place)}"  # before an adapter names its base as seen from elsewhere
    if (place / ADAPTER).exists():
        name_base(place, reference, seen_from=out)
    return version


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
    logged: Logged,
) -> str:
    """Names all that the weights depend on; how often a state is kept does not matter."""
    aims = [[task.name, list(task.prompts), task.weight, task.mixed, task.reward_version] for task in tasks]
    content = [
        reference,
        aims,
        {name: judge_version(judge) for name, judge in judges.items()},
        config.model_dump(exclude={"save_every"}),
        logged,
    ]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()[:20]


def _hash_weights(model: Any) -> str:
    digest = hashlib.sha256()
    for name, each in model.named_parameters():
        if each.requires_grad:
            digest.update(name.encode() + each.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]
