"""What all cells of a seed share: the honest stream, its warehouse, the attacks' lines, the exam, the clean run."""

from __future__ import annotations

import json
import shutil
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow.parquet as pq
import scipy.sparse as sp
from stored import store

from adversary_parts import learner, learning
from adversary_parts.cells import Cell
from adversary_parts.learning import Exam, Floats
from adversary_parts.texts import Texts
from streams.synthetic import WorldConfig, simulate
from streams.synthetic.attacks import probe
from streams.synthetic.config import Experiment
from streams.synthetic.shares import Name
from streams.synthetic.world import overlays
from training import trust
from warehouse import connection

JUDGED_AFTER = timedelta(days=2)
"""After the stream's end: every response is mature, and every reaction that comes late has come."""


CHUNK = 20_000
"""Texts whose features are computed together."""


class Size(NamedTuple):
    """How much is simulated for a seed.

    Attributes:
        responses: Served to honest people, in `days` days to `users` people.
        later: Responses of the exam, to other people in the week after.
        probes: Examples of what an attack wants to lift.
        draws: Clean fits with other negatives, which tell what of a shift is noise.
    """

    responses: int = 200_000
    users: int = 12_000
    days: int = 14
    base_love_rate: float = 0.005
    later: int = 60_000
    probes: int = 400
    draws: int = 4

    def config(self, seed: int) -> WorldConfig:
        """The honest world of a seed; an A/B test runs in it, since one of the attacks is on one."""
        return WorldConfig(
            seed=seed,
            responses=self.responses,
            users=self.users,
            days=self.days,
            base_love_rate=self.base_love_rate,
            experiment=Experiment(),
        )


class Later(NamedTuple):
    """Responses to honest people.

    Attributes:
        conversations: Each up to the user's last message; `responses`: as many.
        loved: float64[n], whether each was loved, 1 or 0; `chance`: the chance of it by the observable oracle.
    """

    conversations: list[learner.Conversation]
    responses: list[str]
    loved: Floats
    chance: Floats


class Seed(NamedTuple):
    """One seed's folder.

    Attributes:
        number: The seed.
        folder: Holds honest.duckdb, streams/ (honest/ and one folder a cell), and what is computed once.
        size: Of the world.
    """

    number: int
    folder: Path
    size: Size

    @property
    def config(self) -> WorldConfig:
        """Its honest world."""
        return self.size.config(self.number)

    @property
    def moment(self) -> datetime:
        """When everything is judged."""
        return self.config.ends_at + JUDGED_AFTER

    @property
    def honest(self) -> Path:
        """Its honest warehouse."""
        return self.folder / "honest.duckdb"

    def stream(self, cell: str) -> Path:
        """Lines and truth of a cell's attacks, or with `honest` of the people."""
        return self.folder / "streams" / cell

    def prepare(self, cells: list[Cell]) -> None:
        """Make everything that the seed's cells share.

        1. Write the honest stream and each cell's attack lines.
        2. Store the honest stream.
        3. Write what the daily job's models read of the honest texts.
        4. Write the exam: a later week of other people, and probes of every attack.
        5. Fit the clean models, and write their marks: what the first one read is kept for all cells.

        A seed that is ready for all of these cells stays as it is; else it is made anew, to the same bytes.
        """
        if (self.folder / "clean.json").exists() and all(
            self.stream(cell.name).exists() for cell in cells if cell.attacks
        ):
            return
        for leftover in self.folder.glob("*"):
            if leftover.name == "streams":
                shutil.rmtree(leftover)
            elif leftover.is_file():
                leftover.unlink()
        self.folder.mkdir(parents=True, exist_ok=True)
        overlays(self.config, {cell.name: cell.attacks for cell in cells if cell.attacks}, self.folder / "streams")
        store(self.stream("honest") / "events.ndjson", self.honest, self.config.ends_at)
        connection.open(self.honest).checkpoint()  # so that a copy of the file is all of it
        self._read_texts().keep(self.folder / "trust.npz")
        exam = self._set_exam(sorted({attack.name for cell in cells for attack in cell.attacks}))
        (self.folder / "clean.json").write_text(json.dumps(self._clean(exam)))

    def exam(self) -> Exam:
        """The exam that `prepare` wrote."""
        with np.load(self.folder / "later-truth.npz") as truth:
            loved, chance = truth["loved"], truth["chance"]
        probes = {path.stem.removeprefix("probe-"): _read(path) for path in sorted(self.folder.glob("probe-*.npz"))}
        return Exam(_read(self.folder / "later.npz"), loved, chance, probes)

    def clean(self) -> list[dict[str, Any]]:
        """Marks of the clean models: the first one is what cells are compared with, the others tell the noise."""
        marks: list[dict[str, Any]] = json.loads((self.folder / "clean.json").read_text())
        return marks

    def texts(self) -> Texts:
        """What the daily job's models read of the honest texts."""
        return Texts.kept(trust.features, self.folder / "trust.npz")

    def drawn(self) -> Texts:
        """What the clean model read."""
        return Texts.kept(learner.features_of, self.folder / "drawn.npz")

    def _read_texts(self) -> Texts:
        with connection.open(self.honest).read() as reader:
            table = reader.execute("SELECT response_id, conversation, response FROM served").to_arrow_table()
        parts = [trust.features(table.slice(first, CHUNK)) for first in range(0, len(table), CHUNK)]
        return Texts(trust.features, table["response_id"].to_pylist(), sp.csr_array(sp.vstack(parts, format="csr")))

    def later(self) -> Later:
        """What honest people whom no model has met are shown in the week after, and whether they love it."""
        changes = {"seed": self.number + 1_000_000, "responses": self.size.later, "days": 7, "attacks": ()}
        clean = {"ends_at": self.config.ends_at + timedelta(days=7), "duplicates": 0.0, "malformed": 0.0}
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            simulate(self.config.model_copy(update=changes | clean), Path(place))
            return _later(Path(place))

    def _set_exam(self, attacks: list[Name]) -> Exam:
        later = self.later()
        _write(self.folder / "later.npz", learner.features(later.conversations, later.responses))
        np.savez(self.folder / "later-truth.npz", loved=later.loved, chance=later.chance)
        for name in attacks:
            said = probe(name, self.config, self.size.probes, self.number)
            _write(self.folder / f"probe-{name}.npz", learner.features(*said))
        return self.exam()

    def _clean(self, exam: Exam) -> list[dict[str, Any]]:
        marks, model = [], None
        texts = Texts(learner.features_of, [], sp.csr_array((0, 3 * learner.BUCKETS), dtype=np.float32))
        for draw in range(self.size.draws):
            with connection.open(self.honest).read() as reader:
                table = learning.drawn(reader, learning.OPEN, self.moment, draw)
            found = learning.rows(table, texts)
            model = learner.fit(found, model)
            if draw == 0:
                texts = Texts(learner.features_of, table["response_id"].to_pylist(), found.features)
                texts.keep(self.folder / "drawn.npz")
                np.savez(self.folder / "clean.npz", weights=model.weights, rate=model.rate)
            marks.append(exam.marks(model))
        return marks

    def model(self) -> learner.Model:
        """The clean model that cells are compared with."""
        with np.load(self.folder / "clean.npz") as file:
            return learner.Model(file["weights"], float(file["rate"]))


def _read(path: Path) -> sp.csr_array:
    return sp.csr_array(sp.load_npz(path))


def _write(path: Path, rows: sp.csr_array) -> None:
    sp.save_npz(path, sp.csr_matrix(rows), compressed=False)


def _later(place: Path) -> Later:
    """All responses of a world without spoilt lines."""
    events = (msgspec.json.decode(line) for line in (place / "events.ndjson").read_bytes().splitlines())
    told = {each["response_id"]: each for each in events if "conversation" in each}
    truth = pq.read_table(place / "truth" / "responses.parquet", columns=["response_id", "p_love_observable"])
    loved = set(pq.read_table(place / "truth" / "loves.parquet")["response_id"].to_pylist())
    shown = [told[name] for name in truth["response_id"].to_pylist()]
    return Later(
        [each["conversation"] for each in shown],
        [each["response"] for each in shown],
        np.array([each["response_id"] in loved for each in shown], np.float64),
        truth["p_love_observable"].to_numpy(),
    )
