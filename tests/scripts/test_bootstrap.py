"""Environments are made once, and again when half made or when their lock has changed. uv is a fake here."""

import os
from pathlib import Path

import pytest

from scripts import bootstrap

FAKE_UV = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/calls"
case "$1" in venv) for last; do :; done; mkdir -p "$last/bin" && touch "$last/bin/python" ;; esac
[ ! -e "$(dirname "$0")/fail-$1" ]
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project root with a lock and a uv that only notes how it was called."""
    (tmp_path / "requirements").mkdir()
    for name in ("dev", "llm-cpu", "llm-gpu", "llm-train"):
        (tmp_path / f"requirements/{name}.txt").write_text("one==1\n")
    uv = tmp_path / "uv"
    uv.write_text(FAKE_UV)
    uv.chmod(0o755)
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "install_uv", lambda: uv)
    monkeypatch.setattr(bootstrap, "torch_source", lambda: ["--torch-backend", "cpu"])
    monkeypatch.setenv("LLM_DEVICE", "cpu")
    return tmp_path


def calls(home: Path) -> list[str]:
    noted = home / "calls"
    return noted.read_text().splitlines() if noted.exists() else []


def test_what_is_made_is_not_made_again(home: Path) -> None:
    bootstrap.make(["dev"])
    first = calls(home)
    bootstrap.make(["dev"])
    assert len(first) == 2
    assert calls(home) == first


def test_everything_is_installed_by_hash(home: Path) -> None:
    bootstrap.make(["dev", "llm", "llm-train"])
    installs = [call for call in calls(home) if call.startswith("pip install")]
    assert len(installs) == 3
    assert all("--require-hashes" in call for call in installs)
    assert ["--torch-backend cpu" in call for call in installs] == [False, True, True]


def test_a_changed_lock_makes_the_environment_anew(home: Path) -> None:
    bootstrap.make(["dev"])
    (home / ".venv/left-over").touch()
    (home / "requirements/dev.txt").write_text("one==2\n")
    bootstrap.make(["dev"])
    assert len(calls(home)) == 4
    assert not (home / ".venv/left-over").exists()


def test_a_half_made_environment_is_made_again(home: Path) -> None:
    (home / "fail-pip").touch()
    with pytest.raises(bootstrap.Refusal, match=r"\.venv could not be made"):
        bootstrap.make(["dev"])
    (home / "fail-pip").unlink()
    bootstrap.make(["dev"])
    assert len(calls(home)) == 4


def test_an_environment_whose_interpreter_has_gone_is_made_again(home: Path) -> None:
    bootstrap.make(["dev"])
    (home / ".venv/bin/python").unlink()
    (home / ".venv/bin/python").symlink_to(home / "gone")
    bootstrap.make(["dev"])
    assert len(calls(home)) == 4


def test_the_device_decides_which_vllm_is_installed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bootstrap.environment("llm").lock == "requirements/llm-cpu.txt"
    monkeypatch.setenv("LLM_DEVICE", "gpu")
    assert bootstrap.environment("llm").lock == "requirements/llm-gpu.txt"
    monkeypatch.setenv("LLM_DEVICE", "tpu")
    with pytest.raises(bootstrap.Refusal, match="auto, cpu or gpu"):
        bootstrap.environment("llm")


@pytest.mark.parametrize(
    ("answer", "gpu"), [("echo 'GPU 0: NVIDIA L4'", True), ("echo 'no devices'", False), ("exit 9", False)]
)
def test_auto_believes_nvidia_smi(
    answer: str, gpu: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smi = tmp_path / "nvidia-smi"
    smi.write_text(f"#!/bin/sh\n{answer}\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("LLM_DEVICE", "auto")
    assert bootstrap.has_gpu() is gpu


def test_too_little_disk_is_refused_before_anything_is_fetched(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "free_gib", lambda: 1.25)
    monkeypatch.setattr(bootstrap.sys, "argv", ["bootstrap", "dev", "llm"])
    assert bootstrap.main() == 2
    said = capsys.readouterr().err
    assert said == "bootstrap: Too little disk: 7 GB are needed to install, 1.2 GB are free.\n"
    assert calls(home) == []


def test_torch_comes_from_the_folder_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_WHEELS", str(tmp_path))
    with pytest.raises(bootstrap.Refusal, match="no CPU build of torch"):
        bootstrap.torch_source()
    (tmp_path / "torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl").touch()
    assert bootstrap.torch_source() == ["--find-links", str(tmp_path)]


def test_torch_comes_from_the_index_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_WHEELS", "https://wheels.example/cpu")
    assert bootstrap.torch_source()[:2] == ["--index", "https://wheels.example/cpu"]


def test_torch_comes_from_the_folder_that_pip_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCH_WHEELS", raising=False)
    monkeypatch.setattr(bootstrap, "folders_pip_knows", lambda: ["/nowhere", str(tmp_path)])
    assert bootstrap.torch_source() == ["--torch-backend", "cpu"]
    (tmp_path / "torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl").touch()
    assert bootstrap.torch_source() == ["--find-links", str(tmp_path)]
