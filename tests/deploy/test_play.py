"""People are played against a real broker, gateway and sink: what was accepted is stored; what is not is counted."""

import copy
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from streams import topics
from tests.deploy.scripts import load
from tests.streams.gateway.conftest import Desk, Model, gateway, serving, until

play = load("play")
pytestmark = pytest.mark.slow


def _loved() -> str:
    """What the people of the simulated product love most, of a few hundred answers."""
    from streams.synthetic import labels
    from streams.synthetic.truth import formulas, reading

    said = labels("helpfulness", 200, seed=1).to_pylist()
    talks = [json.loads(each["conversation"]) for each in said]
    chances = formulas.observable_love(talks, reading.read(talks, [each["response"] for each in said]))
    return str(said[chances.argmax()]["response"])


@pytest.fixture(scope="module")
def desk(tansu: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A gateway before a model that answers in a way that many love."""
    folder, names = tmp_path_factory.mktemp("played"), topics.Topics.under(f"test-{uuid.uuid4().hex[:12]}")
    (folder / "routes.json").write_text('{"experiments": []}')
    model = Model(words=(_loved(),))
    with serving(model.app()) as server, gateway(folder, tansu, names, model, server) as found:
        until(lambda: found.ask("/ready").status == 200)
        yield found


@pytest.fixture(scope="module")
def played(desk: Desk) -> tuple[Any, Any]:
    """Everybody has played, and the sink has stored all of it."""
    from warehouse.sink import ingest

    asked = play.PlaySettings(
        f"http://127.0.0.1:{desk.port}", "none is needed", str(desk.folder / "warehouse.duckdb"),
        users=6, responses=40, erased=0.34, taken_back=0.5, love_rate=0.45, patience=20.0,
    )  # fmt: skip
    player = play.Player(asked, lambda _: None)
    player.play()
    ingest(asked.warehouse, desk.bootstrap, topics=desk.names, until_caught_up=True)
    return asked, player


def test_what_was_accepted_is_stored_once_and_who_left_is_gone(played: tuple[Any, Any]) -> None:
    asked, player = played
    found = play.settled(asked, player.prefix, player.accepted)
    assert len(player.accepted.users) == 40
    assert len(player.accepted.erased) == 2
    assert player.accepted.loved
    assert len(player.accepted.reactions) > len(player.accepted.loved)  # some were taken back
    assert (tuple(found.shortfall), found.unanswered) == ((0, 0, 0, 0), 0)
    assert found.aside < len(player.accepted.loved)


def test_each_way_of_losing_is_counted(played: tuple[Any, Any]) -> None:
    asked, player = played
    claimed = copy.deepcopy(player.accepted)
    stays = next(user for user in claimed.users.values() if user not in claimed.erased)
    unloved = next(name for name, user in claimed.users.items() if user == stays and name not in claimed.loved)
    claimed.loved.add(unloved)
    claimed.users["r-never-stored"] = stays
    assert tuple(play.compare(asked.warehouse, player.prefix, claimed).shortfall) == (1, 0, 1, 0)
    claimed.erased.add(stays)
    assert play.compare(asked.warehouse, player.prefix, claimed).shortfall.left > 0


def test_a_response_whose_answer_nobody_got_is_told_and_is_no_loss(played: tuple[Any, Any]) -> None:
    asked, player = played
    claimed = copy.deepcopy(player.accepted)
    name = next(name for name, user in claimed.users.items() if user not in claimed.erased)
    del claimed.users[name]
    found = play.compare(asked.warehouse, player.prefix, claimed)
    assert (found.shortfall.missing, found.unanswered) == (0, 1)


def test_people_try_again_while_the_model_fails_and_hear_why_a_request_is_wrong(desk: Desk) -> None:
    asked = play.PlaySettings(f"http://127.0.0.1:{desk.port}", "", "", responses=1, patience=1.5)
    player = play.Player(asked, lambda _: None)
    with pytest.raises(TimeoutError, match="accepted no chat/completions"):
        player._post("chat/completions", {"user": "u", "messages": [{"role": "user", "content": "fail"}]})
    assert player.accepted.retries[502] >= 1
    with pytest.raises(ValueError, match="400"):
        player._post("reactions", {"user": "u"})
