"""`POST /v1/mask`: what a caller is told of masking is what masking does."""

import io
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from gateway.errors import MaskingUnavailable
from tests.fakes import FakeAnalyzer
from tests.gateway.conftest import Running

PATH = "/v1/mask"
NAME, BORN, PHONE = "Анна Каренина", "05.05.2001", "79031234567"
TEXT = f"\N{WAVING HAND SIGN} I am {NAME}, born {BORN}.\r\nYours, {NAME}"
FOUND = {NAME: "PERSON", BORN: "DATE_OF_BIRTH", PHONE: "PHONE"}


@pytest.mark.parametrize("text", [TEXT, f'{{"name": "{NAME}", "phone": {PHONE}}}', "nothing"])
async def test_the_masked_text_is_what_a_model_gets(start: Callable[..., Any], text: str) -> None:
    running = await start(FakeAnalyzer(FOUND))
    _, told, _ = await running.post(PATH, {"text": text})
    await running.chat(text)
    assert told["masked"] == running.upstream.bodies[-1]["messages"][0]["content"]
    assert len(told["entities"]) == len(re.findall("|".join(FOUND), text))
    assert all(one["placeholder"] in told["masked"] for one in told["entities"])


async def test_entities_are_in_order_and_lead_back_to_the_given_text(start: Callable[..., Any]) -> None:
    running = await start(FakeAnalyzer(FOUND))
    status, told, _ = await running.post(PATH, {"text": TEXT, "language": "en", "task_type": "text"})
    assert status == 200
    assert told.keys() == {"masked", "entities"}
    words = [TEXT[one["start"] : one["end"]] for one in told["entities"]]
    assert words == [NAME, BORN, NAME]
    assert [one["type"] for one in told["entities"]] == ["PERSON", "DATE_OF_BIRTH", "PERSON"]
    restored = told["masked"]
    for one, value in zip(told["entities"], words, strict=True):
        assert one["placeholder"].startswith(f"<{one['type']}_1_")
        restored = restored.replace(one["placeholder"], value, 1)
    assert restored == TEXT
    assert NAME not in json.dumps(told, ensure_ascii=False)


async def test_a_task_has_its_own_policy_and_a_program_is_read_as_one(start: Callable[..., Any]) -> None:
    analyzer = FakeAnalyzer()
    running = await start(analyzer)
    await running.post(PATH, {"text": "x = 1"})
    await running.post(PATH, {"text": "x = 2", "task_type": "code", "language": "ru"})
    assert analyzer.programs == ["x = 2"]
    assert [policy.language for policy in analyzer.policies] == [None, "ru"]


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({}, 400, "invalid_request", "text"),
        ({"text": ""}, 400, "invalid_request", "text"),
        ({"text": [TEXT]}, 400, "invalid_request", "text"),
        ({"text": "x" * 101}, 413, "payload_too_large", "text"),
        ({"text": "x", "language": "de"}, 400, "invalid_request", "language"),
        ({"text": "x", "language": ["ru"]}, 400, "invalid_request", "language"),
        ({"text": "x", "task_type": "essay"}, 400, "invalid_request", "task_type"),
        ({"text": "x", "task_type": None}, 400, "invalid_request", "task_type"),
        ({"text": "x", NAME: 1}, 400, "unsupported_parameter", None),
        (["x"], 400, "invalid_request", None),
    ],
)
async def test_a_body_that_is_not_right_is_refused_without_its_words(
    start: Callable[..., Any], body: Any, status: int, code: str, field: str | None
) -> None:
    running = await start(max_message_chars=100)
    answered, told, _ = await running.post(PATH, body)
    assert (answered, told["code"]) == (status, code)
    assert [one["field"] for one in told["details"]] == ([field] if field else [])
    assert NAME not in told["message"]


async def test_any_key_may_ask_but_the_metrics_key(start: Callable[..., Any]) -> None:
    running = await start(metrics_key="metrics")
    wrong, metrics = ({"authorization": f"Bearer {key}"} for key in ("wrong", "metrics"))
    assert (await running.post(PATH, {"text": "x"}, headers=wrong))[0] == 401
    assert (await running.post(PATH, {"text": "x"}, headers=metrics))[0] == 403


async def test_without_an_analyser_nothing_is_shown_as_masked(start: Callable[..., Any]) -> None:
    down = MaskingUnavailable("No analyser.")
    on = await start(FakeAnalyzer(error=down))
    status, told, _ = await on.post(PATH, {"text": TEXT})
    assert (status, told["code"], told["message"]) == (503, "masking_unavailable", "No analyser.")
    off = await start(FakeAnalyzer(error=down), mask_personal_data=False)
    status, told, _ = await off.post(PATH, {"text": TEXT})
    assert (status, told["code"]) == (503, "masking_unavailable")
    assert "MASK_PERSONAL_DATA is off" in told["message"]


async def test_it_explains_where_masking_is_off_but_could_be_done(start: Callable[..., Any]) -> None:
    running = await start(FakeAnalyzer(FOUND), mask_personal_data=False)
    _, told, _ = await running.post(PATH, {"text": TEXT})
    assert len(told["entities"]) == 3
    await running.chat(TEXT)
    assert running.upstream.bodies[-1]["messages"][0]["content"] == TEXT


async def test_an_explained_text_reaches_no_log_no_metric_and_no_model(start: Callable[..., Any]) -> None:
    running: Running = await start(FakeAnalyzer(FOUND))
    out = io.BytesIO()
    running.services.observer._out = out
    await running.post(PATH, {"text": TEXT})
    running.services.observer._flush()
    line = json.loads(out.getvalue())
    assert (line["route"], line["status"], line["masked"]) == (PATH, 200, 0)
    _, metrics, _ = await running.get("/metrics")
    for told in (out.getvalue().decode(), metrics):
        assert "Каренина" not in told
        assert BORN not in told
    assert running.upstream.bodies == []


async def test_openapi_tells_requests_answers_and_refusals_as_they_are(start: Callable[..., Any]) -> None:
    running = await start(FakeAnalyzer(FOUND))
    _, openapi, _ = await running.get("/openapi.json")
    operation = openapi["paths"][PATH]["post"]
    asked = _validator(operation["requestBody"])
    request = {"text": TEXT, "language": None, "task_type": "embedding"}
    assert asked.is_valid(request)
    for refused in ({}, {"text": ""}, {"text": "x", "more": 1}, {"text": "x", "language": "de"}):
        assert not asked.is_valid(refused)
        status, told, _ = await running.post(PATH, refused)
        _validator(operation["responses"][str(status)]).validate(told)
    status, told, _ = await running.post(PATH, request)
    _validator(operation["responses"][str(status)]).validate(told)


def _validator(described: Any) -> Draft202012Validator:
    return Draft202012Validator(described["content"]["application/json"]["schema"])
