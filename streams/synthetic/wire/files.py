"""The files of a simulated stream: its lines, and the hidden truth about users, responses and loves."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from streams.synthetic.language.vocabulary import KINDS
from streams.synthetic.people.day import HONEST, NO_ARM, Day, Ints
from streams.synthetic.people.population import People
from streams.synthetic.truth import formulas
from streams.synthetic.wire.lines import LineQueue
from streams.synthetic.wire.network import ARMS, Loves

_KEY: Final = pa.dictionary(pa.int32(), pa.string())
_RESPONSES: Final = pa.schema(
    [
        ("response_id", pa.string()),
        ("user_id", pa.string()),
        ("attack", _KEY),
        ("kind", _KEY),
        ("happy", pa.bool_()),
        ("p_love", pa.float64()),
        ("p_love_observable", pa.float64()),
        ("helpful", pa.bool_()),
        ("safe", pa.bool_()),
        ("closes_needlessly", pa.bool_()),
        ("arm", _KEY),
    ]
)
_LOVES: Final = pa.schema(
    [
        ("event_id", pa.string()),
        ("response_id", pa.string()),
        ("user_id", pa.string()),
        ("reacted_at", pa.timestamp("ms", tz="UTC")),
        ("attack", _KEY),
        ("adds", pa.bool_()),
    ]
)


class Files:
    """One output directory, open for writing.

    `events.ndjson` holds the lines in the order of their arrival; `truth/responses.parquet` and `truth/loves.parquet`
    one row for each response and each love that was added, `truth/users.parquet` one a user, `truth/attacks.json` what
    each attack was.
    """

    def __init__(self, out: Path, people: People, attacks: Sequence[str]) -> None:
        (out / "truth").mkdir(parents=True, exist_ok=True)
        self.out, self.outbox = out, LineQueue()
        self._people, self._attacks = people, attacks
        self._lines = (out / "events.ndjson").open("wb")
        self._responses = pq.ParquetWriter(out / "truth" / "responses.parquet", _RESPONSES)
        self._loves = pq.ParquetWriter(out / "truth" / "loves.parquet", _LOVES)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in (self._lines, self._responses, self._loves):
            file.close()

    def note(self, day: Day, loves: Loves) -> None:
        """Write the truth about a stretch whose lines were posted to `outbox`."""
        self._responses.write_table(self._told(day))
        self._loves.write_table(self._loved(loves))

    def send(self, before: int | None = None) -> None:
        """Write the lines that arrive before that moment (all, without one)."""
        self._lines.writelines([line + b"\n" for line in self.outbox.take(before)])

    def describe(self, users: pa.Table, attacks: list[dict[str, Any]]) -> None:
        """Write who there was, and what each attack was."""
        pq.write_table(users, self.out / "truth" / "users.parquet")
        (self.out / "truth" / "attacks.json").write_text(json.dumps(attacks, indent=1) + "\n")

    def _told(self, day: Day) -> pa.Table:
        columns = [
            day.names,
            self._ids(day.user),
            self._which(day.attack),
            named(day.talk.kinds, KINDS),
            day.talk.happy,
            day.p_love,
            day.p_observable,
            formulas.helpful(day.readings),
            formulas.safe(day.readings),
            day.readings.closes_needlessly,
            named(np.where(day.arm == NO_ARM, -1, day.arm), ARMS),
        ]
        return pa.table(columns, schema=_RESPONSES)

    def _loved(self, loves: Loves) -> pa.Table:
        at = pa.array(loves.at, pa.int64()).cast(pa.timestamp("ms", tz="UTC"))
        columns = [
            loves.event_ids,
            loves.response_ids,
            self._ids(loves.user),
            at,
            self._which(loves.attack),
            loves.adds,
        ]
        return pa.table(columns, schema=_LOVES)

    def _ids(self, user: Ints) -> list[str]:
        return [self._people.ids[number] for number in user.tolist()]

    def _which(self, attack: Ints) -> pa.DictionaryArray:
        return named(np.where(attack == HONEST, -1, attack), self._attacks)


def named(numbers: Ints, names: Sequence[str]) -> pa.DictionaryArray:
    """Names by their places; null for -1.

    >>> named(np.array([1, -1]), ["a", "b"]).to_pylist()
    ['b', None]
    """
    places = pa.array(numbers.astype(np.int32), mask=numbers < 0)
    return pa.DictionaryArray.from_arrays(places, pa.array(list(names), pa.string()))
