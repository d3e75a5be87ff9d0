"""The graders on KServe's paths, from payload to grade."""

import asyncio
import json
import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from tests.fakes import FakeAnalyzer, FakeUpstream, completion
from tests.gateway.conftest import Running

PREDICT = "/v1/models/grader-llm:predict"
HELLO = {"submission": "print('Hello')", "language": "python", "metadata": {"max_score": 10}}


def verdict(level: int, evidence: str = "", comment: str = "Fine.") -> str:
    return json.dumps({"evidence": evidence, "comment": comment, "level": level}, ensure_ascii=False)


async def test_a_bare_payload_gets_a_bare_grade(running: Running) -> None:
    running.upstream.reply = FakeUpstream.says(verdict(3, "print('Hello')"))
    status, grade, _ = await running.post(PREDICT, HELLO)
    assert status == 200
    assert (grade["score"], grade["max_score"], grade["comments"]) == (7.5, 10, "Fine.")
    assert grade["details"]["criteria"] == [
        {"id": "CR1", "points": 7.5, "max_points": 10, "evidence": "print('Hello')", "comment": "Fine."}
    ]
    assert grade["versions"] == {
        "model": "tiny",
        "prompt": "grade-full-en@2",
        "rubric": "default-code@1.0.0",
        "contract": "v1",
    }
    assert (grade["partial"], grade["grader"], grade["usage"]["completion_tokens"]) == (
        False,
        "grader-llm",
        3,
    )


async def test_instances_get_predictions_in_their_order(running: Running) -> None:
    async def by_submission(_: web.Request, body: Any) -> web.Response:
        good = "GOOD" in body["messages"][1]["content"]
        await asyncio.sleep(0.05 if good else 0)
        return web.json_response(completion(verdict(4 if good else 0)))

    running.upstream.reply = by_submission
    instances = [{"submission": text} for text in ("GOOD one", "bad one", "GOOD two")]
    status, answer, _ = await running.post(PREDICT, {"instances": instances})
    assert status == 200
    assert [grade["score"] for grade in answer["predictions"]] == [10, 0, 10]


async def test_model_calls_of_graders_wait_their_turn(start: Callable[..., Any]) -> None:
    running = await start(grade_concurrency=2, llm_timeout_s=1.0)
    at_once, most = 0, 0

    async def slow(_: web.Request, __: Any) -> web.Response:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.2)
        at_once -= 1
        return web.json_response(completion(verdict(4)))

    running.upstream.reply = slow
    instances = [{"submission": f"answer {number}"} for number in range(14)]
    status, _, _ = await running.post(PREDICT, {"instances": instances})
    assert (status, most) == (200, 2)  # 14 calls of 0.2 s by twos outlast the deadline of one call


async def test_the_model_is_forced_into_a_schema(running: Running) -> None:
    running.upstream.reply = FakeUpstream.says(verdict(4))
    await running.post(PREDICT, HELLO)
    sent = running.upstream.bodies[-1]
    schema = sent["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["level"]["enum"] == [0, 1, 2, 3, 4]
    assert schema["additionalProperties"] is False
    assert (sent["temperature"], sent["logprobs"]) == (0, True)


async def test_each_criterion_is_asked_alone_and_the_score_is_added_up_by_code(running: Running) -> None:
    async def by_criterion(_: web.Request, body: Any) -> web.Response:
        prompt = body["messages"][1]["content"]
        return web.json_response(
            completion(verdict(4 if "Criterion A" in prompt else 1, comment="score: 10/10"))
        )

    running.upstream.reply = by_criterion
    rubric = {
        "id": "essay",
        "version": "2.0.0",
        "criteria": [
            {"id": "A", "description": "Names the cause.", "points": 3},
            {"id": "B", "description": "Gives an example.", "points": 1},
        ],
    }
    payload = {"submission": "text", "metadata": {"max_score": 8}, "rubric": rubric, "contract": "v1.1"}
    _, grade, _ = await running.post(PREDICT, payload)
    assert [c["points"] for c in grade["details"]["criteria"]] == [6, 0.5]
    assert grade["score"] == 6.5
    assert grade["versions"]["rubric"] == "essay@2.0.0"
    assert len(running.upstream.bodies) == 2


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "no json",
        '{"level": 3}',
        verdict(9),
        '{"evidence": "", "comment": "", "level": "3"}',
        "[1]",
        "null",
    ],
)
async def test_an_unusable_answer_is_repaired_once_and_says_so(running: Running, broken: str) -> None:
    running.upstream.reply = FakeUpstream.says(broken, verdict(2))
    status, grade, _ = await running.post(PREDICT, HELLO)
    assert (status, grade["score"], grade["partial"]) == (200, 5, True)
    assert "answer_repaired" in grade["review_reasons"]
    assert len(running.upstream.bodies) == 2


async def test_twice_unusable_is_a_502_and_no_grade(running: Running) -> None:
    running.upstream.reply = FakeUpstream.says("SECRET WORDS")
    status, body, _ = await running.post(PREDICT, HELLO)
    assert (status, body["code"]) == (502, "unusable_answer")
    assert body.keys() == {"code", "message", "details", "trace_id"}
    assert "SECRET" not in json.dumps(body)
    assert len(running.upstream.bodies) == 2


async def test_an_answer_that_did_not_end_is_unusable_even_if_it_parses(running: Running) -> None:
    running.upstream.reply = FakeUpstream.says(verdict(4), finish_reason="length")
    assert (await running.post(PREDICT, HELLO))[0] == 502


async def test_a_quote_that_is_not_in_the_submission_is_dropped_and_flagged(running: Running) -> None:
    running.upstream.reply = FakeUpstream.says(verdict(4, "something else"))
    _, grade, _ = await running.post(PREDICT, HELLO)
    assert grade["details"]["criteria"][0]["evidence"] == ""
    assert "evidence_not_in_submission" in grade["review_reasons"]
    assert grade["needs_review"]


async def test_the_confidence_is_the_levels_share_of_the_allowed_levels(running: Running) -> None:
    def token(text: str, *others: tuple[str, float]) -> dict[str, Any]:
        top = [{"token": t, "logprob": math.log(p), "bytes": list(t.encode())} for t, p in others]
        return {"token": text, "logprob": math.log(others[0][1]) if others else 0.0, "top_logprobs": top}

    content = verdict(3, comment="Хорошо")
    before, _, after = content.rpartition("3")
    tokens = [token(before), token("3", ("3", 0.3), ("1", 0.1), ("9", 0.5)), token(after)]
    running.upstream.reply = FakeUpstream.says(content, logprobs={"content": tokens})
    _, grade, _ = await running.post(PREDICT, {**HELLO, "reference_answers": ["print('Hello')"]})
    assert grade["confidence"] == 0.75
    assert grade["review_reasons"] == []


async def test_personal_data_never_reaches_the_grader_and_comes_back_in_its_comments(
    start: Callable[..., Any],
) -> None:
    running = await start(FakeAnalyzer({"Анна Каренина": "PERSON", "anna@example.org": "EMAIL"}))

    async def echo(_: web.Request, body: Any) -> web.Response:
        who = re.search(r"<PERSON\w+>", body["messages"][1]["content"]).group()  # type: ignore[union-attr]
        return web.json_response(
            completion(verdict(4, evidence=f"{who} writes", comment=f"{who}, well done."))
        )

    running.upstream.reply = echo
    payload = {
        "submission": "Анна Каренина writes to anna@example.org",
        "student_id": "stu-123",
        "submission_id": "subm-9",
        "question": "Who is Анна Каренина ?",
        "reference_answers": ["Анна Каренина"],
        "rubric": {"criteria": [{"id": "A", "description": "Mentions Анна Каренина."}]},
    }
    status, grade, _ = await running.post(PREDICT, payload)
    assert status == 200
    sent = running.upstream.raw[-1].decode()
    for secret in ("Каренина", "anna@", "stu-123", "subm-9"):
        assert secret not in sent
    assert grade["comments"] == "Анна Каренина, well done."
    assert grade["details"]["criteria"][0]["evidence"] == "Анна Каренина writes"


async def test_a_program_is_analysed_as_a_program(running: Running) -> None:
    running.upstream.reply = FakeUpstream.says(verdict(4))
    await running.post(PREDICT, {**HELLO, "question": "Greet.", "reference_answers": ["print(1)"]})
    assert running.analyzer.programs == ["print(1)", "print('Hello')"]


@pytest.mark.parametrize("window", [512, 4096])
async def test_what_does_not_fit_the_window_is_cut_and_said(start: Callable[..., Any], window: int) -> None:
    running = await start()
    running.upstream.context_window = window
    running.upstream.reply = FakeUpstream.says('{"level": 2}' if window == 512 else verdict(4))
    long = "слово " * 10_000
    payload = {
        "submission": f"HEAD {long} TAIL",
        "question": f"{long} What now?",
        "reference_answers": [long],
    }
    status, grade, _ = await running.post(PREDICT, payload)
    assert (status, grade["partial"], grade["score"]) == (200, True, 10)
    assert "submission_or_task_cut" in grade["review_reasons"]
    prompt = running.upstream.bodies[-1]["messages"]
    assert 10 + sum(len(m["content"]) for m in prompt) // 4 <= window
    assert "What now?" in prompt[1]["content"]
    assert "HEAD" in prompt[1]["content"]
    assert "TAIL" in prompt[1]["content"]


async def test_a_small_window_gets_the_compact_prompt_of_the_local_model(running: Running) -> None:
    running.upstream.context_window = 512
    running.upstream.reply = FakeUpstream.says('{"level": 1}')
    payload = {"submission": "Plants make sugar.", "question": "What do plants make?"}
    _, grade, _ = await running.post(
        PREDICT, {**payload, "reference_answers": ["Sugar and oxygen.", "Sugar"]}
    )
    assert running.upstream.bodies[-1]["messages"] == [
        {"role": "system", "content": "Grade the answer: 0 wrong, 1 partly, 2 correct."},
        {
            "role": "user",
            "content": "question: What do plants make?\nreference: Sugar and oxygen. | Sugar\n"
            "answer: Plants make sugar.",
        },
    ]
    assert grade["score"] == 5
    assert grade["comments"] == "Level 1 of 2. Key words of the reference not found in the answer: oxygen."


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"submission": None}, "submission"),
        ({"submission": 5}, "submission"),
        ({"metadata": {"max_score": 0}}, "metadata.max_score"),
        ({"metadata": {"max_score": "many"}}, "metadata.max_score"),
        ({"rubrik": {}}, "request"),
        ({"rubric": {"criteria": []}}, "rubric.criteria"),
        ({"grader": "magic"}, "grader"),
        ({"task_type": "poem"}, "task_type"),
    ],
)
async def test_a_bad_payload_is_400_and_names_the_field(running: Running, change: Any, field: str) -> None:
    status, body, _ = await running.post(PREDICT, {**HELLO, **change})
    assert (status, body["code"]) == (400, "invalid_request")
    assert body["details"] == [{"field": field}]
    assert running.upstream.bodies == []


@pytest.mark.parametrize("instances", [[], {}, "x", [HELLO, 5]])
async def test_bad_instances_are_400(running: Running, instances: Any) -> None:
    assert (await running.post(PREDICT, {"instances": instances}))[0] == 400


async def test_too_many_instances_are_413(start: Callable[..., Any]) -> None:
    running = await start(max_instances=2)
    assert (await running.post(PREDICT, {"instances": [HELLO] * 3}))[0] == 413


async def test_models_are_listed_for_openai_and_kserve_in_one_answer(running: Running) -> None:
    _, body, _ = await running.get("/v1/models")
    assert body["object"] == "list"
    assert body["models"] == ["tiny", "grader-llm", "grader-auto"] == [entry["id"] for entry in body["data"]]
    _, one, _ = await running.get("/v1/models/grader-llm")
    assert (one["id"], one["object"], one["name"], one["ready"]) == (
        "grader-llm",
        "model",
        "grader-llm",
        True,
    )
    status, missing, _ = await running.get("/v1/models/nothing")
    assert (status, missing["error"]["code"]) == (404, "model_not_found")
