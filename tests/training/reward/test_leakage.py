from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from training.reward.data import Examples, read_examples
from training.reward.leakage import LeakageError, check, near_copies
from training.reward.split import split, split_labels
from training.reward.thresholds import Thresholds

LIMITS = Thresholds(copy_words=8)
Draw = Callable[..., pa.Table]


@pytest.fixture(scope="module")
def every(examples: Draw) -> Examples:
    """Rows of random words, each with a long answer of its own."""
    table = examples(3_000, rate=0.1)
    random = np.random.default_rng(0)
    long = [" ".join(f"word{each}" for each in random.integers(0, 900, 30)) for _ in range(3_000)]
    return read_examples(table.set_column(1, "response", pa.array(long)))


def parts_of(every: Examples) -> object:
    return split(every, test_users=0.3, test_time=0.3, validation_users=0.1, seed=0)


def test_a_sound_split_passes_and_says_what_was_compared(every: Examples) -> None:
    found = check(every, parts_of(every), by="users", limits=LIMITS, seed=0)  # type: ignore[arg-type]
    assert (found.exact, found.near) == (0, 0)
    assert found.tested > 200
    assert "0 stand in the training part" in found.sentence


def test_a_user_in_both_parts_is_named(every: Examples) -> None:
    parts = parts_of(every)
    users = every.users.copy()
    users[parts.test[0]] = users[parts.train[0]]  # type: ignore[attr-defined]
    with pytest.raises(
        LeakageError, match=rf"1 users are in the training part and in the test part.*{users[parts.train[0]]}"
    ):  # type: ignore[attr-defined]
        check(replace(every, users=users), parts, by="users", limits=LIMITS, seed=0)  # type: ignore[arg-type]


def test_a_training_part_that_ends_after_the_test_begins_is_refused(every: Examples) -> None:
    parts = parts_of(every)
    times = every.times.copy()
    times[parts.train[0]] = times.max()  # type: ignore[attr-defined]
    with pytest.raises(LeakageError, match=r"the training part ends 2026-01-0.*it must end before"):
        check(replace(every, times=times), parts, by="users", limits=LIMITS, seed=0)  # type: ignore[arg-type]


@pytest.mark.parametrize("changed", [lambda text: text.upper() + "!!", lambda text: text[:-1] + "x"])
def test_copies_under_other_names_fail_the_run(every: Examples, changed: Callable[[str], str]) -> None:
    """Case and marks changed (exact after normalising), or a letter (near)."""
    parts = parts_of(every)
    responses, conversations = list(every.responses), list(every.conversations)
    for place in range(60):
        test, train = parts.test[place], parts.train[place]  # type: ignore[attr-defined]
        responses[test], conversations[test] = changed(responses[train]), conversations[train]
    leaked = replace(every, responses=responses, conversations=conversations)
    with pytest.raises(LeakageError, match=r"60 of \d+ test texts .* are copies or near copies.* is row \d+ \(user-"):
        check(leaked, parts, by="users", limits=LIMITS, seed=0)  # type: ignore[arg-type]


def test_short_texts_repeat_by_themselves(every: Examples) -> None:
    greetings = replace(
        every, responses=["Hello!"] * 3_000, conversations=[[{"role": "user", "content": "hi"}]] * 3_000
    )
    found = check(greetings, parts_of(greetings), by="users", limits=LIMITS, seed=0)  # type: ignore[arg-type]
    assert found.tested == 0
    assert found.repeated == found.short > 200


def test_a_conversation_in_both_parts_is_refused_where_labels_are_split_by_it(every: Examples) -> None:
    labels = split_labels(every.labels, [str(row) for row in range(3_000)], test=0.3, validation=0.1, seed=0)
    conversations = list(every.conversations)
    responses = list(every.responses)
    conversations[labels.test[0]], responses[labels.test[0]] = (
        conversations[labels.train[0]],
        responses[labels.train[0]],
    )
    same = replace(every, conversations=conversations, responses=responses)
    with pytest.raises(LeakageError, match="1 conversations are in the training part and in the test part"):
        check(same, labels, by="conversations", limits=LIMITS, seed=0)


def test_near_copies_are_found_at_the_similarity_that_is_asked_for() -> None:
    random = np.random.default_rng(1)
    texts = [" ".join(f"w{each}" for each in random.integers(0, 500, 40)) for _ in range(300)]
    nearly = [f"{text} indeed" for text in texts]
    found = near_copies(nearly, texts, 0.85)
    assert len(found) >= 0.98 * len(texts)
    assert all(place == other for place, other in found.items())
    half = [" ".join(text.split()[:20] + ["other"] * 20) for text in texts]
    assert near_copies(half, texts, 0.85) == {}
