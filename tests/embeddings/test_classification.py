"""Classifiers behind every door that serves them."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from embeddings import manifest
from embeddings.batching import Batcher, Limits
from embeddings.classification import Classifier, ClassifierModel, pieces
from embeddings.encoder import Encoder
from embeddings.errors import Overloaded
from embeddings.models import portions
from tests.embeddings import tiny, tiny_heads
from tests.embeddings.conftest import Running

PREDICT, INFER = "/v1/models/sorter:predict", "/v2/models/sorter/infer"


@pytest.fixture
async def sorting(start: Callable[..., Any], heads: Path) -> Running:
    running: Running = await start(heads=str(heads))
    return running


async def seeking(start: Callable[..., Any], tiny_folder: Path, where: Path, **changes: Any) -> Running:
    """A service whose classifier looks for the word "right"."""
    made = {"ngrams": tiny_heads.WIDE, **changes}
    folder = tiny_heads.classifier(where, tiny_heads.encoder_of(tiny_folder), **made)
    running: Running = await start(heads=str(folder))
    return running


async def predicted(running: Running, *texts: str) -> list[dict[str, Any]]:
    status, body, _ = await running.post(PREDICT, {"instances": list(texts)})
    assert status == 200
    found: list[dict[str, Any]] = body["predictions"]
    return found


def expected(vector: list[float]) -> float:
    """Of the last label."""
    one, other = np.exp(np.array(vector) @ tiny_heads.FORWARD)
    return float(other / (one + other))


async def test_a_classifier_gives_what_its_head_computes_of_the_vector(sorting: Running) -> None:
    texts = ["a b", "the answer is right", "вода кипит"]
    _, vectors, _ = await sorting.embed(texts)
    found = await predicted(sorting, *texts)
    for one, embedded in zip(found, vectors["data"], strict=True):
        p = expected(embedded["embedding"])
        assert one["probabilities"] == pytest.approx({"plain": 1 - p, "marked": p}, abs=1e-5)
        assert one["label"] == ("marked" if p >= 0.5 else "plain")
        assert one["confidence"] == one["probabilities"][one["label"]]
        assert one["needs_review"] is (one["confidence"] < 0.75)
        assert one["cut"] is False
        assert one.keys() == {"label", "confidence", "probabilities", "needs_review", "cut"}


async def test_n_grams_decide_where_the_head_has_them(
    start: Callable[..., Any], tiny_folder: Path, tmp_path: Path
) -> None:
    running = await seeking(start, tiny_folder, tmp_path)
    plain, marked = await predicted(running, "the answer is wrong", "The answer is RIGHT")
    assert (plain["label"], marked["label"]) == ("plain", "marked")
    assert plain["probabilities"]["marked"] < 0.1 < 0.9 < marked["probabilities"]["marked"]


async def test_a_head_that_is_not_deep_asks_no_encoder(
    start: Callable[..., Any], tiny_folder: Path, tmp_path: Path
) -> None:
    running = await seeking(start, tiny_folder, tmp_path, deep=False, style=True)
    plain, marked, long = await predicted(running, "wrong", "right", "right " * 4000)
    assert (plain["label"], marked["label"], marked["cut"], long["cut"]) == ("plain", "marked", False, True)
    assert running.encoder.texts == 0


async def test_a_head_that_is_not_deep_sheds_what_it_cannot_begin_in_time(
    tmp_path: Path, tiny_folder: Path
) -> None:
    folder = tiny_heads.classifier(
        tmp_path, tiny_heads.encoder_of(tiny_folder), deep=False, style=True, ngrams=tiny_heads.WIDE
    )
    head = manifest.read(folder / "sorter")
    core = Classifier(head, tiny.HIDDEN)
    entered, release = threading.Event(), threading.Event()

    def held(texts: Sequence[str]) -> list[Any]:
        entered.set()
        release.wait(10)
        return list(core.judged(texts))

    batcher = Batcher(held, Limits(rows=1, queue=1, delay_s=0.05))
    model = ClassifierModel(head.manifest, core, cast("Encoder", None), batcher)
    first = asyncio.create_task(model.predict(["right"]))
    await asyncio.to_thread(entered.wait, 10)
    waiting = asyncio.create_task(model.predict(["wrong"]))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):  # the queue is full
        await model.predict(["wrong"])
    await asyncio.sleep(0.1)
    release.set()
    assert (await first).verdicts[0].label == "marked"
    with pytest.raises(Overloaded):  # it was not begun in time
        await waiting
    await batcher.close()


@pytest.mark.parametrize(("threshold", "label"), [(0.0, "marked"), (1.0, "plain")])
async def test_the_last_label_is_given_from_the_threshold_on(
    start: Callable[..., Any], tiny_folder: Path, tmp_path: Path, threshold: float, label: str
) -> None:
    folder = tiny_heads.classifier(tmp_path, tiny_heads.encoder_of(tiny_folder), threshold=threshold)
    running = await start(heads=str(folder))
    (one,) = await predicted(running, "a b")
    assert one["label"] == label


async def test_a_long_text_is_cut_and_says_so_and_in_pieces_it_is_read_to_its_end(
    start: Callable[..., Any], tiny_folder: Path, tmp_path: Path
) -> None:
    essay = "a " * 300 + "right"
    running = await seeking(start, tiny_folder, tmp_path / "whole")
    short, long = await predicted(running, "a b", essay)
    assert (short["cut"], long["cut"]) == (False, True)  # 16 tokens are read
    running = await seeking(start, tiny_folder, tmp_path / "pieces", window=20, max_tokens=24)
    clean, hidden, beyond = await predicted(running, "a " * 300, essay, "a " * 400 + "right")
    assert (clean["label"], hidden["label"]) == ("plain", "marked")
    assert (clean["cut"], hidden["cut"]) == (False, False)
    assert (beyond["label"], beyond["cut"]) == ("plain", True)  # more than 48 pieces


def test_pieces_overlap_by_a_quarter_and_cover_the_text() -> None:
    text = "".join(chr(0x4E00 + place) for place in range(1000))
    assert pieces(text, None) == ([text], False)
    assert pieces(text[:40], 40) == ([text[:40]], False)
    assert pieces(text[:41], 40) == ([text[:40], text[30:41]], False)
    found, cut = pieces(text, 40)
    assert (found[0], found[1], found[-1][-1], cut) == (text[:40], text[30:70], text[999], False)
    found, cut = pieces(text * 2, 40)
    assert (len(found), cut) == (48, True)


def test_a_request_is_worked_through_in_portions() -> None:
    sizes = [3, 3, 9, 1, 1, 1]
    assert [sizes[part] for part in portions(sizes, 6)] == [[3, 3], [9], [1, 1, 1]]
    assert list(portions([], 6)) == []


async def test_more_pieces_than_the_queue_holds_are_no_overload(
    start: Callable[..., Any], tiny_folder: Path, tmp_path: Path
) -> None:
    folder = tiny_heads.classifier(tmp_path, tiny_heads.encoder_of(tiny_folder), window=16, max_tokens=24)
    running = await start(heads=str(folder), max_inputs=300, max_queue=300)
    found = await predicted(running, *["a b c d " * 20] * 40)
    assert len(found) == 40
    assert running.encoder.texts == 40 * 13


async def test_v2_gives_probabilities_in_the_order_of_the_labels(sorting: Running) -> None:
    _, told, _ = await sorting.get("/v2/models/sorter")
    assert told["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    assert told["outputs"] == [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]}]
    tensor = {"name": "text", "datatype": "BYTES", "shape": [2], "data": ["a b", "the answer"]}
    _, body, _ = await sorting.post("/v2/models/sorter/versions/1.2.3/infer", {"inputs": [tensor]})
    (output,) = body["outputs"]
    found = await predicted(sorting, "a b", "the answer")
    flat = [one["probabilities"][label] for one in found for label in ("plain", "marked")]
    assert (output["name"], output["shape"]) == ("probabilities", [2, 2])
    assert output["data"] == pytest.approx(flat, abs=1e-6)


async def test_heads_are_listed_with_version_and_labels_and_give_no_embeddings(sorting: Running) -> None:
    _, body, _ = await sorting.get("/v1/models")
    assert body["models"] == ["tiny", "grader", "sorter"]
    tiny, grader, sorter = body["data"]
    assert "labels" not in tiny
    assert len(tiny["version"]) == 12
    assert (sorter["version"], sorter["output"], sorter["labels"]) == (
        "1.2.3",
        "classification",
        ["plain", "marked"],
    )
    assert (sorter["max_model_len"], grader["max_model_len"], grader["output"]) == (16, 40, "grade")
    for name in ("sorter", "grader"):
        assert (await sorting.get(f"/v1/models/{name}"))[1]["ready"] is True
        status, refusal, _ = await sorting.post("/v1/embeddings", {"model": name, "input": "a"})
        assert (status, refusal["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("instance", ["", 1, {"text": ""}, {"submission": "a", "reference_answers": ["a"]}])
async def test_what_a_classifier_does_not_read_is_refused(sorting: Running, instance: Any) -> None:
    status, body, _ = await sorting.post(PREDICT, {"instances": [instance]})
    assert (status, list(body)) == (400, ["error"])


async def test_labels_are_counted_by_model_and_no_text_is(sorting: Running) -> None:
    (one,) = await predicted(sorting, "the answer")
    await sorting.post(PREDICT, {"instances": [""]})
    _, metrics, _ = await sorting.get("/metrics")
    line = f'embeddings_predictions_total{{label="{one["label"]}",model="sorter"}} 1.0'
    assert line in metrics
    assert "the answer" not in metrics
