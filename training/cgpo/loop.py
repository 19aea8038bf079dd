"""The multi-task loop: CGPO in rounds over helpfulness, safety and Love, from a policy's directory to a new one."""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from training import template
from training.cgpo.candidates import RoundContext, prompt_room
from training.cgpo.collection import collect
from training.cgpo.config import CgpoConfig
from training.cgpo.epoch import learn
from training.cgpo.judgement import Hearing
from training.cgpo.leaks import without_leaks
from training.cgpo.lesson import Lesson, Pair, merge
from training.cgpo.memory_plan import planned_with
from training.cgpo.outcome import Logged, finished, hash_weights, key_of, publish
from training.cgpo.outcome import save as save_policy
from training.cgpo.report import PolicyReport, RoundReport, TaskRound, figures
from training.cgpo.state import Prepared, Progress, load_prepared, resume, save, save_prepared
from training.cgpo.tasks import Task, active, gradient_weights, prompts_of, ranked_by
from training.disk import told
from training.engine.config import EngineConfig
from training.engine.engine import Engine
from training.engine.finite_check import finite_weights
from training.engine.memory import advised
from training.engine.placement import place, read_only
from training.engine.schedule import policy_rate
from training.engine.start import start
from training.engine.steps import silent
from training.judges.verdict import Judge
from training.policy.batches import EncodedAnswer, encode_pairs
from training.policy.load import Policy, read_policy
from training.policy.pretrain import read_pairs
from training.progress import Advance, Follow, nobody
from training.rollout.generator import version_of
from training.rollout.policy_source import LocalSpeaker, Speaker
from training.rollout.store import RolloutStore
from training.sentinel.config import SentinelConfig
from training.text import Conversation

_MOSTLY = 0.5
"""Share of samples cut off above which the token limit, not the judges, left nothing."""


@dataclass(frozen=True, slots=True)
class _Training:
    """What every rank needs to learn a round's lesson.

    Attributes:
        engine: Trains the policy.
        tokenizer: The policy's.
        texts: Logged sequences that keep the language.
        rate: The peak of the learning rate.
        tokens: Most padded tokens of one pass.
        state: Where the state is kept.
        tell: Takes each line for the user.
        follow: Told each round's figures and each step's loss.
    """

    engine: Engine
    tokenizer: Any
    texts: Sequence[EncodedAnswer]
    config: CgpoConfig
    rate: float
    tokens: int
    state: Path
    tell: Callable[[str], None]
    follow: Follow


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
    engine: EngineConfig | None = None,
    sentinel: SentinelConfig | None = None,
    tell: Callable[[str], None] = silent,
    follow: Follow = nobody,
) -> PolicyReport:
    """Optimise a policy for several rewards under judges, and save it.

    1. Drop prompts that another task or the evaluation holds too.
    2. Tell the memory plan and start the engine; go on after the last kept step, where there is one of the same
       settings.
    3. In each round: draw, score, judge and choose (`collect`), keep the lesson, then one epoch on it (`learn`), its
       state kept every few steps.
    4. After the last round write `out` (adapter or model, tokenizer, `policy.json`) in one rename and drop the state.

    Interrupted at any point, a second call with the same arguments ends with the weights of an uninterrupted one. A
    finished `out` with the same settings is returned as it is.

    Under torchrun every rank calls this with the same arguments. Rank 0 alone opens the reference, draws (or tells a
    server to), scores and judges; the others wait for the lesson, then all learn it together.

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
        engine: Which engine, ranks, precision; plain torch in float32 by default.
        sentinel: Stops the run where samples pass a bound of behaviour.
        tell: Takes each line for the user, on every rank: the memory plan, and how rounds go.
        follow: Told the figures of every round's samples and the loss of every step.

    Raises:
        ValueError: Nothing to optimise for, a round in which nothing was left to learn from, a reward, loss or weight
            that is not finite, or a judge that raised.
        FileNotFoundError: There is no model at `policy`.
        MemoryShortError: With what to lower.
        OSError: A state could not be written; the one before it is whole.
    """
    config, speaker = config or CgpoConfig(), speaker or LocalSpeaker()
    dials, started = config.engine_of(engine or EngineConfig()), time.perf_counter()
    (kept, leaks), reference = without_leaks(active(tasks, config), held_out), version_of(policy)
    logged = read_pairs(supervised) if supervised is not None and config.supervised > 0 else ([], [])
    key = key_of(reference, kept, judges, config=config, engine=dials, logged=logged)
    done = finished(out, key)
    if done is not None:
        return done
    work = out.with_name(f"{out.name}.work")
    model, tokenizer = read_policy(policy)
    said = [*(each for task in kept for each in task.prompts), *logged[0]]
    if line := template.words(template.changed(tokenizer, said), len(said)):
        tell(line)
    finite_weights(model, f"the policy at {policy}")
    room = prompt_room(model, config)
    plan = planned_with(model, kept, dials, speaker, tell)
    with advised(plan, dials):
        model = place(model, dials, seed=config.seed)
        runner = start(model, dials)

        @cache
        def context() -> RoundContext:
            frozen = Policy(read_only(read_policy(policy).model, runner.device), tokenizer)
            store, draws = RolloutStore(rollouts or work / "rollouts"), speaker.reference(frozen, reference)
            return RoundContext(draws, frozen, judges, store, config, room, speaker, sentinel)

        passed = runner.shared(partial(_satisfied, logged, judges))
        texts = encode_pairs(tokenizer, *passed, room + config.max_new_tokens)
        rate = config.lr or policy_rate(model.config.hidden_size, dials.tuning)
        state = runner.shared(partial(_state_of, work, key))
        training = _Training(runner, tokenizer, texts, config, rate, dials.tokens, state, tell, follow)
        reports = _rounds(training, kept, context, name=out.name)

    def finish() -> PolicyReport:
        report = PolicyReport(
            policy=save_policy(Policy(whole, tokenizer), work / "policy", out, policy),
            reference=reference,
            weights={task.name: task.weight for task in tasks},
            gradient=gradient_weights(kept, config),
            judges=list(judges),
            leaks=leaks,
            supervised={"texts": len(passed[1]), "violating": len(logged[1]) - len(passed[1])},
            tuning=dials.tuning,
            ranks=runner.ranks,
            rounds=reports,
            seconds=time.perf_counter() - started,
            key=key,
        )
        publish(report, work, out)
        return report

    with told(work, "the finished policy"), runner.whole() as whole:
        return runner.shared(finish)


def _rounds(
    training: _Training, tasks: Sequence[Task], context: Callable[[], RoundContext], *, name: str
) -> list[RoundReport]:
    engine, state, rounds = training.engine, training.state, training.config.rounds
    progress = resume(state, engine)
    for number in range(progress.round, rounds):
        title = f"{name}, round {number + 1} of {rounds}"
        with engine.whole() as model:
            speaks = Policy(model, training.tokenizer)
            prepare = partial(_prepared, speaks, tasks, context, number=number, name=name, state=state)
            prepared = engine.shared(prepare)
        rows, pairs = len(prepared.lesson.weighted), len(prepared.lesson.pairs)
        training.tell(
            f"{title}: {rows:,} rows and {pairs:,} pairs to learn, drawn and chosen in {prepared.seconds:.0f} s"
        )
        training.follow(Advance(f"{title}: samples", number + 1, rounds, figures(prepared.seen)))
        report = _learn(training, prepared, progress, f"{title}: learning")
        with engine.whole() as model:
            engine.shared(partial(finite_weights, model, f"the policy after {title}"))
        progress = Progress(number + 1, reports=(*progress.reports, report))
        save(state, engine, progress)
    return list(progress.reports)


def _prepared(
    trained: Policy, tasks: Sequence[Task], context: Callable[[], RoundContext], *, number: int, name: str, state: Path
) -> Prepared:
    """A round's lesson: as it was kept, or drawn, scored, judged, chosen and kept."""
    prepared = load_prepared(state, number)
    if prepared is None:
        prepared = _prepare(trained, tasks, context(), number=number, name=name)
        save_prepared(state, prepared)
    return prepared


def _prepare(trained: Policy, tasks: Sequence[Task], context: RoundContext, *, number: int, name: str) -> Prepared:
    """Draw, score, judge and choose for all tasks."""
    started, config = time.perf_counter(), context.config
    version = f"{name}-r{number}@{hash_weights(trained.model)}" if number else context.reference.version
    policy = context.speaker.policy(trained, version)
    rho = gradient_weights(tasks, config)
    lots: list[tuple[float, Lesson]] = []
    minimal: list[Pair] = []
    seen: list[TaskRound] = []
    for task in tasks:
        places = prompts_of(task, number, config)
        if places:
            rankers = ranked_by(task, tasks, config)
            taught = collect(task, rankers, places, policy=policy, trained=trained, number=number, context=context)
            lots.append((rho[task.name], taught.lesson))
            minimal += taught.minimal
            seen.append(taught.report)
    lesson = _something(merge(lots, minimal), number, seen)
    return Prepared(number, version, lesson, seen, time.perf_counter() - started)


def _learn(training: _Training, prepared: Prepared, progress: Progress, title: str) -> RoundReport:
    started, number, lesson = time.perf_counter(), prepared.round, prepared.lesson
    learnt = learn(
        training.engine,
        lesson,
        training.texts,
        pad=training.tokenizer.pad_token_id,
        config=training.config,
        rate=training.rate,
        seed=training.config.seed + number,
        tokens=training.tokens,
        title=title,
        follow=training.follow,
        done=progress.learnt,
        keep=lambda learnt: save(training.state, training.engine, progress._replace(learnt=learnt)),
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
    cut_off = min(each.trips.get("unfinished", 0.0) for each in seen) > _MOSTLY
    cure = "raise max_new_tokens, which most samples ran into" if cut_off else "look at the judges that trip"
    raise ValueError(f"round {number + 1} has nothing to learn from ({skips}); {cure}")


def _state_of(work: Path, key: str) -> Path:
    """Where the state of these settings lies; that of any others is dropped."""
    state = work / f"state-{key}"
    for other in work.glob("state-*"):
        if other != state:
            shutil.rmtree(other)
    state.mkdir(parents=True, exist_ok=True)
    return state
