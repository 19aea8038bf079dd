import json
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from streams.events import decode
from streams.synthetic import prompts, serve, true_effects
from streams.synthetic.language import text
from streams.synthetic.language.talk import Conversation
from streams.synthetic.truth.lexicon import hear

STARTS = datetime(2026, 2, 1, tzinfo=UTC)
POOL = prompts("all", 400, seed=9)


def answer(pool: list[Conversation], habits: text.Habits, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    heard = [hear(conversation[-1]["content"]) for conversation in pool]
    kinds, chosen = np.array([h.kind for h in heard]), np.array([h.slot for h in heard])
    return text.write(rng, chosen, text.draw_traits(rng, kinds, np.zeros(len(pool), bool), habits))


PLAIN = answer(POOL, text.INCUMBENT, 1)
WARM = answer(POOL, text.INCUMBENT._replace(warm=0.9, right=0.9), 1)


def parity(low: str, high: str) -> Callable[[str], str]:
    return lambda user: low if int(user[1:], 16) % 2 else high


def run(answers: dict[str, list[str]], assign: Callable[[str], str], **changes: Any) -> list[dict[str, Any]]:
    wanted: dict[str, Any] = {
        "exposures": 3_000,
        "users": 500,
        "experiment": "warmer",
        "seed": 4,
        "starts_at": STARTS,
    } | changes
    policies = {arm: f"policy of {arm}" for arm in answers}
    lines = serve(POOL, answers, policies, assign=assign, **wanted)
    return [json.loads(line) for line in dict.fromkeys(lines)]


def test_an_experiment_serves_exactly_its_exposures_and_keeps_the_contract() -> None:
    lines = list(
        serve(
            POOL,
            {"control": PLAIN, "treatment": WARM},
            {"control": "v1", "treatment": "v2"},
            exposures=500,
            users=50,
            assign=parity("control", "treatment"),
            experiment="warmer",
            seed=1,
            starts_at=STARTS,
        )
    )
    assert len(lines) > len({*lines}), "some are sent twice"
    events = [decode(line, received_at=datetime(2026, 3, 1, tzinfo=UTC)).event for line in {*lines}]
    assert len({event.event_id for event in events}) == len(events)
    assert sum(type(event).__name__ == "ResponseServed" for event in events) == 500


def test_a_user_stays_in_one_arm_and_sees_the_answers_of_that_arm() -> None:
    events = run({"control": PLAIN, "treatment": WARM}, parity("control", "treatment"))
    arms = defaultdict(set)
    texts = {"control": set(PLAIN), "treatment": set(WARM)}
    for event in events:
        if event["type"] == "response_served":
            arms[event["user_id"]].add(event["arm"])
            assert event["response"] in texts[event["arm"]]
            assert event["policy"] == f"policy of {event['arm']}"
    assert {len(seen) for seen in arms.values()} == {1}
    assert max(Counter(e["user_id"] for e in events).values()) > 10


@pytest.mark.slow
def test_reactions_follow_the_text_and_never_the_name_of_the_arm() -> None:
    first = run({"control": PLAIN, "treatment": WARM}, parity("control", "treatment"), base_love_rate=0.05)
    second = run({"control": WARM, "treatment": PLAIN}, parity("treatment", "control"), base_love_rate=0.05)
    names = ("arm", "policy")
    assert [{k: v for k, v in e.items() if k not in names} for e in first] == [
        {k: v for k, v in e.items() if k not in names} for e in second
    ]
    swapped = {"control": "treatment", "treatment": "control"}
    assert [e.get("arm") for e in first] == [swapped.get(e.get("arm", "")) for e in second]


@pytest.mark.slow
def test_another_experiment_of_the_same_seed_has_visits_of_its_own() -> None:
    def visits(name: str) -> list[tuple[str, str]]:
        served = run({"control": PLAIN, "treatment": WARM}, parity("control", "treatment"), experiment=name)
        return [(e["user_id"], str(e["conversation"])) for e in served if e["type"] == "response_served"]

    assert visits("warmer") == visits("warmer") != visits("colder")


@pytest.mark.slow
def test_the_true_lift_shows_in_the_reactions() -> None:
    effects = true_effects(POOL, {"control": PLAIN, "treatment": WARM}, base_love_rate=0.05)
    true_lift = effects["treatment"].love / effects["control"].love - 1
    assert true_lift > 0.3
    events = run(
        {"control": PLAIN, "treatment": WARM},
        parity("control", "treatment"),
        exposures=30_000,
        users=10_000,
        base_love_rate=0.05,
    )
    arm = {e["response_id"]: e["arm"] for e in events if e["type"] == "response_served"}
    shown = Counter(arm.values())
    loves = Counter(arm[e["response_id"]] for e in events if e.get("reaction") == "love")
    measured = (loves["treatment"] / shown["treatment"]) / (loves["control"] / shown["control"]) - 1
    assert abs(measured - true_lift) < 0.25


def test_an_arm_without_answers_or_a_policy_is_refused() -> None:
    with pytest.raises(ValueError, match="has 1 answers to 400 prompts"):
        run({"control": PLAIN, "treatment": ["hello."]}, parity("control", "treatment"))
    with pytest.raises(ValueError, match=r"assign gave \['elsewhere'\]"):
        run({"control": PLAIN}, lambda _: "elsewhere")
    with pytest.raises(ValueError, match="put all 500 users outside the arms"):
        run({"control": PLAIN}, lambda _: "holdout")
    with pytest.raises(ValueError, match="0 exposures to 500 users"):
        run({"control": PLAIN}, parity("control", "control"), exposures=0)
    with pytest.raises(ValueError, match="arm 'control' has no policy"):
        list(
            serve(
                POOL, {"control": PLAIN}, {}, exposures=1, users=1, assign=str, experiment="e", seed=1, starts_at=STARTS
            )
        )
