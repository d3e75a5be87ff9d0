"""Newer models take the place of older ones: champions, and the files of the fraud pair."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from gateway.adapters.model_watch import UP, ChampionWatch, FraudModel
from gateway.adapters.objects import S3
from gateway.adapters.onnx_models import OnnxPredictor
from gateway.errors import ModelUnavailable
from tests.gateway.trained import MemoryShelf, MemoryWeights, content, sha256, version_of

POLL_S = 0.01


@pytest.fixture
def threads() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(POLL_S)


async def test_a_champion_is_served_when_it_is_loaded_and_not_before(threads: Executor) -> None:
    one, two = (version_of(f"constant-{n}", threads, number=n) for n in (1, 2))
    shelf, weights = MemoryShelf(one), MemoryWeights("constant-1", "constant-2")
    watch = ChampionWatch(shelf, OnnxPredictor(weights, 4, threads), 60.0)
    await watch.look()
    assert watch.get("payments") == one
    shelf.put(two)
    weights.held.clear()
    looking = asyncio.create_task(watch.look())
    await until(lambda: sha256("constant-2") in weights.asked)
    assert watch.get("payments") == one
    weights.held.set()
    await looking
    assert watch.get("payments") == two
    assert [(one.name, one.version, one.ready) for one in watch.served_models()] == [("payments", "2", True)]
    await shelf.delete("payments", None)
    await watch.look()
    assert (watch.get("payments"), watch.all(), watch.served_models()) == (None, [], [])


async def test_a_champion_that_cannot_be_loaded_leaves_the_old_one(threads: Executor) -> None:
    one, two = (version_of(f"constant-{n}", threads, number=n) for n in (1, 2))
    shelf, weights = MemoryShelf(one), MemoryWeights("constant-1")
    watch = ChampionWatch(shelf, OnnxPredictor(weights, 4, threads), 60.0)
    await watch.look()
    shelf.put(two)
    shelf.put(replace(two, name="cards"))
    await watch.look()
    assert watch.get("payments") == one
    assert watch.get("cards") is None
    assert watch.unavailable() == {"payments", "cards"}
    assert [(one.name, one.version, one.ready) for one in watch.served_models()] == [
        ("cards", "2", False),
        ("payments", "1", True),
    ]


async def test_the_last_champions_are_served_while_the_store_is_down(threads: Executor) -> None:
    one = version_of("constant-1", threads)
    shelf = MemoryShelf(one)
    watch = ChampionWatch(shelf, OnnxPredictor(MemoryWeights("constant-1"), 4, threads), POLL_S)
    watch.start()
    await until(watch.all)
    shelf.down = True
    await watch.look()
    assert watch.all() == [one]
    shelf.down = False
    await shelf.delete("payments", None)
    await until(lambda: not watch.all())
    await watch.close()


async def test_waking_looks_at_once(threads: Executor) -> None:
    shelf = MemoryShelf()
    watch = ChampionWatch(shelf, OnnxPredictor(MemoryWeights("constant-1"), 4, threads), 3600.0)
    watch.start()
    await asyncio.sleep(0)
    shelf.put(version_of("constant-1", threads))
    watch.wake()
    await until(watch.all)
    await watch.close()


@pytest.fixture(params=["folder", "s3"])
async def lies(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[str, S3, Any]]:
    """An address, how it is reached, and what writes or deletes there."""
    if request.param == "folder":
        file = tmp_path / "fraud.onnx"

        def write(body: bytes | None) -> None:
            if body is None:
                file.unlink()
            else:
                (tmp_path / "new").write_bytes(body)
                (tmp_path / "new").replace(file)

        yield str(file), S3(), write
        return
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    s3 = S3(f"http://{host}:{port}", "key", "secret")
    client = boto3.client(
        "s3",
        endpoint_url=s3.endpoint_url,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name=s3.region,
    )
    client.create_bucket(Bucket="models")

    def put(body: bytes | None) -> None:
        if body is None:
            client.delete_object(Bucket="models", Key="new/fraud.onnx")
        else:
            client.put_object(Bucket="models", Key="new/fraud.onnx", Body=body)

    yield "s3://models/new/fraud.onnx", s3, put
    await asyncio.to_thread(server.stop)


async def test_a_file_that_is_replaced_is_served_without_a_restart(
    lies: tuple[str, S3, Any], threads: Executor, caplog: pytest.LogCaptureFixture
) -> None:
    url, s3, write = lies
    model = FraudModel(url, s3, range(2), POLL_S, threads)
    with pytest.raises(ModelUnavailable):
        model.current()
    model.start()
    await until(lambda: model.state == "there is no file")
    await asyncio.to_thread(write, content("fraud"))
    await until(lambda: model.state == UP)
    old = model.current()
    assert old.sha256 == sha256("fraud")
    await asyncio.to_thread(write, content("fraud-2"))
    await until(lambda: model.current().sha256 == sha256("fraud-2"))
    assert (await old.predict([(100.0, 1)]))[0].probabilities["1"] == pytest.approx(0.731059, abs=1e-6)
    assert (await model.current().predict([(100.0, 1)]))[0].probabilities["1"] > 0.88
    for broken, why in (
        (b"not a model", "The model file cannot be loaded."),
        (content("scenario"), "The model file answers with other labels."),
        (None, "there is no file"),
    ):
        await asyncio.to_thread(write, broken)
        await until(lambda why=why: model.state == why)
        assert model.current().sha256 == sha256("fraud-2")
    await asyncio.to_thread(write, content("fraud"))
    await until(lambda: model.state == UP and model.current().sha256 == sha256("fraud"))
    await model.close()
    told = [record.getMessage() for record in caplog.records if "fraud pair" in record.getMessage()]
    assert len(told) == 4  # once each, however often it was looked at


async def test_a_place_that_is_down_leaves_the_model(
    threads: Executor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "fraud.onnx"
    file.write_bytes(content("fraud"))
    model = FraudModel(str(file), S3(), range(2), 60.0, threads)
    await model.look()
    assert model.state == UP

    def fails(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("gateway.adapters.objects._file_stamp", fails)
    await model.look()
    assert model.state == "The store of model files cannot be used."
    assert model.current().sha256 == sha256("fraud")
    monkeypatch.undo()
    await model.look()
    assert model.state == UP
