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

from gateway.adapters import model_watch
from gateway.adapters.model_watch import UP, ChampionWatch, FraudModel, PairFeatures
from gateway.adapters.objects import S3
from gateway.adapters.onnx_models import OnnxPredictor
from gateway.errors import ModelUnavailable
from tests.gateway.trained import MemoryShelf, MemoryWeights, content, sha256, version_of

POLL_S = 0.01
ROOM = 1 << 20  # bytes: more than all files


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
    watch = ChampionWatch(shelf, OnnxPredictor(weights, 4, ROOM, threads), 60.0)
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
    watch = ChampionWatch(shelf, OnnxPredictor(weights, 4, ROOM, threads), 60.0)
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
    watch = ChampionWatch(shelf, OnnxPredictor(MemoryWeights("constant-1"), 4, ROOM, threads), POLL_S)
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
    watch = ChampionWatch(shelf, OnnxPredictor(MemoryWeights("constant-1"), 4, ROOM, threads), 3600.0)
    watch.start()
    await asyncio.sleep(0)
    shelf.put(version_of("constant-1", threads))
    watch.wake()
    await until(watch.all)
    await watch.close()


async def test_a_listing_names_a_champion_that_the_last_look_did_not_know(threads: Executor) -> None:
    shelf = MemoryShelf()
    watch = ChampionWatch(shelf, OnnxPredictor(MemoryWeights("constant-1"), 4, ROOM, threads), 3600.0)
    watch.start()
    await asyncio.sleep(0)
    shelf.put(version_of("constant-1", threads))
    await watch.note_newer()
    assert [(one.name, one.ready) for one in watch.served_models()] == [("payments", False)]
    await until(watch.all)
    assert [(one.name, one.ready) for one in watch.served_models()] == [("payments", True)]
    shelf.down = True
    await watch.note_newer()
    await watch.close()


class HungWeights(MemoryWeights):
    """One of the files never comes, until it is let out."""

    def __init__(self, hung: str, *files: str) -> None:
        super().__init__(hung, *files)
        self.hung = sha256(hung)
        self.held.clear()

    async def get(self, sha256: str) -> bytes:
        if sha256 == self.hung:
            return await super().get(sha256)
        return self.kept[sha256]


async def test_a_champion_that_never_comes_holds_up_no_other(
    threads: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_watch, "_LOOK_S", 0.2)
    hung, other = version_of("constant-1", threads, "a"), version_of("constant-2", threads, "b")
    shelf, weights = MemoryShelf(hung, other), HungWeights("constant-1", "constant-2", "constant-3")
    watch = ChampionWatch(shelf, OnnxPredictor(weights, 4, ROOM, threads), 60.0)
    async with asyncio.timeout(30):
        while not watch.get("b"):
            await watch.look()
        assert watch.unavailable() == {"a"}
        newer = version_of("constant-3", threads, "c")
        shelf.put(newer)
        await shelf.delete("b", None)
        while watch.all() != [newer]:
            await watch.look()
        weights.held.set()
        while not watch.get("a"):
            await watch.look()
    assert weights.asked == [hung.sha256]


async def test_at_the_start_no_more_champions_are_loaded_than_stay(
    threads: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_watch, "_AT_ONCE", 1)
    files = ("constant-1", "constant-2", "constant-3", "mixed", "words", "trees")
    models = [version_of(file, threads, file) for file in files]
    weights = MemoryWeights(*files)
    shelf, predictor = MemoryShelf(*models), OnnxPredictor(weights, 2, ROOM, threads)
    watch = ChampionWatch(shelf, predictor, 60.0)
    await watch.look()
    assert len(weights.asked) == 3  # the third pushed one out
    assert watch.all() == models
    await watch.look()
    assert len(weights.asked) == 3
    for model in models:
        assert (await predictor.load(model)).sha256 == model.sha256
    # One that is promoted later is loaded before it is served, and so is one of a new name.
    weights.kept |= MemoryWeights("fraud", "scenario").kept
    for newer in (version_of("fraud", threads, "mixed", 2), version_of("scenario", threads, "new")):
        shelf.put(newer)
        await watch.look()
        assert (watch.get(newer.name), weights.asked[-1]) == (newer, newer.sha256)


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
    model = FraudModel(url, s3, range(2), POLL_S, threads, PairFeatures())
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
    model = FraudModel(str(file), S3(), range(2), 60.0, threads, PairFeatures())
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


async def test_a_file_that_could_not_be_loaded_for_another_reason_is_tried_again(
    threads: Executor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "fraud.onnx"
    file.write_bytes(content("fraud"))
    model = FraudModel(str(file), S3(), range(2), 60.0, threads, PairFeatures())
    await model.look()
    file.write_bytes(content("fraud-2"))

    def exhausted(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(model_watch, "load", exhausted)
        with pytest.raises(MemoryError):
            await model.look()
    assert model.state == "The model file could not be looked at."
    assert model.current().sha256 == sha256("fraud")
    await model.look()
    assert (model.state, model.current().sha256) == (UP, sha256("fraud-2"))


async def test_a_file_of_other_features_takes_no_place_in_the_pair(threads: Executor, tmp_path: Path) -> None:
    features = PairFeatures()
    files = tmp_path / "fraud.onnx", tmp_path / "scenario.onnx"
    fraud, scenario = (
        FraudModel(str(file), S3(), range(labels), 60.0, threads, features)
        for file, labels in zip(files, (2, 4), strict=True)
    )
    other = "The model file takes other features than the pair does."
    files[0].write_bytes(content("fraud"))
    await fraud.look()
    files[1].write_bytes(content("trees"))  # not those of the other one
    await scenario.look()
    assert (fraud.state, scenario.state) == (UP, other)
    with pytest.raises(ModelUnavailable):
        scenario.current()
    files[0].write_bytes(content("divides"))  # not those of the one before
    await fraud.look()
    assert (fraud.state, fraud.current().sha256) == (other, sha256("fraud"))
    files[0].write_bytes(content("fraud-2"))
    files[1].write_bytes(content("scenario"))
    await asyncio.gather(fraud.look(), scenario.look())
    assert (fraud.state, scenario.state) == (UP, UP)
    assert fraud.current().sha256 == sha256("fraud-2")
