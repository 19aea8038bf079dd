import pyarrow as pa

from warehouse.signals import with_sentiment
from warehouse.signals.sentiment import sentiment


def test_good_words_are_above_bad_ones_and_a_negation_turns_them() -> None:
    good, plain, bad, turned = sentiment(
        pa.array(["i love this, thank you!", "where is peru?", "this is terrible", "this is not terrible"])
    ).to_pylist()
    assert -1 <= bad < turned <= 1
    assert bad < plain == 0.0 < good


def test_no_message_has_no_sentiment() -> None:
    assert sentiment(pa.array([], pa.string())).to_pylist() == []
    table = pa.table({"next_messages": pa.array([[], None, ["thank you"], ["good", "bad"]], pa.list_(pa.string()))})
    found = with_sentiment(table)["sentiment"].to_pylist()
    assert found[:2] == [None, None]
    assert found[2] == sentiment(pa.array(["thank you"]))[0].as_py()
    assert abs(found[3]) < 0.2


def test_a_table_of_nothing_keeps_its_shape() -> None:
    empty = pa.table({"user_id": pa.array([], pa.string()), "next_messages": pa.array([], pa.list_(pa.string()))})
    assert with_sentiment(empty).column_names == ["user_id", "sentiment"]
