"""The simulated A/B test behaves as a real one: its days, its people, its late loves, and the truth about it."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from streams.events import decode
from streams.synthetic import prompts, true_effects
from streams.synthetic.language import text
from streams.synthetic.language.talk import Conversation
from streams.synthetic.shares import NAMES
from streams.synthetic.studies.serving import ServedTrial
from streams.synthetic.studies.threads import follow_ups, play
from streams.synthetic.studies.trial_world import TrialWorld
from streams.synthetic.truth.lexicon import hear

STARTS = datetime(2026, 2, 2, tzinfo=UTC)  # a Monday
POOL = prompts("all", 200, seed=9)
FOLLOWS = follow_ups(POOL, 1, longest=1)
BETTER = text.INCUMBENT._replace(warm=0.9, right=0.9)
WORSE = text.INCUMBENT._replace(right=0.05, warm=0.0, cold=0.9, asks_back=0.0)
HEAVY = {"activity_sigma": 1.5, "taste_sigma": 1.5}


def speaker(habits: text.Habits) -> Callable[[list[Conversation], int, int], list[list[str]]]:
    """A policy with known habits."""

    def speak(asked: list[Conversation], samples: int, turn: int) -> list[list[str]]:
        rng = np.random.default_rng([turn, 5])
        heard = [hear(each[-1]["content"]) for each in asked for _ in range(samples)]
        kinds, slots = np.array([h.kind for h in heard]), np.array([h.slot for h in heard])
        said = text.write(rng, slots, text.draw_traits(rng, kinds, np.zeros(len(slots), bool), habits))
        return [said[first : first + samples] for first in range(0, len(said), samples)]

    return speak


def played(habits: text.Habits) -> list[list[list[str]]]:
    return play(POOL, FOLLOWS, speaker(habits), samples=2)


PLAIN, GOOD, BAD = played(text.INCUMBENT), played(BETTER), played(WORSE)
ARMS = {"control": PLAIN, "treatment": GOOD}


def parity(user: str) -> str:
    return ("control", "treatment")[int(user[1:], 16) % 2]


def trial(seed: int = 1, treatment: Sequence[Any] = GOOD, **changes: Any) -> ServedTrial:
    """A small test; what is not of `ServedTrial` is of its world."""
    dials = {name: changes.pop(name) for name in TrialWorld.model_fields if name in changes}
    wanted: dict[str, Any] = {"exposures": 2_000, "users": 400, "base_love_rate": 0.1, "assign": parity} | changes
    return ServedTrial(
        POOL,
        {"control": PLAIN, "treatment": treatment},
        {"control": "v0", "treatment": "v1"},
        experiment=f"test {seed}",
        seed=seed,
        starts_at=STARTS,
        world=TrialWorld(**{"days": 5} | dials),
        follows=FOLLOWS,
        **wanted,
    )


class Log:
    """What the lines of a test say, each line once."""

    def __init__(self, test: ServedTrial) -> None:
        self.lines = [*test.lines()]
        events = [json.loads(line) for line in dict.fromkeys(self.lines)]
        self.served = {e["response_id"]: e for e in events if e["type"] == "response_served"}
        self.reactions = [e for e in events if e["type"] == "reaction_changed"]
        self.loved = {e["response_id"] for e in self.reactions if (e["reaction"], e["action"]) == ("love", "added")}

    def sums(self, arm: str) -> np.ndarray:
        """Exposures and loves of each user of an arm, int64[users, 2]."""
        mine = [(name, e["user_id"]) for name, e in self.served.items() if e.get("arm") == arm]
        shown, loves = Counter(user for _, user in mine), Counter(user for name, user in mine if name in self.loved)
        return np.array([[count, loves[user]] for user, count in shown.items()])

    def rate(self, arm: str) -> float:
        shown, loves = self.sums(arm).sum(axis=0)
        return float(loves / shown)


def moment(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["served_at"] if "served_at" in event else event["reacted_at"])


def design_effect(sums: np.ndarray) -> float:
    """Variance of the clustered ratio over that of as many independent responses."""
    shown, loves = sums.T
    rate = loves.sum() / shown.sum()
    return float(np.sum((loves - rate * shown) ** 2) / (shown.sum() * rate * (1 - rate)))


@pytest.mark.slow
def test_measured_lifts_are_true_lifts_in_the_mean_over_many_deals() -> None:
    measured, true = [], []
    for seed in range(24):
        test = trial(seed, days=3, exposures=1_500)
        log, effects = Log(test), test.lived_effects()
        measured.append(np.log(log.rate("treatment") / log.rate("control")))
        true.append(np.log(effects["treatment"].love / effects["control"].love))
    apart = np.array(measured) - np.array(true)
    assert abs(apart.mean()) < 2 * apart.std(ddof=1) / np.sqrt(len(apart))
    assert apart.std() > 0.05, "a measurement has an error"
    assert np.mean(true) > 0.3


@pytest.mark.slow
def test_heavy_tails_make_a_design_effect_of_several() -> None:
    def mean(**world: Any) -> float:
        found = [Log(trial(seed, users=200, exposures=4_000, **world)) for seed in range(4)]
        return float(np.mean([design_effect(log.sums(arm)) for log in found for arm in ("control", "treatment")]))

    assert mean(**HEAVY) > 2 > mean(activity_sigma=0, taste_sigma=0)


@pytest.mark.slow
def test_people_come_less_to_a_policy_that_they_like_less() -> None:
    effects = trial(treatment=BAD, users=2_000, exposures=10_000, days=10, base_love_rate=0.02).lived_effects()
    control, treatment = effects["control"], effects["treatment"]
    assert treatment.returns < control.returns - 0.1
    assert treatment.exposures_per_user < 0.9 * control.exposures_per_user
    assert treatment.days_per_user < control.days_per_user
    assert treatment.users == control.users, "the first visit knows nothing of the arm"
    assert treatment.loves_per_user / control.loves_per_user < treatment.love / control.love


def test_the_true_effects_are_those_of_the_served_visits() -> None:
    """Whoever was in an arm lives in the truth about that arm exactly as served."""
    test = trial(assign=lambda _: "treatment")
    sums, effect = Log(test).sums("treatment"), test.lived_effects()["treatment"]
    assert len(sums) == effect.users
    assert sums[:, 0].mean() == pytest.approx(effect.exposures_per_user)
    assert sums[:, 1].sum() / sums[:, 0].sum() == pytest.approx(effect.love, rel=0.15)


def test_a_test_goes_over_days_with_hours_and_newcomers() -> None:
    log = Log(trial(users=1_500, exposures=6_000, days=14))
    moments = sorted(moment(event) for event in log.served.values())
    assert 11 <= (moments[-1] - moments[0]).days <= 17
    hours = np.bincount([at.hour for at in moments], minlength=24)
    assert hours[15:22].mean() > 4 * hours[2:8].mean()
    weekdays = np.bincount([at.weekday() for at in moments if (at - STARTS).days < 14], minlength=7)
    assert weekdays[5:].mean() < weekdays[:4].mean()
    first: dict[str, int] = {}
    for event in sorted(log.served.values(), key=moment):
        first.setdefault(event["user_id"], (moment(event) - STARTS).days)
    new = np.bincount([*first.values()], minlength=14)
    assert new[:14].min() > 0
    assert new[0] < 0.5 * new.sum()


def test_conversations_go_on_in_the_arms_own_words() -> None:
    talks: dict[str, list[dict[str, Any]]] = {}
    for event in Log(trial(early=0.0)).served.values():
        talks.setdefault(event["conversation_id"], []).append(event)
    turns = Counter(map(len, talks.values()))
    assert 0.2 < turns[2] / len(talks) < 0.7
    for first, second in (talk for talk in talks.values() if len(talk) == 2):
        said = second["conversation"]
        assert said[:-2] == first["conversation"]
        assert said[-2] == {"role": "assistant", "content": first["response"]}
        assert (second["user_id"], second["arm"], second["turn"]) == (first["user_id"], first["arm"], first["turn"] + 1)


def test_an_arm_gives_several_answers_to_a_prompt() -> None:
    said: dict[str, set[str]] = {}
    own: dict[str, set[str]] = {}
    for prompt, several in zip(POOL, GOOD, strict=True):  # a prompt may stand twice in the pool
        own.setdefault(str(prompt), set()).update(texts[0] for texts in several)
    for event in Log(trial()).served.values():
        if event["arm"] == "treatment" and str(event["conversation"]) in own:
            said.setdefault(str(event["conversation"]), set()).add(event["response"])
    assert all(texts <= own[prompt] for prompt, texts in said.items())
    assert np.mean([len(texts) for texts in said.values()]) > 1.5


def test_users_keep_their_tastes_in_what_they_talk_about() -> None:
    """Of two requests of one user more are of one kind than of two users' requests."""
    kinds: dict[str, list[int]] = {}
    for event in Log(trial(users=100, exposures=3_000)).served.values():
        kinds.setdefault(event["user_id"], []).append(hear(event["conversation"][0]["content"]).kind)
    often = [np.bincount(np.array(each) + 1, minlength=11) for each in kinds.values() if len(each) > 20]
    shares = np.array([each / each.sum() for each in often])
    same = np.mean((shares**2).sum(axis=1))
    assert same > 1.15 * float((shares.mean(axis=0) ** 2).sum())


@pytest.mark.slow
def test_loves_come_as_late_as_asked_for_and_some_are_taken_back() -> None:
    test = trial(late=0.3, retractions=0.2, exposures=4_000, duplicates=0.0)
    log = Log(test)
    waits = np.array([
        (moment(e) - moment(log.served[e["response_id"]])).total_seconds()
        for e in log.reactions
        if e["action"] == "added"
    ])  # fmt: skip
    assert waits.min() > 0
    assert np.mean(waits >= 3_600) == pytest.approx(0.3, abs=0.06)
    assert waits.max() > 86_400
    back = sum(e["action"] == "removed" for e in log.reactions)
    assert back / len(log.loved) == pytest.approx(0.2, abs=0.08)
    last = max(moment(event) for event in log.served.values())
    assert sum(moment(event) > last for event in log.reactions) > 0
    assert (test.amounts.retractions, test.amounts.honest_loves) == (back, len(log.loved))


def test_lines_are_doubled_and_out_of_order_as_asked_for() -> None:
    test = trial(duplicates=0.1, early=0.2)
    lines = [*test.lines()]
    assert len(lines) - len({*lines}) == test.amounts.duplicates > 100
    events = [json.loads(line) for line in dict.fromkeys(lines)]
    seen: set[str] = set()
    early = 0
    for event in events:
        early += event["type"] == "reaction_changed" and event["response_id"] not in seen
        seen |= {event["response_id"]} if event["type"] == "response_served" else set()
    assert early == test.amounts.early_reactions > 20
    quiet = trial(duplicates=0.0, early=0.0)
    assert len([*quiet.lines()]) == quiet.amounts.events


def test_one_seed_and_name_give_the_same_bytes_and_another_name_does_not() -> None:
    first, again = [*trial().lines()], trial()
    again.lived_effects()
    assert [*again.lines()] == first
    assert {json.loads(line)["user_id"] for line in first}.isdisjoint(
        json.loads(line)["user_id"] for line in trial(2).lines()
    )


def test_users_outside_are_served_the_control_and_no_event_names_the_test() -> None:
    def place(user: str) -> str:
        return ("out", "holdout", "control", "treatment")[int(user[1:], 16) % 4]

    log = Log(trial(assign=place))
    inside = {arm: [e for e in log.served.values() if e.get("arm") == arm] for arm in ("control", "treatment", None)}
    assert len(inside["control"]) + len(inside["treatment"]) == 2_000
    assert len(inside[None]) > 1_000
    for event in inside[None]:
        assert event.get("experiment") is None
        assert event["policy"] == "v0"
        assert place(event["user_id"]) in ("out", "holdout")
    assert {event["policy"] for event in inside["treatment"]} == {"v1"}


def test_a_wider_coverage_only_adds_users() -> None:
    def among(share: int) -> set[str]:
        def place(user: str) -> str:
            return "out" if int(user[1:], 16) // 2 % 10 >= share else parity(user)

        return {e["user_id"] for e in Log(trial(assign=place, exposures=200 * share)).served.values() if e.get("arm")}

    few, many = among(3), among(9)
    assert len(few - many) < 0.1 * len(few)  # who comes hangs on the pace, too
    assert len(many) > 2 * len(few)


@pytest.mark.slow
def test_attackers_love_the_treatment_and_are_known() -> None:
    test = trial(attacks={"targeted_arm": 0.3, "burst_bots": 0.1}, exposures=4_000, users=800)
    log, amounts = Log(test), test.amounts
    calm = Log(trial(exposures=4_000, users=800))
    assert set(test.accounts.values()) == {"targeted_arm", "burst_bots"}
    assert amounts.attack_loves["targeted_arm"] > 50 < amounts.attack_loves["burst_bots"] + 50
    bots = [e for e in log.served.values() if test.accounts.get(e["user_id"]) == "targeted_arm"]
    assert len(bots) == amounts.attack_responses["targeted_arm"]
    assert all(e["arm"] == parity(e["user_id"]) for e in bots)
    loved = Counter(e["arm"] for e in bots if e["response_id"] in log.loved)
    assert loved["treatment"] > 0.9 * loved.total() > 40
    assert [line for line in log.lines if json.loads(line)["user_id"] not in test.accounts] == calm.lines
    pool = {text for arm in (PLAIN, GOOD) for several in arm for own in several for text in own}
    assert {e["response"] for e in bots} <= pool
    assert log.rate("treatment") > calm.rate("treatment") * 1.2


def test_an_attack_on_arms_that_look_alike_is_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match="look alike"):
        next(trial(treatment=PLAIN, attacks={"targeted_arm": 0.1}).lines())


@pytest.mark.slow
def test_with_friends_users_of_the_control_feel_the_treatment() -> None:
    """Side by side the arms differ less than two worlds do: friends carry the treatment over."""
    dials: dict[str, Any] = {"social": {"influence": 3.0, "brigades": 0.0}, "days": 12, "stakes": 3.0}
    sizes: dict[str, Any] = {"exposures": 20_000, "users": 1_500, "base_love_rate": 0.05, "treatment": BAD}
    test = trial(**dials, **sizes)
    effects, log = test.lived_effects(), Log(test)
    total = effects["treatment"].love / effects["control"].love
    assert log.rate("control") < 0.9 * effects["control"].love
    assert log.rate("treatment") / log.rate("control") > total
    alone = trial(**sizes, days=12, stakes=3.0)
    assert Log(alone).rate("control") == pytest.approx(alone.lived_effects()["control"].love, rel=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("world", [{}, HEAVY], ids=["mild", "heavy"])
def test_heavy_tails_leave_the_love_rate_where_it_is(world: dict[str, Any]) -> None:
    """So the pool's rate, over the world's spread of tastes, is the lived one; luck of few people's tastes is none."""
    pooled = true_effects(POOL, {"control": PLAIN}, follows=FOLLOWS, base_love_rate=0.02)["control"].love
    lived = [
        trial(seed, base_love_rate=0.02, users=1_000, **world).lived_effects()["control"].love for seed in range(6)
    ]
    assert np.mean(lived) == pytest.approx(pooled, rel=0.1)


def test_amounts_are_asked_for_too_early() -> None:
    with pytest.raises(ValueError, match="nothing was served yet"):
        _ = trial().amounts


@pytest.mark.parametrize(
    "dials", [{"days": 0}, {"late": 1.0}, {"taste_sigma": -1}, {"attacks": {"bots": 0.1}}, {"day": 3}]
)
def test_a_world_that_cannot_be_is_refused(dials: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TrialWorld(**dials)


@pytest.mark.slow
def test_every_attack_can_join_a_test_and_keeps_to_the_arms_answers() -> None:
    test = trial(attacks=dict.fromkeys(NAMES, 0.05), exposures=3_000, users=600)
    log, amounts = Log(test), test.amounts
    assert set(amounts.attack_users) == set(NAMES)
    assert all(amounts.attack_loves[name] > 0 for name in NAMES)
    assert len(log.served) == 3_000 + sum(amounts.attack_responses.values())
    answers = {arm: {text for several in said for own in several for text in own} for arm, said in ARMS.items()}
    assert all(event["response"] in answers[event["arm"]] for event in log.served.values())
    assert all(event["arm"] == parity(event["user_id"]) for event in log.served.values())
    kinds = {type(decode(line, received_at=datetime(2026, 4, 1, tzinfo=UTC)).event).__name__ for line in log.lines}
    assert kinds == {"ResponseServed", "ReactionChanged"}
