import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from streams.convai import dialogue_events, write_events
from streams.events import ReactionChanged, ResponseServed, decode

REAL = Path(__file__).parents[3] / "shared" / "data" / "convai"


def dialogue(**changes: Any) -> dict[str, Any]:
    turns = [
        ("Bot", "Hi!", None),
        ("Human", "Do you like tea?", None),
        ("Bot", "Very much.", 1),
        ("Bot", "Tea tea.", 0),
    ]
    return {
        "dialog": [
            {"id": place, "sender_class": who, "text": text, "evaluation_score": rating}
            for place, (who, text, rating) in enumerate(turns)
        ],
        "participant1_id": {"class": "User", "user_id": "User 7"},
        "participant2_id": {"class": "Bot", "user_id": "Bot 002"},
        "start_time": "2018-10-29 09:00:00",
        "end_time": "2018-10-29 09:05:00",
    } | changes


def write(path: Path, *dialogues: Any) -> Path:
    path.write_text("\n".join(json.dumps(each) for each in dialogues) + "\n")
    return path


def test_a_thumb_up_is_a_love_and_a_thumb_down_a_dislike() -> None:
    events = dialogue_events(dialogue())
    assert events is not None
    served = [event for event in events if isinstance(event, ResponseServed)]
    rated = [event for event in events if isinstance(event, ReactionChanged)]
    assert [event.response for event in served] == ["Hi!", "Very much.", "Tea tea."]
    assert {event.policy for event in served} == {"convai-bot-002"}
    assert {event.user_id for event in events} == {"User 7"}
    assert [(event.reaction, event.action, event.response_id) for event in rated] == [
        ("love", "added", served[1].response_id),
        ("dislike", "added", served[2].response_id),
    ]


def test_a_response_carries_all_that_was_said_before_it() -> None:
    events = dialogue_events(dialogue())
    assert events is not None
    served = [event for event in events if isinstance(event, ResponseServed)]
    assert [(turn.role, turn.content) for turn in served[1].conversation] == [
        ("assistant", "Hi!"),
        ("user", "Do you like tea?"),
    ]
    assert served[0].conversation[0].role == "system"


def test_messages_are_spread_evenly_over_the_dialogue() -> None:
    events = dialogue_events(dialogue())
    assert events is not None
    served = [event.served_at for event in events if isinstance(event, ResponseServed)]
    assert served == [datetime(2018, 10, 29, 9, minute, tzinfo=UTC) for minute in (1, 3, 4)]


def test_dialogues_between_people_and_silent_bots_are_left_out_and_counted(tmp_path: Path) -> None:
    people = dialogue(participant2_id={"class": "User", "user_id": "User 8"})
    silent = dialogue(dialog=[{"id": 0, "sender_class": "Human", "text": "Hello?", "evaluation_score": None}])
    report = write_events(write(tmp_path / "dialogues.jsonl", people, silent, dialogue()), tmp_path / "events.ndjson")
    assert (report.dialogues, report.without_bot, report.bot_silent) == (1, 1, 1)
    assert (report.events, report.responses, report.loves, report.dislikes) == (5, 3, 1, 1)


def test_converting_twice_gives_the_same_bytes_and_a_copied_dialogue_the_same_ids(tmp_path: Path) -> None:
    source = write(tmp_path / "dialogues.jsonl", dialogue(), dialogue())
    write_events(tmp_path, tmp_path / "first.ndjson")
    write_events(source, tmp_path / "second.ndjson")
    assert (tmp_path / "first.ndjson").read_bytes() == (tmp_path / "second.ndjson").read_bytes()
    lines = (tmp_path / "first.ndjson").read_bytes().splitlines()
    assert len(lines) == 10
    assert len({json.loads(line)["event_id"] for line in lines}) == 5


def test_the_published_arrays_are_read_as_they_are_and_other_files_beside_them_are_not(tmp_path: Path) -> None:
    (tmp_path / "data_volunteers.json").write_text(json.dumps([dialogue(), dialogue(start_time="2018-10-29 08:00:00")]))
    (tmp_path / "data_intermediate.json").write_text(json.dumps([dialogue(start_time="2018-10-29 07:00:00")]))
    (tmp_path / "data_tolokers.json").write_text("not to be read")
    report = write_events(tmp_path, tmp_path / "arrays.ndjson")
    assert (report.dialogues, report.responses, report.loves) == (3, 9, 3)
    (tmp_path / "data_volunteers.json").write_text('[{"dialog": []}]')
    with pytest.raises(ValueError, match=r"data_volunteers.json\[0\] is no dialogue \(KeyError"):
        write_events(tmp_path, tmp_path / "arrays.ndjson")
    for content, fault in (("[", "is no JSON"), ("{}", "is no array of dialogues")):
        (tmp_path / "data_volunteers.json").write_text(content)
        with pytest.raises(ValueError, match=fault):
            write_events(tmp_path, tmp_path / "arrays.ndjson")


def test_every_line_keeps_the_contract(tmp_path: Path) -> None:
    write_events(write(tmp_path / "dialogues.jsonl", dialogue()), tmp_path / "events.ndjson")
    for line in (tmp_path / "events.ndjson").read_bytes().splitlines():
        assert decode(line, received_at=datetime.now(UTC)).extra == {}


def test_a_missing_file_and_a_broken_line_are_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"dialogues.jsonl is missing: give the directory"):
        write_events(tmp_path, tmp_path / "events.ndjson")
    (tmp_path / "dialogues.jsonl").write_text('{"dialog": []}\n')
    with pytest.raises(ValueError, match=r"dialogues.jsonl:1 is no dialogue \(KeyError"):
        write_events(tmp_path, tmp_path / "events.ndjson")


def test_the_real_dialogues_become_the_events_that_their_readme_speaks_of(tmp_path: Path) -> None:
    if not REAL.is_dir():
        pytest.skip(f"{REAL} is not there: the real dialogues are not part of the project")
    report = write_events(REAL, tmp_path / "events.ndjson")
    assert report.responses > 1_000
    assert report.dialogues + report.without_bot + report.bot_silent >= 100
    assert 0.08 < report.loves / report.responses < 0.16
