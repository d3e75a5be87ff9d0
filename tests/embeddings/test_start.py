"""The process: what it loads, how soon it answers, how it ends, how it refuses to start."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import ValidationError

from embeddings.cli import main
from embeddings.loading import load
from embeddings.settings import Settings

HEAVY = (
    "torch",
    "transformers",
    "sentence_transformers",
    "onnx",
    "safetensors",
    "huggingface_hub",
    "pandas",
    "sklearn",
)


def test_serving_from_the_cache_loads_nothing_heavy(tiny_folder: Path, cache: Path, heads: Path) -> None:
    program = f"""
import sys
import embeddings.app, embeddings.cli, embeddings.loading
from embeddings.settings import Settings
settings = Settings(model={str(tiny_folder)!r}, cache={str(cache)!r}, heads={str(heads)!r})
encoder, _ = embeddings.loading.load(settings)
encoder.vectors(encoder.tokens(["a"], truncate=False))
assert len(embeddings.loading.heads(settings, encoder)) == 2
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    load(Settings(model=str(tiny_folder), cache=cache))  # writes the file
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


@contextmanager
def service(**settings: str) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, **settings, "EMBEDDINGS_PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, "-m", "embeddings", "serve"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.communicate()


def wait_until_ready(url: str) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(f"{url}/-/readyz", timeout=5)
            return
        except OSError:
            time.sleep(0.02)
    raise AssertionError("the service did not become ready")


def test_minilm_answers_within_three_seconds_of_the_start_and_stops_on_a_signal(cache: Path) -> None:
    environment = {"EMBEDDINGS_CACHE": str(cache)}
    with service(**environment) as (_, url):
        wait_until_ready(url)  # the cache is warm now, as on every start but the first
    began = time.monotonic()
    with service(**environment) as (process, url):
        wait_until_ready(url)
        body = json.dumps({"model": "all-MiniLM-L6-v2", "input": "a secret text"}).encode()
        answer = json.load(urllib.request.urlopen(f"{url}/v1/embeddings", body, timeout=10))
        seconds = time.monotonic() - began
        assert len(answer["data"][0]["embedding"]) == 384
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=10)
        assert process.returncode == 0
    assert seconds < 3.0
    assert b"secret" not in out + err
    assert [json.loads(line)["route"] for line in out.splitlines()].count("/v1/embeddings") == 1


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("EMBEDDINGS_HOST", "0.0.0.0", "EMBEDDINGS_API_KEY"),
        ("EMBEDDINGS_PORT", "x", "EMBEDDINGS_PORT"),
        ("EMBEDDINGS_PRECISION", "int4", "EMBEDDINGS_PRECISION"),
        ("EMBEDDINGS_LOG_LEVEL", "LOUD", "EMBEDDINGS_LOG_LEVEL"),
        ("EMBEDDINGS_MAX_QUEUE", "5", "EMBEDDINGS_MAX_INPUTS"),
        ("EMBEDDINGS_MODEL", "/nowhere", "EMBEDDINGS_MODEL"),
        ("EMBEDDINGS_HEADS", "/nowhere", "EMBEDDINGS_HEADS"),
    ],
)
def test_a_wrong_setting_is_one_sentence_and_exit_code_2(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    assert main(["serve"]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_beyond_loopback_a_key_is_needed_and_an_empty_variable_is_no_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EMBEDDINGS_PORT", "")
    assert Settings().port == 8081
    with pytest.raises(ValidationError):
        Settings(host="0.0.0.0", api_key="")
    assert Settings(host="0.0.0.0", api_key="k").host == "0.0.0.0"
    assert "k" not in repr(Settings(api_key="kkk").api_key).replace("SecretStr", "")
