"""compose/ as a text: what every service must have, that no secret is in it, that settings have readers."""

import ast
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts import compose, run
from scripts.bootstrap import Refusal

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = (compose.FOLDER / ".env.example").read_text()
OURS = {"gpt_service": "gateway", "worker": "worker", "embeddings": "embeddings", "ui": "ui", "bot": "bot"}
# Read by the programs of others, by Docker, or by bucket.py.
FOREIGN = re.compile(
    r"DO_NOT_TRACK|HF_TOKEN|MLFLOW_.*|MINIO_.*|MC_CONFIG_DIR|POSTGRES_PASSWORD|.*_DB_PASSWORD|GF_.*"
)
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((compose.FOLDER / "compose.yml").read_text())["services"]


def settings_given() -> list[tuple[str, str]]:
    """Services of ours, and each setting that they are given."""
    return [(service, name) for service in [*OURS, "llm"] for name in SERVICES[service]["environment"]]


def read_by(service: str) -> set[str]:
    """The settings that a service's code reads, by their names in the environment."""
    if service in {"ui", "llm"}:
        files = {"ui": "ui/settings.py", "llm": "llm_server/plan.py"}
        return set(re.findall(r'"([A-Z][A-Z_]+)"', (ROOT / files[service]).read_text()))
    package = {"gpt_service": "gateway", "worker": "gateway"}.get(service, service)
    prefix = "EMBEDDINGS_" if service == "embeddings" else ""
    tree = ast.parse((ROOT / package / "settings.py").read_text())
    (settings,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Settings"]
    fields = [node.target for node in settings.body if isinstance(node, ast.AnnAssign)]
    return {prefix + field.id.upper() for field in fields if isinstance(field, ast.Name)}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_watched_limited_and_comes_back(name: str) -> None:
    service = SERVICES[name]
    brings_its_own = name in OURS or name == "llm"
    assert "test" in service["healthcheck"] or brings_its_own or name in compose.ENDS_BY_ITSELF
    assert service["cpus"]
    assert service["mem_limit"]
    assert service["pids_limit"] <= 512
    assert service["restart"] == ("on-failure" if name in compose.ENDS_BY_ITSELF else "unless-stopped")
    assert service["logging"]["options"]["max-size"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_rights_beyond_a_processs_own(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert not {"privileged", "cap_add", "network_mode", "pid", "ipc", "devices"} & set(service)
    assert not [place for place in service.get("volumes", ()) if "docker.sock" in place]


@pytest.mark.parametrize("name", OURS.values())
def test_the_images_that_bring_their_own_check_of_health_do(name: str) -> None:
    assert "\nHEALTHCHECK " in (ROOT / f"docker/{name}.Dockerfile").read_text()


def test_ports_are_published_on_this_machine_only_and_each_once() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", ())]
    parts = [re.fullmatch(r"127\.0\.0\.1:\$\{(\w+):-(\d+)\}:(\d+)", port) for port in published]
    assert all(parts), published
    assert len({part[2] for part in parts if part}) == len(published) == 10
    said = dict(re.findall(r"^(\w+_PORT)=(\d+)$", EXAMPLE, re.MULTILINE))
    assert {part[1]: part[2] for part in parts if part} == said


def test_the_pages_that_make_up_tells_and_the_documentation_are_those_published() -> None:
    said = dict(re.findall(r"^(\w+_PORT)=(\d+)$", EXAMPLE, re.MULTILINE))
    pages = {name: str(port) for name, port in compose.PAGES.values()}
    assert pages == {name: port for name, port in said.items() if name != "GRPC_PORT"}
    document = (ROOT / "docs/compose.md").read_text()
    assert set(re.findall(r"^\| (\d+) \|", document, re.MULTILINE)) == set(said.values())


def test_only_the_gateway_is_on_the_model_servers_network() -> None:
    assert {name for name, service in SERVICES.items() if "model" in service["networks"]} == {
        "gpt_service",
        "llm",
    }
    assert SERVICES["llm"]["networks"] == ["model"]
    assert "ports" not in SERVICES["llm"]


def test_stores_are_on_a_network_without_a_way_out() -> None:
    networks = yaml.safe_load((compose.FOLDER / "compose.yml").read_text())["networks"]
    assert networks["inside"] == {"internal": True}
    for name in ("postgres", "redis", "worker", "embeddings"):
        assert SERVICES[name]["networks"] == ["inside"]
        assert "ports" not in SERVICES[name]


def test_what_a_service_needs_is_well_before_it_starts() -> None:
    awaited = {"service_healthy", "service_completed_successfully"}
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            if (name, needed) == ("gpt_service", "llm"):  # grading goes on without it
                continue
            assert how["condition"] in awaited, (name, needed)
            assert (how["condition"] == "service_healthy") is (needed not in compose.ENDS_BY_ITSELF)


@pytest.mark.parametrize(("service", "name"), settings_given())
def test_a_setting_is_one_that_the_service_reads(service: str, name: str) -> None:
    assert name in read_by(service) or FOREIGN.fullmatch(name)


def test_a_name_that_no_service_reads_would_be_seen() -> None:
    assert "DRAIN_S" in read_by("gpt_service")
    assert "DRAINS" not in read_by("gpt_service")
    assert "EMBEDDINGS_API_KEY" in read_by("embeddings")
    assert "GATEWAY_URL" in read_by("ui")
    assert "LLM_MODEL" in read_by("llm")


def test_a_gateway_has_time_to_finish_its_answers() -> None:
    stop, drain = (
        SERVICES["gpt_service"]["stop_grace_period"],
        SERVICES["gpt_service"]["environment"]["DRAIN_S"],
    )
    assert int(stop.removesuffix("s")) >= int(drain) + 5


def test_no_secret_is_in_the_file_and_none_has_a_default() -> None:
    text = (compose.FOLDER / "compose.yml").read_text()
    said = dict(re.findall(r"\$\{(\w+):([-?])", text))
    assert {name for name, how in said.items() if how == "?"} == set(compose.SECRETS)
    for name, service in SERVICES.items():
        for setting, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|_KEY$|TOKEN", setting) and setting != "ALLOW_DEMO_KEY":
                assert str(value).startswith("${"), (name, setting)


def test_the_example_holds_no_secret_but_the_courses_key() -> None:
    said = dict(re.findall(r"^(\w+)=(.*)$", EXAMPLE, re.MULTILINE))
    assert {name: said[name] for name in compose.SECRETS} == dict.fromkeys(compose.SECRETS, "")
    assert said["API_KEY"] == run.DEMONSTRATION_KEY


@pytest.mark.parametrize(
    "name", [name for name in SERVICES if "grading-gateway" not in SERVICES[name]["image"]]
)
def test_an_image_of_others_is_pinned_by_version_and_digest(name: str) -> None:
    assert re.fullmatch(r"docker\.io/[\w/-]+:[\w.-]+@sha256:[0-9a-f]{64}", SERVICES[name]["image"])


def test_every_image_of_ours_has_a_dockerfile_and_is_built_by_make_up() -> None:
    pattern = re.compile(r"\$\{IMAGE_PREFIX:-grading-gateway\}/(\w+):\$\{IMAGE_TAG:-dev\}")
    found = {match[1] for service in SERVICES.values() if (match := pattern.fullmatch(service["image"]))}
    assert found == set(compose.IMAGES)
    assert all((ROOT / f"docker/{name}.Dockerfile").is_file() for name in found)


def test_the_first_start_makes_secrets_for_its_owner_and_never_writes_again(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    assert compose.first_start(env_file, compose.FOLDER / ".env.example")
    text = env_file.read_text()
    assert env_file.stat().st_mode & 0o777 == 0o600
    values = [run.read_settings(env_file)[name] for name in compose.SECRETS]
    assert len(set(values)) == len(values)
    assert all(re.fullmatch(r"[\w-]{32}", value) for value in values)
    assert not compose.first_start(env_file, compose.FOLDER / ".env.example")
    assert env_file.read_text() == text


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", r"has no REDIS_PASSWORD: add a line"),
        ("REDIS_PASSWORD=p@ss/word", r"^REDIS_PASSWORD of .* letters"),
    ],
)
def test_a_secret_that_an_old_file_lacks_or_an_address_cannot_hold_is_told_by_name(
    line: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REDIS_PASSWORD", raising=False)
    env_file = tmp_path / ".env"
    compose.first_start(env_file, compose.FOLDER / ".env.example")
    compose.refuse_unusable_secrets(run.read_settings(env_file), env_file)
    env_file.write_text(re.sub(r"^REDIS_PASSWORD=.*$", line, env_file.read_text(), flags=re.MULTILINE))
    with pytest.raises(Refusal, match=told):
        compose.refuse_unusable_secrets(run.read_settings(env_file), env_file)


def test_the_model_gets_no_more_cores_than_there_are() -> None:
    assert "LLM_CPUS=2\n" in compose.filled(EXAMPLE, 2)
    assert "LLM_CPUS=4\n" in compose.filled(EXAMPLE, 16)


@pytest.mark.parametrize(
    ("service", "status", "well"),
    [
        ("redis", "Up 5 seconds (healthy)", True),
        ("redis", "Up 5 seconds (health: starting)", False),
        ("redis", "Up 5 minutes (unhealthy)", False),
        ("redis", "Restarting (1) 3 seconds ago", False),
        ("redis", "Exited (0) 3 seconds ago", False),
        ("minio_bucket", "Exited (0) 3 seconds ago", True),
        ("minio_bucket", "Exited (1) 3 seconds ago", False),
        ("minio_bucket", "Up 1 second", False),
    ],
)
def test_a_container_is_well_when_docker_says_so(service: str, status: str, *, well: bool) -> None:
    assert compose.Container(service, status).is_well is well


def test_a_service_that_was_never_made_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = compose.Stack(("docker", "compose"), (), Path(".env"), "none")
    monkeypatch.setattr(compose.Stack, "containers", lambda self: [])
    with pytest.raises(Refusal, match="nothing runs"):
        compose.wait(stack, 0)


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="no docker-compose")
@pytest.mark.parametrize("further", [[], ["compose/gpu.yml"], ["tests/ship/standins/compose.override.yml"]])
def test_compose_reads_its_files(further: list[str], tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    compose.first_start(env_file, compose.FOLDER / ".env.example")
    files = (compose.FOLDER / "compose.yml", *(ROOT / name for name in further))
    stack = compose.Stack(("docker-compose",), files, env_file, "try")
    said = subprocess.run(stack.command("config"), capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert said.returncode == 0, said.stderr
    assert set(yaml.safe_load(said.stdout)["services"]) >= set(SERVICES) - {"grafana"}
