"""Model files in a folder and in S3, behind the same two classes."""

import asyncio
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from gateway.adapters import objects
from gateway.adapters.objects import S3
from gateway.adapters.weights import StoredWeights, WatchedObject
from gateway.errors import ModelUnavailable

DATA = b"onnx" * 2_000_000  # more than a part of a multipart upload
SHA256 = hashlib.sha256(DATA).hexdigest()
SECRET = "a-secret-of-s3"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield S3(f"http://{host}:{port}", "key", SECRET)
    server.stop()


@pytest.fixture
def bucket(s3: S3) -> Any:
    client = boto3.client(
        "s3",
        endpoint_url=s3.endpoint_url,
        aws_access_key_id=s3.access_key_id,
        aws_secret_access_key=SECRET,
        region_name=s3.region,
    )
    client.create_bucket(Bucket="models")
    return client


@pytest.fixture(params=["folder", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "models")
    request.getfixturevalue("bucket")
    return "s3://models/some/prefix"


async def test_weights_are_kept_and_given_back(url: str, s3: S3) -> None:
    weights = StoredWeights(url, s3)
    assert not await weights.has(SHA256)
    with pytest.raises(ModelUnavailable, match="not where they were put"):
        await weights.get(SHA256)
    await weights.put(SHA256, DATA)
    await weights.put(SHA256, DATA)
    assert await weights.has(SHA256)
    assert await weights.get(SHA256) == DATA
    await weights.delete(SHA256)
    await weights.delete(SHA256)
    assert not await weights.has(SHA256)


async def test_only_the_bytes_of_their_hash_come_and_go(
    url: str, s3: S3, tmp_path: Path, bucket: Any
) -> None:
    weights = StoredWeights(url, s3)
    with pytest.raises(ModelUnavailable, match="not the ones"):
        await weights.put(SHA256, DATA + b"!")
    assert not await weights.has(SHA256)
    await weights.put(SHA256, DATA)
    if "://" in url:
        bucket.put_object(Bucket="models", Key=f"some/prefix/{SHA256}.onnx", Body=b"other")
    else:
        (Path(url) / f"{SHA256}.onnx").write_bytes(b"other")
    with pytest.raises(ModelUnavailable, match="not the ones"):
        await weights.get(SHA256)
    await weights.delete(SHA256)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", SHA256.upper(), SHA256 + "0", "a/" + SHA256[2:]])
async def test_a_hash_that_is_none_reaches_no_place(url: str, s3: S3, name: str) -> None:
    weights = StoredWeights(url, s3)
    for ask in (weights.has, weights.get, weights.delete):
        with pytest.raises(ModelUnavailable):
            await ask(name)


async def test_a_file_that_is_too_large_is_not_read(
    url: str, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = StoredWeights(url, s3)
    await weights.put(SHA256, DATA)
    monkeypatch.setattr(objects, "MAX_BYTES", len(DATA) - 1)
    with pytest.raises(ModelUnavailable, match="larger than"):
        await weights.get(SHA256)
    await weights.delete(SHA256)


async def test_a_place_that_is_down_says_so_and_nothing_more(bucket: Any, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    down = S3("http://127.0.0.1:1", "key", SECRET)
    for weights in (StoredWeights("s3://models", down), StoredWeights(str(file), down)):
        for work in (weights.get(SHA256), weights.put(SHA256, DATA), weights.has(SHA256)):
            with pytest.raises(ModelUnavailable) as told:
                await work
            assert told.value.message == "The store of model files cannot be used."
            assert told.value.__cause__ is None
    assert SECRET not in repr(down)


_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\nETag: one\r\n"
    b"Last-Modified: Sat, 21 Nov 2026 20:00:00 GMT\r\n\r\n"
)


@pytest.mark.parametrize("said", [b"", _HEAD, _HEAD + b"onnx" * 100], ids=["nothing", "head", "part"])
async def test_a_store_that_falls_silent_is_given_up(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "_ASK_S", 0.3)
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        await over.wait()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with asyncio.timeout(30):
            with pytest.raises(ModelUnavailable, match="cannot be used"):
                await StoredWeights("s3://models", S3(f"http://127.0.0.1:{port}", "key", SECRET)).get(SHA256)
        over.set()


async def test_a_folder_that_hangs_is_given_up_and_takes_no_thread_of_others(
    tmp_path: Path, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one on a file server that is gone."""
    over, began = threading.Event(), []

    def hangs(*_: object) -> None:
        began.append(threading.current_thread())
        over.wait()

    monkeypatch.setattr(objects, "_read", hangs)
    monkeypatch.setattr(objects, "_CARRY_S", 0.2)
    weights = StoredWeights(str(tmp_path), s3)
    others = ThreadPoolExecutor(1)
    asyncio.get_running_loop().set_default_executor(others)
    try:
        async with asyncio.timeout(30):
            asked = [weights.get(SHA256) for _ in range(20)]
            outcomes = await asyncio.gather(*asked, return_exceptions=True)
            assert await asyncio.to_thread(threading.current_thread) not in began
        assert all(isinstance(one, ModelUnavailable) for one in outcomes)
        assert 0 < len(began) <= 4
        assert all(thread.daemon for thread in began)  # the process ends without them
    finally:
        over.set()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
async def test_what_is_no_file_is_refused_and_not_waited_for(
    tmp_path: Path, s3: S3, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "fraud.onnx")
    watched = WatchedObject(str(tmp_path / "fraud.onnx"), s3)
    for ask in (watched.head, watched.get):
        with pytest.raises(ModelUnavailable, match="cannot be used"):
            await asyncio.wait_for(ask(), 5)


async def test_a_put_without_a_bucket_fails(s3: S3) -> None:
    with pytest.raises(ModelUnavailable):
        await StoredWeights("s3://no-such-bucket", s3).put(SHA256, DATA)


async def test_http_is_spoken_only_where_the_endpoint_says_so(s3: S3) -> None:
    with pytest.raises(ModelUnavailable):
        await StoredWeights("s3://models", S3(s3.endpoint_url.replace("http", "https"), "key", SECRET)).has(
            SHA256
        )


async def test_a_put_that_fails_leaves_nothing_behind(
    tmp_path: Path, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ModelUnavailable):
        await StoredWeights(str(tmp_path), s3).put(SHA256, DATA)
    assert os.listdir(tmp_path) == []  # noqa: PTH208


async def test_a_replaced_object_has_another_stamp(url: str, s3: S3, bucket: Any) -> None:
    def write(body: bytes) -> None:
        if "://" in url:
            bucket.put_object(Bucket="models", Key="some/prefix/fraud.onnx", Body=body)
        else:
            Path(url).mkdir(exist_ok=True)
            (Path(url) / "new").write_bytes(body)
            (Path(url) / "new").replace(Path(url) / "fraud.onnx")

    watched = WatchedObject(f"{url}/fraud.onnx", s3)
    assert await watched.head() is None
    assert await watched.get() is None
    write(b"one")
    first = await watched.head()
    assert first is not None
    assert await watched.get() == (b"one", first)
    assert await watched.head() == first
    write(b"two")
    second = await watched.head()
    assert second not in (None, first)
    assert await watched.get() == (b"two", second)


@pytest.mark.parametrize(
    "url", ["", "s3://", "s3://models", "s3://models/", "https://host/file.onnx", "s3://UPPER/key", "a/"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        WatchedObject(url, S3())
