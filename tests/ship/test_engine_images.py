"""The images, built and run on a real Docker engine: small, harmless, and still able to do their work.

DOCKER_HOST names the engine; without it one of our own is started (tests/ship/engine.py, root). What runs
has a read-only root, no capability and no network: who asks it runs inside.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import images
from scripts.images import NAMES, ROOT, Bases
from tests.ship import engine
from tests.ship.containers import HARDENED, asked, running, shell

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1800)]

PYTHON_ONES = [name for name in NAMES if name != "llm"]
SERVERS = {
    "gateway": {"API_KEY": "of-a-test", "LLM_URL": "http://127.0.0.1:9"},
    "embeddings": {"EMBEDDINGS_API_KEY": "of-a-test"},
    "ui": {},
    "bot": {"OPEN_AI_API_KEY": "of-a-test"},
    "worker": {},
}
# Megabytes over the base that are allowed. The gateway's goal of 250 is missed (docs/images.md).
ALLOWED = {"gateway": 460, "embeddings": 450, "predict": 450, "ui": 600, "bot": 60, "worker": 2000}
WHOLE = {"predict": 1000}
FRAUD = {
    "TX_AMOUNT": 190.0,
    "TX_DURING_WEEKEND": 0,
    "TX_DURING_NIGHT": 0,
    **{f"CUSTOMER_ID_NB_TX_{days}DAY_WINDOW": 3 * days for days in (1, 7, 30)},
    **{f"CUSTOMER_ID_AVG_AMOUNT_{days}DAY_WINDOW": 60.0 for days in (1, 7, 30)},
    **{f"TERMINAL_ID_NB_TX_{days}DAY_WINDOW": days for days in (1, 7, 30)},
    **{f"TERMINAL_ID_RISK_{days}DAY_WINDOW": 0.0 for days in (1, 7, 30)},
}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if given := os.environ.get("DOCKER_HOST"):
        yield given
        return
    folder = tmp_path_factory.mktemp("docker")
    try:
        yield engine.up(folder, engine.CACHE)
    finally:
        engine.down(folder)


@pytest.fixture(scope="module")
def bases(host: str) -> Iterator[Bases]:
    """The stand-ins where this engine has them; else the official images, which it must be able to pull."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", host)
        patch.setenv("DOCKER_BUILDKIT", "0")
        there = set(engine.docker(host, "images", "--format", "{{.Repository}}:{{.Tag}}").split())
        bases = Bases(
            engine.BASE if engine.BASE in there else "",
            engine.VLLM if engine.VLLM in there else images.VLLM_CPU,
        )
        images.build(PYTHON_ONES, bases, network="host")
        yield bases


@pytest.mark.parametrize("name", PYTHON_ONES)
def test_it_is_no_larger_than_it_may_be(bases: Bases, name: str) -> None:
    whole, over = images.over_base(name, bases)
    assert over <= ALLOWED[name] * 1e6
    assert name not in WHOLE or whole <= WHOLE[name] * 1e6


@pytest.mark.parametrize("name", PYTHON_ONES)
def test_nothing_builds_or_installs_inside_and_no_secret_came_along(
    host: str, bases: Bases, name: str
) -> None:
    tools = shell(host, name, "for tool in gcc cc ld strip make git curl uv; do command -v $tool; done; true")
    assert tools == ""
    assert shell(host, name, "ls /opt/venv/bin | grep -E '^(pip|uv|uvx|easy_install)[0-9.]*$' || true") == ""
    came = shell(host, name, "find /app -name '.*' -o -name tests -o -name '*.db' -o -name '*.pem'")
    assert came == ""
    history = engine.docker(host, "history", "--no-trunc", "--format", "{{.CreatedBy}}", images.tag(name))
    assert "of-a-test" not in history


@pytest.mark.parametrize("name", PYTHON_ONES)
def test_only_the_state_can_be_written(host: str, bases: Bases, name: str) -> None:
    told = shell(host, name, "id -u; touch /app/state/a && echo state; touch /app/a /opt/venv/a 2>&1; true")
    assert told.splitlines()[:2] == ["10001", "state"]
    assert told.count("Permission denied") == 2, "even where the root is not read-only"
    assert shell(host, name, "find / -xdev -type f -perm -o+w 2>/dev/null; true") == ""


def test_the_build_sees_no_file_that_is_not_named(host: str, bases: Bases, tmp_path: Path) -> None:
    """Docker's own reading of .dockerignore, on the tree as it lies here."""
    (tmp_path / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\nCOPY . /context\n")
    base = bases.of("bot")[1]
    build = [
        "build",
        "--quiet",
        "--build-arg",
        f"BASE={base}",
        "--file",
        str(tmp_path / "Dockerfile"),
        str(ROOT),
    ]
    image = engine.docker(host, *build)
    try:
        found = engine.docker(host, "run", "--rm", image, "find", "/context", "-type", "f").splitlines()
    finally:
        engine.docker(host, "rmi", "--force", image)
    seen = {Path(file).relative_to("/context") for file in found}
    assert {one.parts[0] for one in seen} == {
        *("LICENSE", "bot", "docker", "embeddings", "fraud", "gateway", "llm_server", "requirements", "ui")
    }
    wrong = {".env", ".git", "__pycache__", "tests"}
    assert not [one for one in seen if wrong & {*one.parts} or one.suffix in {".pyc", ".db", ".ipynb"}]
    assert Path("gateway/training/jobs.py") in seen
    assert not [one for one in seen if one.is_relative_to("embeddings/training")]


@pytest.mark.parametrize("name", ["ui", "bot", "worker"])
def test_it_gets_well_with_a_root_that_cannot_be_written(host: str, bases: Bases, name: str) -> None:
    with running(host, name, SERVERS[name]) as container:
        engine.docker(host, "stop", "--time", "30", container)
        state = json.loads(engine.docker(host, "inspect", "--format", "{{json .State}}", container))
        assert state["ExitCode"] in (0, 143), "stopped by the signal, not killed"
        assert not state["OOMKilled"]


def test_the_trimmed_gateway_still_masks_predicts_and_stops_with_0(host: str, bases: Bases) -> None:
    with running(host, "gateway", SERVERS["gateway"]) as container:
        door = "http://127.0.0.1:38300"
        text = "Меня зовут Иван Петров, её Sarah Connor; ivan.petrov@example.org, телефон +7 916 123-45-67"
        masked = asked(host, container, f"{door}/v1/mask", {"text": text})
        assert not [
            word for word in ("Петров", "Connor", "ivan.petrov", "916") if word in str(masked["masked"])
        ]
        fraud = asked(host, container, f"{door}/predict", FRAUD)
        assert 0 <= float(str(fraud["probability"])) <= 1
        table = "a,b,y\n" + "".join(f"{i},{i % 3},{i % 2}\n" for i in range(60))
        upload = f"{door}/v1/datasets?name=rows&target=y"
        assert "rows" in str(asked(host, container, upload, table, kind="csv"))
        left = engine.docker(
            host, "exec", container, "find", "/tmp", "-name", "*onnxruntime*", "-o", "-name", ".ses"
        )
        assert left == "", "ONNX Runtime would report to its maker"
        engine.docker(host, "stop", "--time", "30", container)
        assert engine.docker(host, "inspect", "--format", "{{.State.ExitCode}}", container) == "0"


def test_the_embeddings_service_still_embeds_classifies_and_grades(host: str, bases: Bases) -> None:
    with running(host, "embeddings", SERVERS["embeddings"]) as container:
        door = "http://127.0.0.1:8081"
        told = asked(host, container, f"{door}/v1/embeddings", {"input": "a", "model": "all-MiniLM-L6-v2"})
        assert len(told["data"][0]["embedding"]) == 384
        spam = asked(host, container, f"{door}/v1/models/spam:predict", {"instances": ["win money now"]})
        assert spam["predictions"]


def test_predictions_are_written_offline(host: str, bases: Bases, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    (tmp_path / "in.csv").write_text("id,text\n7,see you at the lecture\n")
    files = ["--input_path", "/data/in.csv", "--output_path", "/data/out.csv"]
    run = ["run", "--rm", *HARDENED, "--volume", f"{tmp_path}:/data", images.tag("predict")]
    engine.docker(host, *run, *files, "--model", "spam")
    header, row = (tmp_path / "out.csv").read_text().splitlines()
    assert header.startswith("row,id,label,confidence")
    assert row.startswith("1,7,ham,")


def test_the_model_server_answers_on_what_stands_for_the_official_image(host: str, bases: Bases) -> None:
    if bases.vllm != engine.VLLM:
        pytest.skip("`python3 -m tests.ship.engine vllm` makes what stands for vLLM's image")
    images.build(["llm"], bases, network="")
    with running(host, "llm", {"LLM_API_KEY": "of-a-test", "LLM_MODEL": "local"}) as container:
        question = {"model": "grading-gateway-local", "messages": [{"role": "user", "content": "Hello!"}]}
        told = asked(
            host, container, "http://127.0.0.1:8000/v1/chat/completions", {**question, "max_tokens": 8}
        )
        assert told["choices"]
