"""Planted personal data is searched for in everything that leaves the gateway.

What leaves is found by walking, not by a list of known places: every byte that the servers behind were sent,
every file in the folder that the gateway runs in (store, journals, dumps, temporary files; what it writes
elsewhere fails a test), all output of its processes, all pages. Traces, experiment trackers and drift reports
of live traffic do not exist yet: what they write there is searched from their first day, and a server that
they send to gets a recorder in leaks/stage.py. The masking is the real one; the servers behind are recorders,
for a real model server shows no more of it (test_real_vllm.py).
"""

import base64
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.domain import KINDS
from tests.e2e.leaks.asks import CHAT, ESSAY, GRADE, Ask, bytes_of, said
from tests.e2e.leaks.canaries import PROSE, Canary, found_in
from tests.e2e.leaks.life import Left, lived, load
from tests.e2e.leaks.stage import PLACEHOLDER, Gateway, Servers, environment, files, until

pytestmark = pytest.mark.timeout(240)

PLACES = (
    *("model server", "embeddings service", "output", "store", "other files", "pages", "processes", "errors"),
    *("the caller, later", "overseers", "strangers"),
)


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Left:
    servers = Servers()
    servers.artefact = ESSAY
    return lived(tmp_path_factory.mktemp("leaks"), servers)


@pytest.mark.parametrize(
    "written",
    [
        "пишет Вержбицкая".encode(),
        "ВЕРЖБИЦКАЯ".encode(),
        "Вержбицкой".encode("utf-16-le"),
        "Вержбицкой".encode("cp1251"),
        b"?q=%D0%92%D0%B5%D1%80%D0%B6%D0%B1%D0%B8%D1%86%D0%BA%D0%B0%D1%8F",
        json.dumps({"arguments": json.dumps({"who": "Вержбицкая"})}).encode(),
        *(base64.b64encode(b"x" * before + " Вержбицкая!".encode()) for before in range(3)),
        "Вержбицкая".encode().hex().encode(),
        b"tel. +7 (912) 480-37-15",
        b'"phone": 79124803715',
    ],
    ids=[
        "UTF-8",
        "capitals",
        "UTF-16",
        "CP1251",
        "percent",
        "escaped twice",
        *"012",
        "hex",
        "number",
        "digits",
    ],
)
def test_the_search_knows_every_writing(written: bytes) -> None:
    canaries = [Canary("a name", ("вержбицк",)), Canary("a number", ("9124803715",))]
    assert len(found_in(b"\x00 {" + written + b"}", canaries)) == 1


def test_every_kind_is_planted() -> None:
    assert {one.kind for one in PROSE} == KINDS


def test_every_request_went_where_it_was_meant_to(left: Left) -> None:
    assert len(left.answers) == len(left.traffic.asks)
    got = {ask: int(left.answers[ask.label].split(b" ", 2)[1]) for ask in left.traffic.asks}
    wrong = [f"{ask.label}: {status} for {ask.status}" for ask, status in got.items() if status != ask.status]
    assert not wrong, wrong


@pytest.mark.parametrize("place", PLACES)
def test_nothing_personal_is_in(left: Left, place: str) -> None:
    assert any(text for name, text in left.places.items() if name.partition(":")[0] == place)
    leaks = left.leaks(place)
    assert not leaks, leaks


def test_what_was_seen_of_it_is_in_the_places_that_are_searched(left: Left) -> None:
    assert {name.partition(":")[0] for name in left.places} == set(PLACES)


def test_the_caller_alone_gets_his_own_words_back(left: Left) -> None:
    [choice] = json.loads(left.answers["chat"].rpartition(b"\r\n\r\n")[2])["choices"]
    assert [one.label for one in PROSE if one.label not in choice["message"]["content"]] == []
    masked = left.answers["chat without un-masking"]
    assert found_in(masked, left.traffic.canaries) == []
    assert PLACEHOLDER.search(masked.decode())


def test_an_equal_answer_of_somebody_else_comes_back_with_ones_own_name(left: Left) -> None:
    """Masked they are one submission, and the model is asked once for both."""
    comments = {key: _answer(answer)["comments"] for key, answer in left.namesakes.items()}
    assert comments == {"one": "Аделаида", "other": "Евстафия"}
    assert _answer(left.namesakes["other"])["cached"]


def _answer(raw: bytes) -> dict[str, object]:
    body: dict[str, object] = json.loads(raw.rpartition(b"\r\n\r\n")[2])
    return body


def test_its_processes_may_dump_no_memory_and_write_nowhere_else(left: Left) -> None:
    assert len(left.limits) == 2
    for limits in left.limits.values():
        [line] = (line for line in limits.splitlines() if line.startswith("Max core file size"))
        assert line.split()[4:6] == ["0", "0"]
    assert left.elsewhere == []


def test_a_stop_under_load_is_clean(left: Left) -> None:
    assert left.exit_code == 0


def test_a_gateway_that_is_aborted_under_load_leaves_nobodys_words(tmp_path: Path) -> None:
    folder = tmp_path / "gateway"
    gateway = Gateway(folder, Servers())
    workers = gateway.family()[1:]
    assert workers
    try:
        with load(gateway):
            gateway.process.send_signal(signal.SIGABRT)
            assert gateway.process.wait(10) == -signal.SIGABRT
        until(lambda: not any(worker.is_running() for worker in workers), 5)
    finally:
        gateway.end()
    found = files(folder)
    assert b"Fatal Python error: Aborted" in found["output.log"]
    assert [name for name in found if "core" in name] == []
    assert {name: seen for name, text in found.items() if (seen := found_in(text, PROSE))} == {}


def test_with_masking_off_the_same_search_finds_what_left(tmp_path: Path) -> None:
    servers = Servers()
    folder = tmp_path / "gateway"
    gateway = Gateway(folder, servers, MASK_PERSONAL_DATA="false")
    bodies = [(CHAT, said(ESSAY)), (GRADE, {"submission": ESSAY})]
    try:
        for path, body in bodies:
            ask = Ask("unmasked", "POST", path, json.dumps(body).encode(), 200)
            assert gateway.exchange(bytes_of(ask, gateway.keys)).startswith(b"HTTP/1.1 200")
    finally:
        gateway.end()
    found = files(folder)
    everybody = [one.label for one in PROSE if one.pieces]
    assert found_in(bytes(servers.model.sent), PROSE) == everybody
    assert (
        found_in(b"".join(text for name, text in found.items() if name.startswith("store.db")), PROSE)
        == everybody
    )
    assert found_in(found["output.log"], PROSE) == []


def test_a_file_graded_from_the_command_line_is_told_to_its_answers_only(tmp_path: Path) -> None:
    servers = Servers()
    folder, given, out = tmp_path / "gateway", tmp_path / "given.jsonl", tmp_path / "out.jsonl"
    good = {"id": "1", "submission": ESSAY, "question": "Вержбицкая?"}
    rows = [good, {"id": "2", "submission": ESSAY, "Ashworth": ESSAY}]
    given.write_text("\n".join(map(json.dumps, rows)))
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "grade", given, "--out", out], cwd=folder,
        env=environment(folder, servers), capture_output=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr  # the second row has no answer
    assert "Вержбицкая" in out.read_text()
    given.unlink()
    out.unlink()
    found = {**files(tmp_path), "output": done.stdout + done.stderr, "model": bytes(servers.model.sent)}
    found.pop("gateway.toml")  # the deny list itself
    assert "gateway/store.db" in found
    assert {name: seen for name, text in found.items() if (seen := found_in(text, PROSE))} == {}
