"""What `make run` says before it installs or starts anything: a refusal is one sentence, exit code 2."""

import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import bootstrap
from scripts.run import LISTENING, with_addresses

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A fresh copy of what the preflight reads, with every environment already made."""
    for part in ("scripts", "requirements"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".env.example", tmp_path)
    for made in (bootstrap.DEV, bootstrap.LLM_CPU):
        (tmp_path / made.folder / "bin").mkdir(parents=True)
        (tmp_path / made.folder / "bin/python").touch()
        bootstrap.write_stamp(tmp_path / made.folder, tmp_path / made.lock)
    return tmp_path


def preflight(home: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    said = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LLM_DEVICE": "cpu"}
    said |= {name: str(free_port()) for name in LISTENING}
    return subprocess.run(
        [sys.executable, "-m", "scripts.run", "--check"],
        cwd=home,
        env=said | environ,
        capture_output=True,
        text=True,
        check=False,
    )


def refusal(answer: subprocess.CompletedProcess[str]) -> str:
    """The one sentence, after the warning about the demonstration key where there is one."""
    assert answer.returncode == 2, answer.stderr
    assert "Traceback" not in answer.stderr
    sentences = [line for line in answer.stderr.splitlines() if not line.startswith("WARNING")]
    assert len(sentences) == 1, answer.stderr
    return sentences[0]


def setting(home: Path, name: str) -> str:
    lines = (home / ".env").read_text().splitlines()
    return next(line.partition("=")[2] for line in lines if line.startswith(f"{name}="))


def test_the_first_start_makes_settings_for_the_owner_alone(home: Path) -> None:
    answer = preflight(home)
    assert answer.returncode == 0, answer.stderr
    assert stat.S_IMODE((home / ".env").stat().st_mode) == 0o600
    assert setting(home, "API_KEY") == "cu_prodml_hw_week13"
    assert "demonstration key" in answer.stderr
    assert len(setting(home, "LLM_API_KEY")) >= 32


def test_two_projects_never_share_the_key_of_the_model_server(home: Path) -> None:
    preflight(home)
    first = setting(home, "LLM_API_KEY")
    (home / ".env").unlink()
    preflight(home)
    assert setting(home, "LLM_API_KEY") not in {first, "", "cu_prodml_hw_week13"}


def test_settings_that_are_there_are_never_written_again(home: Path) -> None:
    (home / ".env").write_text("API_KEY=mine\nLLM_API_KEY=ours\n")
    answer = preflight(home)
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
    assert (home / ".env").read_text() == "API_KEY=mine\nLLM_API_KEY=ours\n"


@pytest.mark.parametrize("name", LISTENING)
def test_a_taken_port_is_named(home: Path, name: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = refusal(preflight(home, **{name: port}))
    assert f"Cannot listen on 127.0.0.1:{port}" in said
    assert f"set {name} in .env" in said


def test_the_demonstration_key_is_refused_beyond_loopback(home: Path) -> None:
    assert "demonstration key" in refusal(preflight(home, HOST="0.0.0.0"))
    assert preflight(home, HOST="0.0.0.0", API_KEY="another").returncode == 0


def test_everybody_is_told_where_the_others_listen() -> None:
    said = with_addresses({"HOST": "0.0.0.0", "PORT": "8080", "UI_HOST": "::1", "API_KEY": "mine"})
    assert said["GATEWAY_URL"] == said["PROXY_URL"] == "http://127.0.0.1:8080"
    assert said["LLM_URL"] == "http://127.0.0.1:8000"
    assert said["EVIDENTLY_URL"] == "http://127.0.0.1:8502"
    assert said["OPEN_AI_API_KEY"] == "mine"
    assert with_addresses({"PROXY_URL": "http://elsewhere"})["PROXY_URL"] == "http://elsewhere"


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"PORT": "eighty"}, "PORT must be a port number, not 'eighty'."),
        ({"LLM_PORT": "70000"}, "LLM_PORT must be a port number, not '70000'."),
        ({"LLM_DEVICE": "tpu"}, "LLM_DEVICE must be auto, cpu or gpu, not 'tpu'."),
        ({"PATH": "/nonexistent"}, "vLLM asks `lscpu` for the processor's layout: install util-linux."),
    ],
)
def test_a_setting_that_cannot_work_is_one_sentence(
    home: Path, environ: dict[str, str], sentence: str
) -> None:
    assert refusal(preflight(home, **environ)) == f"run: {sentence}"


def test_a_line_that_is_no_setting_is_named_by_its_number(home: Path) -> None:
    (home / ".env").write_text("API_KEY=mine\nwhat is this\n")
    assert refusal(preflight(home)) == "run: .env line 2 is not of the form NAME=value."


def test_an_empty_model_server_key_is_refused(home: Path) -> None:
    (home / ".env").write_text("API_KEY=mine\nLLM_API_KEY=\n")
    assert "LLM_API_KEY is empty in .env" in refusal(preflight(home))


def test_every_setting_of_the_example_is_explained() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    named = [line.partition("=")[0] for line in lines if line and not line.startswith("#")]
    assert len(named) == len(set(named))
    assert {"API_KEY", "HOST", "PORT", "LLM_MODEL", "LLM_API_KEY"} <= set(named)
