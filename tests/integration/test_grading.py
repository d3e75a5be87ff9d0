"""Grades of a deployed gateway, against the schemas that it publishes."""

import json
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway import contracts as published
from tests.integration.conftest import Contracts

pytestmark = pytest.mark.integration
PREDICT = "/v1/models/grader-llm:predict"
REFUSED = sorted((Path(published.__file__).parent / "samples/invalid").glob("*.json"))
TEXT: dict[str, Any] = {"submission": "The plants release oxygen.", "submission_id": "integration"}
V1 = {
    "text": {"submission": "Растения выделяют кислород.", "language": "ru", "metadata": {"max_score": 10}},
    "code": {"submission": "print('Hello')", "language": "python", "metadata": {"max_score": 10}},
}
V1_1 = {
    "text": {
        **TEXT,
        "question": "What gas do plants release during photosynthesis?",
        "reference_answers": ["Plants release oxygen."],
        "metadata": {"max_score": 5},
    },
    "code": {
        **TEXT,
        "submission": "def largest(numbers):\n    return max(numbers)\n",
        "language": "python",
        "question": "Write largest(numbers), which returns the largest of them.",
        "metadata": {"max_score": 4, "tests": {"passed": 3, "total": 4}},
    },
}


def graded(gateway: httpx.Client, payload: Any, **headers: str) -> dict[str, Any]:
    answer = gateway.post(PREDICT, json=payload, headers=headers)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def adds_up(told: dict[str, Any]) -> bool:
    points = sum(one["points"] for one in told["details"]["criteria"])
    return 0 <= told["score"] <= told["max_score"] and abs(points - told["score"]) <= 0.01


def test_the_schemas_are_served_as_listed(contracts: Contracts, gateway: httpx.Client) -> None:
    assert len(contracts.entries) == 15
    for entry in contracts.entries:
        served = contracts.bodies[entry["url"]]
        assert served.headers["content-type"] == "application/schema+json"
        assert served.headers["etag"] == f'"{entry["sha256"]}"'
        again = gateway.get(entry["url"], headers={"if-none-match": served.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("task_type", V1)
def test_a_v1_request_gets_a_v1_answer(task_type: str, gateway: httpx.Client, contracts: Contracts) -> None:
    assert contracts.fits(V1[task_type], "v1", task_type, "request")
    told = graded(gateway, V1[task_type])
    assert contracts.fits(told, "v1", task_type, "response")
    assert not contracts.fits(told, "v1.1", task_type, "response")
    assert told["versions"]["contract"] == "v1"
    assert adds_up(told)


@pytest.mark.parametrize("task_type", V1_1)
def test_a_v1_1_request_gets_a_v1_1_answer(
    task_type: str, gateway: httpx.Client, contracts: Contracts
) -> None:
    asked = {"contract": "v1.1", **V1_1[task_type]}
    assert contracts.fits(asked, "v1.1", task_type, "request")
    told = graded(gateway, asked)
    assert contracts.fits(told, "v1.1", task_type, "response")
    assert not contracts.fits(told, "v1", task_type, "response")
    assert told["max_score"] == asked["metadata"]["max_score"]
    assert told["needs_review"] == bool(told["review_reasons"])
    assert adds_up(told)


def test_a_label_is_one_of_those_that_were_given(gateway: httpx.Client, contracts: Contracts) -> None:
    labels = ["ham", "spam"]
    asked = {**TEXT, "submission": "You win a prize!", "task_type": "classification", "labels": labels}
    answer = gateway.post("/v1/models/grader-auto:predict", json=asked)
    if answer.status_code == 200:
        assert contracts.fits(answer.json(), "v1.1", "classification", "response")
        assert answer.json()["label"] in labels
    else:  # a small model cannot choose, and no classifier has just these labels
        assert (answer.status_code, answer.json()["details"]) == (400, [{"field": "labels"}])


def test_a_list_is_answered_in_its_order(gateway: httpx.Client) -> None:
    empty = {**TEXT, "submission": " "}
    told = graded(gateway, {"instances": [V1_1["text"], empty, V1_1["code"]]})
    first, nothing, last = told["predictions"]
    assert [one["max_score"] for one in (first, nothing, last)] == [5, 10, 4]
    assert (nothing["score"], nothing["usage"]["completion_tokens"]) == (0, 0)


def test_a_rubric_that_is_sent_is_the_one_that_is_followed(gateway: httpx.Client) -> None:
    criteria = [
        {"id": "TESTS", "description": "The tests pass.", "weight": 0.75, "source": "tests"},
        {"id": "READ", "description": "The code is easy to read.", "weight": 0.25},
    ]
    told = graded(gateway, {**V1_1["code"], "rubric": {"name": "integration", "criteria": criteria}})
    assert [one["id"] for one in told["details"]["criteria"]] == ["TESTS", "READ"]
    assert [one["max_points"] for one in told["details"]["criteria"]] == [3, 1]
    assert told["details"]["criteria"][0]["points"] == 2.25  # three tests of four, whatever a model says
    assert told["versions"]["rubric"].startswith("integration@1.0.0")


def test_an_idempotency_key_pins_the_answer(gateway: httpx.Client) -> None:
    key = str(uuid.uuid4())
    headers = {"idempotency-key": key, "cache-control": "no-cache"}
    first = graded(gateway, V1_1["text"], **headers)
    again = graded(gateway, V1_1["text"], **headers)
    assert (first["cached"], again["cached"]) == (False, True)
    assert again == {**first, "cached": True}
    other = gateway.post(PREDICT, json=V1_1["code"], headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "conflict")


def test_a_grade_is_kept_as_it_was_given_in_any_alphabet(gateway: httpx.Client) -> None:
    student = f"студент-Ё-{uuid.uuid4().hex[:6]}"
    asked = {**V1_1["text"], "submission": "Растения выделяют кислород 🌿.", "student_id": student}
    told = graded(gateway, asked)
    kept = gateway.get(f"/v1/grades/{told['id']}").json()
    assert kept["student_id"] == student
    assert {name: kept[name] for name in ("score", "max_score", "grader", "versions")} == {
        name: told[name] for name in ("score", "max_score", "grader", "versions")
    }


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_a_request_against_the_contract_is_refused_by_its_field(path: Path, gateway: httpx.Client) -> None:
    sample = json.loads(path.read_bytes())
    answer = gateway.post(PREDICT, json=sample["request"])
    assert answer.status_code == 400, answer.text
    told = answer.json()
    assert (told["code"], told["details"]) == ("invalid_request", [{"field": sample["field"]}])
    assert told["trace_id"] == answer.headers["x-request-id"]
