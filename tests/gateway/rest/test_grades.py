"""`/v1/grades` and `/v1/reviews`: what was graded, who looks at it, how they agree."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway.adapters.keyring import add_key
from gateway.domain import Role
from tests.fakes import FakeAnalyzer, FakeUpstream
from tests.gateway.conftest import Running

PREDICT = "/v1/models/grader-llm:predict"


def verdict(level: int, comment: str = "Fine.") -> str:
    return json.dumps({"evidence": "", "comment": comment, "level": level})


async def graded(running: Running, text: str, level: int = 3, **fields: Any) -> Any:
    """A grade without log-probabilities: nothing tells how sure it is, so it waits for a person."""
    running.upstream.reply = FakeUpstream.says(verdict(level))
    payload = {"submission": text, "reference_answers": ["Water boils."], "grader": "llm", **fields}
    status, grade, _ = await running.post(PREDICT, payload)
    assert status == 200, grade
    return grade


async def test_a_grade_can_be_read_again_with_everything_behind_it(start: Callable[..., Any]) -> None:
    running = await start(analyzer=FakeAnalyzer({"Ivanov": "PERSON"}))
    grade = await graded(running, "Ivanov says it boils.", student_id="s1", submission_id="sub-1")
    status, kept, _ = await running.get(f"/v1/grades/{grade['id']}?audit=true")
    assert status == 200
    assert {**grade, "cached": False} == {name: kept[name] for name in grade}
    assert (kept["student_id"], kept["submission_id"], kept["correction"]) == ("s1", "sub-1", None)
    audit = kept["audit"]
    assert "PERSON_1" in audit["submission"]
    (call,) = audit["calls"]
    assert call["request"]["messages"]
    assert call["response"]["choices"]
    assert call["prompt_tokens"] == 7
    assert "Ivanov" not in json.dumps(kept)
    assert "s1" not in json.dumps(running.upstream.bodies)


async def test_the_queue_holds_what_nobody_has_judged_yet(running: Running) -> None:
    one, two = await graded(running, "It boils."), await graded(running, "It freezes.")
    _, queue, _ = await running.get("/v1/reviews")
    assert {entry["id"] for entry in queue["data"]} == {one["id"], two["id"]}
    _, page, _ = await running.get("/v1/reviews?limit=1")
    _, rest, _ = await running.get(f"/v1/reviews?limit=1&after={page['after']}")
    assert [page["data"][0]["id"], rest["data"][0]["id"]] == [two["id"], one["id"]]
    status, judged, _ = await running.post(f"/v1/reviews/{one['id']}", {"score": 10, "comment": "Right."})
    assert (status, judged["score"], judged["correction"]["score"]) == (201, 7.5, 10)
    await running.post(f"/v1/reviews/{two['id']}", {})  # it stands as it is
    _, queue, _ = await running.get("/v1/reviews")
    assert queue["data"] == []
    _, kept, _ = await running.get(f"/v1/grades/{two['id']}")
    assert kept["correction"]["score"] == 7.5


async def test_points_by_criterion_are_added_up_with_the_rubrics_constraints(running: Running) -> None:
    rubric = {
        "name": "r",
        "criteria": [
            {"id": "A", "description": "Says what.", "points": 6},
            {"id": "B", "description": "Says why.", "points": 4},
        ],
        "constraints": ["if B < 0.5 then cap total at 0.5"],
    }
    grade = await graded(running, "It boils.", rubric=rubric)
    points = [{"id": "A", "points": 6}, {"id": "B", "points": 1}]
    status, judged, _ = await running.post(f"/v1/reviews/{grade['id']}", {"criteria": points})
    assert (status, judged["correction"]["score"]) == (201, 5.0)
    assert judged["correction"]["criteria"] == points


@pytest.mark.parametrize(
    ("judgement", "field"),
    [
        ({"score": 11}, "score"),
        ({"score": -1}, "score"),
        ({"score": 1, "criteria": [{"id": "CR1", "points": 1}]}, "criteria"),
        ({"criteria": [{"id": "CR2", "points": 1}]}, "criteria"),
        ({"criteria": [{"id": "CR1", "points": 11}]}, "criteria"),
        ({"mark": 1}, "request"),
    ],
)
async def test_a_judgement_that_does_not_fit_the_grade_is_refused(
    running: Running, judgement: dict[str, Any], field: str
) -> None:
    grade = await graded(running, "It boils.")
    status, refusal, _ = await running.post(f"/v1/reviews/{grade['id']}", judgement)
    assert (status, refusal["details"]) == (400, [{"field": field}])


async def test_agreement_is_told_by_rubric_and_model_and_becomes_a_metric(running: Running) -> None:
    for number, (level, human) in enumerate([(4, 10), (3, 10), (0, 0), (1, 2.5), (2, 2.5)]):
        grade = await graded(running, f"Answer {number}.", level, question=f"Question {number}?")
        await running.post(f"/v1/reviews/{grade['id']}", {"score": human})
    status, found, _ = await running.get("/v1/reviews/agreement")
    assert status == 200
    (one,) = found["data"]
    assert (one["rubric"], one["grader"], one["model"], one["n"]) == (
        "default-text@1.0.0",
        "grader-llm",
        "tiny",
        5,
    )
    assert one["exact"]["value"] == 0.6
    assert one["mae"]["value"] == 0.1
    assert one["bands"]["low"]["n"] == 3
    assert 0 < one["qwk"]["value"] < 1
    _, metrics, _ = await running.get("/metrics")
    assert 'gateway_agreement{grader="grader-llm",measure="exact",model="tiny"' in metrics
    assert 'gateway_review_reasons_total{reason="low_confidence"} 5.0' in metrics


async def test_agreement_is_measured_though_nobody_asks_for_it(running: Running) -> None:
    for number, human in enumerate((10, 5)):
        grade = await graded(running, f"Answer {number}.", 4)
        await running.post(f"/v1/reviews/{grade['id']}", {"score": human})
    assert "gateway_agreement{" not in (await running.get("/metrics"))[1]
    running.services.status.start()
    async with asyncio.timeout(30):
        while (
            'measure="mae",model="tiny",rubric="default-text@1.0.0"} 0.25'
            not in ((await running.get("/metrics"))[1])
        ):
            await asyncio.sleep(0.01)


async def test_a_grading_key_sees_its_own_grades_only(start: Callable[..., Any], tmp_path: Any) -> None:
    key = add_key(tmp_path / "keys.json", "platform", Role.GRADER, None)
    running = await start()
    theirs = await graded(running, "It boils.")
    headers = {"authorization": f"Bearer {key}"}
    running.upstream.reply = FakeUpstream.says(verdict(1))
    _, own, _ = await running.post(PREDICT, {"submission": "Mine.", "grader": "llm"}, headers=headers)
    status, refusal, _ = await running.get(f"/v1/grades/{theirs['id']}", key=key)
    assert (status, refusal["code"]) == (404, "not_found")
    _, page, _ = await running.get("/v1/grades", key=key)
    assert [one["id"] for one in page["data"]] == [own["id"]]
    status, _, _ = await running.get(f"/v1/grades/{own['id']}?audit=true", key=key)
    assert status == 403
    status, _, _ = await running.post(f"/v1/reviews/{theirs['id']}", {"score": 10}, headers=headers)
    assert status == 404


async def test_a_query_that_cannot_be_is_400_in_our_shape(running: Running) -> None:
    for path, field in (
        ("limit=0", "limit"),
        ("since=yesterday", "since"),
        ("since=0001-01-01T00:00:00%2B14:00", "since"),
        ("after=grade_1", "after"),
    ):
        status, refusal, _ = await running.get(f"/v1/grades?{path}")
        assert (status, refusal["details"]) == (400, [{"field": field}])
