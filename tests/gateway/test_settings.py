import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.settings import COURSE_KEY, Settings


def test_the_demonstration_key_is_for_loopback_only() -> None:
    Settings(api_key=COURSE_KEY, host="127.0.0.1")
    Settings(api_key="another", host="0.0.0.0")
    Settings(api_key=COURSE_KEY, host="0.0.0.0", allow_demo_key=True)
    with pytest.raises(ValidationError, match="demonstration key"):
        Settings(api_key=COURSE_KEY, host="0.0.0.0")


def test_secrets_are_not_shown() -> None:
    assert "hidden" not in repr(Settings(api_key="hidden", llm_api_key="hidden", metrics_key="hidden"))


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_a_wrong_setting_is_one_sentence_and_exit_code_2() -> None:
    done = run("serve", PORT="many")
    assert done.returncode == 2
    assert done.stderr.startswith("setting PORT: ")
    assert "Traceback" not in done.stderr


def test_keys_are_added_listed_and_revoked_from_the_command_line(tmp_path: Path) -> None:
    file = str(tmp_path / "keys.json")
    added = run("keys", "add", "bot", "--role", "grader", API_KEYS_FILE=file)
    assert added.stdout.startswith("gg_")
    assert run("keys", "revoke", "bot", API_KEYS_FILE=file).returncode == 0
    assert run("keys", "list", API_KEYS_FILE=file).stdout == "bot\tgrader\trevoked\n"
    assert run("keys", "revoke", "ghost", API_KEYS_FILE=file).returncode == 2
