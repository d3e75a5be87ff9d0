"""ONNX files as models: what is loaded, what is refused, how many are kept."""

import asyncio
import contextlib
import hashlib
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.adapters import onnx_models
from gateway.adapters.onnx_models import OnnxPredictor, load
from gateway.errors import InvalidRequest, ModelUnavailable
from gateway.training.facts import Cell, Feature, Prediction
from tests.gateway.trained import FOLDER, MemoryWeights, content, version_of

ROOT = Path(__file__).parents[3]
SOUND = ("constant-1", "constant-2", "constant-3", "mixed", "words", "fraud", "scenario", "trees", "divides")
ROOM = 1 << 20  # bytes: more than all of them
CONSTANT_BYTES = len(content("constant-1"))  # as many as constant-2 and -3


# Each package whose code imports ONNX Runtime.
@pytest.mark.parametrize("package", ["gateway", "embeddings", "fraud", "name_tagger"])
def test_nobody_is_told_of_a_model_that_is_loaded(package: str, tmp_path: Path) -> None:
    """ONNX Runtime from 1.29 on keeps a number for the machine at home and reports by it."""
    path, home = tmp_path / "model.onnx", tmp_path / "home"
    path.write_bytes(content("constant-1"))
    home.mkdir()
    code = f"import {package}, onnxruntime, sys; onnxruntime.InferenceSession(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", code, str(path)],
        env={"HOME": str(home), "PYTHONPATH": str(ROOT)},
        check=True,
        timeout=60,
    )
    assert not list(home.iterdir())


@pytest.fixture
def threads() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.mark.parametrize("name", SOUND)
def test_a_file_of_the_contract_is_loaded_under_its_hash(name: str, threads: Executor) -> None:
    model = load(content(name), threads)
    assert model.sha256 == hashlib.sha256(content(name)).hexdigest()
    assert model.signature.target == "target"


async def test_the_answers_are_what_the_files_were_made_to_answer(threads: Executor) -> None:
    mixed = load(content("mixed"), threads)
    rows = [(0.5, 1, True, "bb"), (0.5, 1, True, "aa"), (-4.0, -1, False, "aa"), (None, None, None, None)]
    told = await mixed.predict(rows)
    assert [one.label for one in told] == [True, True, False, False]
    sure = [one.probabilities["true"] for one in told]
    assert sure == pytest.approx([0.924142, 0.989013, 0.047426, 0.5], abs=1e-6)
    assert [one.confidence for one in told] == pytest.approx([0.924142, 0.989013, 0.952574, 0.5], abs=1e-6)
    assert told[0].probabilities.keys() == {"false", "true"}
    words = load(content("words"), threads)
    assert [one.label for one in await words.predict([("yes",), ("no",), (None,), ("да\0",)])] == [
        "yes",
        "no",
        "no",
        "no",
    ]
    trees = load(content("trees"), threads)
    told = await trees.predict([(10.0,), (10.000001,), (None,)])
    assert [(one.label, one.confidence) for one in told] == [(0, 0.75), (1, 0.75), (1, 0.75)]


async def test_many_rows_give_what_each_gives_alone(threads: Executor) -> None:
    model = load(content("mixed"), threads)
    rows = [(float(n), n, bool(n % 2), "aa" if n % 3 else "b") for n in range(-500, 500)]
    alone = [(await model.predict([row]))[0] for row in rows]
    assert await model.predict(rows) == alone


async def test_wide_rows_are_run_a_few_at_a_time(threads: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(float(n), n, bool(n % 2), "aa" if n % 3 else "b") for n in range(-50, 51)]
    whole = load(content("mixed"), threads).answered(rows)
    monkeypatch.setattr(onnx_models, "_AT_ONCE", 70)
    model, most = load(content("mixed"), threads), 0
    run = model._run

    def counted(some: Sequence[Sequence[Cell]], options: Any) -> Any:
        nonlocal most
        most = max(most, len(some))
        return run(some, options)

    monkeypatch.setattr(model, "_run", counted)
    assert (model.answered(rows), most) == (whole, 4)  # of 17 elements each


async def test_shares_are_told_to_six_digits(threads: Executor) -> None:
    """A float32 has no more: the other ten of a double are noise."""
    model = load(content("mixed"), threads)
    told = await model.predict([(n / 7, n, bool(n % 2), "aa") for n in range(-40, 40)])
    shares = [share for one in told for share in (one.confidence, *one.probabilities.values())]
    assert min(shares) < 1e-6
    assert all(share == float(f"{share:.6g}") for share in shares)
    assert all(one.confidence in one.probabilities.values() for one in told)


async def test_no_finite_answer_is_the_callers_fault_and_names_the_row(threads: Executor) -> None:
    model = load(content("divides"), threads)
    assert (await model.predict([(5.0,)]))[0].label == 1
    with pytest.raises(InvalidRequest) as told:
        await model.predict([(5.0,), (0.0,), (0.0,)])
    assert told.value.param == "instances.1"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("without-signature", "no signature"),
        ("wrong-inputs", "inputs or outputs"),
        ("wrong-labels", "something else than its signature"),
        ("external-data", "no training writes"),
        ("unknown-operator", "no training writes"),
        ("endless", "no training writes"),
    ],
)
def test_a_file_that_breaks_the_contract_is_refused(name: str, why: str, threads: Executor) -> None:
    with pytest.raises(ModelUnavailable, match=why):
        load(content(name), threads)


def test_a_file_may_not_read_another_one(threads: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its weights are 16 bytes of pyproject.toml, which ONNX Runtime reads where it is told to look."""
    monkeypatch.setattr(onnx_models, "elements_of_a_row", lambda _: 1)  # which refuses it before
    with pytest.raises(ModelUnavailable):
        load(content("external-data"), threads)
    monkeypatch.setattr(onnx_models, "_NO_FOLDER", str(FOLDER.parents[2]))
    load(content("external-data"), threads)


def test_a_file_that_never_answers_is_given_up(threads: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_models, "elements_of_a_row", lambda _: 1)  # which refuses it before
    monkeypatch.setattr(onnx_models, "_WARM_UP_S", 0.2)
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        load(content("endless"), threads)


def test_broken_files_are_refused_without_a_word_of_theirs(
    threads: Executor, capfd: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(7)
    for name in ("mixed", "trees", "words"):
        whole = content(name)
        for size in range(0, len(whole), 41):
            with pytest.raises(ModelUnavailable):
                load(whole[:size], threads)
        for _ in range(60):
            broken = bytearray(whole)
            broken[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
            with contextlib.suppress(ModelUnavailable):
                load(bytes(broken), threads)
    with pytest.raises(ModelUnavailable):
        load(os.urandom(10_000), threads)
    assert capfd.readouterr() == ("", "")


async def test_concurrent_first_requests_load_once(threads: Executor) -> None:
    weights = MemoryWeights("mixed")
    weights.held.clear()
    predictor = OnnxPredictor(weights, 4, ROOM, threads)
    model = version_of("mixed", threads)

    async def ask() -> list[Prediction]:
        return await (await predictor.load(model)).predict([(1.0, 1, True, "aa")])

    asked = [asyncio.create_task(ask()) for _ in range(50)]
    await asyncio.sleep(0)
    asked[0].cancel()  # who gives up first does not stop it for the others
    await asyncio.sleep(0)
    weights.held.set()
    answers = await asyncio.gather(*asked[1:])
    assert len(weights.asked) == 1
    assert all(one == answers[0] for one in answers)
    await predictor.close()


async def test_the_models_asked_last_are_kept(threads: Executor) -> None:
    weights = MemoryWeights("constant-1", "constant-2", "constant-3")
    predictor = OnnxPredictor(weights, 2, ROOM, threads)
    one, two, three = (version_of(f"constant-{n}", threads, number=n) for n in (1, 2, 3))
    for model in (one, two, one, three, one, two):
        answer = await (await predictor.load(model)).predict([(0.0,)])
        assert answer[0].label == f"v{model.version}"
    assert [weights.asked.count(model.sha256) for model in (one, two, three)] == [1, 2, 1]


@pytest.mark.parametrize(
    ("hot_bytes", "loads"), [(2 * CONSTANT_BYTES, [1, 2, 1]), (2 * CONSTANT_BYTES - 1, [3, 2, 1])]
)
async def test_files_that_are_too_large_together_push_each_other_out(
    threads: Executor, hot_bytes: int, loads: list[int]
) -> None:
    weights = MemoryWeights("constant-1", "constant-2", "constant-3")
    predictor = OnnxPredictor(weights, 32, hot_bytes, threads)
    one, two, three = (version_of(f"constant-{n}", threads, number=n) for n in (1, 2, 3))
    for model in (one, two, one, three, one, two):
        await predictor.load(model)
        await predictor.load(model)  # one alone stays, however large
    assert [weights.asked.count(model.sha256) for model in (one, two, three)] == loads
    assert predictor.pushed_out == sum(loads) - (2 if hot_bytes == 2 * CONSTANT_BYTES else 1)


async def test_a_load_that_takes_long_is_waited_for_once_and_goes_on(
    threads: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_models, "_LOAD_WAIT_S", 0.05)
    weights = MemoryWeights("mixed")
    weights.held.clear()
    predictor = OnnxPredictor(weights, 2, ROOM, threads)
    model = version_of("mixed", threads)
    async with asyncio.timeout(30):
        with pytest.raises(ModelUnavailable, match="still being loaded") as told:
            await predictor.load(model)
        assert told.value.retry_after
        monkeypatch.setattr(onnx_models, "_LOAD_WAIT_S", 3600.0)
        with pytest.raises(ModelUnavailable, match="still being loaded"):
            await predictor.load(model)  # at once: that load's time is over
        weights.held.set()
        while True:
            with contextlib.suppress(ModelUnavailable):
                await predictor.load(model)
                break
    assert weights.asked == [model.sha256]


async def test_few_files_are_fetched_at_once(threads: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may be 256 MB."""
    monkeypatch.setattr(onnx_models, "_LOADS", 2)
    weights = MemoryWeights("constant-1", "constant-2", "constant-3")
    weights.held.clear()
    predictor = OnnxPredictor(weights, 4, ROOM, threads)
    models = [version_of(f"constant-{n}", threads, number=n) for n in (1, 2, 3)]
    waiting = [asyncio.create_task(predictor.load(model)) for model in models]
    async with asyncio.timeout(30):
        while len(weights.asked) < 2:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(weights.asked) == 2
        weights.held.set()
        await asyncio.gather(*waiting)


async def test_a_model_that_cannot_be_loaded_is_not_asked_for_again_at_once(
    threads: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = MemoryWeights()
    predictor = OnnxPredictor(weights, 2, ROOM, threads)
    model = version_of("mixed", threads)
    for _ in range(3):
        with pytest.raises(ModelUnavailable) as told:
            await predictor.load(model)
        assert told.value.message == "The model's weights are not where they were put."
    assert len(weights.asked) == 1
    monkeypatch.setattr(onnx_models, "_REFUSED_S", 0.0)
    predictor = OnnxPredictor(weights, 2, ROOM, threads)
    with pytest.raises(ModelUnavailable):
        await predictor.load(model)
    await weights.put(model.sha256, content("mixed"))
    await predictor.load(model)


async def test_a_signature_that_was_not_registered_is_refused(threads: Executor) -> None:
    predictor = OnnxPredictor(MemoryWeights("mixed"), 2, ROOM, threads)
    model = version_of("mixed", threads)
    features = tuple(Feature(one.name.upper(), one.type) for one in model.signature.features)
    other = replace(model, signature=replace(model.signature, features=features))
    with pytest.raises(ModelUnavailable, match="signature"):
        await predictor.load(other)
    assert (await predictor.load(model)).signature == model.signature


def test_the_folder_holds_no_other_files() -> None:
    refused = {"without-signature", "wrong-inputs", "wrong-labels", "external-data", "unknown-operator"}
    names = {Path(file).stem for file in os.listdir(FOLDER)}  # noqa: PTH208
    assert names == {*SOUND, *refused, "fraud-2", "endless"}
