"""A seeded product in event time: people come, talk and react; bots burst; the network delays, repeats and spoils.

Day by day: 1. who comes (those who were pleased come more often) and what is said, 2. how it is received, by the hidden
truth (both in `life`), 3. when each line arrives (`network`). Nothing here reads the wall clock, and memory holds about
a day.
"""

from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from streams.synthetic import truth
from streams.synthetic.config import Amounts, WorldConfig
from streams.synthetic.life import DAY, Day, Life
from streams.synthetic.lines import Outbox
from streams.synthetic.network import Network
from streams.synthetic.people import People
from streams.synthetic.vocabulary import KINDS

__all__ = ["Amounts", "WorldConfig", "simulate"]

_HIDDEN: Final = pa.schema(
    [
        ("response_id", pa.string()),
        ("user_id", pa.string()),
        ("is_bot", pa.bool_()),
        ("kind", pa.string()),
        ("happy", pa.bool_()),
        ("p_love", pa.float64()),
        ("p_love_observable", pa.float64()),
        ("helpful", pa.bool_()),
        ("safe", pa.bool_()),
        ("closes_needlessly", pa.bool_()),
    ]
)


def simulate(config: WorldConfig, out: Path) -> Amounts:
    """Write a stream of events and its hidden truth.

    `out/events.ndjson` holds the lines in the order of their arrival, `out/truth/users.parquet` and
    `out/truth/responses.parquet` what no product could know, `out/amounts.json` what was put in.

    Args:
        config: How much of everything.
        out: A directory, made if need be.

    Returns:
        The amounts, exact.
    """
    (out / "truth").mkdir(parents=True, exist_ok=True)
    living, network_chance = np.random.default_rng(config.seed).spawn(2)
    life, outbox = Life(config, living), Outbox()
    network = Network(config, network_chance, life.people)
    _write_users(life.people, out / "truth" / "users.parquet")
    with (
        (out / "events.ndjson").open("wb") as file,
        pq.ParquetWriter(out / "truth" / "responses.parquet", _HIDDEN) as hidden,
    ):
        for number in tqdm(range(config.days), desc="simulating days", disable=None):
            day = life.live(number)
            hidden.write_table(_truth(day, network.post(day, outbox), life.people))
            file.writelines(line + b"\n" for line in outbox.take(life.begins + (number + 1) * DAY))
        file.writelines(line + b"\n" for line in outbox.take())
    amounts = network.amounts()
    amounts.write(out / "amounts.json")
    return amounts


def _truth(day: Day, names: list[str], people: People) -> pa.Table:
    kinds = np.array(KINDS)[day.talk.kinds]
    columns = [
        names,
        [people.ids[user] for user in day.user.tolist()],
        people.is_bot[day.user],
        kinds.tolist(),
        day.talk.happy,
        day.p_love,
        day.p_observable,
        truth.helpful(day.readings),
        truth.safe(day.readings),
        day.readings.closes_needlessly,
    ]
    return pa.table(columns, schema=_HIDDEN)


def _write_users(people: People, path: Path) -> None:
    kinds = ["burst bot" if is_bot else "person" for is_bot in people.is_bot.tolist()]
    table = pa.table(
        {
            "user_id": people.ids,
            "is_bot": people.is_bot,
            "kind": kinds,
            "taste": people.taste,
            "activity": people.activity,
            "peak_hour": people.peak,
            "words_per_second": people.speed,
        }
    )
    pq.write_table(table, path)
