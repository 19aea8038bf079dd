"""Ready mappings on made files of the shapes that the products publish."""

import csv
import io
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from streams.events import ContractError, ReactionChanged, ResponseServed, decode
from warehouse.storage.transaction import WarehouseError
from warehouse.transfer import files, mappings, ready
from warehouse.transfer.foreign import LEFT_OUT, Columns

NOW = datetime(2026, 3, 10, tzinfo=UTC)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECONDS = 1_772_366_400
"""Noon, since 1970."""


def read(path: Path, name: str, content: Any, more: Columns | None = None) -> tuple[list[Any], Counter[str]]:
    """The events of a file, in its order, and what was told."""
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    columns, told = ready.mapping(name, more), Counter[str]()
    mappings.check(columns)
    mappings.refuse_numbers(path, columns)
    return [decode(line, received_at=NOW).event for line in files.lines(path, columns, told=told)], told


def reactions(found: list[Any]) -> list[tuple[str, str, str]]:
    return [(each.user_id, each.response_id, each.reaction) for each in found if isinstance(each, ReactionChanged)]


def score(**own: Any) -> dict[str, Any]:
    plain = {
        "id": "s", "traceId": "t1", "sessionId": "se1", "observationId": None, "timestamp": "2026-03-01T12:00:00.000Z",
        "name": "user-feedback", "value": 1, "stringValue": None, "dataType": "NUMERIC", "source": "API",
        "comment": None, "trace": {"userId": "ann", "tags": []}, "configId": None,
    }  # fmt: skip
    return plain | own


def test_langfuse_scores_of_users_are_reactions_and_those_of_judges_are_left_out(tmp_path: Path) -> None:
    rows = [
        score(id="1", value=1, comment="so warm"), score(id="2", value=0, observationId="o2"),
        score(id="3", dataType="BOOLEAN", value=1, stringValue="True"),
        score(id="4", dataType="CATEGORICAL", value=None, stringValue="\U0001f44d"),
        score(id="5", name="helpfulness", value=0.83, source="EVAL"),
    ]  # fmt: skip
    found, told = read(tmp_path / "scores.json", "langfuse", {"data": rows, "meta": {"page": 1, "totalPages": 1}})
    assert reactions(found) == [
        ("ann", "t1", "like"),
        ("ann", "o2", "dislike"),
        ("ann", "t1", "like"),
        ("ann", "t1", "like"),
    ]
    assert {each.reacted_at for each in found} == {NOON}
    assert told[LEFT_OUT] == 1


def test_langfuse_files_of_its_other_exports_are_read_by_the_same_mapping(tmp_path: Path) -> None:
    table = "id,traceId,sessionId,timestamp,name,value,stringValue,observationId,userId\n" + (
        "s1,t1,se1,2026-03-01T12:00:00.000Z,user-feedback,0,\U0001f44d,o1,u1\n"
        "s2,t2,se1,2026-03-01 12:00:00.000000,user-feedback,0,,,u2\n"
    )
    assert reactions(read(tmp_path / "a.csv", "langfuse", table)[0]) == [("u1", "o1", "like"), ("u2", "t2", "dislike")]
    blob = {"id": "s", "timestamp": "2026-03-01 12:00:00.000000", "name": "thumbs", "value": 1.0, "string_value": None,
            "trace_id": "t", "observation_id": "o", "session_id": "se"}  # fmt: skip
    with pytest.raises(ContractError, match="user_id is missing"):
        read(tmp_path / "a.jsonl", "langfuse", blob)
    found, _ = read(tmp_path / "a.jsonl", "langfuse", blob, Columns({"user_id": "session_id"}))
    assert reactions(found) == [("se", "o", "like")]


def test_a_langfuse_score_on_a_scale_is_refused_until_somebody_says_what_it_means(tmp_path: Path) -> None:
    rows = [score(id=str(n), name="stars", value=n) for n in range(1, 6)]
    mine = Columns(only={"name": "stars"})
    with pytest.raises(WarehouseError, match="reactions are numbers"):
        read(tmp_path / "a.json", "langfuse", rows, mine)
    meant = {"reaction": {"5": "love", "4": "like", "3": "neutral", "2": "dislike", "1": "dislike"}}
    found, _ = read(tmp_path / "a.json", "langfuse", rows, Columns(only=mine.only, values=meant))
    assert [each.reaction for each in found] == ["dislike", "dislike", "neutral", "like", "love"]


def feedback(number: int, rating: int | None) -> dict[str, Any]:
    """One record of Open WebUI: the second answer was rated, and the chat went on."""
    spoken = [("u1", None, "user", "Hi"), ("a1", "u1", "assistant", "Hello!"), ("u2", "a1", "user", "Roses?"),
              (f"a2-{number}", "u2", "assistant", "Sun and water."), ("other", "u2", "assistant", "No idea."),
              ("u3", f"a2-{number}", "user", "Thanks")]  # fmt: skip
    messages = {
        key: {"id": key, "parentId": parent, "childrenIds": [], "role": role, "content": text, "timestamp": SECONDS}
        for key, parent, role, text in spoken
    }
    chat = {
        "id": "c",
        "title": "x",
        "messages": list(messages.values()),
        "history": {"messages": messages, "currentId": "u3"},
    }
    return {
        "id": f"fb-{number}", "user_id": f"user-{number}", "version": 0, "type": "rating",
        "data": {"rating": rating, "model_id": "llama3", "reason": "accurate_information", "comment": ""},
        "meta": {"chat_id": f"c{number}", "message_id": f"a2-{number}", "message_index": 3, "model_id": "llama3"},
        "snapshot": {"chat": {"id": f"c{number}", "user_id": f"user-{number}", "chat": chat}},
        "created_at": SECONDS + 30, "updated_at": SECONDS + 30,
    }  # fmt: skip


def test_open_webui_s_feedback_brings_the_rated_responses_from_its_snapshots(tmp_path: Path) -> None:
    found, _ = read(tmp_path / "feedbacks.json", "openwebui", [feedback(0, 1), feedback(1, -1), feedback(2, None)])
    assert reactions(found) == [("user-0", "a2-0", "like"), ("user-1", "a2-1", "dislike")]
    served = [each for each in found if isinstance(each, ResponseServed)]
    assert [(each.response_id, each.response, each.turn, each.policy) for each in served][1:] == [
        ("a2-1", "Sun and water.", 1, "llama3"), ("a2-2", "Sun and water.", 1, "llama3"),
    ]  # fmt: skip
    assert [each.content for each in served[0].conversation] == ["Hi", "Hello!", "Roses?"]
    assert served[0].served_at == NOON
    without = [{name: value for name, value in feedback(0, 1).items() if name != "snapshot"}]
    assert [type(each) for each in read(tmp_path / "b.json", "openwebui", without)[0]] == [ReactionChanged]


def test_logs_of_chat_completions_bring_responses_and_the_feedback_beside_them(tmp_path: Path) -> None:
    talk = [{"role": "developer", "content": "x"}, {"role": "user", "content": "Hi"}]
    asked = {"model": "gpt", "user": "ann", "messages": talk,
             "metadata": {"conversation_id": "c", "session_id": "se"}}  # fmt: skip
    answered = {"id": "chatcmpl-1", "object": "chat.completion", "created": SECONDS, "model": "gpt-2026",
                "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello!"}}]}  # fmt: skip
    calls = answered | {
        "id": "chatcmpl-2",
        "choices": [{"message": {"role": "assistant", "content": None, "tool_calls": [{}]}}],
    }
    rows = [
        {"request": asked, "response": answered, "feedback": {"rating": "up", "created_at": SECONDS + 5}},
        {"input": asked, "output": answered | {"id": "chatcmpl-3"}},
        {"request": asked, "response": calls},
    ]
    found, told = read(tmp_path / "log.jsonl", "openai", "\n".join(map(json.dumps, rows)))
    assert reactions(found) == [("ann", "chatcmpl-1", "like")]
    served = [each for each in found if isinstance(each, ResponseServed)]
    assert [(each.response_id, each.response, each.policy, each.turn) for each in served] == [
        ("chatcmpl-1", "Hello!", "gpt-2026", 0), ("chatcmpl-3", "Hello!", "gpt-2026", 0),
    ]  # fmt: skip
    assert (served[0].conversation_id, served[0].session_id, served[0].conversation[0].role) == ("c", "se", "system")
    assert told[LEFT_OUT] == 1


def battle(number: int, winner: str) -> dict[str, Any]:
    talks = {
        side: [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": f"{side} {number}"}] for side in "ab"
    }
    return {
        "question_id": f"q{number}", "model_a": "vicuna", "model_b": "koala", "winner": winner,
        "judge": f"arena_user_{number}",
        "conversation_a": talks["a"], "conversation_b": talks["b"], "turn": 1, "anony": True, "language": "English",
        "tstamp": SECONDS + 0.25,
    }  # fmt: skip


def test_battles_are_two_responses_each_and_a_like_of_the_winner(tmp_path: Path) -> None:
    rows = [battle(n, winner) for n, winner in enumerate(["model_a", "model_b", "tie", "tie (bothbad)"])]
    found, _ = read(tmp_path / "arena.json", "lmsys", rows)
    served = [each for each in found if isinstance(each, ResponseServed)]
    assert [(each.response_id, each.policy, each.response, each.turn) for each in served[:2]] == [
        ("q0/a", "vicuna", "a 0", 0), ("q0/b", "koala", "b 0", 0),
    ]  # fmt: skip
    assert len(served) == 8
    assert [(response, name) for _, response, name in reactions(found)] == [
        ("q0/a", "like"), ("q0/b", "dislike"), ("q1/a", "dislike"), ("q1/b", "like"), ("q3/a", "dislike"),
        ("q3/b", "dislike"),
    ]  # fmt: skip
    assert len({each.event_id for each in found}) == len(found)
    lines = [decode(line, received_at=NOW) for line in files.lines(tmp_path / "arena.json", ready.mapping("lmsys"))]
    kept = [extra["original"] for event, extra in lines if isinstance(event, ReactionChanged)]
    assert kept[:2] == [{"reaction": "model_a"}] * 2


def test_a_table_of_thumbs_is_read_under_its_usual_names(tmp_path: Path) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["user_id", "message_id", "created_at", "thumb", "prompt", "response", "model"])
    writer.writerow(["u1", "m1", "2026-03-01 12:00:00 UTC", "up", "Hi", "Hello!", "v7"])
    writer.writerow(["u2", "m2", str(SECONDS), "-1", "Hi", "Hello!", "v7"])
    writer.writerow(["u3", "m3", str(SECONDS), "\U0001f44d", "", "", ""])
    found, _ = read(tmp_path / "thumbs.csv", "thumbs-csv", text.getvalue())
    assert reactions(found) == [("u1", "m1", "like"), ("u2", "m2", "dislike"), ("u3", "m3", "like")]
    assert [(each.response_id, each.policy) for each in found if isinstance(each, ResponseServed)] == [
        ("m1", "v7"),
        ("m2", "v7"),
    ]
    assert [each.reacted_at for each in found if isinstance(each, ReactionChanged)] == [NOON] * 3


def test_what_the_caller_says_goes_before_the_mapping(tmp_path: Path) -> None:
    rows = [{"user_id": "u", "mid": "m", "created_at": SECONDS, "thumb": "up", "prompt": "Hi", "response": "Hello!"}]
    more = Columns({"response_id": "mid", "conversation_id": "mid"}, {"policy": "v9", "session_id": "s9"})
    served, reacted = read(tmp_path / "a.json", "thumbs-csv", rows, more)[0]
    assert (served.response_id, served.policy, served.session_id) == ("m", "v9", "s9")
    assert (reacted.response_id, reacted.session_id) == ("m", "s9")
    only = Columns(more.fields, kind="reaction_changed")
    assert [type(each) for each in read(tmp_path / "a.json", "thumbs-csv", rows, only)[0]] == [ReactionChanged]
    with pytest.raises(WarehouseError, match="holds no such event"):
        ready.mapping("thumbs-csv", Columns(kind="erasure_requested"))
    with pytest.raises(WarehouseError, match="there are langfuse, lmsys, openai, openwebui, thumbs-csv"):
        ready.mapping("chatbase")


@pytest.mark.parametrize("name", ready.names())
def test_a_mapping_names_fields_of_the_contract_and_has_a_section_of_its_own(name: str) -> None:
    mappings.check(ready.mapping(name))
    page = (Path(__file__).parents[3] / "docs" / "import-products.md").read_text()
    assert f"--from {name}" in page
