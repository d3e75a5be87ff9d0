"""A grading that is asked for twice, and a submission that lies elsewhere."""

import asyncio
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.domain import Artifact
from tests.fakes import FakeAnalyzer, FakeEmbeddings, FakeUpstream
from tests.gateway.conftest import Running

PREDICT = "/v1/models/grader-llm:predict"
ANSWER = {"submission": "Ivanov says it boils.", "question": "What does water do?", "grader": "llm"}
ONCE = {"idempotency-key": "retry-1"}


def verdict(level: int, comment: str = "Fine, <PERSON>.") -> str:
    return json.dumps({"evidence": "", "comment": comment, "level": level})


async def test_the_same_submission_is_graded_once_whoever_it_names(start: Callable[..., Any]) -> None:
    running: Running = await start(analyzer=FakeAnalyzer({"Ivanov": "PERSON", "Petrov": "PERSON"}))

    async def echo(_: Any, body: Any) -> Any:
        text = body["messages"][1]["content"]
        who = text[text.index("<PERSON") : text.index(">", text.index("<PERSON")) + 1]
        return await FakeUpstream.says(verdict(3, f"Well said, {who}."))(_, body)

    running.upstream.reply = echo
    _, first, _ = await running.post(PREDICT, ANSWER)
    _, again, _ = await running.post(PREDICT, ANSWER)
    petrov = {**ANSWER, "submission": "Petrov says it boils.", "student_id": "s2"}
    _, other, _ = await running.post(PREDICT, petrov)
    assert len(running.upstream.bodies) == 1
    assert (again["id"], again["cached"]) == (first["id"], True)
    assert (first["comments"], other["comments"]) == ("Well said, Ivanov.", "Well said, Petrov.")
    assert other["id"] != first["id"]
    headers = {"cache-control": "no-cache"}
    _, fresh, _ = await running.post(PREDICT, ANSWER, headers=headers)
    assert (fresh["cached"], len(running.upstream.bodies)) == (False, 2)


async def test_concurrent_duplicates_ask_the_model_once(running: Running) -> None:
    running.upstream.reply = FakeUpstream.says(verdict(3))
    found = await asyncio.gather(*(running.post(PREDICT, ANSWER) for _ in range(8)))
    assert len(running.upstream.bodies) == 1
    assert {body["id"] for _, body, _ in found} == {found[0][1]["id"]}


async def test_an_idempotency_key_pins_the_answer(start: Callable[..., Any]) -> None:
    running: Running = await start(analyzer=FakeAnalyzer({"Ivanov": "PERSON"}))
    running.upstream.reply = FakeUpstream.says(verdict(3), verdict(0))
    instances = {"instances": [ANSWER]}
    _, first, _ = await running.post(PREDICT, instances, headers=ONCE)
    await running.post(
        PREDICT, ANSWER, headers={"cache-control": "no-cache"}
    )  # another grade is the newest now
    _, again, _ = await running.post(PREDICT, instances, headers=ONCE)
    assert again["predictions"] == [{**first["predictions"][0], "cached": True}]
    anew = {"idempotency-key": "retry-2", "cache-control": "no-cache"}
    _, other, _ = await running.post(PREDICT, ANSWER, headers=anew)
    assert other["cached"] is False
    status, refusal, _ = await running.post(PREDICT, {**ANSWER, "submission": "No."}, headers=ONCE)
    assert (status, refusal["code"]) == (409, "conflict")
    status, refusal, _ = await running.post(PREDICT, ANSWER, headers={"idempotency-key": "k" * 256})
    assert (status, refusal["details"]) == (400, [{"field": "Idempotency-Key"}])


async def test_without_the_store_nothing_is_graded_and_chat_goes_on(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    running: Running = await start()
    (tmp_path / "store.db").rename(tmp_path / "elsewhere.db")
    status, refusal, _ = await running.post(PREDICT, ANSWER)
    assert (status, refusal["code"]) == (503, "store_unavailable")
    assert running.upstream.bodies == []
    assert (await running.chat())[0] == 200


class Shelf:
    """One text at one address."""

    text = "Ivanov says it boils."
    url = "https://files.example.org/1?signature=secret"

    async def fetch(self, artifact: Artifact) -> tuple[str, str]:
        assert artifact.url == self.url
        return self.text, hashlib.sha256(self.text.encode()).hexdigest()


def everything_in(folder: Path) -> bytes:
    """Of the store, its log included."""
    return b"".join(file.read_bytes() for file in folder.glob("store.db*"))


async def test_a_submission_that_lies_elsewhere_is_masked_graded_and_its_address_forgotten(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    running: Running = await start(
        analyzer=FakeAnalyzer({"Ivanov": "PERSON"}), artifacts=Shelf(), embeddings=FakeEmbeddings()
    )
    running.upstream.reply = FakeUpstream.says(verdict(3))
    payload = {"artifact": {"url": Shelf.url}, "question": "What does water do?", "grader": "llm"}
    status, grade, _ = await running.post(PREDICT, payload)
    assert status == 200, grade
    assert b"it boils" in running.upstream.raw[-1]
    assert b"Ivanov" not in running.upstream.raw[-1]
    _, kept, _ = await running.get(f"/v1/grades/{grade['id']}?audit=true")
    assert kept["audit"]["artifact_sha256"] == hashlib.sha256(Shelf.text.encode()).hexdigest()
    lying = everything_in(tmp_path)
    assert b"signature" not in lying
    assert b"Ivanov" not in lying


async def test_an_artefact_is_refused_where_no_host_is_named(running: Running) -> None:
    status, refusal, _ = await running.post(PREDICT, {"artifact": {"url": Shelf.url}})
    assert (status, refusal["code"]) == (400, "artifact_refused")


async def test_the_cascade_asks_the_model_about_what_the_cheap_grader_is_unsure_of(
    start: Callable[..., Any],
) -> None:
    running: Running = await start(embeddings=FakeEmbeddings(), grade_routes="text=cascade")
    running.upstream.reply = FakeUpstream.says(verdict(4))
    path = "/v1/models/grader-auto:predict"
    sure = {"submission": "Water boils.", "reference_answers": ["Water boils."]}
    _, cheap, _ = await running.post(path, sure)
    assert (cheap["grader"], running.upstream.bodies) == ("grader-embedding", [])
    unsure = {"submission": "Water boils.", "rubric": {"criteria": [{"id": "A", "description": "It boils."}]}}
    _, dear, _ = await running.post(path, unsure)
    assert (dear["grader"], len(running.upstream.bodies)) == ("grader-llm", 1)
    assert "fallback" not in dear["review_reasons"]
    _, alone, _ = await running.post(path, {"submission": "Water boils."})  # nothing to compare with
    assert (alone["grader"], "fallback" in alone["review_reasons"]) == ("grader-llm", False)
