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


@pytest.mark.parametrize("name", ["EVIDENTLY_URL", "OTEL_EXPORTER_OTLP_ENDPOINT"])
def test_an_address_that_is_none_is_one_sentence_and_exit_code_2(name: str) -> None:
    done = run("serve", **{name: "127.0.0.1:4318"})
    told = f"setting {name}: must be http://HOST:PORT or https://HOST:PORT, with a path or none\n"
    assert (done.returncode, done.stderr) == (2, told)


ADDRESSES = [
    "nonsense",
    "ftp://x",
    "http://",
    "http://a:b",
    "http://a:70000",
    "http://a b",
    "http://a/?b",
    "//a",
]


@pytest.mark.parametrize("name", ["evidently_url", "otel_exporter_otlp_endpoint"])
def test_addresses_are_of_http(name: str) -> None:
    for address in ("", "http://127.0.0.1:8502", "https://traces.example.org/otlp", "http://[::1]:4318/"):
        assert getattr(Settings(**{name: address}), name) == address
    for address in ADDRESSES:
        with pytest.raises(ValidationError, match="must be http://"):
            Settings(**{name: address})


@pytest.mark.parametrize("name", ["llm_url", "embeddings_url"])
def test_servers_are_addresses_by_commas(name: str) -> None:
    listed = "http://127.0.0.1:8000, https://llm.example.org/v1"
    assert getattr(Settings(**{name: listed}), name) == listed
    for address in ADDRESSES:
        with pytest.raises(ValidationError, match="of several servers by commas"):
            Settings(**{name: f"http://127.0.0.1:8000,{address}"})
    assert Settings(embeddings_url="").embeddings_url == ""
    with pytest.raises(ValidationError):
        Settings(llm_url=" , ")


FLOATS = [name for name, field in Settings.model_fields.items() if field.annotation is float]


@pytest.mark.parametrize("name", FLOATS)
def test_a_number_is_finite(name: str) -> None:
    for value in ("inf", "-inf", "nan"):
        with pytest.raises(ValidationError):
            Settings(**{name: value})


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("traffic_per_s", 1000),
        ("traffic_embeddings_per_s", 1000),
        ("traffic_days", 3660),
        ("drift_every_s", 366 * 86_400),
        ("drift_window_h", 366 * 24),
    ],
)
def test_what_is_kept_and_compared_has_a_bound(name: str, most: int) -> None:
    assert getattr(Settings(**{name: most}), name) == most
    with pytest.raises(ValidationError):
        Settings(**{name: most + 1})


def test_keys_are_added_listed_and_revoked_from_the_command_line(tmp_path: Path) -> None:
    places = {"API_KEYS_FILE": str(tmp_path / "keys.json"), "DATABASE_URL": f"sqlite:///{tmp_path}/store.db"}
    added = run("keys", "add", "bot", "--role", "grader", **places)
    assert added.stdout.startswith("gg_")
    assert run("keys", "revoke", "bot", **places).returncode == 0
    listed = run("keys", "list", **places).stdout.splitlines()[1].split()
    assert (listed[0], listed[2:4]) == ("bot", ["grader", "revoked"])
    assert run("keys", "revoke", "ghost", **places).returncode == 2
