"""Files as products and people write them: encodings, compressions, envelopes, CSV, Parquet's own types."""

import codecs
import csv
import gzip
import io
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streams import mending
from streams.events import ContractError, decode
from warehouse.storage.transaction import WarehouseError
from warehouse.transfer import files, mappings
from warehouse.transfer.envelopes import PAGE
from warehouse.transfer.foreign import DEEP, NOBODY, Columns
from warehouse.transfer.tables import BINARY, BLANK, NAMELESS, RAGGED, RETURNS
from warehouse.transfer.value_maps import meaning

NOW = datetime(2026, 3, 10, tzinfo=UTC)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HEARTS = Columns(
    {"user_id": "uid", "response_id": "message", "reacted_at": "at", "reaction": "emoji"},
    {"action": "added", "session_id": "none"},
    "reaction_changed",
)
ROWS = [{"uid": f"u{n}", "message": "r", "at": "2026-03-01T12:00:00Z", "emoji": "\U0001f44d"} for n in range(3)]


def events(path: Path, columns: Columns = HEARTS, told: Counter[str] | None = None) -> list[Any]:
    return [decode(line, received_at=NOW).event for line in files.lines(path, columns, told=told)]


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def parquet(path: Path, **columns: Any) -> Path:
    plain = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    pq.write_table(pa.table({**plain, **columns}), path)
    return path


LINES = "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)
TABLE = "uid,message,at,emoji\n" + "".join(f"{','.join(row.values())}\n" for row in ROWS)


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [(codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
     (codecs.BOM_UTF32_LE, "utf-32-le")],
)  # fmt: skip
@pytest.mark.parametrize(("name", "text"), [("a.jsonl", LINES), ("a.json", json.dumps(ROWS)), ("a.csv", TABLE)])
def test_a_byte_order_mark_says_the_encoding_and_belongs_to_no_row(
    tmp_path: Path, mark: bytes, encoding: str, name: str, text: str
) -> None:
    told: Counter[str] = Counter()
    found = events(written(tmp_path / name, mark + text.replace("\n", "\r\n").encode(encoding)), told=told)
    assert [(each.user_id, each.reaction) for each in found] == [(f"u{n}", "like") for n in range(3)]
    assert sum(count for rule, count in told.items() if "byte order mark" in rule) == 1


def test_a_byte_order_mark_before_a_line_anywhere_costs_no_event(tmp_path: Path) -> None:
    event = {"type": "erasure_requested", "event_id": "019ca945-0a00-7000-8000-000000000001", "user_id": "u",
             "requested_at": "2026-03-01T12:00:00Z"}  # fmt: skip
    line = codecs.BOM_UTF8 + json.dumps(event).encode()
    assert len(events(written(tmp_path / "two.jsonl", line + b"\n" + line), Columns())) == 2


def test_other_signs_that_end_lines_elsewhere_stay_in_a_text(tmp_path: Path) -> None:
    text = "a\u2028b\u2029c\u0085d\x0be"
    columns = Columns({**HEARTS.fields, "note": "note"}, HEARTS.constants, HEARTS.kind)
    rows = [ROWS[0] | {"note": text}]
    for name, content in {
        "a.jsonl": json.dumps(rows[0], ensure_ascii=False),
        "a.csv": f"{TABLE.splitlines()[0]},note\n{','.join(rows[0].values())}",
    }.items():  # fmt: skip
        (line,) = files.lines(written(tmp_path / name, content), columns)
        assert decode(line, received_at=NOW).extra == {"note": text}


def test_a_file_is_uncompressed_by_what_it_is_whatever_its_name(tmp_path: Path) -> None:
    members = gzip.compress(LINES[:40].encode()) + gzip.compress(b"") + gzip.compress(LINES[40:].encode())
    frames = b"".join(pa.Codec("zstd").compress(part.encode(), asbytes=True) for part in (LINES[:40], LINES[40:]))
    for name, content in {
        "a.jsonl.gz": members,
        "b.jsonl": members + bytes(512),
        "c.jsonl.zst": frames,
        "d.jsonl": frames,
    }.items():
        assert len(events(written(tmp_path / name, content))) == 3, name
    assert len(events(written(tmp_path / "e.csv.gz", gzip.compress(TABLE.encode())))) == 3


def test_a_file_that_was_cut_short_is_no_whole_one(tmp_path: Path) -> None:
    for name, content in {
        "a.jsonl.gz": gzip.compress(LINES.encode())[:-9], "b.jsonl": LINES.encode("utf-16")[:-1],
    }.items():  # fmt: skip
        with pytest.raises(WarehouseError):
            events(written(tmp_path / name, content))


@pytest.mark.parametrize("field", ["data", "items", "results", "events", "rows", "records", "scores_of_march"])
def test_rows_are_found_in_the_field_that_holds_them(tmp_path: Path, field: str) -> None:
    told: Counter[str] = Counter()
    body = {field: ROWS, "meta": {"page": 1, "totalPages": 1}}
    for text in (json.dumps(body), json.dumps(body, indent=2)):
        assert len(events(written(tmp_path / "a.json", text), told=told)) == 3
    assert told == {f"rows found in the field {field!r}": 2}
    assert files.columns_of(tmp_path / "a.json", HEARTS) == list(ROWS[0])


def test_pages_one_a_line_and_objects_within_objects_are_opened(tmp_path: Path) -> None:
    told: Counter[str] = Counter()
    pages = "\n".join(json.dumps({"data": {"items": [row]}, "has_more": True}) for row in ROWS)
    assert len(events(written(tmp_path / "pages.jsonl", pages), told=told)) == 3
    more = json.dumps({"data": ROWS, "meta": {"totalPages": 4}})
    events(written(tmp_path / "a.json", more), told=told)
    assert told[PAGE] == 1


@pytest.mark.parametrize("text", ['{"data": []}', '{"data": {"items": []}, "meta": {}}', "[]", ""])
def test_a_page_without_rows_holds_nothing(tmp_path: Path, text: str) -> None:
    assert events(written(tmp_path / "a.json", text)) == []


def test_objects_over_several_lines_and_lists_in_lines_are_read(tmp_path: Path) -> None:
    assert len(events(written(tmp_path / "a.json", "\n".join(json.dumps(row, indent=1) for row in ROWS)))) == 3
    assert len(events(written(tmp_path / "a.jsonl", f"{json.dumps(ROWS)}\n{json.dumps(ROWS)}"))) == 6
    with pytest.raises(WarehouseError, match="one JSON value"):
        events(written(tmp_path / "a.json", json.dumps(ROWS[0], indent=1) + "\n{"))


def test_an_object_that_could_mean_two_lists_is_refused_and_a_row_is_a_row(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="data, items"):
        events(written(tmp_path / "a.json", json.dumps({"data": ROWS, "items": ROWS})))
    row = {"uid": "u", "message": "r", "at": "2026-03-01T12:00:00Z", "emoji": "love", "data": [{"a": 1}]}
    assert len(events(written(tmp_path / "b.json", json.dumps(row, indent=1)))) == 1


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_a_csv_file_is_read_by_its_header(tmp_path: Path, separator: str) -> None:
    told: Counter[str] = Counter()
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator)
    writer.writerow(["uid", "message", "at", "emoji", "note"])
    writer.writerows(
        [["u1", "r", "1772366400", "love", 'a "quoted"\r\nline' + separator], ["u2", "r", "1772366400.0", "-1", ""]]
    )
    columns = Columns({**HEARTS.fields, "note": "note"}, HEARTS.constants, HEARTS.kind)
    first, second = (
        decode(line, received_at=NOW)
        for line in files.lines(written(tmp_path / "a.csv", text.getvalue()), columns, told=told)
    )
    assert (first.event.reacted_at, first.extra) == (NOON, {"note": f'a "quoted"\r\nline{separator}'})
    assert (second.event.reacted_at, second.event.reaction, second.extra) == (NOON, "dislike", {})
    assert bool(told) == (separator != ",")
    assert len(list(files.lines(tmp_path / "a.csv", columns, skip=1))) == 1


def test_cells_have_no_types_and_names_are_what_typed_files_make_of_them(tmp_path: Path) -> None:
    rows = ["12.0,r,x", "12,r,x", "NULL,r,x", ",r,x", "7.20575940631798e+17,r,x", "720575940631797750,r,x", "v1.0,r,x"]
    path = written(tmp_path / "a.csv", "uid,message,emoji\n" + "\n".join(rows))
    columns = Columns(
        {**HEARTS.fields, "reacted_at": "=2026-03-01T12:00:00Z", "x": "uid|=none"}, HEARTS.constants, HEARTS.kind
    )
    users = []
    for line in files.lines(path, columns):
        try:
            users.append(decode(line, received_at=NOW).event.user_id)
        except ContractError as error:
            users.append(error.detail.split(":")[0][:30])
    assert users == ["12", "12", "user_id is missing", "user_id is missing", "user_id == 7.20575940631798e+1",
                     "720575940631797750", "v1.0"]  # fmt: skip


def test_a_csv_row_of_another_length_or_another_encoding_is_left_to_the_judge(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.csv", TABLE.encode() + b"u9,r\nu8,r,2026-03-01T12:00:00Z,\xe4,\nu7,\xe4,2026-03-01,x\n"
    )
    told: Counter[str] = Counter()
    lines = list(files.lines(path, HEARTS, told=told))
    assert told == {files.NOT_UTF_8: 2, RAGGED: 2}
    reasons = []
    for line in lines[3:]:
        with pytest.raises(ContractError) as caught:
            decode(line, received_at=NOW)
        reasons.append(caught.value.reason)
    assert reasons == ["not_an_object", "not_json", "not_json"]
    assert b"\xe4" in lines[5]


@pytest.mark.parametrize(
    ("text", "told"),
    [("uid,uid\n1,2\n", "'uid' twice"), ('uid,message\n"1,2\n3,4\n', "at line 3"), ('a,b\n"1"x,2\n', "line 2")],
)  # fmt: skip
def test_a_csv_file_that_cannot_be_told_apart_is_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(WarehouseError, match=told):
        list(files.lines(written(tmp_path / "a.csv", text), HEARTS))


def test_columns_of_bytes_are_text_and_bytes_that_are_none_are_no_name(tmp_path: Path) -> None:
    told: Counter[str] = Counter()
    path = parquet(
        tmp_path / "a.parquet", uid=pa.array([b"u0", b"u1", b"\xff\x00"], pa.binary()), emoji=pa.array([b"love"] * 3)
    )
    lines = list(files.lines(path, HEARTS, told=told))
    assert [decode(line, received_at=NOW).event.user_id for line in lines[:2]] == ["u0", "u1"]
    with pytest.raises(ContractError, match="ff00"):
        decode(lines[2], received_at=NOW)
    assert told == {BINARY: 1}


def test_whole_numbers_that_floats_cannot_hold_are_no_names(tmp_path: Path) -> None:
    wide = parquet(tmp_path / "wide.parquet", uid=pa.array([12.0, 2.0**53 - 1, 2.0**53]))
    narrow = parquet(tmp_path / "narrow.parquet", uid=pa.array([12.0, 2.0**24 - 1, 2.0**24], pa.float32()))
    for path, last in ((wide, "9007199254740991"), (narrow, "16777215")):
        lines = list(files.lines(path, HEARTS))
        assert [decode(line, received_at=NOW).event.user_id for line in lines[:2]] == ["12", last]
        with pytest.raises(ContractError, match="user_id"):
            decode(lines[2], received_at=NOW)
    ids = Columns({**HEARTS.fields, "event_id": "uid"}, HEARTS.constants, HEARTS.kind)
    with pytest.raises(ContractError, match="event_id"):
        decode(list(files.lines(wide, ids))[2], received_at=NOW)


def test_types_of_parquet_are_read_alike(tmp_path: Path) -> None:
    from decimal import Decimal

    path = parquet(
        tmp_path / "a.parquet", uid=pa.array([Decimal("12.00")] * 3, pa.decimal128(10, 2)),
        message=pa.array(["r", "r", "r"]).dictionary_encode(),
        at=pa.array([1772366400_123456789] * 3, pa.timestamp("ns", "UTC")),
        deep=pa.array(
            [{"at": 1772366400_123456789, "raw": b"x"}] * 3, pa.struct({"at": pa.timestamp("ns"), "raw": pa.binary()})
        ),
    )  # fmt: skip
    columns = Columns({**HEARTS.fields, "note": "deep.raw", "deep": "deep.at"}, HEARTS.constants, HEARTS.kind)
    event, extra = decode(next(iter(files.lines(path, columns))), received_at=NOW)
    assert (event.user_id, event.reacted_at) == ("12", NOON.replace(microsecond=123456))  # type: ignore[union-attr]
    assert extra == {"note": "x", "deep": "2026-03-01T12:00:00.123456"}


@pytest.mark.parametrize("values", [[1, 2, 5], [0, 1], ["1", "3"], [1.0, 0.5], [-1, 0, 1]])
def test_ratings_on_a_scale_are_refused_and_never_counted_on_one_side(tmp_path: Path, values: list[Any]) -> None:
    rows = [ROWS[0] | {"emoji": value} for value in values]
    path = written(tmp_path / "a.json", json.dumps(rows))
    with pytest.raises(WarehouseError, match=r"reactions are numbers.*--map-reaction"):
        mappings.refuse_numbers(path, HEARTS)
    known = {"reaction": {str(value): "love" for value in values}}
    mapped = Columns(HEARTS.fields, HEARTS.constants, HEARTS.kind, values=known)
    mappings.refuse_numbers(path, mapped)
    assert {each.reaction for each in events(path, mapped)} == {"love"}


def test_one_and_minus_one_are_a_like_and_a_dislike_in_every_form(tmp_path: Path) -> None:
    rows = [ROWS[0] | {"emoji": value} for value in (1, "1", "+1", 1.0, "1.0", -1, "-1", -1.0, "-1.0")]
    path = written(tmp_path / "a.json", json.dumps(rows))
    mappings.refuse_numbers(path, HEARTS)
    assert [each.reaction for each in events(path)] == ["like"] * 5 + ["dislike"] * 4


def test_ids_that_are_unique_only_within_something_are_composed(tmp_path: Path) -> None:
    rows = [
        ROWS[0] | {"chat": chat, "message": n}
        for chat, n in (("a", 1), ("b", 1), ("a/1", "x"), ("a", "1/x"), ("a", None))
    ]
    columns = Columns({**HEARTS.fields, "response_id": "chat+message"}, HEARTS.constants, HEARTS.kind)
    found = [
        json.loads(line).get("response_id")
        for line in files.lines(written(tmp_path / "a.json", json.dumps(rows)), columns)
    ]
    assert found == ["a/1", "b/1", "a%2F1/x", "a/1%2Fx", None]


def test_a_uuid_is_its_text(tmp_path: Path) -> None:
    own = UUID("45f891bf-8ffb-48b3-bb31-bc00a45a0908")
    path = parquet(
        tmp_path / "a.parquet", uid=pa.array([own.bytes] * 3, pa.uuid()) if hasattr(pa, "uuid") else [str(own)] * 3
    )
    assert {each.user_id for each in events(path)} == {str(own)}


@pytest.mark.parametrize("shape", ["lines", "array", "envelope"])
def test_what_no_json_can_hold_is_left_out_counted_and_costs_no_row(tmp_path: Path, shape: str) -> None:
    rows = [{**row, "score": float("nan")} if n else row for n, row in enumerate(ROWS)]
    text = {
        "lines": "\n".join(map(json.dumps, rows)), "array": json.dumps(rows), "envelope": json.dumps({"data": rows})
    }[shape]  # fmt: skip
    told: Counter[str] = Counter()
    assert len(events(written(tmp_path / ("a.jsonl" if shape == "lines" else "a.json"), text), told=told)) == 3
    assert told[mending.NO_NUMBER] == (1 if shape == "envelope" else 2)


SHAPES: dict[str, Any] = {
    "a.jsonl": lambda rows: "\n".join(map(json.dumps, rows)),
    "a.json": json.dumps,
    "b.json": lambda rows: json.dumps({"data": rows}),
    "c.json": lambda rows: "\n".join(json.dumps(row, indent=1) for row in rows),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("plain", [True, False])
def test_half_a_character_makes_no_two_users_one_in_whatever_shape_it_comes(
    tmp_path: Path, name: str, plain: bool
) -> None:
    row = {"type": "reaction_changed", "event_id": "019ca945-0a00-7000-8000-000000000001", "response_id": "r"}
    row |= {"reacted_at": "2026-03-01T12:00:00Z", "reaction": "love", "action": "added", "session_id": "s"}
    user = "user_id" if plain else "uid"
    rows = [row | {user: f"a{half}"} for half in ("\ud83d", "\ud83e")] + [row | {user: "b", "note": "cut \ud83d"}]
    columns = Columns() if plain else Columns({"user_id": "uid", "note": "note"})
    told: Counter[str] = Counter()
    *halves, whole = files.lines(written(tmp_path / name, SHAPES[name](rows)), columns, told=told)
    assert len(halves) == 2
    for line in halves:
        with pytest.raises(ContractError, match=r"user_id .* has half a character in it"):
            decode(line, received_at=NOW)
    found = decode(whole, received_at=NOW, told=told)
    assert found.extra == {"note": "cut \ufffd", "mended": {"note": "half a character"}}
    assert told[mending.HALVES] == 1


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.parquet"])
def test_of_rows_that_were_stored_before_nothing_is_told_again(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    texts = {"a.jsonl": LINES, "a.json": json.dumps(ROWS), "a.csv": TABLE}
    written(path, texts[name]) if name in texts else parquet(path)
    columns = Columns(HEARTS.fields, HEARTS.constants, HEARTS.kind, values={"reaction": {"\U0001f44d": "love"}})
    for skip, changed in ((0, 3), (2, 1), (3, 0)):
        told: Counter[str] = Counter()
        assert len(list(files.lines(path, columns, skip=skip, told=told))) == changed == told.total()


def test_a_moment_beyond_the_calendar_costs_its_row_and_none_in_a_side_column(tmp_path: Path) -> None:
    far = pa.array([253_402_300_800_000_000, 1_772_366_400_000_000, None], pa.timestamp("us", "UTC"))
    with pytest.raises(ContractError, match="253402300800000000 us since 1970"):
        events(parquet(tmp_path / "far.parquet", at=far))
    kept = Columns(HEARTS.fields | {"seen": "seen"}, HEARTS.constants, HEARTS.kind)
    nested = pa.array([[("a", 1_772_366_400_123_456_789)], [], None], pa.map_(pa.string(), pa.timestamp("ns")))
    within = pa.StructArray.from_arrays([far], ["t"])
    for column in (far, nested, within):
        assert len(events(parquet(tmp_path / "side.parquet", seen=column), kept)) == 3


def test_a_time_zone_that_nobody_knows_does_not_matter_to_a_moment(tmp_path: Path) -> None:
    at = pa.array([1_772_366_400_000_000] * 3, pa.timestamp("us", "Mars/Phobos"))
    assert {event.reacted_at for event in events(parquet(tmp_path / "a.parquet", at=at))} == {NOON}


def test_short_floats_within_columns_are_no_names_and_a_column_stands_once(tmp_path: Path) -> None:
    nested = pa.array([{"id": value} for value in (3.0, 16_777_217.0, 4.0)], pa.struct([("id", pa.float32())]))
    columns = Columns(HEARTS.fields | {"user_id": "uid.id"}, HEARTS.constants, HEARTS.kind)
    lines = list(files.lines(parquet(tmp_path / "a.parquet", uid=nested), columns))
    assert decode(lines[0], received_at=NOW).event.user_id == "3"
    with pytest.raises(ContractError, match="float32"):
        decode(lines[1], received_at=NOW)
    twice = pa.table([pa.array(["a"]), pa.array(["b"])], names=["uid", "uid"])
    pq.write_table(twice, tmp_path / "twice.parquet")
    with pytest.raises(WarehouseError, match="'uid' twice"):
        list(files.lines(tmp_path / "twice.parquet", HEARTS))


def test_csv_of_old_macs_of_excel_and_of_pandas_is_read(tmp_path: Path) -> None:
    told = Counter[str]()
    returns = written(tmp_path / "mac.csv", TABLE.replace("\n", "\r"))
    assert len(events(returns, told=told)) == 3
    excel = TABLE.replace("emoji\n", "emoji,,\n").replace("\U0001f44d\n", "\U0001f44d,,\n") + ",,,,,\n  \n"
    assert len(events(written(tmp_path / "excel.csv", excel), told=told)) == 3
    quoted = '"uid";"message";"at";"emoji";"a, b, c, d, e, f"\n"u";"r";"2026-03-01T12:00:00Z";"\U0001f44d";1\n'
    assert len(events(written(tmp_path / "quoted.csv", quoted), told=told)) == 1
    ragged = written(tmp_path / "ragged.csv", TABLE + "u,r\n")
    assert len(list(files.lines(ragged, HEARTS, told=told))) == 4
    assert told == {RETURNS: 1, NAMELESS: 1, BLANK: 2, RAGGED: 1, "columns parted by ';'": 1}


@pytest.mark.parametrize("nothing", ["undefined", "#N/A", "(null)", "NULL", "None", "NaN"])
def test_what_programs_write_for_nothing_is_no_name_and_no_reaction_in_csv_and_told_elsewhere(
    tmp_path: Path, nothing: str
) -> None:
    for place in (0, 3):
        cells = list(ROWS[0].values())
        cells[place] = nothing
        file = written(tmp_path / "a.csv", f"uid,message,at,emoji\n{','.join(cells)}\n")
        with pytest.raises(ContractError, match="is missing"):
            events(file)
    told = Counter[str]()
    events(written(tmp_path / "a.jsonl", json.dumps(ROWS[0] | {"uid": nothing})), told=told)
    assert told == {NOBODY: 1}


@pytest.mark.parametrize(("begins", "told"), [(b"PK\x03\x04", "ZIP"), (b"PAR1", "Parquet"), (b"SQLi", "SQLite")])
def test_a_file_that_is_no_text_is_named_for_what_it_is(tmp_path: Path, begins: bytes, told: str) -> None:
    with pytest.raises(WarehouseError, match=told):
        list(files.lines(written(tmp_path / "a.csv", begins + bytes(64)), HEARTS))


def test_values_are_mapped_in_any_letters_the_exact_ones_first() -> None:
    rules = {"true": "like", "TRUE": "love", "down": "dislike"}
    found = [meaning(value, rules) for value in ("true", "TRUE", "True", " Down ", "other")]
    assert [each and each.means for each in found] == ["like", "love", "like", "dislike", None]


def test_a_row_nested_hundreds_deep_costs_that_value_and_no_other_row(tmp_path: Path) -> None:
    deep = json.dumps(ROWS[0] | {"note": "@"}).replace('"@"', "[" * 700 + "]" * 700)
    kept = Columns(HEARTS.fields | {"note": "note"}, HEARTS.constants, HEARTS.kind)
    told = Counter[str]()
    assert len(events(written(tmp_path / "a.jsonl", json.dumps(ROWS[1])), kept, told)) == 1
    with pytest.raises(ContractError, match="256 deep"):
        events(written(tmp_path / "a.jsonl", deep), kept, told)
    talk = Columns(
        {"user_id": "uid", "response_id": "message", "served_at": "at", "conversation": "note", "response": "emoji"},
        {"turn": "0", "policy": "p", "conversation_id": "c", "session_id": "s"},
        "response_served",
    )
    deep = json.dumps(ROWS[0] | {"note": [{"role": "user", "content": "@"}]}).replace('"@"', "[" * 700 + "]" * 700)
    with pytest.raises(ContractError, match=r"too deep|256 deep"):
        events(written(tmp_path / "b.jsonl", deep), talk, told)
    assert told[DEEP] == 1
