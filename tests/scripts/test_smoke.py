"""`make smoke` against a gateway that is well, one that lies, one that is slow, and none."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scripts.deployed import Absent, Instance, Wrong
from scripts.smoke_checks import CHECKS
from tests.e2e.conftest import free_port
from tests.load.conftest import KEY, Deployed
from tests.scripts.tampering import tampering

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.timeout(180)
Done = subprocess.CompletedProcess[str]


def smoked(url: str, *arguments: str, key: str = KEY) -> Done:
    """As `make smoke` does, with a Python of the system's: nothing of ours is installed there."""
    command = [sys.executable, "-S", "-m", "scripts.smoke", "--url", url, *arguments]
    environment = {**os.environ, "AUTH_TOKEN": key}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)


def outcomes(done: Done) -> dict[str, str]:
    return {line.split()[1]: line.split()[0] for line in done.stdout.splitlines()[:-1]}


def test_a_gateway_that_is_well_passes(deployed: Deployed) -> None:
    done = smoked(deployed.url)
    assert done.returncode == 0, done.stdout + done.stderr
    found = outcomes(done)
    assert list(found) == list(CHECKS)
    # A bare Python has no gRPC, and this deployment no fraud model.
    assert [name for name, word in found.items() if word != "ok"] == ["fraud", "rpc"]
    assert set(found.values()) == {"ok", "absent"}
    assert done.stdout.splitlines()[-1].startswith("PASSED in ")


def test_what_is_absent_fails_where_it_is_required(deployed: Deployed) -> None:
    done = smoked(deployed.url, "--require", "fraud", "--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert told["ok"] is False
    assert [one["check"] for one in told["checks"] if one["outcome"] == "failed"] == ["fraud"]
    assert all(isinstance(one["ms"], int) for one in told["checks"])


def test_a_wrong_key_fails_and_no_key_is_printed(deployed: Deployed) -> None:
    done = smoked(deployed.url, key="gg_not-the-key")
    assert done.returncode == 1
    found = outcomes(done)
    assert (found["health"], found["no-key"], found["chat"]) == ("ok", "ok", "failed")
    assert "code 'invalid_api_key'" in done.stdout
    assert "gg_not-the-key" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "key", "why"),
    [(("--url", "localhost:38300"), KEY, "http://"), ((), "", "AUTH_TOKEN is empty")],
)
def test_what_cannot_be_asked_is_one_sentence_and_2(arguments: tuple[str, ...], key: str, why: str) -> None:
    done = smoked("http://127.0.0.1:1", *arguments, key=key)
    assert done.returncode == 2
    assert why in done.stderr.splitlines()[-1]


def test_where_nobody_listens_every_check_fails_at_once() -> None:
    done = smoked(f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert {name for name, word in outcomes(done).items() if word != "failed"} == {"rpc"}
    assert "no answer: ConnectionRefusedError" in done.stdout


def test_a_gateway_that_comes_later_is_waited_for(deployed: Deployed) -> None:
    port, done = free_port(), list[Done]()
    asking = threading.Thread(
        target=lambda: done.append(smoked(f"http://127.0.0.1:{port}", "--wait", "60")), daemon=True
    )
    asking.start()
    time.sleep(1.5)  # the first look finds nobody
    with tampering(deployed.url, lambda _, status, body: (status, body), port=port):
        asking.join(110)
    assert done
    assert done[0].returncode == 0, done[0].stdout + done[0].stderr


def test_a_model_that_sleeps_is_asked_until_it_is_awake(deployed: Deployed) -> None:
    left = [503, 503]

    def asleep(path: str, status: int, body: bytes) -> tuple[int, bytes]:
        return (left.pop() if path == CHAT and status == 200 and left else status), body

    with tampering(deployed.url, asleep) as url:
        done = smoked(url, "--wait", "60")
    assert done.returncode == 0, done.stdout
    assert left == []


def test_what_waiting_cannot_mend_is_not_waited_for(deployed: Deployed) -> None:
    done = smoked(deployed.url, "--wait", "90", "--json", key="gg_not-the-key")
    assert done.returncode == 1
    assert json.loads(done.stdout)["seconds"] < 60


@contextmanager
def trickling() -> Iterator[str]:
    """A server that begins an answer and sends a header's byte now and then, for ever."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=trickle, args=(connection,), daemon=True).start()

        def trickle(connection: socket.socket) -> None:
            with connection:
                try:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
                    while not over.wait(0.2):
                        connection.sendall(b"y")
                except OSError:
                    return  # it went

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            over.set()


def test_a_server_that_never_ends_its_answer_is_left_in_time() -> None:
    with trickling() as url:
        done = smoked(url, "--within", "2", "--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert told["seconds"] < 30  # sixteen checks, and no end of any of them
    assert "no whole answer in time" in {one["why"] for one in told["checks"]}


def edited(path: str, edit: Callable[[Any], object]) -> Callable[[str, int, bytes], tuple[int, bytes]]:
    """Changes the JSON answers of one path."""

    def change(asked: str, status: int, body: bytes) -> tuple[int, bytes]:
        if asked != path or not body.startswith(b"{"):
            return status, body
        answer = json.loads(body)
        edit(answer)
        return status, json.dumps(answer).encode()

    return change


def replaced(path: str, old: bytes, new: bytes) -> Callable[[str, int, bytes], tuple[int, bytes]]:
    return lambda asked, status, body: (status, body.replace(old, new) if asked == path else body)


def opened(path: str) -> Callable[[str, int, bytes], tuple[int, bytes]]:
    """Lets everybody in there."""
    return lambda asked, status, body: (200 if asked == path and status == 401 else status, body)


CHAT, MODELS = "/v1/chat/completions", "/v1/models"
LLM, EMBEDDING = "/v1/models/grader-llm:predict", "/v1/models/grader-embedding:predict"


def forgets_the_chat_model(told: Any) -> None:
    told["data"] = [row for row in told.get("data", []) if row["output"] != "text"]


LIES: list[tuple[str, Callable[[str, int, bytes], tuple[int, bytes]]]] = [
    ("ready", lambda path, status, body: (503 if path == "/-/readyz" else status, body)),
    ("no-key", opened(CHAT)),
    ("wrong-key", opened(MODELS)),
    ("wrong-key", edited(MODELS, lambda told: told.update(error="no"))),
    ("models", edited(MODELS, lambda told: told["models"].pop())),
    ("malformed", lambda path, status, body: (500 if status == 400 else status, body)),
    ("chat", edited(CHAT, lambda told: told.get("choices", [{}])[0].update(message={"role": "assistant"}))),
    ("chat", edited(CHAT, lambda told: told.get("usage", {}).update(total_tokens=1))),
    ("chat", edited(MODELS, forgets_the_chat_model)),
    ("stream", edited(MODELS, forgets_the_chat_model)),
    ("stream", replaced(CHAT, b"data: [DONE]\n\n", b"")),
    ("stream", replaced(CHAT, b'"stop"', b"null")),
    (
        "stream",
        replaced(CHAT, b"data: [DONE]", b'data: {"error": {"code": "backend_error"}}\n\ndata: [DONE]'),
    ),
    ("grade", edited(LLM, lambda told: told.update(score=7))),
    ("grade", edited(LLM, lambda told: told["details"]["criteria"][0].update(points=0.5))),
    ("grade", edited(LLM, lambda told: told.update(grader="grader-embedding"))),
    ("grade", edited(LLM, lambda told: told.update(needs_review=not told["needs_review"]))),
    ("grade", edited(LLM, lambda told: told.update(confidence=1.5))),
    ("comparison", edited(EMBEDDING, lambda told: told.update(cached=True))),
    ("embeddings", edited("/v1/embeddings", lambda told: told["data"].pop())),
    (
        "classifier",
        edited("/v1/models/spam:predict", lambda told: told["predictions"][0].update(label="other")),
    ),
    (
        "masking",
        edited("/v1/mask", lambda told: told.update(masked="tomorrow: " + "maria.ivanova@example.org")),
    ),
    ("v2", edited("/v2/health/ready", lambda told: told.update(ready=False))),
]


@pytest.mark.parametrize(("check", "lie"), LIES, ids=[f"{n}-{name}" for n, (name, _) in enumerate(LIES)])
def test_an_answer_that_is_not_what_it_should_be_fails_its_check(
    check: str, lie: Callable[[str, int, bytes], tuple[int, bytes]], deployed: Deployed
) -> None:
    CHECKS[check](Instance(deployed.url, KEY, ""))
    with tampering(deployed.url, lie) as url, pytest.raises((Wrong, KeyError)):
        CHECKS[check](Instance(url, KEY, ""))


def test_the_grpc_door_is_asked_where_it_is_told(deployed: Deployed) -> None:
    assert CHECKS["rpc"](Instance(deployed.url, KEY, deployed.rpc)) == "SERVING"
    with pytest.raises(Wrong, match="UNAVAILABLE"):
        CHECKS["rpc"](Instance(deployed.url, KEY, f"127.0.0.1:{free_port()}"))
    with pytest.raises(Absent):
        CHECKS["rpc"](Instance(deployed.url, KEY, ""))


def test_a_fraud_model_is_asked_where_there_is_one(deployed: Deployed) -> None:
    answer = json.dumps({"fraud": 0, "probability": 0.02, "model_version": "0123456789ab"}).encode()
    with tampering(deployed.url, lambda p, s, b: (200, answer) if p == "/predict" else (s, b)) as url:
        assert CHECKS["fraud"](Instance(url, KEY, "")) == "version 0123456789ab"
    impossible = answer.replace(b"0.02", b"2.0")
    with tampering(deployed.url, lambda p, s, b: (200, impossible)) as url, pytest.raises(Wrong):
        CHECKS["fraud"](Instance(url, KEY, ""))
