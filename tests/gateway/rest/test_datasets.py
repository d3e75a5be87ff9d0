"""Data sets over REST: streamed in, checked, kept by version.

Over 250 lines: the pages, the form and the streamed door are one path.
"""

import asyncio
import hashlib
import io
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from gateway.adapters.database.database import Database
from gateway.adapters.database.datasets import DatabaseDatasets
from gateway.adapters.keyring import add_key
from gateway.domain import Role
from gateway.errors import NotKept
from gateway.rest import datasets as pages
from gateway.training.facts import DatasetVersion
from tests.gateway.conftest import KEY, Running
from tests.gateway.training.facts import dataset

CONTENT = b"amount,land,fraud\n" + b"1.5,de,0\n2.5,fr,1\n" * 20
TYPED = {"content-type": "text/csv"}


@pytest.fixture
async def running(start: Callable[..., Any], tmp_path: Path) -> Running:
    gateway: Running = await start(datasets_dir=tmp_path / "datasets", dataset_max_bytes=100_000)
    return gateway


async def send(
    running: Running, method: str, path: str, data: Any = None, key: str = KEY, **headers: str
) -> tuple[int, Any, Any]:
    """Status, parsed body, headers. The path goes as it is written: a client would tidy up `..`."""
    url = URL(running.url + path, encoded=True)
    told = {
        "authorization": f"Bearer {key}",
        **{name.replace("_", "-"): text for name, text in headers.items()},
    }
    body = io.BytesIO(data) if isinstance(data, bytes) else data  # aiohttp warns of large bytes
    async with running.http.request(method, url, data=body, headers=told) as answer:
        return answer.status, await answer.json() if answer.status != 204 else None, answer.headers


async def upload(
    running: Running,
    name: str = "pay",
    content: bytes = CONTENT,
    query: str = "&target=fraud",
    key: str = KEY,
) -> tuple[int, Any, Any]:
    path = f"/v1/datasets?name={name}{query}"
    return await send(running, "POST", path, content, key, content_type="text/csv")


async def seeded(folder: Path, *versions: DatasetVersion) -> None:
    """As if they had been uploaded: an upload costs a process."""
    database = Database(f"sqlite:///{folder}/store.db")
    await database.start()
    for version in versions:
        await DatabaseDatasets(database).add(version)
    await database.close()


def left(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


async def test_a_table_is_taken_and_told(running: Running, tmp_path: Path) -> None:
    status, version, headers = await upload(running)
    assert status == 201, version
    assert headers["location"] == "/v1/datasets/pay?version=1"
    assert {key: version[key] for key in ("id", "format", "bytes", "rows", "target", "duplicate_rows")} == {
        "id": "pay@1",
        "format": "csv",
        "bytes": len(CONTENT),
        "rows": 40,
        "target": "fraud",
        "duplicate_rows": 38,
    }
    assert version["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert version["dvc"] == {"state": "accepted", "hash": None, "attempts": 0, "error": None}
    assert version["columns"][2] == {
        "name": "fraud",
        "type": "integer",
        "missing": 0,
        "distinct": 2,
        "minimum": 0.0,
        "maximum": 1.0,
        "mean": 0.5,
        "deviation": pytest.approx(0.506, abs=0.001),
        "top": [[0, 20], [1, 20]],
    }
    assert "'amount' alone tells the target" in version["warnings"][0]
    assert "preview" not in version
    assert (tmp_path / "datasets/pay/1/data.csv").read_bytes() == CONTENT
    _, found, _ = await send(running, "GET", "/v1/datasets/pay")
    assert found["preview"][1] == [2.5, "fr", 1]
    assert {key: found[key] for key in version} == version


async def test_the_same_again_is_the_same_version(running: Running) -> None:
    assert (await upload(running))[0] == 201
    status, version, _ = await upload(running)
    assert (status, version["id"]) == (200, "pay@1")
    assert (await upload(running, query=""))[1]["id"] == "pay@2"  # another target
    status, version, _ = await upload(running)
    assert (status, version["id"]) == (201, "pay@3")  # the newest counts
    _, found, _ = await send(running, "GET", "/v1/datasets/pay?version=2")
    assert (found["id"], found["target"]) == ("pay@2", None)
    assert [other["version"] for other in found["versions"]] == [3, 2, 1]


@pytest.mark.parametrize(
    ("kind", "query", "content"),
    [
        ("application/json", "", b'[{"a": 1, "b": "x"}, {"a": 2}]'),
        ("application/x-ndjson", "", b'{"a": 1, "b": "x"}\n{"a": 2}\n'),
        ("application/octet-stream", "&format=jsonl", b'{"a": 1, "b": "x"}\n{"a": 2}\n'),
        ("text/csv; charset=utf-8", "", b"a,b\n1,x\n2,\n"),
        ("application/json", "&format=csv", b"a,b\n1,x\n2,\n"),
    ],
)
async def test_the_format_is_told_by_the_query_or_the_type(
    running: Running, kind: str, query: str, content: bytes
) -> None:
    path = f"/v1/datasets?name=pay{query}"
    status, _, _ = await send(running, "POST", path, content, content_type=kind)
    assert status == 201
    _, found, _ = await send(running, "GET", "/v1/datasets/pay")
    assert found["preview"] == [[1, "x"], [2, None]]


async def test_what_is_no_table_is_422_with_its_line(running: Running, tmp_path: Path) -> None:
    status, told, _ = await upload(running, content=CONTENT + b"1.5,de\n")
    assert (status, told["code"]) == (422, "invalid_dataset")
    assert told["message"].endswith("Line 42 begins a row of 2 fields, the header has 3.")
    status, told, _ = await upload(running, query="&target=nothing")
    assert (status, told["message"]) == (422, "The target is no column of the table.")
    assert left(tmp_path / "datasets") == []
    assert (await send(running, "GET", "/v1/datasets"))[1] == {
        "object": "list",
        "data": [],
        "has_more": False,
    }


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("name=..%2F..%2Fetc", "name"),
        ("name=.dvc", "name"),
        ("name=", "name"),
        ("name=Pay", "name"),
        ("name=pay&format=xlsx", "format"),
        ("name=pay", "format"),
        ("target=fraud", "name"),
    ],
)
async def test_a_wrong_question_is_400_before_the_file_is_kept(
    running: Running, query: str, field: str, tmp_path: Path
) -> None:
    kind = "application/x-www-form-urlencoded" if field == "format" else "text/csv"
    status, told, _ = await send(running, "POST", f"/v1/datasets?{query}", CONTENT, content_type=kind)
    assert (status, told["details"]) == (400, [{"field": field}])
    assert not (tmp_path / "datasets").exists()


@pytest.mark.parametrize("path", ["/v1/datasets/..%2F..%2Fetc", "/v1/datasets/%2e%2e", "/v1/datasets/none"])
async def test_names_that_are_none_are_404(running: Running, path: str) -> None:
    assert (await send(running, "GET", path))[0] == 404
    assert (await send(running, "DELETE", path))[0] == 404


async def test_one_file_uploaded_twice_at_once_is_one_version(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    running = await start(datasets_dir=tmp_path / "datasets", dataset_checks=2)
    answers = await asyncio.gather(*(upload(running) for _ in range(2)))
    assert sorted(status for status, _, _ in answers) == [200, 201]
    (number,) = {version["version"] for _, version, _ in answers}
    assert left(tmp_path / "datasets") == [f"pay/{number}/data.csv"]


async def test_a_version_that_the_store_did_not_take_leaves_no_file(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def add(self: DatabaseDatasets, version: DatasetVersion) -> DatasetVersion:
        assert left(tmp_path / "datasets") == ["pay/1/data.csv"]
        raise NotKept("The store is not available.")

    monkeypatch.setattr(DatabaseDatasets, "add", add)
    status, told, _ = await upload(running)
    assert (status, told["code"]) == (503, "store_unavailable")
    assert left(tmp_path / "datasets") == []


async def test_large_answers_are_made_beside_the_loop(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []

    def brief(version: DatasetVersion) -> dict[str, Any]:
        threads.append(threading.current_thread())
        return made(version)

    made = pages.brief_answer
    monkeypatch.setattr(pages, "brief_answer", brief)
    await seeded(tmp_path, dataset(name="pay"))
    for path in ("", "/pay"):
        assert (await send(running, "GET", f"/v1/datasets{path}"))[0] == 200
    assert len(threads) == 2
    assert threading.main_thread() not in threads


async def test_two_uploads_of_one_name_at_once_are_two_versions(running: Running, tmp_path: Path) -> None:
    contents = [CONTENT + b"7,it,%d\n" % number for number in (0, 1)]
    answers = await asyncio.gather(*(upload(running, content=content) for content in contents))
    assert [status for status, _, _ in answers] == [201, 201]
    assert {version["version"] for _, version, _ in answers} == {1, 2}
    for content, (_, version, _) in zip(contents, answers, strict=True):
        assert (tmp_path / f"datasets/pay/{version['version']}/data.csv").read_bytes() == content
    assert len(left(tmp_path / "datasets")) == 2


async def test_lists_have_pages(running: Running, tmp_path: Path) -> None:
    await seeded(tmp_path, *(dataset(name=name) for name in ("b", "a", "c")))
    _, page, _ = await send(running, "GET", "/v1/datasets?limit=2")
    assert ([one["id"] for one in page["data"]], page["has_more"]) == (["a@1", "b@1"], True)
    assert page["data"][0]["columns"][0] == {"name": "amount", "type": "number"}
    _, page, _ = await send(running, "GET", "/v1/datasets?limit=2&after=b")
    assert ([one["id"] for one in page["data"]], page["has_more"]) == (["c@1"], False)


async def test_a_version_is_deleted_and_then_the_rest(running: Running, tmp_path: Path) -> None:
    await seeded(tmp_path, dataset(name="pay"), dataset(name="pay", version=2))
    assert (await send(running, "DELETE", "/v1/datasets/pay?version=2"))[0] == 204
    assert (await send(running, "GET", "/v1/datasets/pay"))[1]["id"] == "pay@1"
    assert (await send(running, "DELETE", "/v1/datasets/pay?version=2"))[0] == 404
    assert (await send(running, "DELETE", "/v1/datasets/pay"))[0] == 204
    assert (await send(running, "GET", "/v1/datasets/pay"))[0] == 404


@pytest.mark.parametrize("role", [Role.GRADER, Role.TRAINER])
async def test_data_sets_are_for_trainers(running: Running, tmp_path: Path, role: Role) -> None:
    key = add_key(tmp_path / "keys.json", "bot", role, None)
    await asyncio.sleep(1.1)  # the key file is looked at once a second
    allowed = role is Role.TRAINER
    assert (await upload(running, key=key))[0] == (201 if allowed else 403)
    for method, path in (("GET", ""), ("GET", "/pay"), ("DELETE", "/pay")):
        status = (await send(running, method, f"/v1/datasets{path}", key=key))[0]
        assert (status == 403) is not allowed


# The door: an upload's body is not read whole.


async def raw(running: Running, head: str, *pieces: bytes, key: str = KEY) -> tuple[int, dict[str, Any]]:
    """The answer to bytes of our own; the connection stays open behind them."""
    host, port = running.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    first = f"POST /v1/datasets?name=pay HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n"
    writer.write(f"{first}content-type: text/csv\r\n{head}\r\n".encode())
    for piece in pieces:
        writer.write(piece)
    answer = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)).decode()
    length = int(answer.lower().split("content-length: ")[1].split("\r")[0])
    body = json.loads(await asyncio.wait_for(reader.readexactly(length), 30))
    writer.close()
    return int(answer.split()[1]), body


async def test_a_wrong_key_is_401_and_a_wrong_role_403_before_a_byte_of_the_body(
    running: Running, tmp_path: Path
) -> None:
    assert (await raw(running, "content-length: 50000\r\n", key="wrong"))[0] == 401
    key = add_key(tmp_path / "keys.json", "bot", Role.GRADER, None)
    await asyncio.sleep(1.1)  # as above
    status, told = await raw(running, "content-length: 50000\r\n", key=key)
    assert (status, told["code"]) == (403, "forbidden")


async def test_an_upload_that_says_it_is_too_large_is_413_unread(running: Running) -> None:
    status, told = await raw(running, "content-length: 170000\r\n")
    assert (status, told["code"]) == (413, "payload_too_large")


async def test_an_upload_is_413_as_soon_as_it_is_too_large(running: Running, tmp_path: Path) -> None:
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    status, told = await raw(running, "transfer-encoding: chunked\r\n", *[chunk] * 4)
    assert (status, told["code"]) == (413, "payload_too_large")
    assert left(tmp_path / "datasets") == []


async def test_an_encoded_upload_is_415(running: Running) -> None:
    status, told = await raw(running, "content-encoding: gzip\r\ncontent-length: 5\r\n", b"x" * 5)
    assert (status, told["code"]) == (415, "unsupported_encoding")


async def test_an_upload_that_does_not_arrive_is_408(start: Callable[..., Any], tmp_path: Path) -> None:
    running = await start(datasets_dir=tmp_path / "datasets", dataset_upload_timeout_s=0.3)
    status, told = await raw(running, "content-length: 500\r\n", b"amount")
    assert (status, told["code"]) == (408, "body_timeout")
    assert left(tmp_path / "datasets") == []


async def test_an_upload_that_falls_silent_is_408_long_before_its_time(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    running = await start(datasets_dir=tmp_path / "datasets", body_timeout_s=0.3)
    status, told = await raw(running, "content-length: 500\r\n", b"amount")
    assert (status, told["code"]) == (408, "body_timeout")
    assert left(tmp_path / "datasets") == []


async def test_a_large_upload_that_is_refused_early_is_still_answered(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    """More than the socket's buffers hold: where broken pipes come from."""
    running = await start(datasets_dir=tmp_path / "datasets", max_body_bytes=1024)
    status, told, _ = await upload(running, name="..", content=b"x" * (8 << 20))
    assert (status, told["code"]) == (400, "invalid_request")


async def test_the_limit_of_other_bodies_is_not_that_of_uploads(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    running = await start(datasets_dir=tmp_path / "datasets", max_body_bytes=1024)
    content = b"a,b\n" + b"".join(
        b"%d,%s\n" % (number, os.urandom(20).hex().encode()) for number in range(50_000)
    )
    status, version, _ = await upload(running, content=content, query="")
    assert (status, version["rows"], version["bytes"]) == (201, 50_000, len(content))
    assert (await send(running, "PUT", "/v1/datasets", b"x" * 2000))[0] == 413


async def test_a_client_who_leaves_half_way_leaves_nothing(running: Running, tmp_path: Path) -> None:
    host, port = running.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /v1/datasets?name=pay HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
    writer.write(f"{head}content-type: text/csv\r\ncontent-length: 50000\r\n\r\namount".encode())
    folder = tmp_path / "datasets"
    async with asyncio.timeout(30):
        while not left(folder):
            await asyncio.sleep(0.01)
        writer.close()
        while left(folder):
            await asyncio.sleep(0.01)
    assert (await send(running, "GET", "/v1/datasets/pay"))[0] == 404
