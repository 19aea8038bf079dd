"""The container stack, read as files: what it publishes, as whom it runs, what waits for what, how its parts agree."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from assets.cli import group
from assets.pipeline import read_recipe
from assets.run import Run
from streams.gateway import settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE_FILE = ROOT / "docker-compose.yml"


def _with_defaults(text: str) -> str:
    """What compose reads on a machine that sets none of the variables: `${NAME:-default}` becomes `default`."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


STACK: dict[str, Any] = yaml.safe_load(_with_defaults(COMPOSE_FILE.read_text()))
SERVICES: dict[str, dict[str, Any]] = STACK["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
SERVING = {name: service for name, service in SERVICES.items() if service["restart"] == "unless-stopped"}
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()


def test_the_stack_holds_every_part_of_the_loop() -> None:
    parts = {
        "kafka",
        "postgres",
        "topics",
        "policies",
        "routes",
        "model-server",
        "gateway",
        "ingest",
        "ingest-2",
        "live-guard",
        "dagster-code",
        "dagster-webserver",
        "dagster-daemon",
        "vllm",
        "play",
        "replay",
    }
    assert set(SERVICES) == parts


def test_ports_are_published_on_loopback_only() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert [port for port in published if not re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)] == []


def test_no_service_shares_the_network_or_the_rights_of_the_host() -> None:
    for name, service in SERVICES.items():
        assert not {"network_mode", "privileged", "pid", "ipc", "cap_add", "devices"} & set(service), name


def test_images_are_pinned_to_a_version() -> None:
    images = [service["image"] for service in SERVICES.values()] + re.findall(r"^FROM (\S+:\S+)", DOCKERFILE, re.M)
    assert images
    assert [image for image in images if not re.search(r":\d", image)] == []


@pytest.mark.parametrize("name", SERVING)
def test_a_service_that_stays_up_is_watched(name: str) -> None:
    check = SERVING[name]["healthcheck"]
    assert check["test"][0] in {"CMD", "CMD-SHELL"}
    assert {"interval", "timeout", "retries", "start_period"} <= set(check)


def test_what_ends_by_itself_is_not_started_again() -> None:
    assert {name: SERVICES[name]["restart"] for name in set(SERVICES) - set(SERVING)} == {
        "topics": "no",
        "policies": "no",
        "routes": "no",
        "play": "no",
        "replay": "no",
    }


def test_only_the_replay_the_players_and_vllm_have_to_be_asked_for() -> None:
    asked_for = {name: service["profiles"] for name, service in SERVICES.items() if service.get("profiles")}
    assert asked_for == {"replay": ["replay"], "play": ["play"], "vllm": ["vllm"]}


@pytest.mark.parametrize("name", OURS)
def test_a_service_of_ours_can_write_to_its_volume_alone(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["volumes"] == ["loveloop-data:/data"]
    assert service["tmpfs"] == ["/tmp"]
    assert "user" not in service  # the image's own, see below


def test_our_images_do_not_run_as_root() -> None:
    for target in {service["build"]["target"] for service in OURS.values()}:
        assert re.findall(r"^USER (\S+)", _stage(target), re.M) == ["loveloop"], target
    assert re.search(r"useradd --uid [1-9]\d{3,} .*\bloveloop\b", DOCKERFILE)


def test_our_services_build_targets_that_the_dockerfile_has() -> None:
    targets = set(re.findall(r"^FROM \S+ AS (\S+)", DOCKERFILE, re.M))
    assert {service["build"]["target"] for service in OURS.values()} <= targets
    assert {service["build"]["dockerfile"] for service in OURS.values()} == {"deploy/Dockerfile"}


def test_only_the_image_that_learns_holds_torch() -> None:
    assert "--extra train" in _stage("learning")
    first, second = (line for line in _stage("learning").splitlines() if "uv pip install" in line)
    assert "setuptools wheel" in first
    assert "DS_BUILD_OPS=0" in second
    assert "--extra deepspeed" in second
    assert "--extra train" not in _stage("libraries") + _stage("streams")
    assert {name for name, service in OURS.items() if service["build"]["target"] == "full"} == {
        "dagster-code",
        "policies",
        "model-server",
    }


def test_the_dockerfile_copies_only_what_the_build_context_holds() -> None:
    lines = (ROOT / ".dockerignore").read_text().split()
    let_in = {line[1:] for line in lines if line.startswith("!")}
    copies = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if line.startswith("COPY ")]
    copied = {Path(each).parts[0] for sources in copies for each in sources if each != "."}
    assert "*" in lines
    assert copied <= let_in
    assert {
        "assets",
        "experiments",
        "stats",
        "streams",
        "training",
        "warehouse",
        "pyproject.toml",
        "README.md",
    } <= let_in


def test_data_live_on_named_volumes() -> None:
    mounts = [mount.split(":")[0] for service in SERVICES.values() for mount in service["volumes"] if mount[0] != "."]
    assert set(mounts) == set(STACK["volumes"]) == {"kafka-data", "postgres-data", "loveloop-data"}


def test_the_broker_writes_to_its_volume() -> None:
    kafka = SERVICES["kafka"]
    assert kafka["volumes"][0] == f"kafka-data:{kafka['environment']['KAFKA_LOG_DIRS']}"


def test_the_broker_tells_clients_addresses_that_they_can_reach() -> None:
    kafka = SERVICES["kafka"]
    advertised = dict(each.split("://") for each in kafka["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(","))
    published = kafka["ports"][0].rsplit(":", 1)[0]
    assert advertised == {"INSIDE": OURS["ingest"]["environment"]["KAFKA_BOOTSTRAP"], "HOST": published}


def test_services_wait_for_what_they_need() -> None:
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            condition = how["condition"]
            assert condition == ("service_healthy" if needed in SERVING else "service_completed_successfully"), (
                name,
                needed,
            )


def test_everything_of_ours_that_reads_events_waits_for_the_topics() -> None:
    assert {name for name, service in OURS.items() if "topics" in service.get("depends_on", {})} == {
        "ingest",
        "ingest-2",
        "live-guard",
        "gateway",
        "play",
        "replay",
    }


def test_every_service_of_ours_sees_the_same_warehouse() -> None:
    seen = {(service["environment"]["LOVELOOP_WAREHOUSE"], service["volumes"][0]) for service in OURS.values()}
    assert seen == {("ducklake:postgres:host=postgres dbname=lake user=dagster;data=/data/lake", "loveloop-data:/data")}


def test_the_warehouse_has_a_database_beside_dagsters_and_both_sinks_write_to_it() -> None:
    database = SERVICES["postgres"]
    assert "./deploy/lake.sql:/docker-entrypoint-initdb.d/lake.sql:ro" in database["volumes"]
    assert "CREATE DATABASE lake;" in (ROOT / "deploy" / "lake.sql").read_text()
    sinks = [service for service in OURS.values() if service.get("command") == ["ingest"]]
    assert len(sinks) == 2
    for sink in sinks:
        assert sink["environment"]["PGPASSWORD"] == database["environment"]["POSTGRES_PASSWORD"]
        assert sink["depends_on"]["postgres"] == {"condition": "service_healthy"}


def test_the_assets_that_dagster_shows_read_the_warehouse_that_ingest_fills() -> None:
    told = OURS["dagster-code"]["environment"]
    recipe = read_recipe(ROOT / Path(told["LOVELOOP_RECIPE"]).relative_to("/app"))
    run = Run(Path(told["LOVELOOP_HOME"]) / told["LOVELOOP_RUN"], recipe)
    assert recipe.source == "warehouse"
    assert str(run.warehouse) == told["LOVELOOP_WAREHOUSE"]


@pytest.mark.parametrize("name", [name for name, service in OURS.items() if "entrypoint" not in service])
def test_the_command_line_knows_the_commands_of_the_stack(name: str, tmp_path: Path) -> None:
    there = {"/app/": f"{ROOT}/", "/data/policies/incumbent": str(tmp_path)}
    arguments = [re.sub("|".join(there), lambda found: there[found[0]], each) for each in OURS[name]["command"]]
    command: Any = group
    context = None
    while hasattr(command, "get_command"):
        word, *arguments = arguments
        context = command.make_context(command.name or "loveloop", [word, *arguments], parent=context)
        command = command.get_command(context, word)
        assert command is not None, word
    command.make_context(command.name, arguments, parent=context)


@pytest.mark.parametrize(
    ("name", "port"), [("live-guard", "6066"), ("gateway", "8080"), ("dagster-webserver", "3000"), ("vllm", "8000")]
)
def test_the_published_port_is_the_one_that_is_served_and_watched(name: str, port: str) -> None:
    service = SERVICES[name]
    assert service["ports"][0].endswith(f":{port}")
    words = service["command"]
    told = words.index("--web-port" if "--web-port" in words else "--port")
    assert words[told + 1] == port
    assert f"127.0.0.1:{port}/" in service["healthcheck"]["test"][-1]


def test_the_live_guard_is_healthy_while_it_counts_not_merely_while_it_answers() -> None:
    assert SERVICES["live-guard"]["healthcheck"]["test"][-1] == "http://127.0.0.1:6066/health"


def test_vllm_serves_the_run_that_dagster_shows_from_an_environment_of_its_own() -> None:
    service, told = SERVICES["vllm"], OURS["dagster-code"]["environment"]
    assert service["command"][:3] == ["vllm", "staged", f"{told['LOVELOOP_HOME']}/{told['LOVELOOP_RUN']}"]
    assert service["build"]["args"]["VLLM_KIND"] == "cpu"
    stage = _stage("serving")
    assert stage.startswith("FROM learning AS serving")
    assert "LOVELOOP_VLLM_ENV=/opt/vllm" in stage
    assert stage.index("libnuma1") < stage.index("environment.sh")  # the processor build's worker loads it
    assert stage.index("environment.sh") < stage.index("COPY . .")  # a layer that a change of the source keeps
    for kind in ("cpu", "gpu"):
        assert re.search(r"^vllm(-cpu)?==\d", (ROOT / "deploy" / "vllm" / f"{kind}.txt").read_text(), re.M)


def test_the_gpu_file_gives_a_gpu_to_the_trainer_and_to_vllm_alone() -> None:
    added = yaml.safe_load(_with_defaults((ROOT / "docker-compose.gpu.yml").read_text()))["services"]
    assert set(added) == {"dagster-code", "vllm"} <= set(SERVICES)
    for name, service in added.items():
        (device,) = service["deploy"]["resources"]["reservations"]["devices"]
        assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"]), name
        assert service["build"]["target"] == "serving"
        assert service["build"]["args"]["VLLM_KIND"] == "gpu"
        assert not {"network_mode", "privileged", "ports", "volumes"} & set(service)


def test_passwords_are_said_once_and_come_from_outside() -> None:
    text = COMPOSE_FILE.read_text()
    told = re.findall(r"^\s+\w*PASSWORD: (.+)$", text, re.M)
    assert set(told) == {"${LOVELOOP_POSTGRES_PASSWORD:-loveloop}"}
    assert len(told) == 3
    for name in ("LOVELOOP_GATEWAY_KEY", "LOVELOOP_SERVE_TOKEN"):
        assert len(re.findall(rf"^\s+{name}: &[\w-]+ \${{{name}:-loveloop}}$", text, re.M)) == 1
        assert len(re.findall(rf"^\s+{name}: \*[\w-]+$", text, re.M)) == 1


@pytest.mark.parametrize("name", ["gateway.toml", "gateway.vllm.toml"])
def test_the_gateways_file_names_services_of_the_stack_and_holds_no_key(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in OURS["gateway"]["environment"].items():
        if value is not None:
            monkeypatch.setenv(variable, value)
    read = settings.read(ROOT / "deploy" / name)
    server = "vllm" if "vllm" in name else "model-server"
    assert read.told.others is not None
    assert {each.url for each in (*read.backends.values(), read.told.others)} == {f"http://{server}:8000/v1"}
    assert read.told.operator.guard == "http://live-guard:6066"
    assert not re.search(r"[0-9a-f]{64}", (ROOT / "deploy" / name).read_text())
    assert Path(read.told.folder).is_relative_to("/data")


def test_the_gateway_asks_the_model_server_with_its_token_and_waits_for_it() -> None:
    gateway, server = OURS["gateway"], OURS["model-server"]
    assert gateway["environment"]["LOVELOOP_SERVE_TOKEN"] == server["environment"]["LOVELOOP_SERVE_TOKEN"]
    assert gateway["depends_on"]["model-server"] == {"condition": "service_healthy"}
    assert "ports" not in server
    assert gateway["healthcheck"]["test"][-1].endswith("/ready")


def test_whoever_changes_an_experiment_writes_the_routes_that_the_gateway_follows() -> None:
    routes = OURS["gateway"]["command"][OURS["gateway"]["command"].index("--routes") + 1]
    written = {name: service["environment"].get("LOVELOOP_ROUTES") for name, service in OURS.items()}
    assert {written[name] for name in ("dagster-code", "ingest", "ingest-2", "routes")} == {routes}
    assert routes.startswith("/data/")


@pytest.mark.parametrize("name", ["live.toml", "played.toml"])
def test_the_incumbent_of_the_stacks_recipes_is_what_its_model_server_serves(name: str) -> None:
    (made,) = OURS["policies"]["command"]
    command = OURS["model-server"]["command"]
    told = OURS["dagster-code"]["environment"]
    recipe = read_recipe(ROOT / "deploy" / "recipes" / name)
    assert recipe.incumbent.base == made == command[1]
    assert command[command.index("--run") + 1] == f"{told['LOVELOOP_HOME']}/{told['LOVELOOP_RUN']}"
    assert str(recipe.warehouse) == told["LOVELOOP_WAREHOUSE"]
    for file in ("gateway.toml", "gateway.vllm.toml"):
        assert tomllib.loads((ROOT / "deploy" / file).read_text())["default"] == Path(made).name


def _stage(name: str) -> str:
    """The lines of one stage of the Dockerfile."""
    stages = re.split(r"^(?=FROM )", DOCKERFILE, flags=re.M)
    return next(stage for stage in stages if re.match(rf"FROM \S+ AS {name}\n", stage))
