"""`/v1/rubrics`: from the first version to the grades that it added up."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway.adapters.keyring import add_key
from gateway.domain import Role
from tests.fakes import FakeAnalyzer, FakeUpstream
from tests.gateway.conftest import Running

ESSAY = {
    "name": "essay",
    "criteria": [
        {"id": "CR1", "description": "Names the cause.", "weight": 0.5},
        {"id": "CR2", "description": "Gives an example.", "weight": 0.5},
    ],
    "constraints": ["if CR2 < 0.5 then cap total at 0.6"],
    "grading_notes": "Spelling does not count.",
}
GRADE = {"submission": "Water boils.", "rubric_id": "essay", "metadata": {"max_score": 10}}


def verdicts(*levels: int) -> Any:
    return FakeUpstream.says(
        *(json.dumps({"evidence": "", "comment": f"Level {level}.", "level": level}) for level in levels)
    )


async def made(running: Running, **changes: Any) -> Any:
    status, rubric, headers = await running.post("/v1/rubrics", {**ESSAY, **changes})
    assert status == 201, rubric
    assert headers["location"] == f"/v1/rubrics/{rubric['id']}"
    return rubric


async def test_a_rubric_is_made_read_and_listed(running: Running) -> None:
    first = await made(running)
    assert (first["id"], first["version"], first["used"]) == ("essay@1.0.0", "1.0.0", False)
    assert {name: first[name] for name in ESSAY} == ESSAY | {
        "criteria": [{**one, "source": "model"} for one in ESSAY["criteria"]]
    }
    second = await made(running, grading_notes="Spelling counts.")
    assert second["id"] == "essay@1.1.0"
    _, newest, _ = await running.get("/v1/rubrics/essay")
    _, old, _ = await running.get("/v1/rubrics/essay@1.0.0")
    assert (newest, old) == (second, first)
    _, page, _ = await running.get("/v1/rubrics?limit=1&after=essay@1.0.0")
    assert [one["id"] for one in page["data"]] == ["essay@1.1.0"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": None}, "name"),
        ({"name": "a b"}, "name"),
        ({"criteria": []}, "criteria"),
        ({"constraints": ["if CR9 < 0.5 then cap total at 0.6"]}, "constraints.0"),
        ({"criteria": [{"id": "CR1", "description": "x", "weight": 0.4}], "constraints": []}, "criteria"),
        ({"version": "1"}, "version"),
    ],
)
async def test_a_rubric_that_cannot_be_is_refused_by_its_field(
    running: Running, change: dict[str, Any], field: str
) -> None:
    status, refusal, _ = await running.post("/v1/rubrics", {**ESSAY, **change})
    assert (status, refusal["details"]) == (400, [{"field": field}])


async def test_a_version_is_changed_while_nothing_was_graded_by_it(running: Running) -> None:
    await made(running)
    status, changed, _ = await running.put("/v1/rubrics/essay@1.0.0", {**ESSAY, "grading_notes": "New."})
    assert (status, changed["grading_notes"]) == (200, "New.")
    running.upstream.reply = verdicts(4, 4)
    status, _, _ = await running.post("/v1/models/grader-llm:predict", GRADE)
    assert status == 200
    status, refusal, _ = await running.put("/v1/rubrics/essay@1.0.0", ESSAY)
    assert (status, refusal["code"]) == (409, "conflict")
    _, kept, _ = await running.get("/v1/rubrics/essay")
    assert (kept["used"], kept["grading_notes"]) == (True, "New.")


async def test_a_rubric_is_known_again_behind_masked_words_and_beside_test_results(
    start: Callable[..., Any],
) -> None:
    running = await start(analyzer=FakeAnalyzer({"Newton": "PERSON"}))
    criteria = [{"id": "CR1", "description": "Uses Newton's method.", "weight": 1.0}]
    await made(running, criteria=criteria, constraints=[])
    running.upstream.reply = verdicts(2)
    program = {**GRADE, "task_type": "code", "metadata": {"tests": {"passed": 9, "total": 10}}}
    _, grade, _ = await running.post("/v1/models/grader-llm:predict", program)
    assert (grade["score"], grade["versions"]["rubric"]) == (7.0, "essay@1.0.0+tests")
    assert "Newton" not in running.upstream.raw[-1].decode()
    _, kept, _ = await running.get("/v1/rubrics/essay")
    assert (kept["used"], kept["criteria"][0]["description"]) == (True, "Uses Newton's method.")
    await made(running, criteria=criteria, constraints=["if CR1 < 0.6 then cap total at 0.1"])
    _, outcome, _ = await running.post("/v1/rubrics/essay@1.1.0:rescore?from=1.0.0", {})
    assert (outcome["grades"], outcome["changed"]) == (1, 1)
    _, page, _ = await running.get("/v1/grades?limit=1")
    assert (page["data"][0]["score"], page["data"][0]["versions"]["rubric"]) == (1.0, "essay@1.1.0+tests")


async def test_the_same_version_twice_is_a_conflict_and_what_is_not_there_is_404(running: Running) -> None:
    await made(running, version="3.0.0")
    status, _, _ = await running.post("/v1/rubrics", {**ESSAY, "version": "3.0.0"})
    assert status == 409
    for path in ("essay@1.0.0", "novel"):
        status, refusal, _ = await running.get(f"/v1/rubrics/{path}")
        assert (status, refusal["code"]) == (404, "not_found")
    status, _, _ = await running.post("/v1/models/grader-llm:predict", {**GRADE, "rubric_id": "novel"})
    assert status == 404


async def test_other_points_add_up_old_grades_anew_without_a_model(running: Running) -> None:
    await made(running)
    running.upstream.reply = verdicts(4, 1)
    _, grade, _ = await running.post("/v1/models/grader-llm:predict", GRADE)
    assert (grade["score"], grade["versions"]["rubric"]) == (6.0, "essay@1.0.0")  # 6.25, capped at 6
    criteria = [{**one, "weight": weight} for one, weight in zip(ESSAY["criteria"], (0.9, 0.1), strict=True)]
    await made(running, criteria=criteria, constraints=[])
    asked = len(running.upstream.bodies)
    status, outcome, _ = await running.post("/v1/rubrics/essay@1.1.0:rescore?from=1.0.0", {})
    assert (status, outcome["grades"], outcome["changed"]) == (200, 1, 1)
    await running.post("/v1/rubrics/essay@1.1.0:rescore?from=1.0.0", {})  # doing it again adds nothing
    _, page, _ = await running.get("/v1/grades?rubric=essay@1.1.0")
    (again,) = page["data"]
    assert (again["score"], again["based_on"]) == (9.25, grade["id"])
    assert [one["points"] for one in again["details"]["criteria"]] == [9.0, 0.25]
    assert len(running.upstream.bodies) == asked


async def test_versions_with_other_criteria_cannot_be_added_up_anew(running: Running) -> None:
    await made(running)
    running.upstream.reply = verdicts(4, 4)
    await running.post("/v1/models/grader-llm:predict", GRADE)
    other = {"id": "CR1", "description": "Names two causes.", "weight": 0.5}
    await made(running, criteria=[other, ESSAY["criteria"][1]])
    for path in ("essay@2.0.0:rescore?from=1.0.0", "essay@1.0.0:rescore?from=1.0.0"):
        status, refusal, _ = await running.post(f"/v1/rubrics/{path}", {})
        assert (status, refusal["details"]) == (400, [{"field": "from"}])


async def test_a_requests_own_rubric_of_the_same_name_is_left_alone(running: Running) -> None:
    await made(running)
    running.upstream.reply = verdicts(4, 1)
    await running.post("/v1/models/grader-llm:predict", GRADE)
    own = {"name": "essay", "criteria": [{"id": "X", "description": "Is long.", "weight": 1.0}]}
    inline = {"submission": "Water boils.", "rubric": own}
    assert (await running.post("/v1/models/grader-llm:predict", inline))[0] == 200
    await made(running, constraints=[])
    _, outcome, _ = await running.post("/v1/rubrics/essay@1.1.0:rescore?from=1.0.0", {})
    assert (outcome["grades"], outcome["changed"]) == (1, 1)


async def test_a_grading_key_reads_rubrics_and_writes_none(start: Callable[..., Any], tmp_path: Any) -> None:
    key = add_key(tmp_path / "keys.json", "platform", Role.GRADER, None)
    running = await start()
    await made(running)
    status, _, _ = await running.get("/v1/rubrics/essay", key=key)
    assert status == 200
    headers = {"authorization": f"Bearer {key}"}
    status, refusal, _ = await running.post("/v1/rubrics", {**ESSAY, "grading_notes": ""}, headers=headers)
    assert (status, refusal["code"]) == (403, "forbidden")
