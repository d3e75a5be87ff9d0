"""What the gateway notes of its answers, through the real door and the real store."""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.adapters.database.database import Database
from gateway.adapters.database.model_mirror import DatabaseMirror
from gateway.adapters.objects import S3
from gateway.adapters.weights import StoredWeights
from gateway.drift.recorder import Unnoted
from tests.fakes import FakeAnalyzer, FakeEmbeddings, FakeUpstream, chunk
from tests.gateway.conftest import Running
from tests.gateway.trained import content, version_of

VERDICT = json.dumps({"evidence": "", "comment": "Fine.", "level": 3})
ANSWER = {"submission": "It boils.", "reference_answers": ["Water boils."], "metadata": {"max_score": 8}}


async def noted(running: Running, tmp_path: Path) -> list[dict[str, Any]]:
    """The rows of the store, oldest first; nothing is noted any more."""
    await running.services.recorder.close()
    with sqlite3.connect(tmp_path / "store.db") as connection:
        connection.row_factory = sqlite3.Row
        rows = [dict(row) for row in connection.execute("SELECT * FROM traffic ORDER BY at, number")]
    connection.close()
    return rows


def shown(rows: list[dict[str, Any]], *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for row in rows]


def conversation(*contents: tuple[str, Any]) -> dict[str, Any]:
    return {"model": "tiny", "messages": [{"role": role, "content": said} for role, said in contents]}


async def test_of_a_chat_the_masked_last_words_of_the_user_are_measured(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    running = await start(FakeAnalyzer({"Анна Каренина": "PERSON"}))
    parts = [{"type": "text", "text": "Меня зовут "}, {"type": "text", "text": "Анна Каренина"}]
    body = conversation(("system", "Be short."), ("user", "Hi"), ("assistant", "Hi!"), ("user", parts))
    assert (await running.post("/v1/chat/completions", body))[0] == 200
    body = conversation(("system", "You are a poem."))
    assert (await running.post("/v1/chat/completions", body))[0] == 200
    rows = await noted(running, tmp_path)
    masked = len("Меня зовут <PERSON_1_12345>")
    assert shown(rows, "model", "text_length", "language", "label", "score", "confidence") == [
        ("tiny", masked, "ru", None, None, None),
        ("tiny", None, None, None, None, None),
    ]


async def test_a_stream_is_noted_when_the_model_has_begun_and_a_failure_is_not(
    running: Running, tmp_path: Path
) -> None:
    running.upstream.reply = FakeUpstream.streams(chunk("Hello"), chunk(finish="stop"))
    await running.stream("Count the sheep.")
    running.upstream.reply = FakeUpstream.status(500)
    assert (await running.chat("Hello!"))[0] == 502
    assert (await running.chat("Hello!", stream=True))[0] == 502
    assert shown(await noted(running, tmp_path), "model", "text_length") == [("tiny", 16)]


async def test_a_grade_is_noted_once_and_not_when_it_is_given_again(running: Running, tmp_path: Path) -> None:
    running.upstream.reply = FakeUpstream.says(VERDICT)
    for cached in (False, True):
        for fields in ({}, {"student_id": "s2"}):
            status, grade, _ = await running.post(
                "/v1/models/grader-llm:predict", {**ANSWER, **fields, "grader": "llm", "language": "de"}
            )
            assert (status, grade["score"], grade["cached"]) == (200, 6, cached or bool(fields))
    body = {**ANSWER, "submission": "  ", "grader": "llm"}
    assert (await running.post("/v1/models/grader-llm:predict", body))[1]["score"] == 0  # no model is asked
    rows = await noted(running, tmp_path)
    assert shown(rows, "model", "version", "text_length", "language", "label", "score") == [
        ("grader-llm", "tiny", len("It boils."), "other", None, 0.75)
    ]


async def test_a_cascade_is_noted_under_both_graders(start: Callable[..., Any], tmp_path: Path) -> None:
    """What the cheap grader was unsure of is part of its traffic too."""
    running = await start(embeddings=FakeEmbeddings(), grade_routes="text=cascade")
    running.upstream.reply = FakeUpstream.says(VERDICT)
    unsure = {"submission": "It boils.", "rubric": {"criteria": [{"id": "A", "description": "It boils."}]}}
    _, grade, _ = await running.post("/v1/models/grader-auto:predict", unsure)
    assert grade["grader"] == "grader-llm"
    rows = await noted(running, tmp_path)
    assert shown(rows, "model", "text_length") == [("grader-embedding", 9), ("grader-llm", 9)]
    assert rows[1]["score"] == 0.75


async def test_items_of_batches_are_noted(running: Running, tmp_path: Path) -> None:
    running.upstream.reply = FakeUpstream.says(VERDICT)
    items = [{"id": str(number), "submission": f"answer {number}"} for number in range(3)]
    status, batch, _ = await running.post("/v1/batches", {"requests": items, "grader": "llm"})
    assert status == 202, batch
    async with asyncio.timeout(30):
        while not batch["ended_at"]:
            await asyncio.sleep(0.01)
            _, batch, _ = await running.get(f"/v1/batches/{batch['id']}")
    rows = await noted(running, tmp_path)
    assert shown(rows, "model", "text_length", "score") == [("grader-llm", 8, 0.75)] * 3


async def test_classifications_and_comparisons_are_noted_masked(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    running = await start(FakeAnalyzer({"Anna": "PERSON"}), FakeEmbeddings())
    body = {"instances": ["hello there", "win now, Anna"]}
    assert (await running.post("/v1/models/spam:predict", body))[0] == 200
    tensors = [
        {"name": name, "shape": [1], "datatype": "BYTES", "data": [text]}
        for name, text in (("submission", "Anna says plants"), ("reference", "plants"))
    ]
    status, answer, _ = await running.post("/v2/models/grader-embedding/infer", {"inputs": tensors})
    assert status == 200, answer
    rows = await noted(running, tmp_path)
    longer = len("<PERSON_1_12345>") - len("Anna")
    assert shown(rows, "model", "version", "text_length", "language", "label") == [
        ("spam", "spam-7", 11, "en", "ham"),
        ("spam", "spam-7", 13 + longer, "en", "spam"),
        ("grader-embedding", "grader-embedding-7", 16 + longer, "en", None),
    ]
    assert rows[1]["confidence"] == 0.97
    assert shown(rows, "score")[:2] == [(None,), (None,)]
    assert 0 <= rows[2]["score"] <= 1


async def served(running: Running, tmp_path: Path) -> None:
    """The file `mixed` becomes the champion of `payments`."""
    with ThreadPoolExecutor(1) as threads:
        version = version_of("mixed", threads, number=1)
    await StoredWeights(str(tmp_path / "models"), S3()).put(version.sha256, content("mixed"))
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    await database.start()
    mirror = DatabaseMirror(database, "test")
    await mirror.tasks()
    await mirror.mirror([version])
    await database.close()


async def answered(running: Running, path: str, body: Any) -> Any:
    """As soon as the model is there."""
    async with asyncio.timeout(30):
        while True:
            status, answer, _ = await running.post(path, body)
            if status == 200:
                return answer
            await asyncio.sleep(0.01)


async def test_predictions_of_trained_models_are_noted_without_a_text(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    running = await start(model_poll_s=0.02)
    await served(running, tmp_path)
    body = {"instances": [[0.5, 1, True, "aa"], [-9.5, None, None, "b"]]}
    answer = await answered(running, "/v1/models/payments:predict", body)
    rows = await noted(running, tmp_path)
    assert shown(rows, "model", "version", "text_length", "language", "label", "score") == [
        ("payments", "1", None, None, label, None) for label in ("true", "false")
    ]
    assert shown(rows, "confidence") == [(one["confidence"],) for one in answer["predictions"]]


async def test_so_are_those_of_the_fraud_pair(start: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "fraud.onnx").write_bytes(content("fraud"))
    running = await start(model_poll_s=0.02, fraud_model_url=str(tmp_path / "fraud.onnx"))
    answer = await answered(running, "/predict", {"amount": 100.0, "hour": 3})
    rows = await noted(running, tmp_path)
    assert shown(rows, "model", "version", "text_length", "label", "confidence") == [
        ("fraud", answer["model_version"], None, "1", pytest.approx(0.731059, abs=1e-6))
    ]


async def test_an_answer_waits_for_no_store_and_no_encoder(start: Callable[..., Any], tmp_path: Path) -> None:
    """Another process holds the lock of the store, the encoder never answers, and both have been asked."""
    service = FakeEmbeddings()
    asked = asyncio.Event()

    async def hangs(_: web.Request, __: Any) -> web.Response:
        asked.set()
        await asyncio.sleep(60)
        raise AssertionError

    service.reply = hangs
    running = await start(embeddings=service, traffic_embeddings_per_s=4)
    writer = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    try:
        assert (await running.chat())[0] == 200
        async with asyncio.timeout(30):
            await asked.wait()
        for _ in range(5):
            assert (await running.chat())[0] == 200
        assert running.services.recorder._windows  # which still waits for them
    finally:
        writer.execute("ROLLBACK")
        writer.close()


async def test_a_text_that_is_not_masked_is_measured_and_not_embedded(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    service = FakeEmbeddings()
    running = await start(embeddings=service, traffic_embeddings_per_s=4, mask_personal_data=False)
    await running.chat("Hello, Anna!")
    async with asyncio.timeout(30):
        while (count := await _count(tmp_path)) == 0:
            await asyncio.sleep(0.05)
    assert count == 1
    assert service.bodies == []
    assert shown(await noted(running, tmp_path), "text_length", "embedding") == [(12, None)]


async def test_a_masked_text_is_embedded(start: Callable[..., Any], tmp_path: Path) -> None:
    service = FakeEmbeddings()
    running = await start(FakeAnalyzer({"Anna": "PERSON"}), service, traffic_embeddings_per_s=4)
    await running.chat("Hello, Anna!")
    async with asyncio.timeout(30):
        while await _count(tmp_path) == 0:
            await asyncio.sleep(0.05)
    ((embedding,),) = shown(await noted(running, tmp_path), "embedding")
    assert len(embedding) == 2 * 2  # two half floats
    assert "PERSON" in service.wire
    assert "Anna" not in service.wire


async def _count(tmp_path: Path) -> int:
    with sqlite3.connect(tmp_path / "store.db") as connection:
        (count,) = connection.execute("SELECT count(*) FROM traffic").fetchone()
    connection.close()
    return int(count)


async def test_nothing_is_noted_where_the_pace_is_nought(start: Callable[..., Any], tmp_path: Path) -> None:
    running = await start(traffic_per_s=0)
    assert isinstance(running.services.recorder, Unnoted)
    assert (await running.chat())[0] == 200
    assert await noted(running, tmp_path) == []


@pytest.mark.parametrize("role", ["user", "system"])
async def test_a_message_without_words_is_noted_as_one_without_a_text(
    running: Running, tmp_path: Path, role: str
) -> None:
    assert (await running.post("/v1/chat/completions", conversation((role, None))))[0] == 200
    assert shown(await noted(running, tmp_path), "model", "text_length") == [("tiny", None)]
