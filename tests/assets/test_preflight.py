"""What a recipe needs is looked for before the first stage, and everything that is missing is said at once."""

import importlib.util
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from assets import preflight
from assets.cli import group
from assets.pipeline import follow, prepare
from assets.run import Run
from streams.events import Message, ReactionChanged, ResponseServed, encode, new_event_id
from training.reward.split import uniform
from warehouse import connection


def live(tmp_path: Path, text: str = "") -> Run:
    recipe = tmp_path / "live.toml"
    recipe.write_text(f'source = "warehouse"\n{text}')
    return prepare(tmp_path / "runs" / "live", recipe, None, tmp_path / "warehouse.duckdb")


def test_a_warehouse_that_is_not_there_is_said_before_anything_runs(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(ValueError, match=r"this recipe cannot run yet:\n  - .*warehouse\.duckdb"):
        follow(live(tmp_path), say=lambda line: said.append(str(line)))
    assert said == []


def test_too_little_feedback_is_counted(tmp_path: Path) -> None:
    run = live(tmp_path)
    connection.open(run.warehouse).migrate()
    with pytest.raises(ValueError, match="holds 0 responses") as error:
        preflight.check(run)
    assert "0 loves that count, where P[Love] needs 100" in str(error.value)
    assert "helpfulness.labels is 'reactions', and the log holds 0 up (love or like) and 0 down" in str(error.value)


def test_every_missing_input_is_named_with_the_way_out(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    text = f"""
    [incumbent]
    base = "{missing}"
    [safety]
    labels = "labels.parquet"
    """
    run = live(tmp_path, text)
    connection.open(run.warehouse).migrate()
    with pytest.raises(ValueError, match="cannot run yet") as error:
        preflight.check(run)
    assert f"incumbent.base is {missing}, where no model lies" in str(error.value)
    assert "safety.labels is 'labels.parquet': no such file; give a labels file" in str(error.value)


def test_the_environment_s_warehouse_goes_before_the_recipe_s_and_the_default_is_the_command_line_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text('source = "warehouse"\nwarehouse = "here.duckdb"\n')
    monkeypatch.chdir(tmp_path)
    assert prepare(tmp_path / "a", recipe, None).warehouse == str(tmp_path / "here.duckdb")
    assert prepare(tmp_path / "a", recipe, None, "there.duckdb").warehouse == str(tmp_path / "there.duckdb")
    recipe.write_text('source = "warehouse"\n')
    assert prepare(tmp_path / "a", recipe, None).warehouse == str(tmp_path / "data" / "warehouse.duckdb")


def test_a_live_warehouse_is_no_matter_of_a_simulated_world(tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text('source = "world"\n')
    run = prepare(tmp_path / "a", recipe, None, "product.duckdb")
    assert run.warehouse == run.own_warehouse


def labelled_by(tmp_path: Path, content: str) -> Run:
    (tmp_path / "labels.csv").write_text(content)
    run = live(tmp_path, f'[helpfulness]\nlabels = "{tmp_path}/labels.csv"\n')
    connection.open(run.warehouse).migrate()
    return run


def test_a_labels_file_is_read_before_the_first_stage(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"helpfulness\.labels: .*labels\.csv lacks response, label; its columns are"):
        preflight.check(labelled_by(tmp_path, "prompt,answer\nhow,so\n"))
    with pytest.raises(ValueError, match=r"helpfulness\.labels: .*the validation part holds 0 positives|train part"):
        preflight.check(labelled_by(tmp_path, "prompt,response,label\nhow,so,good\nwhy,because,bad\n"))


@pytest.mark.slow  # transformers is imported
def test_a_model_that_cannot_be_read_is_said_before_the_first_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "config.json").write_text("{}")
    run = live(tmp_path, f'[incumbent]\nbase = "{tmp_path}/empty"\n[p_love]\nbase = "nobody/nothing"\n')
    connection.open(run.warehouse).migrate()
    with pytest.raises(ValueError, match="cannot run yet") as error:
        preflight.check(run)
    assert "p_love.base is 'nobody/nothing', which cannot be read here or from the hub" in str(error.value)
    assert f"incumbent.base is '{tmp_path}/empty', which cannot be read" in str(error.value)


def test_convai_s_data_is_looked_for_before_the_first_stage(tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text('source = "convai"\n')
    with pytest.raises(ValueError, match=r"holds no dialogues\.jsonl, or ConvAI2.s .*: give the folder with"):
        preflight.check(prepare(tmp_path / "run", recipe, tmp_path))


def product(tmp_path: Path, users: list[str], prompts: int) -> Run:
    """A live run whose warehouse holds 1,000 loved and 1,000 disliked responses."""
    run, begin = live(tmp_path), datetime(2026, 3, 1, tzinfo=UTC)
    lines = []
    for number in range(2_000):
        at, user = begin + timedelta(minutes=number), users[number % len(users)]
        lines.append(encode(ResponseServed(
            event_id=new_event_id(at, number), user_id=user, served_at=at, response_id=f"r{number}", turn=0,
            conversation_id=f"c{number}", session_id="s", policy="p", response="So.",
            conversation=[Message("user", f"How is it, {number % prompts}?")],
        )))  # fmt: skip
        lines.append(encode(ReactionChanged(
            event_id=new_event_id(at, number + 5_000), user_id=user, reacted_at=at, response_id=f"r{number}",
            reaction="love" if number % 3 else "dislike", action="added", session_id="s",
        )))  # fmt: skip
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"\n".join(lines))
    done = CliRunner().invoke(group, ["import", str(file), "--warehouse", str(run.warehouse)])
    assert "0 dead letters" in done.output, done.output
    return run


@pytest.mark.slow
def test_enough_feedback_passes(tmp_path: Path) -> None:
    preflight.check(product(tmp_path, [f"u{number}" for number in range(100)], prompts=2_000))


@pytest.mark.slow
def test_feedback_without_test_users_or_on_the_same_few_prompts_cannot_be_measured(tmp_path: Path) -> None:
    few = [f"u{number}" for number in range(400) if uniform(f"u{number}", 1) > 0.5][:100]  # none is a test user
    with pytest.raises(ValueError, match="cannot run yet") as error:
        preflight.check(product(tmp_path, few, prompts=5))
    told = str(error.value)
    assert "P[Love] cannot be measured: the " in told
    assert "helpfulness cannot be measured on people's thumbs: the " in told
    assert "different prompts, and policies are compared on at least 20" in told


@pytest.mark.slow  # torch is imported
def test_ranks_that_cannot_start_are_said_before_the_first_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.engine.placement.gpus", lambda: 2)
    run = live(tmp_path, '[engine]\nkind = "deepspeed"\nranks = 8\nhostfile = "hosts"\n')
    connection.open(run.warehouse).migrate()
    with pytest.raises(ValueError, match="cannot run yet") as error:
        preflight.check(run)
    assert "engine.ranks is 8, one GPU each, and this machine has 2: lower it, or set" in str(error.value)
    assert "`loveloop run` trains on the ranks of the machine that it runs on; leave it out" in str(error.value)


def test_the_packages_of_ranks_and_the_environment_of_a_server_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(preflight, "find_spec", lambda name: None if name == "deepspeed" else found(name))
    monkeypatch.setenv("LOVELOOP_VLLM_ENV", str(tmp_path / "nowhere"))
    run = live(tmp_path, '[engine]\nkind = "deepspeed"\n[policy.rollouts]\nengine = "vllm"\n')
    with pytest.raises(ValueError, match="cannot run yet") as error:
        preflight.check(run)
    assert "the package deepspeed is missing: install loveloop[deepspeed]" in str(error.value)
    assert f"policy.rollouts: no vLLM in {tmp_path}/nowhere (there is no bin/python): `make vllm`" in str(error.value)
