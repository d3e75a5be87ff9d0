"""`/v1/audit`: who changed rubrics, grades and references, and who may know it."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.adapters.database.database import Database
from gateway.adapters.keyring import add_key
from gateway.domain import Role
from tests.fakes import FakeUpstream
from tests.gateway.adapters.database.drift_facts import NOON, noted
from tests.gateway.conftest import KEY, Running

ESSAY = {"name": "essay", "criteria": [{"id": "CR1", "description": "Names the cause.", "weight": 1.0}]}
GRADE = {"submission": "Water boils.", "rubric_id": "essay", "grader": "llm"}
WINDOW = {"model": "spam", "since": NOON.timestamp() - 60, "until": NOON.timestamp() + 60}


async def told(running: Running, query: str = "") -> list[dict[str, Any]]:
    status, page, _ = await running.get(f"/v1/audit{query}")
    assert status == 200, page
    assert page["has_more"] is False
    found: list[dict[str, Any]] = page["data"]
    return found[::-1]


async def delete(running: Running, path: str, key: str = KEY) -> int:
    headers = {"authorization": f"Bearer {key}"}
    async with running.http.delete(running.url + path, headers=headers) as answer:
        return answer.status


async def test_rubrics_corrections_and_references_are_accounted_for(running: Running, tmp_path: Path) -> None:
    await running.post("/v1/rubrics", ESSAY)
    await running.put("/v1/rubrics/essay@1.0.0", {**ESSAY, "grading_notes": "Be kind."})
    verdict = {"evidence": "", "comment": "Fine.", "level": 3}
    running.upstream.reply = FakeUpstream.says(json.dumps(verdict))
    status, grade, _ = await running.post("/v1/models/grader-llm:predict", GRADE)
    assert status == 200, grade
    await running.post(f"/v1/reviews/{grade['id']}", {"score": 10, "comment": "Ivanov is right."})
    await running.post("/v1/rubrics", {**ESSAY, "grading_notes": "Be strict."})
    await running.post("/v1/rubrics/essay@1.1.0:rescore?from=1.0.0")
    await running.post("/v1/rubrics", ESSAY | {"version": "1.1.0"})
    store = Database(f"sqlite:///{tmp_path}/store.db")
    await store.start()
    await noted(store, "spam", [0.0])
    await store.close()
    _, kept, _ = await running.post("/v1/drift-references", WINDOW)
    assert await delete(running, f"/v1/drift-references/{kept['id']}") == 204
    found = await told(running)
    assert [(one["action"], one["object"], one["outcome"]) for one in found] == [
        ("rubric.add", "essay@1.0.0", "done"),
        ("rubric.replace", "essay@1.0.0", "done"),
        ("grade.correct", grade["id"], "done"),
        ("rubric.add", "essay@1.1.0", "done"),
        ("rubric.rescore", "essay@1.1.0", "done"),
        ("rubric.add", None, "conflict"),
        ("drift_reference.keep", kept["id"], "done"),
        ("drift_reference.forget", kept["id"], "done"),
    ]
    assert "Ivanov" not in json.dumps(found), "what was written is the grade's, not the audit's"


async def test_it_is_paged_and_narrowed_and_wrong_questions_are_refused(running: Running) -> None:
    for number in range(3):
        await running.post("/v1/rubrics", {**ESSAY, "name": f"essay-{number}"})
    status, page, _ = await running.get("/v1/audit?limit=2")
    assert [one["object"] for one in page["data"]] == ["essay-2@1.0.0", "essay-1@1.0.0"]
    assert page["has_more"] is True
    (last,) = await told(running, f"?limit=2&after={page['data'][-1]['id']}")
    assert last["object"] == "essay-0@1.0.0"
    assert await told(running, "?action=model.delete") == await told(running, "?key_id=ann") == []
    assert await told(running, "?since=2100-01-01") == []
    for query in ("action=everything", "limit=0", "after=audit_nobodys", "since=yesterday"):
        status, refusal, _ = await running.get(f"/v1/audit?{query}")
        assert (status, refusal["code"]) == (400, "invalid_request"), query


@pytest.mark.parametrize("role", [Role.GRADER, Role.TRAINER, Role.METRICS])
async def test_only_an_admin_reads_it(running: Running, tmp_path: Path, role: Role) -> None:
    key = add_key(tmp_path / "keys.json", "ann", role)
    status, refusal, _ = await running.get("/v1/audit", key)
    assert (status, refusal["code"]) == (403, "forbidden")


async def test_a_name_that_somebody_made_up_is_kept_as_a_hash(running: Running) -> None:
    assert await delete(running, "/v1/datasets/Anna%20Ivanova%20%2B7916?version=2") in (400, 404)
    assert await delete(running, f"/v1/datasets/mine?{'version=Ivanova&' * 500}") == 400
    assert await delete(running, "/v1/rubrics/Ivanova") == 405
    hidden, plain = await told(running)
    assert hidden["object"].startswith("sha256:")
    assert (plain["object"], plain["outcome"]) == ("mine", "invalid_request")


async def test_a_trainers_change_carries_their_key_and_their_request(
    running: Running, tmp_path: Path
) -> None:
    key = add_key(tmp_path / "keys.json", "ann", Role.TRAINER)
    told_id = "0123456789abcdef0123456789abcdef"
    headers = {"authorization": f"Bearer {key}", "x-request-id": told_id}
    async with running.http.post(f"{running.url}/v1/rubrics", json=ESSAY, headers=headers) as answer:
        assert answer.status == 201
    (entry,) = await told(running, "?key_id=ann")
    assert (entry["key_id"], entry["request_id"]) == ("ann", told_id)
