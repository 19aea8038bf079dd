"""Labels from an LLM: answers of the log are put to a judge behind the OpenAI API, under a written rubric.

Left out on purpose: several judges with a vote, scores instead of yes and no, and pairs. What the judge is worth must
be measured on rows that people labelled; agreement is not assumed.
"""

import asyncio
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from training.labels import sample
from training.labels.answers import Answers
from training.labels.config import JudgeConfig
from training.labels.labelled_answers import Labelled
from training.labels.rubric import RUBRICS, LabelTask, Rubric
from training.labels.server import JudgeServer, RefusedRequestError

UNREADABLE = 0.1
"""Share of answers that cannot be read above which the labels are refused."""
_COLUMNS = ("conversation", "response", "user_id", "served_at")
_EASY = ('[{"role": "user", "content": "What is two plus two?"}]', "Two plus two is four.")


class _Question(NamedTuple):
    key: str
    conversation: str
    response: str


def check(config: JudgeConfig) -> None:
    """Ask the server for its models and for one easy verdict, each once.

    Raises:
        ValueError: The key, the model or the address is wrong, or the verdict cannot be read; says which.
        ConnectionError: The server cannot be reached or does not answer.
    """
    asyncio.run(_check(config))


def label(table: Any, task: LabelTask, config: JudgeConfig, cache: Path, *, seed: int = 1) -> Labelled:
    """Let a judge label answers of a training set.

    1. Draw `config.count` distinct pairs, evenly over days and users (`sample.spread`).
    2. Ask for those that `cache` does not hold, several at once; every answer is kept there as soon as it is read.
    3. Leave out what cannot be read; more than 10 % of it is an error.

    Interrupted at any point, a second call asks only for what is missing. The result does not depend on the order of
    the answers, nor on what was kept from before.

    Args:
        table: pyarrow Table with conversation (JSON), response, user_id, served_at.
        task: `helpfulness` (label: helpful) or `safety` (label: safe).
        config: Server, model and how much.
        cache: An NDJSON file of hashes and labels, never texts; made when it is not there. All tasks and models may
            share one.
        seed: Which pairs.

    Raises:
        ValueError: The table lacks a column or a row, the server refuses key, model or address, too many answers cannot
            be read, or all labels are equal.
        ConnectionError: The server does not answer any more.
    """
    _check_table(table)
    rubric, rows = RUBRICS[task], sample.spread(table, config.count, seed)
    conversations, responses = rows["conversation"].to_pylist(), rows["response"].to_pylist()
    keys = sample.keys(conversations, responses, rubric.version, config.model)
    with Answers(cache, bool) as answers:
        asked = [_Question(*each) for each in zip(keys, conversations, responses, strict=True)]
        missing = [each for each in asked if each.key not in answers.labels]
        asyncio.run(_ask(missing, rubric, config, answers, limit=UNREADABLE * len(asked)))
        return _labelled(rows, [answers.labels.get(key) for key in keys], rubric, config)


async def _check(config: JudgeConfig) -> None:
    async with JudgeServer(config, attempts=1) as server:
        server.check_served(await server.models())
        for rubric in RUBRICS.values():
            try:
                answer = await server.answer(rubric.messages(*_EASY))
            except RefusedRequestError as error:
                raise ValueError(f"{error}; url, model and api_key_env must be those of one server") from None
            if rubric.read(answer) is None:
                raise ValueError(
                    f"{config.model} at {config.host} was asked for one word, {rubric.good} or {rubric.bad}, and said "
                    f"{_short(answer)}: choose a model that follows instructions, without a long thought before"
                )


async def _ask(
    questions: list[_Question], rubric: Rubric, config: JudgeConfig, answers: Answers[bool], *, limit: float
) -> None:
    """Put the questions to the judge; give up once more than `limit` answers could not be read."""
    if not questions:
        return
    waiting, unreadable = iter(questions), list[str]()
    async with JudgeServer(config) as server:
        with tqdm(total=len(questions), desc=f"{rubric.task}: {config.model}", unit="answer", disable=None) as bar:

            async def worker() -> None:
                for question in waiting:
                    said = await _verdict(server, rubric, question)
                    if isinstance(said, bool):
                        answers.add(question.key, said)
                    else:
                        unreadable.append(said)
                        _check_readable(unreadable, rubric, config, limit)
                    bar.update()

            await asyncio.gather(*(worker() for _ in range(config.concurrency)))


async def _verdict(server: JudgeServer, rubric: Rubric, question: _Question) -> bool | str:
    """The label, or what was said instead."""
    try:
        said = await server.answer(rubric.messages(question.conversation, question.response))
    except RefusedRequestError as error:
        return str(error)
    found = rubric.read(said)
    return _short(said) if found is None else found


def _check_readable(unreadable: list[str], rubric: Rubric, config: JudgeConfig, limit: float) -> None:
    if len(unreadable) > limit:
        raise ValueError(
            f"{len(unreadable):,} answers of {config.model} at {config.host} could not be read, at most {int(limit):,} "
            f"({UNREADABLE:.0%} of what was asked) may be: wanted {rubric.good} or {rubric.bad}, got for instance "
            f"{'; '.join(dict.fromkeys(unreadable[:3]))}. Choose a model that follows instructions, or one with a "
            "longer context; what could be read is kept"
        )


def _short(said: str) -> str:
    return repr(said if len(said) <= 120 else f"{said[:60]} ... {said[-50:]}") if said else "nothing"


def _check_table(table: Any) -> None:
    lacking = [name for name in _COLUMNS if name not in table.column_names]
    if lacking:
        raise ValueError(f"the answers to label lack {', '.join(lacking)}; they need the columns {', '.join(_COLUMNS)}")
    if not table.num_rows:
        raise ValueError("0 answers to label: the training set is empty, widen its window")


def _labelled(rows: Any, labels: list[bool | None], rubric: Rubric, config: JudgeConfig) -> Labelled:
    import pyarrow as pa

    kept = [place for place, each in enumerate(labels) if each is not None]
    known = [each for each in labels if each is not None]
    _check_both(known, rubric, config)
    table = rows.select(_COLUMNS).take(kept)
    table = table.append_column("label", pa.array(known, pa.bool_()))
    table = table.append_column("weight", pa.array([1.0] * len(known)))
    return Labelled(table, _origin(labels, known, rubric, config))


def _check_both(known: list[bool], rubric: Rubric, config: JudgeConfig) -> None:
    if len({*known}) < 2:
        word, other = (rubric.good, rubric.bad) if all(known) else (rubric.bad, rubric.good)
        raise ValueError(
            f"{config.model} calls all {len(known):,} answers {word}, and a reward model learns from both kinds: raise "
            f"{rubric.task}.judge.count, bring a file that holds {other} answers, too, or set {rubric.task} = false"
        )


def _counted(answers: int) -> str:
    return f"{answers:,} answer{'' if answers == 1 else 's'}"


def _origin(labels: list[bool | None], known: list[bool], rubric: Rubric, config: JudgeConfig) -> dict[str, Any]:
    unreadable, share = len(labels) - len(known), sum(known) / len(known)
    left = (
        "every answer could be read"
        if not unreadable
        else f"{_counted(unreadable)} could not be read and {'was' if unreadable == 1 else 'were'} left out"
    )
    words = (
        f"{_counted(len(labels))} of the log judged by {config.model} at {config.host}, rubric {rubric.version}, "
        f"{share:.1%} {rubric.good}; {left}"
    )
    return {
        "source": "judge",
        "words": words,
        "host": config.host,
        "model": config.model,
        "rubric": rubric.version,
        "asked": len(labels),
        "unreadable": unreadable,
        "positive_share": share,
    }
