"""The life of an experiment from the command line: plan, start, ramp, stop, roll back, archive; who may change what."""

import json
import random
import shutil
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from assets.cli import group
from assets.experiment import control, own_metrics, ramping, reading
from assets.experiment.bundles import bundle, digest
from streams.assignment import Layout
from streams.events import Message, ReactionChanged, ResponseServed, encode, new_event_id
from streams.live.messages import Trip
from warehouse import connection, experiment_registry
from warehouse.experiment_registry import ExperimentChangedError
from warehouse.experiment_users import experiment_users
from warehouse.ingest import live

pytestmark = pytest.mark.slow
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CANDIDATE = "love-0.3-aa"


class Clock(datetime):
    """The moment that changes are noted at; a test sets it."""

    moment = NOON

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # noqa: ARG003  (datetime's signature)
        return cls.moment


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> type[Clock]:
    """Noon of the second of March, for changes and for the ramp's hours; readings look back from today."""
    monkeypatch.setattr(Clock, "moment", NOON)
    for module in (control, ramping):
        monkeypatch.setattr(module, "datetime", Clock)
    return Clock


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("migrated") / "w.duckdb"
    assert loveloop("warehouse", "migrate", warehouse=made).exit_code == 0
    connection.open(made).checkpoint()
    return made


@pytest.fixture
def empty(migrated: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(migrated, tmp_path / "w.duckdb"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A candidate as a run stages it, as far as a digest knows."""
    made = tmp_path / "candidates" / CANDIDATE
    made.mkdir(parents=True)
    (made / "weights.bin").write_bytes(bytes(range(256)))
    (made / "card.json").write_text("{}")
    return made


def loveloop(*words: object, warehouse: Path) -> Result:
    return CliRunner().invoke(group, [*map(str, words), "--warehouse", str(warehouse)])


def said(done: Result) -> str:
    """What a command printed; a failure fails the test."""
    assert done.exit_code == 0, f"{done.output} {done.exception!r}"
    return done.output


def refused(done: Result) -> str:
    """The sentence that a command was refused with."""
    assert done.exit_code == 1, done.output
    assert isinstance(done.exception, ValueError | ExperimentChangedError), repr(done.exception)
    return str(done.exception)


def events(
    place: Callable[[int], str | None],
    users: Iterable[int],
    *,
    name: str = "warmer",
    loved: Mapping[str, float] | None = None,
    closing: Mapping[str, float] | None = None,
    visits: int = 2,
    begin: datetime = NOON + timedelta(hours=1),
) -> list[bytes]:
    """What a product logs of users whom `place` puts into an arm, or into none; chance is seeded."""
    drawn = random.Random(f"{name} {begin}")
    lines = []
    for user in users:
        arm = place(user)
        for visit in range(visits):
            at = begin + timedelta(minutes=drawn.randrange(1_200))
            closes = drawn.random() < (closing or {}).get(arm or "", 0.0)
            response = f"{name}-{begin:%d%H}-{user}-{visit}"
            lines.append(encode(ResponseServed(
                event_id=new_event_id(at, drawn.getrandbits(74)), user_id=f"u{user}", served_at=at,
                response_id=response, conversation_id=f"c{response}", turn=0, session_id="s",
                policy=CANDIDATE if arm == "treatment" else "incumbent",
                conversation=[Message("user", "How do I grow roses?")],
                response=f"Bye for now, {response}!" if closes else f"With water, {response}.",
                **({"experiment": name, "arm": arm} if arm else {}),
            )))  # fmt: skip
            if drawn.random() < (loved or {}).get(arm or "", 0.1):
                later = at + timedelta(seconds=20)
                lines.append(encode(ReactionChanged(
                    event_id=new_event_id(later, drawn.getrandbits(74)), user_id=f"u{user}", reacted_at=later,
                    response_id=response, reaction="love", action="added", session_id="s", dwell_ms=20_000,
                )))  # fmt: skip
    return lines


def store(target: Path, lines: list[bytes]) -> None:
    """Import them as a file of their own."""
    file = target.with_name(f"{len(list(target.parent.iterdir()))}.ndjson")
    file.write_bytes(b"".join(line + b"\n" for line in lines))
    assert "0 dead letters" in said(loveloop("import", file, warehouse=target))


def in_turn(user: int) -> str:
    return "treatment" if user % 2 else "control"


def begun(target: Path, treatment: object = CANDIDATE, *plan: object, name: str = "warmer") -> None:
    """Plan an experiment and start it, at the first stage of its ramp."""
    said(loveloop("experiment", "plan", name, *plan, warehouse=target))
    served = ("--bundle", "control=incumbent", "--bundle", f"treatment={treatment}")
    said(loveloop("experiment", "start", name, *served, "--by", "ada", warehouse=target))


def state(target: Path, name: str = "warmer") -> dict[str, Any]:
    """What `status --json` says of one experiment."""
    (found,) = json.loads(said(loveloop("experiment", "status", name, "--json", warehouse=target)))["experiments"]
    return dict(found)


def test_a_plan_says_what_each_lift_needs_and_warns_where_no_plan_can_work(empty: Path) -> None:
    now = datetime.now(UTC)
    store(empty, events(lambda _: None, range(400), begin=now - timedelta(hours=47)))
    asked = ("--lift", "0.3", "--history-days", 4, "--decides", "lovers")
    page = said(loveloop("experiment", "plan", "warmer", *asked, warehouse=empty))
    heads, *rows = [line for line in page.splitlines() if line.startswith(("lift ", "+"))]
    assert heads.split()[:3] == ["lift", "design", "lovers"]
    assert {row.split()[0] for row in rows} == {"+5%", "+10%", "+20%", "+28%", "+30%", "+50%"}
    assert "decides      lovers: asked for" in page
    assert "shows        +30% with a chance of 80%" in page
    assert "warning      +5% is never shown by first lovers at 100% coverage" in page
    assert page.splitlines()[-1].startswith("next         loveloop experiment start warmer --bundle control=FOLDER")


def test_a_plan_counts_on_the_users_whom_its_range_and_the_holdout_leave(empty: Path) -> None:
    store(empty, events(lambda _: None, range(400), begin=datetime.now(UTC) - timedelta(hours=47)))
    part = ("--namespace", "tone", "--range", 0, 0.5, "--holdout", 0.2, "--decides", "lovers")
    page = said(loveloop("experiment", "plan", "warmer", "--history-days", 4, *part, warehouse=empty))
    assert "is never shown by first lovers at 40% coverage" in page


def test_a_plan_from_a_young_log_counts_on_the_days_that_there_are(empty: Path) -> None:
    store(empty, events(lambda _: None, range(2_000), begin=datetime.now(UTC) - timedelta(hours=47)))
    pages = [
        said(loveloop("experiment", "plan", "warmer", "--history-days", days, warehouse=empty)) for days in (2, 28)
    ]
    young, old = ([line.split() for line in page.splitlines() if line.startswith("+50%  clustered")] for page in pages)
    assert young == old != []
    assert "note         the log holds 2 of the last 28 days: they are counted on" in pages[1]


def test_without_traffic_a_plan_is_made_and_says_that_it_knows_nothing(empty: Path) -> None:
    page = said(loveloop("experiment", "plan", "warmer", warehouse=empty))
    assert "nothing is known of your traffic: first lovers are exact at any rate" in page
    assert "note         no forecast from the last 28 days: " in page


def test_a_plan_may_be_made_anew_until_it_is_started_and_never_after(empty: Path, clock: type[Clock]) -> None:
    said(loveloop("experiment", "plan", "warmer", "--lift", "0.2", warehouse=empty))
    begun(empty, CANDIDATE, "--lift", "0.4")
    assert state(empty)["lift"] == 0.4
    clock.moment += timedelta(hours=1)
    for _ in range(2):
        words = refused(loveloop("experiment", "plan", "warmer", "--lift", "0.1", warehouse=empty))
        assert words.startswith("experiment 'warmer' is started since 2026-03-02 12:00: what was planned before")
    assert (state(empty)["lift"], len(state(empty)["changes"])) == (0.4, 3)


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (("--share", "a=0.7", "--share", "b=0.6"), "must name 'control'"),
        (("--share", "control=0.5", "--share", "control=0.3"), "--share names 'control' more than once"),
        (("--power", "0.05"), "must be above alpha"),
        (("--stage", "0.4", "--stage", "0.1"), "must rise to at most 0.5"),
        (("--stage", "0.6"), "must rise to at most 0.5"),
        (("--guardrail", "hugs=1.2"), "no such metric in the log, must be one of loves_per_exposure"),
        (("--guardrail", "unsafe_per_exposure=1.2"), "no such metric in the log"),
        (("--guardrail", "returns=1.2"), "must be 1 or less where more are better"),
        (("--namespace", "tone", "--range", 0.6, 0.5), "must hold users: start below end"),
        (("--range", 0.0, 0.5), "of no namespace: name it"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_and_not_noted(empty: Path, options: tuple[object, ...], rule: str) -> None:
    assert rule in refused(loveloop("experiment", "plan", "warmer", *options, warehouse=empty))
    assert control.every(empty) == []


def test_a_start_keeps_the_digest_of_the_folder_that_is_served(empty: Path, folder: Path) -> None:
    said(loveloop("experiment", "plan", "warmer", warehouse=empty))
    for wrong, rule in (("treatment=no/such", "no such folder"), ("warm=x", "must name what each of control, treat")):
        words = refused(loveloop("experiment", "start", "warmer", "--bundle", wrong, warehouse=empty))
        assert rule in words
    served = ("--bundle", "control=incumbent", "--bundle", f"treatment={folder}")
    line = said(loveloop("experiment", "start", "warmer", *served, warehouse=empty))
    assert line == (
        "warmer is started: 2% of the users are in the test (1.0% of all users treated); control serves incumbent, "
        f"treatment serves {CANDIDATE}\n"
    )
    assert state(empty)["bundles"]["treatment"] == {"policy": CANDIDATE, "digest": digest(folder)}
    (folder / "weights.bin").rename(folder / "weights.other")
    assert digest(folder) != state(empty)["bundles"]["treatment"]["digest"], "names belong to the bundle, too"
    assert "must be planned: it can be started once" in refused(
        loveloop("experiment", "start", "warmer", *served, warehouse=empty)
    )


def test_status_tells_who_changed_what_when_and_why(empty: Path, clock: type[Clock]) -> None:
    assert said(loveloop("experiment", "status", warehouse=empty)).startswith("no experiment was planned yet")
    said(loveloop("experiment", "plan", "warmer", "--by", "ada", "--why", "less asking back", warehouse=empty))
    served = ("--bundle", "control=incumbent", "--bundle", f"treatment={CANDIDATE}")
    clock.moment += timedelta(hours=2)
    said(loveloop("experiment", "start", "warmer", *served, "--by", "bea", "--coverage", "0.2", warehouse=empty))
    page = said(loveloop("experiment", "status", "warmer", warehouse=empty)).splitlines()
    assert page[1].split()[:2] == ["warmer", "started"]
    assert [line.split() for line in page[-2:]] == [
        ["2026-03-02", "12:00", "ada", "planned", "0%", "less", "asking", "back"],
        ["2026-03-02", "14:00", "bea", "started", "20%", "not", "said"],
    ]
    words = refused(loveloop("experiment", "status", "colder", warehouse=empty))
    assert words.startswith("experiment 'colder' was never planned in this warehouse (planned: warmer)")


def test_a_planned_experiment_is_read_by_its_plan_alone(empty: Path) -> None:
    begun(empty, CANDIDATE, "--lift", "0.5", "--maturity-hours", "0")
    store(empty, events(in_turn, range(600)))
    for option in (("--planned", 500), ("--lift", 0.1), ("--share", "control=0.5")):
        words = refused(loveloop("experiment", "read", "warmer", *option, warehouse=empty))
        assert words.startswith(f"{option[0]}: the experiment was planned with `loveloop experiment plan`")
    facts = json.loads(said(loveloop("experiment", "read", "warmer", "--json", warehouse=empty)))
    assert (facts["planned_from"], facts["shares_from"], facts["maturity_hours"]) == ("registered", "registered", 0)
    assert (facts["plan"]["lift"], facts["plan"]["decides"]) == (0.5, "lovers")
    assert [each["action"] for each in facts["changes"]] == ["planned", "started"]


def test_a_planned_experiment_without_an_exposure_says_what_is_missing(empty: Path) -> None:
    said(loveloop("experiment", "plan", "warmer", warehouse=empty))
    words = refused(loveloop("experiment", "read", "warmer", warehouse=empty))
    assert "is planned and has no exposure yet: loveloop experiment start warmer serves it" in words
    said(loveloop("experiment", "start", "warmer", "--bundle", "control=x", "--bundle", "treatment=y", warehouse=empty))
    words = refused(loveloop("experiment", "read", "warmer", warehouse=empty))
    assert "is started and has no exposure yet: name it as `experiment`" in words


def test_an_effect_under_a_cap_says_so_beside_the_rates_without_it(empty: Path) -> None:
    begun(empty, CANDIDATE, "--cap", 1, "--maturity-hours", 0)
    store(empty, events(in_turn, range(300), visits=4, loved={"treatment": 0.6, "control": 0.3}))
    page = said(loveloop("experiment", "read", "warmer", warehouse=empty)).splitlines()
    (effect,) = (line for line in page if line.startswith("effect "))
    assert effect.endswith(" at any look), at most 1 love of a user counted")


def test_the_control_of_the_plan_is_the_control_of_the_reading(empty: Path) -> None:
    said(loveloop("experiment", "plan", "warmer", "--control", "a", "--share", "a=0.5", "--share", "b=0.5",
                  warehouse=empty))  # fmt: skip
    said(loveloop("experiment", "start", "warmer", "--bundle", "a=x", "--bundle", "b=y", warehouse=empty))
    store(empty, events(lambda user: "ab"[user % 2], range(100)))
    facts = json.loads(said(loveloop("experiment", "read", "warmer", "--json", warehouse=empty)))
    assert (facts["control"], facts["treatment"]) == ("a", "b")


def test_a_metric_of_ones_own_is_read_beside_the_others(empty: Path) -> None:
    begun(empty, CANDIDATE, "--lift", "0.5")
    store(empty, events(in_turn, range(600)))
    file = empty.with_name("revenue.csv")
    file.write_text("user_id,revenue\n" + "".join(f"u{user},{2.5 + user % 2}\n" for user in range(599)))
    page = said(loveloop("experiment", "read", "warmer", "--metric", f"revenue={file}", warehouse=empty))
    (line,) = [line for line in page.splitlines() if line.startswith("metric       revenue per user ")]
    assert line.split()[4].startswith("+39."), line
    assert "  - 1 user of the test has no revenue in revenue.csv: taken as 0" in page


@pytest.mark.parametrize("worth", ["-1", "nan", "inf", "dear"])
def test_a_metric_of_ones_own_that_is_no_number_is_told_with_its_user(tmp_path: Path, worth: str) -> None:
    import pyarrow as pa

    file = tmp_path / "revenue.csv"
    file.write_text(f"user_id,revenue\nann,1\nbea,{worth}\n")
    with pytest.raises(ValueError, match=r"as revenue of user 'bea', must be a number of 0 or more"):
        own_metrics.join(pa.table({"user_id": ["ann", "bea"]}), {"revenue": file})


def test_a_ramp_waits_for_hours_and_exposures_and_then_grows_by_one_stage(empty: Path, clock: type[Clock]) -> None:
    begun(empty)
    waiting = said(loveloop("experiment", "ramp", "warmer", warehouse=empty))
    assert waiting.startswith("hold: stage 1 of 5 has had 0 of at least 24 hours and 0 of at least 1,000 exposures")
    store(empty, events(in_turn, range(600)))
    clock.moment += timedelta(hours=30)
    grown = said(loveloop("experiment", "ramp", "warmer", "--by", "ada", warehouse=empty)).splitlines()
    assert grown[0].startswith("advance: stage 1 of 5 has had 30 hours and 1,200 exposures, and every check passed")
    assert grown[1].startswith("warmer is ramped: 10% of the users are in the test (5.0% of all users treated)")
    assert state(empty)["changes"][-1]["by"] == "ada"
    again = said(loveloop("experiment", "ramp", "warmer", warehouse=empty))
    assert again.startswith("hold: stage 2 of 5 has had 0 of at least 24 hours")


def test_a_ramp_asked_for_on_a_machine_whose_clock_is_behind_waits(empty: Path, clock: type[Clock]) -> None:
    begun(empty)
    clock.moment -= timedelta(minutes=5)
    assert said(loveloop("experiment", "ramp", "warmer", warehouse=empty)).startswith("hold: stage 1 of 5 has had 0 of")


def test_a_ramp_goes_where_it_is_asked_to_and_never_back(empty: Path) -> None:
    begun(empty)
    said(loveloop("experiment", "ramp", "warmer", "--to", "0.25", "--why", "launch week", warehouse=empty))
    assert (state(empty)["coverage"], state(empty)["changes"][-1]["why"]) == (0.5, "launch week")
    words = refused(loveloop("experiment", "ramp", "warmer", "--to", "0.1", warehouse=empty))
    assert "0.25 of the users are treated, and a ramp only grows" in words
    words = refused(loveloop("experiment", "ramp", "warmer", "--to", "0.6", warehouse=empty))
    assert "the treatment has 50% of the users in the test" in words


def test_of_several_treatments_each_pair_is_read_and_no_ramp_is_stepped(empty: Path) -> None:
    shares = [word for arm in ("control", "a", "b") for word in ("--share", f"{arm}={1 / 3}")]
    said(loveloop("experiment", "plan", "warmer", *shares, warehouse=empty))
    served = [word for arm in ("control", "a", "b") for word in ("--bundle", f"{arm}=policy-{arm}")]
    said(loveloop("experiment", "start", "warmer", *served, "--coverage", 1, warehouse=empty))
    store(empty, events(lambda user: ("control", "a", "b")[user % 3], range(60)))
    words = refused(loveloop("experiment", "ramp", "warmer", warehouse=empty))
    assert words.startswith("experiment 'warmer' has the treatments a, b, and a ramp's step reads one")
    read = loveloop("experiment", "read", "warmer", "--treatment", "b", "--json", warehouse=empty)
    assert json.loads(said(read))["plan"]["confidence"] == pytest.approx(0.975)


def test_a_ramp_stops_where_the_arms_lack_users(empty: Path, clock: type[Clock]) -> None:
    begun(empty)
    store(empty, events(lambda user: "treatment" if user % 4 == 1 else "control", range(1_200), visits=1))
    clock.moment += timedelta(hours=30)
    taken = json.loads(said(loveloop("experiment", "ramp", "warmer", "--json", "--to", "0.5", warehouse=empty)))
    assert taken["action"] == "stop"
    assert taken["why"].startswith("sample ratio: the arms are not the users that were dealt")
    assert (state(empty)["state"], state(empty)["coverage"], state(empty)["running"]) == ("stopped", 0.0, False)
    words = refused(loveloop("experiment", "ramp", "warmer", warehouse=empty))
    assert words == "experiment 'warmer' is stopped, must be running: plan another to test again"


def test_a_broken_guardrail_takes_everybody_back_to_the_control(empty: Path, clock: type[Clock]) -> None:
    begun(empty)
    store(empty, events(in_turn, range(1_000), closing={"control": 0.05, "treatment": 0.3}))
    clock.moment += timedelta(hours=30)
    page = said(loveloop("experiment", "ramp", "warmer", warehouse=empty)).splitlines()
    assert page[0].startswith("rollback: guardrail broken: needless closings")
    assert page[1] == "warmer is rolled back: everybody is served incumbent"
    assert state(empty)["state"] == "rolled_back"
    facts = json.loads(said(loveloop("experiment", "read", "warmer", "--json", warehouse=empty)))
    assert facts["decision"] == "stop"


def test_a_tripped_kill_switch_takes_everybody_back_to_the_control(empty: Path) -> None:
    begun(empty)
    trip = Trip(experiment="warmer", arm="treatment", metric="closing_rate", against="control", rate=0.2,
                reference=0.05, served=500, log_evidence=9.0, alpha=0.01, tripped_at=NOON, rule_version=1)  # fmt: skip
    with connection.open(empty).transaction() as writer:
        live.store_trips(writer, [trip])
    assert "warmer/treatment tripped by closing_rate" in said(loveloop("experiment", "status", warehouse=empty))
    page = said(loveloop("experiment", "ramp", "warmer", "--to", "0.5", warehouse=empty))
    assert page.startswith("rollback: alarm fired: treatment by closing_rate")
    assert state(empty)["treated"] == 0


def test_a_rollback_serves_the_same_bytes_or_refuses(empty: Path, folder: Path, tmp_path: Path) -> None:
    before = Path(shutil.copytree(folder, tmp_path / "candidates" / "incumbent-7"))
    said(loveloop("experiment", "plan", "warmer", warehouse=empty))
    assert "nothing to roll back" in refused(
        loveloop("experiment", "rollback", "warmer", "--why", "tone", warehouse=empty)
    )
    served = ("--bundle", f"control={before}", "--bundle", f"treatment={folder}")
    said(loveloop("experiment", "start", "warmer", *served, warehouse=empty))
    kept = digest(before)
    weights = (before / "weights.bin").read_bytes()
    (before / "weights.bin").write_bytes(weights[:-1] + b"!")
    words = refused(loveloop("experiment", "rollback", "warmer", "--why", "tone", warehouse=empty))
    assert f"the bundle of incumbent-7 that was served had {kept[:12]}: its files were changed since" in words
    assert state(empty)["running"], "nothing was noted"
    (before / "weights.bin").write_bytes(weights)
    assert said(loveloop("experiment", "rollback", "warmer", "--why", "tone", warehouse=empty)) == (
        "warmer is rolled back: everybody is served incumbent-7\n"
    )
    assert state(empty)["bundles"]["control"]["digest"] == digest(before) == kept


def test_two_experiments_of_one_namespace_hold_no_range_together_until_one_is_archived(empty: Path) -> None:
    begun(empty, CANDIDATE, "--namespace", "tone", "--range", 0.0, 0.6)
    met = ("experiment", "plan", "shorter", "--namespace", "tone", "--range", 0.5, 1.0)
    words = refused(loveloop(*met, warehouse=empty))
    assert words == (
        "experiment 'shorter' takes 0.5 to 1 of namespace 'tone', which 'warmer' holds in part: give it another range "
        "(--range), or archive 'warmer' first"
    )
    begun(empty, CANDIDATE, "--namespace", "tone", "--range", 0.6, 1.0, name="apart")
    warmer, apart = (control.layout(each.name, each.definition) for each in control.every(empty))
    assert warmer.salt == apart.salt, "ranges are cut from one hash"
    said(loveloop("experiment", "archive", "apart", "--why", "over", warehouse=empty))
    said(loveloop("experiment", "archive", "warmer", "--why", "over", warehouse=empty))
    said(loveloop(*met, warehouse=empty))
    for action in ("archive", "rollback"):
        assert "is archived" in refused(loveloop("experiment", action, "warmer", "--why", "x", warehouse=empty))


def test_a_range_that_was_free_at_the_plan_and_is_held_at_the_start_is_refused(empty: Path) -> None:
    for name in ("one", "two"):
        said(loveloop("experiment", "plan", name, "--namespace", "tone", warehouse=empty))
    served = ("--bundle", "control=incumbent", "--bundle", "treatment=x")
    said(loveloop("experiment", "start", "one", *served, warehouse=empty))
    assert "which 'one' holds in part" in refused(loveloop("experiment", "start", "two", *served, warehouse=empty))


def test_of_two_people_who_change_it_at_once_the_second_is_told(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(empty)
    append = experiment_registry.append

    def late(target: Path, change: Any, **seen: int | None) -> Any:
        """Somebody else archives it between the look and the change."""
        monkeypatch.setattr(experiment_registry, "append", append)
        said(loveloop("experiment", "archive", "warmer", "--by", "bea", "--why", "over", warehouse=target))
        return append(target, change, **seen)

    monkeypatch.setattr(experiment_registry, "append", late)
    words = refused(loveloop("experiment", "rollback", "warmer", "--why", "tone", warehouse=empty))
    assert words.startswith("'warmer' has 3 changes, 2 were expected (bea archived it at 2026-03-02 12:00 UTC)")
    assert words.endswith("nothing was stored; look at it again, then decide again")
    assert [each["action"] for each in state(empty)["changes"]] == ["planned", "started", "archived"]


def layout_of(routes: Path) -> Layout:
    """Whoever serves builds it from the file alone."""
    (told,) = json.loads(routes.read_text())["experiments"]
    of = {key: told[key] for key in ("salt", "arms", "coverage", "namespace", "start", "end", "holdout")}
    return Layout(experiment=told["name"], **of)


def test_who_follows_the_routes_serves_the_arms_that_the_reading_expects(
    empty: Path, clock: type[Clock], tmp_path: Path
) -> None:
    routes = tmp_path / "routes.json"
    said(loveloop("experiment", "plan", "warmer", "--holdout", "0.1", warehouse=empty))
    served = ("--bundle", "control=incumbent", "--bundle", f"treatment={CANDIDATE}", "--coverage", "0.4")
    said(loveloop("experiment", "start", "warmer", *served, "--routes", routes, warehouse=empty))
    assert not list(tmp_path.glob("routes.json?*")), "no part of it is left"
    places = []
    for _ in range(2):
        layout = layout_of(routes)
        places.append({user: layout.place(f"u{user}") for user in range(1_000)})
        inside = [user for user, place in places[-1].items() if place in layout.arms]
        store(empty, events(places[-1].__getitem__, inside, begin=clock.moment + timedelta(minutes=5)))
        clock.moment += timedelta(hours=25)
        grown = ("experiment", "ramp", "warmer", "--to", "0.5", "--routes", routes)
        said(loveloop(*grown, warehouse=empty))
    first, second = places
    assert {user: second[user] for user, place in first.items() if place != "out"} == {
        user: place for user, place in first.items() if place != "out"
    }, "a wider coverage adds users and moves none"
    assert sum(place == "out" for place in second.values()) == 0
    sums = experiment_users(empty, "warmer", arms=("control", "treatment"))
    read = dict(zip(sums.raw["user_id"].to_pylist(), sums.raw["arm"].to_pylist(), strict=True))
    assert read == {f"u{user}": place for user, place in second.items() if place != "holdout"}
    assert sums.in_several_arms == 0
    facts = json.loads(said(loveloop("experiment", "read", "warmer", "--json", warehouse=empty)))
    assert facts["srm_sequential_p"] > 0.05


def test_a_rollback_is_routed_though_a_folder_of_another_experiment_was_changed(empty: Path, folder: Path) -> None:
    routes = empty.with_name("routes.json")
    begun(empty, folder, name="other")
    begun(empty)
    (folder / "card.json").write_text("changed")
    done = loveloop("experiment", "rollback", "warmer", "--why", "tone", "--routes", routes, warehouse=empty)
    assert "other is left out, nobody is in it: " in said(done)
    told = json.loads(routes.read_text())
    assert told["experiments"] == []
    assert [each["name"] for each in told["left_out"]] == ["other"]


def test_an_archived_experiment_is_routed_to_nobody_and_stays_readable(empty: Path, tmp_path: Path) -> None:
    routes = tmp_path / "routes.json"
    begun(empty)
    store(empty, events(in_turn, range(20)))
    said(loveloop("experiment", "status", "--routes", routes, warehouse=empty))
    assert [each["name"] for each in json.loads(routes.read_text())["experiments"]] == ["warmer"]
    line = said(loveloop("experiment", "archive", "warmer", "--why", "over", "--routes", routes, warehouse=empty))
    assert "warmer is archived: everybody is served incumbent\n" in line
    assert json.loads(routes.read_text())["experiments"] == []
    page = said(loveloop("experiment", "read", "warmer", warehouse=empty))
    assert "decision     stop" in page


@pytest.mark.parametrize("command", ["rollback", "archive"])
def test_who_ends_an_experiment_is_asked_why(empty: Path, command: str) -> None:
    begun(empty)
    words = loveloop("experiment", command, "warmer", warehouse=empty)
    assert (words.exit_code, "Missing option '--why'" in words.output) == (2, True)
    assert state(empty)["running"], "nothing was noted"


def test_what_was_done_stands_in_words_in_the_trail(empty: Path) -> None:
    begun(empty)
    said(loveloop("experiment", "rollback", "warmer", "--why", "tone", warehouse=empty))
    page = said(loveloop("experiment", "status", "warmer", warehouse=empty))
    assert (page.count("rolled back"), "rolled_back" in page) == (2, False)


def test_before_the_treatment_is_served_the_planned_arm_is_waited_for(empty: Path) -> None:
    shares = ("--share", "control=0.8", "--share", "tender=0.2", "--stage", 0.05, "--stage", 0.2)
    said(loveloop("experiment", "plan", "warmer", *shares, warehouse=empty))
    served = ("--bundle", "control=incumbent", "--bundle", f"tender={CANDIDATE}")
    said(loveloop("experiment", "start", "warmer", *served, warehouse=empty))
    store(empty, events(lambda _: "control", range(5)))
    taken = ramping.advance(empty, "warmer", by="ada")
    assert (taken["action"], taken["reading"]["treatment"]) == ("hold", "tender")


def test_an_arm_that_was_never_planned_is_left_out_and_told_of(empty: Path) -> None:
    begun(empty)
    store(empty, events(lambda user: ("control", "treatment", "treatmnt")[user % 3], range(30)))
    facts = reading.read(empty, "warmer")
    assert facts["treatment"] == "treatment"
    assert any("20 exposures name the arm 'treatmnt', which was never planned" in each for each in facts["told"])
    with pytest.raises(ValueError, match="was planned with the arms control, treatment, and no 'treatmnt'"):
        reading.read(empty, "warmer", treatment="treatmnt")


def test_a_plan_that_was_made_after_the_first_exposure_says_so_in_every_reading(empty: Path) -> None:
    store(empty, events(in_turn, range(20), begin=NOON - timedelta(days=3)))
    begun(empty)
    told = reading.read(empty, "warmer")["told"]
    assert any("planned on 2026-03-02 12:00, after the first exposure on 2026-02-2" in each for each in told)


def test_a_moment_at_which_the_test_ran_is_read_as_of_a_test_that_runs(empty: Path, clock: type[Clock]) -> None:
    begun(empty)
    store(empty, events(in_turn, range(40)))
    clock.moment += timedelta(days=4)
    control.stop(empty, "warmer", by="ada", why="enough")
    assert reading.read(empty, "warmer", as_of=NOON + timedelta(days=3))["decision"] == "continue"
    assert reading.read(empty, "warmer")["decision"] == "stop"


def test_of_two_experiments_of_one_range_that_are_started_at_once_one_is_refused(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("warmer", "shorter"):
        said(loveloop("experiment", "plan", name, "--namespace", "tone", warehouse=empty))
    places = {"control": bundle("incumbent"), "treatment": bundle(CANDIDATE)}
    noted = control._noted

    def meanwhile(*given: Any) -> control.Registered:
        """The other is started between the look and the change."""
        monkeypatch.setattr(control, "_noted", noted)
        control.start(empty, "shorter", places, by="bob")
        return noted(*given)

    monkeypatch.setattr(control, "_noted", meanwhile)
    with pytest.raises(ExperimentChangedError, match="may hold users of 'warmer'; nothing was stored"):
        control.start(empty, "warmer", places, by="ada")
    assert [each.name for each in control.every(empty) if each.running] == ["shorter"]
    with pytest.raises(ValueError, match="which 'shorter' holds in part"):
        control.start(empty, "warmer", places, by="ada")
