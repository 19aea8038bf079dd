import json
import math
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pyarrow.parquet as pq
import pytest

from warehouse import training_set
from warehouse.training_rows import COLUMNS, MATURED
from warehouse.training_set import Credit, Manifest, TrainingSetError


def test_a_training_set_holds_every_clean_mature_response_with_its_label(
    feed: Any, product: Any, tmp_path: Path
) -> None:
    feed.pour(*product.day())
    made = training_set.build(feed.warehouse.target, tmp_path)
    examples = training_set.load(tmp_path / made.hash[:12])
    clean = feed.ask("SELECT count(*), count(*) FILTER (love) FROM clean_feedback")[0]
    assert (made.rows, made.positives) == (examples.num_rows, sum(examples["love"].to_pylist())) == clean
    assert tuple(examples.column_names) == COLUMNS
    assert examples["served_at"].to_pylist() == sorted(examples["served_at"].to_pylist())
    assert json.loads(examples["conversation"][0].as_py()) == [{"role": "user", "content": "How do I grow roses?"}]
    assert made.positions == [
        {"topic": "loveloop.events", "topic_id": "first life", "partition": 0, "next_offset": feed.positions[0]}
    ]
    assert Manifest.read(tmp_path / made.hash[:12]) == made


@pytest.mark.slow
def test_the_same_content_is_the_same_directory_however_it_arrived(feed: Any, product: Any, tmp_path: Path) -> None:
    lines = product.day()
    feed.pour(*lines[::-1])
    made = training_set.build(feed.warehouse.target, tmp_path / "sets")
    feed.pour(*lines)
    again = training_set.build(feed.warehouse.target, tmp_path / "sets")
    assert again == made
    assert [path.name for path in (tmp_path / "sets").iterdir()] == [made.hash[:12]]


@pytest.mark.slow
def test_another_window_or_maturity_is_another_set(feed: Any, product: Any, tmp_path: Path) -> None:
    feed.pour(*product.day())
    moment = product.noon + timedelta(days=1, minutes=30)
    whole = training_set.build(feed.warehouse.target, tmp_path)
    early = training_set.build(feed.warehouse.target, tmp_path, as_of=moment)
    late = training_set.build(feed.warehouse.target, tmp_path, since=product.noon + timedelta(minutes=30))
    assert len({whole.hash, early.hash, late.hash}) == 3
    assert early.last_served_at <= product.noon + timedelta(minutes=30) <= late.first_served_at


def test_an_empty_training_set_says_what_was_seen_and_what_to_do(feed: Any, product: Any, tmp_path: Path) -> None:
    with pytest.raises(TrainingSetError, match=r"empty training set: 0 responses are in the warehouse.*; ingest more"):
        training_set.build(feed.warehouse.target, tmp_path)
    feed.pour(product.served("r1"))
    with pytest.raises(TrainingSetError, match="1 responses are in the warehouse, 1 of them younger than 24 h"):
        training_set.build(feed.warehouse.target, tmp_path, as_of=product.noon + timedelta(hours=1))
    assert list(tmp_path.glob("*/manifest.json")) == []


def test_a_training_set_without_a_positive_is_refused(feed: Any, product: Any, tmp_path: Path) -> None:
    feed.pour(product.served("r1"), product.reacted("r1", reaction="dislike"))
    with pytest.raises(TrainingSetError, match=r"no positive: .* 1 are left, none with a love"):
        training_set.build(feed.warehouse.target, tmp_path)


def test_a_changed_training_set_is_noticed(feed: Any, product: Any, tmp_path: Path) -> None:
    feed.pour(*product.day())
    directory = tmp_path / training_set.build(feed.warehouse.target, tmp_path).hash[:12]
    examples = pq.read_table(directory / "examples.parquet")
    pq.write_table(examples.slice(1), directory / "examples.parquet")
    with pytest.raises(TrainingSetError, match="it was changed; build it again"):
        training_set.load(directory)


def test_a_directory_without_a_manifest_is_no_training_set(tmp_path: Path) -> None:
    with pytest.raises(TrainingSetError, match=r"manifest\.json is missing"):
        Manifest.read(tmp_path)


def talk(product: Any, loved: int, **changes: Any) -> list[bytes]:
    """Four turns of one conversation, of which one is loved."""
    times = [product.noon + timedelta(minutes=n) for n in range(4)]
    served = [product.served(f"r{n}", turn=n, at=at) for n, at in enumerate(times)]
    return [*served, product.reacted(f"r{loved}", at=times[loved] + timedelta(seconds=30), **changes)]


def credit_of(feed: Any, tmp_path: Path, credit: Any, **options: Any) -> list[float]:
    made = training_set.build(feed.warehouse.target, tmp_path, credit=credit, **options)
    examples = training_set.load(tmp_path / made.hash[:12])
    assert examples["love"].to_pylist() == [given > 0 for given in examples["credit"].to_pylist()]
    assert made.positives == sum(examples["love"].to_pylist())
    return list(examples["credit"].to_pylist())


def test_a_love_speaks_for_its_own_turn_for_the_conversation_so_far_or_less_the_earlier(
    feed: Any, product: Any, tmp_path: Path
) -> None:
    regenerated = product.served("r2b", turn=2, at=product.noon + timedelta(minutes=5))
    stranger = product.served("r9", "bea", conversation_id="talk of ann", at=product.noon + timedelta(minutes=6))
    feed.pour(*talk(product, 2), regenerated, stranger)
    assert credit_of(feed, tmp_path, "last_turn") == [0, 0, 1, 0, 0, 0]
    assert credit_of(feed, tmp_path, "conversation") == [1, 1, 1, 0, 0, 0]
    assert credit_of(feed, tmp_path, "decay") == [0.25, 0.5, 1, 0, 0, 0]
    assert credit_of(feed, tmp_path, "decay", decay=0.1) == pytest.approx([0.01, 0.1, 1, 0, 0, 0])


def test_of_several_loves_the_strongest_credit_counts_and_a_retracted_one_gives_none(
    feed: Any, product: Any, tmp_path: Path
) -> None:
    feed.pour(*talk(product, 3), product.reacted("r1", at=product.noon + timedelta(minutes=9)))
    assert credit_of(feed, tmp_path, "decay") == [0.5, 1, 0.5, 1]
    feed.pour(product.reacted("r3", at=product.noon + timedelta(minutes=9), action="removed"))
    assert credit_of(feed, tmp_path, "decay") == [0.5, 1, 0, 0]


def test_the_rule_of_credit_is_in_every_row_in_the_manifest_and_in_the_hash(
    feed: Any, product: Any, tmp_path: Path
) -> None:
    feed.pour(product.served("r1"), product.served("r2"), product.reacted("r1"))  # one turn: the labels are the same
    made = {rule: training_set.build(feed.warehouse.target, tmp_path, credit=rule) for rule in get_args(Credit)}
    assert len({each.hash for each in made.values()}) == 3
    assert {rule: (each.credit, each.decay) for rule, each in made.items()} == {
        "last_turn": ("last_turn", None),
        "conversation": ("conversation", None),
        "decay": ("decay", 0.5),
    }
    written = training_set.load(tmp_path / made["decay"].hash[:12])["credit_rule"].to_pylist()
    assert written == ["decay(0.5)"] * 2


@pytest.mark.parametrize(
    ("rule", "decay", "said"), [("first", 0.5, "must be one of last_turn"), ("decay", 1.0, "0, 1")]
)
def test_a_rule_of_credit_that_there_is_not_is_refused(
    feed: Any, tmp_path: Path, rule: Any, decay: float, said: str
) -> None:
    with pytest.raises(TrainingSetError, match=said):
        training_set.build(feed.warehouse.target, tmp_path, credit=rule, decay=decay)


def test_a_row_knows_what_the_conversation_had_seen_before_and_nothing_later(
    feed: Any, product: Any, tmp_path: Path
) -> None:
    early = product.reacted("r0", at=product.noon + timedelta(seconds=30))
    late = product.reacted("r1", at=product.noon + timedelta(minutes=2, seconds=30))  # after r2 was served
    cold = product.reacted("r2", at=product.noon + timedelta(minutes=2, seconds=10), reaction="dislike")
    feed.pour(*talk(product, 3), early, late, cold, product.served("other", "bea"))
    made = training_set.build(feed.warehouse.target, tmp_path)
    rows = {row["response_id"]: row for row in training_set.load(tmp_path / made.hash[:12]).to_pylist()}
    assert [rows[f"r{n}"]["earlier_loves"] for n in range(4)] == [0, 1, 1, 2]
    assert [rows[f"r{n}"]["earlier_dislikes"] for n in range(4)] == [0, 0, 0, 1]
    assert [rows[f"r{n}"]["earlier_responses"] for n in range(4)] == [0, 1, 2, 3]
    assert [rows[f"r{n}"]["since_last"] for n in range(1, 4)] == [60.0] * 3
    assert math.isnan(rows["r0"]["since_last"])
    assert math.isnan(rows["other"]["since_last"])


def test_young_rows_say_how_likely_their_love_has_come(feed: Any, product: Any, tmp_path: Path) -> None:
    hours = [0, 1, 2, 3, 4]  # each loved two hours later
    old = [product.served(f"o{n}", f"u{n}", product.noon + timedelta(hours=n)) for n in hours]
    loves = [product.reacted(f"o{n}", f"u{n}", at=product.noon + timedelta(hours=n + 2)) for n in hours]
    moment = product.noon + timedelta(days=2)
    young = [product.served(f"y{n}", "zoe", moment - timedelta(hours=n)) for n in (1, 3)]
    feed.pour(*old, *loves, *young)
    made = training_set.build(feed.warehouse.target, tmp_path, as_of=moment, young=True)
    rows = {row["response_id"]: row[MATURED] for row in training_set.load(tmp_path / made.hash[:12]).to_pylist()}
    assert made.young == 2
    assert [rows[f"o{n}"] for n in hours] == [1.0] * 5
    assert (rows["y1"], rows["y3"]) == pytest.approx((1 / 7, 6 / 7))
    without = training_set.build(feed.warehouse.target, tmp_path, as_of=moment)
    assert (without.rows, without.young) == (5, 0)
    assert MATURED not in training_set.load(tmp_path / without.hash[:12]).column_names


def test_young_rows_need_a_rule_of_credit_and_loves_to_learn_delays_from(
    feed: Any, product: Any, tmp_path: Path
) -> None:
    feed.pour(product.served("r1"), product.reacted("r1"))
    with pytest.raises(TrainingSetError, match="young rows with credit == 'decay'"):
        training_set.build(feed.warehouse.target, tmp_path, credit="decay", young=True)
    with pytest.raises(TrainingSetError, match="no response older than 24 h has a love"):
        training_set.build(feed.warehouse.target, tmp_path, as_of=product.noon + timedelta(hours=1), young=True)
