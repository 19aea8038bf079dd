"""People are played on a stack that is up: they chat through the gateway, love, take back, erase; then it is looked up.

    docker compose --profile play run --rm play --users 100 --responses 1000

What the gateway accepted is remembered here and compared with the warehouse: each response and reaction is stored once,
the clean tables say of each response whether it is loved, and of whom asked to be forgotten nothing is left. Whatever
is killed meanwhile, people try again, as an app would. They love as the people of the simulated world do.
"""

import argparse
import itertools
import json
import os
import random
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from comparison import Accepted, Comparison, compare

from streams.synthetic import prompts
from streams.synthetic.truth import formulas, reading

_READING = 1_200 / 60
"""Words a second of a very fast reader: whoever loves sooner has not read, and the filter leaves such a love out."""
_PAUSE = 1.0
"""Seconds between two tries of one request, and between two looks into the warehouse."""


@dataclass(frozen=True, slots=True)
class PlaySettings:
    """Who plays, and where.

    Attributes:
        gateway: Its address.
        key: A key of the gateway.
        warehouse: Where the sinks store.
        users: People who come.
        responses: They ask for, in all.
        erased: Share of the people who ask to be forgotten at the end.
        taken_back: Share of the loves that are taken back.
        twice: Share of the loves that an app sends a second time.
        love_rate: Loves per response that the simulated world's own policy would get.
        threads: People who are there at once.
        patience: Seconds until somebody gives up, and until what was accepted must be stored.
        seed: Of who says and loves what.
    """

    gateway: str
    key: str
    warehouse: str
    users: int = 100
    responses: int = 1_000
    erased: float = 0.05
    taken_back: float = 0.1
    twice: float = 0.1
    love_rate: float = 0.2
    threads: int = 8
    patience: float = 300.0
    seed: int = 1


class Player:
    """Plays people, several at once.

    Args:
        asked: Who plays, and where.
        say: Told how far it is.
    """

    def __init__(self, asked: PlaySettings, say: Any = print) -> None:
        self.asked, self._say = asked, say
        self.accepted = Accepted()
        self._held = threading.Lock()
        started = datetime.now(UTC)
        self.prefix = f"played-{started:%Y%m%dT%H%M%S}-"  # nobody is played twice
        self._pool = prompts("all", asked.responses, seed=asked.seed)
        reading.read(self._pool[:1], [""])  # learns the simulated product's language now, and not once in every thread

    def play(self) -> Accepted:
        """Let everybody chat, then let those go who want to be forgotten."""
        asked = self.asked
        users = [f"{self.prefix}{number:05}" for number in range(asked.users)]
        talks = zip(itertools.cycle(users), range(asked.responses), strict=False)
        with ThreadPoolExecutor(asked.threads) as people:
            for done, _ in enumerate(people.map(lambda talk: self._patiently(self._talk, *talk), talks), start=1):
                if done % 100 == 0:
                    self._say(f"{done:,} responses, {len(self.accepted.reactions):,} reactions")
            gone = users[: round(asked.erased * asked.users)]
            list(people.map(lambda user: self._patiently(self._leave, user), gone))
        return self.accepted

    def _patiently(self, act: Callable[..., None], *how: Any) -> None:
        """Somebody acts; one who waited too long gives up, and the others go on."""
        try:
            act(*how)
        except TimeoutError as error:
            with self._held:
                self.accepted.given_up += 1
            self._say(str(error))

    def _talk(self, user: str, number: int) -> None:
        """Ask for one response and react to it."""
        chance = random.Random(f"{self.asked.seed} {number}")
        said = self._pool[number]
        answer = self._post("chat/completions", {"model": "loveloop", "user": user, "messages": said})
        response, text = str(answer["id"]), str(answer["choices"][0]["message"]["content"])
        with self._held:
            self.accepted.users[response] = user
            self.accepted.policies[response] = str(answer["loveloop"]["policy"])
        seconds = 0.2 + len(text.split()) / _READING
        time.sleep(seconds)
        how: dict[str, Any] = {"read_ms": round(1_000 * seconds)}
        read = reading.read([said], [text])
        happy = formulas.happy_chance([said]) > chance.random()
        if chance.random() < formulas.observable_love([said], read, base_love_rate=self.asked.love_rate)[0]:
            self._react(user, response, "love", "added", **how, twice=chance.random() < self.asked.twice)
            if chance.random() < self.asked.taken_back:
                self._react(user, response, "love", "removed", **how)
        elif chance.random() < formulas.like_chance(read, happy)[0]:
            self._react(user, response, "like", "added", **how)
        elif chance.random() < formulas.dislike_chance(read, happy)[0]:
            self._react(user, response, "dislike", "added", **how)

    def _react(
        self, user: str, response: str, reaction: str, action: str, *, read_ms: int, twice: bool = False
    ) -> None:
        body = {"user": user, "response_id": response, "reaction": reaction, "action": action, "dwell_ms": read_ms}
        key = uuid4().hex
        for _ in range(2 if twice else 1):  # an app that sends again has the same key, and it counts once
            event = str(self._post("reactions", body, {"Idempotency-Key": key})["event_id"])
        with self._held:
            self.accepted.reactions[event] = user
            self.accepted.copies += twice
            if reaction == "love":
                (self.accepted.loved.add if action == "added" else self.accepted.loved.discard)(response)

    def _leave(self, user: str) -> None:
        self._post("erasures", {"user": user})
        with self._held:
            self.accepted.erased.add(user)

    def _post(self, path: str, body: dict[str, Any], headers: dict[str, str] | None = None) -> dict[str, Any]:
        """What the gateway accepts in the end.

        Raises:
            TimeoutError: It accepts nothing for too long.
            ValueError: It says that the request is wrong.
        """
        deadline = time.monotonic() + self.asked.patience
        sent = {"Content-Type": "application/json", "Authorization": f"Bearer {self.asked.key}"} | (headers or {})
        while time.monotonic() < deadline:
            request = urllib.request.Request(f"{self.asked.gateway}/v1/{path}", json.dumps(body).encode(), sent)
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    found: dict[str, Any] = json.loads(answer.read())
                    return found
            except urllib.error.HTTPError as error:
                if error.code < 500 and error.code != 429:
                    raise ValueError(f"the gateway refuses {path}: {error.code} {error.read()[:400]!r}") from None
                self._again(error.code)
            except (OSError, ValueError):  # nobody there, or an answer that broke off
                self._again(0)
        raise TimeoutError(f"{self.asked.gateway} accepted no {path} within {self.asked.patience:g} s; look at its log")

    def _again(self, status: int) -> None:
        with self._held:
            self.accepted.retries[status] += 1
        time.sleep(_PAUSE)


def settled(asked: PlaySettings, prefix: str, accepted: Accepted) -> Comparison:
    """The same as `compare`, once it is well, or when patience is at its end."""
    deadline = time.monotonic() + asked.patience
    while any((found := compare(asked.warehouse, prefix, accepted)).shortfall) and time.monotonic() < deadline:
        time.sleep(_PAUSE)
    return found


def page(accepted: Accepted, found: Comparison) -> Iterator[str]:
    """It line by line."""
    policies = ", ".join(f"{name} {count:,}" for name, count in sorted(Counter(accepted.policies.values()).items()))
    retries = ", ".join(f"{status or 'no answer'} {count:,}" for status, count in sorted(accepted.retries.items()))
    yield f"accepted     {len(accepted.users):,} responses ({policies}), {len(accepted.reactions):,} reactions"
    yield f"of them      {accepted.copies:,} reactions sent twice, {len(accepted.loved):,} loves that stand"
    yield f"tried again  {retries or 'never'}; gave up {accepted.given_up:,} times"
    missing, doubled, wrong, left = found.shortfall
    yield f"erased       {len(accepted.erased):,} users, {left:,} rows of theirs are left"
    yield f"missing      {missing:,}; stored twice {doubled:,}; loves told wrongly {wrong:,}"
    yield f"unanswered   {found.unanswered:,} responses are stored whose answer did not arrive"
    yield f"put aside    {found.aside:,} responses whose reactions the adversary filter leaves out"


def read_words(words: list[str]) -> argparse.Namespace:
    """What the command's words say; what they leave out is as in `PlaySettings`."""
    described = "Play people on a stack that is up; exit code 1 where the warehouse does not hold what was accepted."
    parser = argparse.ArgumentParser(description=described)
    for name, kind in (("users", int), ("responses", int), ("threads", int), ("seed", int), ("patience", float)):
        parser.add_argument(f"--{name}", type=kind, default=argparse.SUPPRESS)
    parser.add_argument("--love-rate", type=float, default=argparse.SUPPRESS)
    return parser.parse_args(words)


def _settings(words: list[str]) -> PlaySettings:
    place = {name: os.environ[f"LOVELOOP_{name}"] for name in ("GATEWAY_URL", "GATEWAY_KEY", "WAREHOUSE")}
    return PlaySettings(place["GATEWAY_URL"], place["GATEWAY_KEY"], place["WAREHOUSE"], **vars(read_words(words)))


def main(words: list[str]) -> int:
    """Play, and say how it came out."""
    asked = _settings(words)
    player = Player(asked, lambda line: print(line, flush=True))
    began = time.monotonic()
    accepted = player.play()
    print(f"played in {time.monotonic() - began:.0f} s; looking into the warehouse", flush=True)
    found = settled(asked, player.prefix, accepted)
    print("\n".join(page(accepted, found)))
    return 1 if any(found.shortfall) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
