"""A product that goes on in days, played before your eyes: the loop of a live warehouse, with every command shown.

The product's events are simulated; everything else is what a real product would run, in processes of its own: `send`,
`ingest`, `run`, `erase`, `experiment read`, and nothing in them knows of the simulation. Interrupted, it goes on with
the step that was not finished.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from assets.cycle import write_json
from assets.facts.launch import CandidateFacts
from assets.pipeline import reopen
from assets.run import Run
from assets.subcommand import followed

RECIPE = Path(__file__).resolve().parents[1] / "deploy" / "recipes" / "live-demo.toml"
LOVELOOP = (sys.executable, "-m", "assets")


@dataclass(frozen=True)
class Play:
    """How much of a product is played, and where.

    Attributes:
        folder: The product's own files: its events, its broker, its warehouse.
        home: The folder in which runs lie.
        name: The run's.
        recipe: Of the run.
        responses: Served in the product's `days` days, without those of the A/B test.
        users: Of the product.
        exposures: Of the A/B test.
        base_love_rate: Loves per response.
        command: How `loveloop` is called.
        say: Told what happens, line by line.
    """

    folder: Path
    home: Path
    name: str = "live-demo"
    recipe: Path = RECIPE
    responses: int = 30_000
    users: int = 3_000
    exposures: int = 12_000
    base_love_rate: float = 0.05
    days: int = 10
    command: Sequence[str] = LOVELOOP
    say: Callable[[str], object] = print

    @property
    def warehouse(self) -> Path:
        """The product's warehouse."""
        return self.folder / "warehouse.duckdb"

    @property
    def state(self) -> Path:
        """When the product's days ended, and which steps are finished."""
        return self.folder / "play.json"


def play(asked: Play) -> None:
    """Play the whole story, or what is left of it.

    1. Five days of events come in; the nightly job judges them; a cycle runs and stages a candidate.
    2. The product serves the candidate to half of its users under an experiment; the exposures come in as events.
    3. A user asks to be forgotten.
    4. The experiment is read out: a decision, and a row of the lift ledger.
    5. The other days come in; a second cycle learns from them too.

    Raises:
        ValueError: A command failed; what it said stands above.
    """
    from streams import brokers

    asked.folder.mkdir(parents=True, exist_ok=True)
    with brokers.at_hand(asked.folder / "broker", "tansu") as bootstrap:
        product = _Product(asked, bootstrap, *_opened(asked))
        write_json(asked.state, {"ends_at": product.ends_at.isoformat(), "done": product.done})
        for number, (title, step) in enumerate(_STORY, start=1):
            asked.say(f"\n== {number}/{len(_STORY)} {title}")
            if title in product.done:
                asked.say("finished before")
                continue
            step(product)
            product.finish(title)
    run = reopen(asked.home / asked.name)
    asked.say(f"\nreport: {run.directory / 'report.html'}")
    asked.say(f"look at it in Dagster: loveloop ui --home {asked.home} --run {asked.name}")


@dataclass
class _Product:
    """The product that is played, and how far its story has come.

    Attributes:
        asked: How much of it.
        bootstrap: Of the product's broker.
        ends_at: The midnight that ended the product's last day.
        done: Titles of finished steps.
    """

    asked: Play
    bootstrap: str
    ends_at: datetime
    done: list[str]

    @property
    def run(self) -> Run:
        """The loop's run."""
        return reopen(self.asked.home / self.asked.name)

    @property
    def half_time(self) -> datetime:
        """Until then the first cycle learns."""
        return self.ends_at - timedelta(days=self.asked.days // 2)

    def finish(self, title: str) -> None:
        """Note that a step is finished."""
        self.done.append(title)
        write_json(self.asked.state, {"ends_at": self.ends_at.isoformat(), "done": self.done})

    def loveloop(self, *words: str | Path) -> None:
        """Run a command of ours as a user would, and show it with what it says."""
        self.asked.say(f"$ loveloop {' '.join(map(str, words))}")
        environment = os.environ | {"KAFKA_BOOTSTRAP": self.bootstrap}
        ended = followed([*self.asked.command, *map(str, words)], lambda line: self.asked.say(f"  {line}"), environment)
        if ended.code:
            raise ValueError(
                f"loveloop {words[0]} ended with exit code {ended.code}: {ended.last}\n"
                "Mend that, then play on: run it again"
            )

    def take_in(self, file: Path, lines: Iterable[bytes]) -> None:
        """The product posts events, and the sink stores them."""
        file.write_bytes(b"".join(line.rstrip(b"\n") + b"\n" for line in lines))
        self.loveloop("send", file)
        self.loveloop("ingest", "--warehouse", self.asked.warehouse, "--until-caught-up")


def _opened(asked: Play) -> tuple[datetime, list[str]]:
    """When the product's days ended, and what was finished. Every response is old enough to be labelled by then.

    They end at midnight: played at any hour of a day, it is the same product.
    """
    if asked.state.exists():
        kept = json.loads(asked.state.read_text())
        return datetime.fromisoformat(kept["ends_at"]), list(kept["done"])
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2), []


def _events(product: _Product) -> Path:
    """The product's days as event lines, in the order of their arrival; simulated once."""
    from streams.synthetic import WorldConfig, simulate

    out = product.asked.folder / "product"
    if not (out / "amounts.json").exists():
        config = WorldConfig(
            seed=1,
            responses=product.asked.responses,
            users=product.asked.users,
            days=product.asked.days,
            ends_at=product.ends_at,
            base_love_rate=product.asked.base_love_rate,
            attacks={"burst_bots": 0.05},
        )
        simulate(config, out)
    return out / "events.ndjson"


def _halves(product: _Product) -> tuple[list[bytes], list[bytes]]:
    """Event lines until half time and from then on: cut where the first response of the second half arrives."""
    lines = _events(product).read_bytes().splitlines()
    cut = next(place for place, line in enumerate(lines) if _served_at(line) >= product.half_time)
    return lines[:cut], lines[cut:]


_CONVERSATIONS = 1_000
"""Conversations at most that the A/B test's users have. A text that many users saw cannot test what learnt from it."""
_TEST_DAYS = 3
"""Days of the A/B test, which has to be over, late loves included, when it is read."""
_NEVER = datetime.min.replace(tzinfo=UTC)


def _served_at(line: bytes) -> datetime:
    try:
        moment = datetime.fromisoformat(json.loads(line)["served_at"])
    except (ValueError, KeyError, TypeError):  # a reaction, or a malformed line
        return _NEVER
    return moment if moment.tzinfo else _NEVER


def _first_days(product: _Product) -> None:
    product.loveloop("topics", "create", "--partitions", "2")
    before, _ = _halves(product)
    product.take_in(product.asked.folder / "first-days.ndjson", before)
    product.loveloop("quarantine", "update", "--warehouse", product.asked.warehouse)


def _cycle(product: _Product) -> None:
    asked = product.asked
    where = ("--warehouse", asked.warehouse, "--home", asked.home, "--name", asked.name)
    product.loveloop("run", "--recipe", asked.recipe, *where)


def _start(product: _Product) -> None:
    """The test is planned from the first days' traffic, and started for everybody at once, by the product's clock."""
    name = _experiment(product)
    where = ("--warehouse", product.asked.warehouse, "--at", product.half_time.isoformat())
    candidate = product.run.looking_at(1).place("candidate")
    bundles = ("--bundle", "control=incumbent", "--bundle", f"treatment={candidate}")
    product.loveloop("experiment", "plan", name, "--lift", "0.5", *where)
    product.loveloop("experiment", "start", name, *bundles, "--coverage", "1", *where)


def _experiment(product: _Product) -> str:
    return f"ab-{product.run.looking_at(1).facts(CandidateFacts).name}"


def _serve(product: _Product) -> None:
    """The product asks both models for answers, shows each user those of one arm, and posts what it showed."""
    from assets.experiment import control
    from streams.synthetic import prompts, serve
    from streams.synthetic.studies.trial_world import TrialWorld
    from training.evaluation.offline import answer

    asked, first = product.asked, product.run.looking_at(1)
    staged, name = first.facts(CandidateFacts).name, _experiment(product)
    layout = control.layout(name, control.registered(asked.warehouse, name).definition)
    places = {"control": first.place("incumbent"), "treatment": first.place("candidate")}
    pool = prompts("all", min(_CONVERSATIONS, asked.exposures), seed=2)
    lines = serve(
        pool,
        {arm: answer(place, pool, seed=1) for arm, place in places.items()},
        {"control": "incumbent", "treatment": staged},
        exposures=asked.exposures,
        users=max(2, asked.exposures // 4),
        assign=layout.place,
        experiment=name,
        seed=1,
        starts_at=product.half_time + timedelta(hours=1),
        base_love_rate=asked.base_love_rate,
        world=TrialWorld(days=_TEST_DAYS),
    )
    product.take_in(asked.folder / "exposures.ndjson", lines)


def _erase(product: _Product) -> None:
    asked = product.asked
    where = ("--warehouse", asked.warehouse, "--home", asked.home, "--training-sets", asked.folder / "training-sets")
    product.loveloop("erase", asker(_events(product)), *where)


def asker(events: Path) -> str:
    """The user who asks to be forgotten: the first one who was served."""
    with events.open("rb") as lines:
        return next(str(json.loads(line)["user_id"]) for line in lines if _served_at(line) > _NEVER)


def _read(product: _Product) -> None:
    where = ("--warehouse", product.asked.warehouse)
    product.loveloop("experiment", "list", *where)
    product.loveloop("experiment", "read", _experiment(product), *where)
    # closed, the next reading decides on what there is
    why = ("--why", "every exposure of the story was served")
    product.loveloop("experiment", "archive", _experiment(product), *why, *where)
    product.loveloop("experiment", "read", _experiment(product), *where)
    product.loveloop("experiment", "status", _experiment(product), *where)


def _other_days(product: _Product) -> None:
    _, after = _halves(product)
    product.take_in(product.asked.folder / "other-days.ndjson", after)
    product.loveloop("quarantine", "update", "--warehouse", product.asked.warehouse)


_STORY: tuple[tuple[str, Callable[[_Product], Any]], ...] = (
    ("five days of events come in", _first_days),
    ("a cycle runs: from clean feedback to a staged candidate", _cycle),
    ("the test of the candidate is planned and started", _start),
    ("the product serves the candidate to half of its users", _serve),
    ("a user asks to be forgotten", _erase),
    ("the experiment is read out", _read),
    ("five more days of events come in", _other_days),
    ("a second cycle learns from them", _cycle),
)
