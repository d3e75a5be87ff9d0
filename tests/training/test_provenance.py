"""The hash of the data is DVC's own."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from embeddings.training import provenance


def dvc(home: Path, *command: str) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "dvc", *command], cwd=home, capture_output=True, text=True, timeout=100
    )
    assert told.returncode == 0, told.stderr


def test_a_folders_hash_is_what_dvc_calls_it_and_is_found_in_its_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "global"))
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    home = tmp_path / "home"
    (home / "made/deep").mkdir(parents=True)
    (home / "made/я.jsonl").write_text("да\n", encoding="utf-8")
    (home / "made/deep/b.csv").write_text("1\n")
    stages = {"prepare-tiny": {"cmd": "mkdir -p out && cp -r made/. out", "outs": ["out"]}}
    (home / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    dvc(home, "init", "--no-scm", "--quiet")
    dvc(home, "repro", "--quiet")
    found = provenance.data_hash("tiny", home / "out", home / "dvc.lock")
    assert found == provenance.locked_hash(home / "dvc.lock", "prepare-tiny")
    assert not caplog.records
    (home / "out/deep").chmod(0o755)
    (home / "out/new").write_text("more")
    assert provenance.data_hash("tiny", home / "out", home / "dvc.lock") != found
    assert "dvc.lock names other data" in caplog.text


def test_without_a_lock_there_is_no_locked_hash(tmp_path: Path) -> None:
    assert provenance.locked_hash(tmp_path / "dvc.lock", "prepare-tiny") is None
