import json
import random
import re

import pytest

from warehouse.ingest.mentions import Sought, named
from warehouse.ingest.owners import users_of

PARTS = {"uid": "böb", "text": 'He said "hi"', "n": 3}


def names(body: bytes, user: str) -> bool:
    return bool(named(body, Sought([user])))


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"batch": [{"who": {"id": "böb"}}]}).encode(),
        json.dumps({"seen_by": {"böb": 2}}, ensure_ascii=False).encode(),
        json.dumps({"payload": json.dumps({"user_id": "böb"})}).encode(),
        json.dumps([json.dumps([json.dumps({"u": "böb"})])]).encode(),
        json.dumps(PARTS).encode()[:-1],
        json.dumps(PARTS, ensure_ascii=False).encode()[:-1] + b"\xff",
        json.dumps(PARTS, ensure_ascii=False).encode("latin-1"),
        json.dumps(PARTS, ensure_ascii=False).encode("utf-16"),
        json.dumps({"raw": json.dumps(PARTS)}).encode()[:-3],
        b"user=b%C3%B6b&text=hello",
        "17;böb;hello".encode(),
        b'{"uid": "\\u0062\\u00F6\\u0062", ',
    ],
)
def test_a_line_that_names_a_user_in_whatever_form_is_found(body: bytes) -> None:
    assert names(body, "böb")


@pytest.mark.parametrize(
    ("body", "user"),
    [
        (b'{"user_id": "joann"}', "ann"),
        (b'{"user_id": "ann@example.org", ', "ann"),
        (b'{"user_id": "ann-2", ', "ann"),
        (b'{"text": "ann is here"}', "ann"),
        (b'{"turn": 17, "score": 17}', "17"),
        (b'{"turn": 17, ', "17"),
        (b'{"id": 123456}', "12345"),
    ],
)
def test_a_line_that_only_looks_like_it_is_not(body: bytes, user: str) -> None:
    assert not names(body, user)


def test_numbers_and_telling_ids_are_found_where_they_name_a_person() -> None:
    assert names(b'{"customer": 17}', "17")
    assert names(b'{"customer": 17, ', "17")
    assert names(b'{"n": [90210]}', "90210")
    assert names(b'{"url": "https://example.org/u/user-4711?x"}', "user-4711")


def test_a_key_that_stands_twice_names_both() -> None:
    line = b'{"user_id": "bob", "user_id": "ann", "n": {"user_id": "eve", "user_id": 17}}'
    assert set(users_of(line)) == {"ann", "bob", "eve", "17"}
    assert [name for name in ("bob", "eve", "ann", "twice") if names(line, name)] == ["bob", "eve", "ann"]


@pytest.mark.parametrize("depth", [300, 900, 200_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_a_line_nested_ever_so_deeply_is_searched(depth: int, opening: str, closing: str) -> None:
    body = (opening * depth + '{"user_id": "ann-12345"}' + closing * depth).encode()
    assert names(body, "ann-12345")
    assert not names(body.replace(b"ann-12345", b"ann-123456"), "ann-12345")
    assert users_of(body) == ("ann-12345",)


@pytest.mark.parametrize("body", [b"user" * 1_000_000 + b" x 17", b" 17" * 100_000, b"user 17," * 100_000])
def test_a_long_line_is_searched_in_one_pass(body: bytes) -> None:
    assert not names(body, "17")
    assert names(body + b" account = 17", "17")


def test_many_users_are_found_together_as_each_is_alone() -> None:
    draw = random.Random(1)
    ids = [
        "ann-2345",
        "ann.lee@example.org",
        "a-.b c12345",
        "12345",
        "17",
        "böb_123456",
        "x" * 9,
        "u-1-",
        ".dot1234",
        "9.5-abcdef",
    ]
    for _ in range(3_000):
        text = "".join(draw.choice([*ids, ".", "-", " ", "@", "x", "\n", "'", ",", "user="]) for _ in range(6))
        body = draw.choice([text, text, json.dumps({"said": text, "by": [draw.choice(ids)]})]).encode()
        together = named(body, Sought(ids))
        assert together == {user for user in ids if names(body, user)}, body
        if body == text.encode() and "\\" not in text:
            words = {
                user for user in ids if re.search(rf"(?<![\w@-])(?<!\w\.){re.escape(user)}(?![\w@-])(?!\.\w)", text)
            }
            assert together - {"17"} == words - {"17"}, body
