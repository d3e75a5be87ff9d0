"""Two graders with one contract, and how one stands in for the other."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from tests.fakes import FakeAnalyzer, FakeEmbeddings, FakeUpstream
from tests.gateway.conftest import Running

LLM, EMBEDDING = "/v1/models/grader-llm:predict", "/v1/models/grader-embedding:predict"
VERDICT = json.dumps({"evidence": "", "comment": "Fine.", "level": 4})
ANSWER = {
    "submission": "Plants make sugar",
    "question": "What do plants make?",
    "reference_answers": ["Plants make oxygen and sugar"],
    "metadata": {"max_score": 5},
}
RUBRIC = {
    "id": "essay",
    "criteria": [
        {"id": "A", "description": "plants make sugar", "points": 3},
        {"id": "B", "description": "oxygen", "points": 1},
    ],
}


@pytest.fixture
async def both(start: Callable[..., Any]) -> Running:
    """A gateway with both graders."""
    running: Running = await start(embeddings=FakeEmbeddings())
    running.upstream.reply = FakeUpstream.says(VERDICT)
    return running


def without(**fields: Any) -> dict[str, Any]:
    """The answer without its references."""
    return {name: value for name, value in ANSWER.items() if name != "reference_answers"} | fields


@pytest.mark.parametrize(("path", "score"), [(LLM, 5.0), (EMBEDDING, 3.0)])
async def test_both_graders_take_the_same_and_answer_the_same(both: Running, path: str, score: float) -> None:
    status, grade, _ = await both.post(path, {**ANSWER, "student_id": "stu-1", "contract": "v1.1"})
    assert status == 200
    assert (grade["score"], grade["max_score"]) == (score, 5)
    assert grade.keys() == {
        *("score", "max_score", "comments", "details", "grader", "version", "versions", "confidence"),
        *("needs_review", "review_reasons", "partial", "label", "usage", "id", "cached"),
    }
    (criterion,) = grade["details"]["criteria"]
    assert (criterion["points"], criterion["max_points"]) == (score, 5)
    assert f"/v1/models/{grade['grader']}:predict" == path
    assert grade["versions"].keys() == {"model", "prompt", "rubric", "contract"}
    assert grade["version"] == grade["versions"]["model"]
    _, many, _ = await both.post(path, {"instances": [ANSWER, ANSWER]})
    assert [one["score"] for one in many["predictions"]] == [score, score]
    assert (await both.post(path, {**ANSWER, "rubrik": {}}))[0] == 400


async def test_with_references_the_whole_is_compared_with_them(both: Running) -> None:
    _, grade, _ = await both.post(EMBEDDING, {**ANSWER, "rubric": RUBRIC})
    assert grade["versions"] == {
        "model": "grader-embedding@grader-embedding-7",
        "prompt": "none",
        "rubric": "reference@1.0.0",
        "contract": "v1.1",
    }
    assert grade["review_reasons"] == ["rubric_not_used"]
    assert grade["comments"] == "Level 60 of 100. Key words of the reference not found in the answer: oxygen."
    assert grade["confidence"] == 0.9
    assert both.upstream.bodies == []


async def test_without_references_each_criterion_is_one(both: Running) -> None:
    _, grade, _ = await both.post(EMBEDDING, without(rubric=RUBRIC))
    assert [(one["id"], one["points"]) for one in grade["details"]["criteria"]] == [("A", 3.75), ("B", 0.0)]
    assert (grade["score"], grade["versions"]["rubric"]) == (3.75, "essay@1.0.0")
    assert grade["review_reasons"] == ["criterion_as_reference"]


async def test_without_anything_to_compare_with_it_is_400(both: Running) -> None:
    status, body, _ = await both.post(EMBEDDING, without(grader="auto"))
    assert (status, body["code"], body["details"]) == (
        400,
        "invalid_request",
        [{"field": "reference_answers"}],
    )


async def test_a_person_looks_at_what_the_comparison_cannot_know(start: Callable[..., Any]) -> None:
    service = FakeEmbeddings()
    running = await start(embeddings=service)
    service.changes = {"cut": True, "confidence": 0.5}
    _, grade, _ = await running.post(EMBEDDING, {**ANSWER, "task_type": "code"})
    assert grade["review_reasons"] == ["low_confidence", "submission_or_task_cut", "code_not_understood"]
    assert (grade["partial"], grade["needs_review"], grade["comments"]) == (True, True, "Level 60 of 100.")
    service.changes = {"needs_review": True}
    _, grade, _ = await running.post(EMBEDDING, ANSWER)
    assert (grade["partial"], grade["review_reasons"]) == (False, ["low_confidence"])


async def test_the_embedding_grader_never_sees_a_name(start: Callable[..., Any]) -> None:
    service = FakeEmbeddings()
    running = await start(FakeAnalyzer({"Анна Каренина": "PERSON"}), service)
    criterion = {"id": "A", "description": "Mentions Анна Каренина."}
    for payload in (
        {"question": "Who is Анна Каренина ?", "reference_answers": ["Анна Каренина is a heroine"]},
        {"rubric": {"criteria": [criterion]}},
    ):
        sent = {"submission": "Анна Каренина is a heroine", "student_id": "stu-123", **payload}
        status, grade, _ = await running.post(EMBEDDING, sent)
        assert status == 200
        assert "PERSON" not in grade["comments"]
    assert len(service.bodies) == 2
    for secret in ("Каренина", "stu-123"):
        assert secret not in service.wire


async def slow(_: web.Request, __: Any) -> web.StreamResponse:
    await asyncio.sleep(5)
    return web.Response()


@pytest.mark.parametrize(
    ("outage", "code"),
    [
        (FakeUpstream.status(503), "backend_unavailable"),
        (FakeUpstream.status(500), "backend_error"),
        (FakeUpstream.says("no verdict"), "unusable_answer"),
        (slow, "backend_timeout"),
    ],
)
async def test_when_the_model_fails_the_other_grader_stands_in_and_says_so(
    start: Callable[..., Any], outage: Any, code: str
) -> None:
    running = await start(embeddings=FakeEmbeddings(), llm_timeout_s=0.3)
    running.upstream.reply = outage
    for wish in ({}, {"grader": "auto"}):
        status, grade, _ = await running.post(LLM, {**ANSWER, **wish})
        assert (status, grade["grader"], grade["score"]) == (200, "grader-embedding", 3.0)
        assert grade["review_reasons"] == ["fallback"]
    status, body, _ = await running.post(LLM, {**ANSWER, "grader": "llm"})
    assert (status >= 500, body["code"]) == (True, code)
    status, body, _ = await running.post(LLM, without())  # nothing to compare with: the first error stays
    assert (status >= 500, body["code"]) == (True, code)
    _, metrics, _ = await running.get("/metrics")
    assert 'gateway_grade_fallbacks_total{from="grader-llm",to="grader-embedding"} 2.0' in metrics


async def test_the_model_stands_in_for_the_embedding_grader_too(start: Callable[..., Any]) -> None:
    running = await start(embeddings_url="http://127.0.0.1:9")
    running.upstream.reply = FakeUpstream.says(VERDICT)
    status, grade, _ = await running.post(EMBEDDING, {**ANSWER, "grader": "auto"})
    assert (status, grade["grader"]) == (200, "grader-llm")
    assert "fallback" in grade["review_reasons"]
    status, body, _ = await running.post(EMBEDDING, {**ANSWER, "grader": "embedding"})
    assert (status, body["code"]) == (503, "backend_unavailable")


async def test_without_the_setting_a_silent_request_gets_its_own_grader_or_an_error(
    start: Callable[..., Any],
) -> None:
    running = await start(embeddings=FakeEmbeddings(), grade_fallback=False)
    running.upstream.reply = FakeUpstream.status(503)
    assert (await running.post(LLM, ANSWER))[0] == 503
    assert (await running.post(LLM, {**ANSWER, "grader": "auto"}))[0] == 200


async def test_an_error_about_the_request_is_no_reason_to_fall_back(start: Callable[..., Any]) -> None:
    running = await start(embeddings=FakeEmbeddings())
    running.upstream.reply = FakeUpstream.status(400)
    status, body, _ = await running.post(LLM, ANSWER)
    assert (status, body["code"]) == (400, "invalid_request")


@pytest.mark.parametrize(("path", "wish"), [(LLM, "embedding"), (EMBEDDING, "llm")])
async def test_a_path_and_a_field_that_name_different_graders_are_400(
    both: Running, path: str, wish: str
) -> None:
    status, body, _ = await both.post(path, {**ANSWER, "grader": wish})
    assert (status, body["details"]) == (400, [{"field": "grader"}])
    assert both.upstream.bodies == []


async def test_both_servers_down_is_the_asked_graders_error(start: Callable[..., Any]) -> None:
    running = await start(llm_url="http://127.0.0.1:9", embeddings_url="http://127.0.0.1:9")
    for path, named in ((LLM, "model server"), (EMBEDDING, "embeddings service")):
        status, body, headers = await running.post(path, ANSWER)
        assert (status, body["code"]) == (503, "backend_unavailable")
        assert named in body["message"]
        assert headers["retry-after"]
    assert (await running.get("/v1/models"))[0] == 503


async def test_a_garbled_answer_of_the_service_is_502_and_no_grade(start: Callable[..., Any]) -> None:
    service = FakeEmbeddings()
    service.changes = {"score": 7}
    running = await start(embeddings=service)
    status, body, _ = await running.post(EMBEDDING, {**ANSWER, "grader": "embedding"})
    assert (status, body["code"]) == (502, "backend_error")


async def test_without_the_service_there_is_no_embedding_grader(running: Running) -> None:
    assert (await running.post(EMBEDDING, ANSWER))[0] == 404
