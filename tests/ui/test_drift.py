"""The drift page: what was noted, what it is compared with, what came of it."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.ui.conftest import Page, told
from tests.ui.fake_gateway import FakeGateway

REFERENCE = {
    "id": "ref_1",
    "model": "spam",
    "since": 1,
    "until": 2,
    "created_at": 3,
    "created_by": "ops",
    "rows": 400,
}
COLUMNS = [
    {
        "column": "label",
        "method": "total_variation",
        "score": 0.31,
        "threshold": 0.1,
        "drifted": True,
        "rows": 500,
    },
    {
        "column": "text_length",
        "method": "kolmogorov",
        "score": 0.02,
        "threshold": 0.1,
        "drifted": False,
        "rows": 500,
    },
]


def run(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"drift_{number}",
        "model": "spam",
        "reference_id": "ref_1",
        "since": 1,
        "until": 2,
        "created_at": 1_700_000_000 + number,
        "created_by": "schedule",
        "status": "succeeded",
        "started_at": 1_700_000_000,
        "ended_at": 1_700_000_060 + number,
        "rows": 500,
        "reference_rows": 400,
        "drifted": True,
        "columns": COLUMNS,
        "has_report": True,
        "error": None,
        **fields,
    }


def noted(gateway: FakeGateway, *runs: dict[str, Any], reference: Any = REFERENCE) -> None:
    last = runs[0] if runs else None
    gateway.answers[("GET", "/v1/drift")] = 200, {"data": [traffic("spam", last, reference=reference)]}
    gateway.answers[("GET", "/v1/drift-runs")] = 200, {"data": list(runs), "has_more": False}
    kept = [reference] if reference else []
    gateway.answers[("GET", "/v1/drift-references")] = 200, {"data": kept, "has_more": False}


def traffic(model: str, last: Any, **fields: Any) -> dict[str, Any]:
    told = {"model": model, "rows": 900, "oldest": 1, "newest": 2, "reference": None, "last_run": last}
    return told | fields


def press(shown: Any, label: str) -> None:
    next(one for one in shown.button if one.label == label).click()
    shown.run()


def hours_ago(hours: float) -> int:
    return int((datetime.now(UTC) - timedelta(hours=hours)).timestamp())


def test_it_says_which_columns_drifted(gateway: FakeGateway, page: Page) -> None:
    noted(gateway, run())
    shown = page("drift")
    assert not shown.exception
    assert "Drifted" in told(shown)
    assert "total_variation" in told(shown)
    asked = {one.path: one.query for one in gateway.asked}
    assert asked["/v1/drift-runs"]["model"] == asked["/v1/drift-references"]["model"] == "spam"


def test_nothing_noted_yet_says_what_would_be(gateway: FakeGateway, page: Page) -> None:
    gateway.answers[("GET", "/v1/drift")] = 200, {"data": []}
    assert "Nothing noted yet" in told(page("drift"))
    assert "Пока ничего не записано" in told(page("drift", language="ru"))


def test_without_a_reference_nothing_can_be_compared(gateway: FakeGateway, page: Page) -> None:
    noted(gateway, reference=None)
    shown = page("drift")
    assert "No reference yet" in told(shown)
    assert next(one for one in shown.button if one.label == "Run now").disabled


def test_a_comparison_is_asked_for_with_the_hours_chosen(gateway: FakeGateway, page: Page) -> None:
    noted(gateway, run())
    gateway.answers[("POST", "/v1/drift-runs")] = 202, run(2, status="queued", drifted=None, columns=[])
    shown = page("drift")
    shown.number_input(key="keep.drift.hours").set_value(6)
    next(one for one in shown.button if one.label == "Run now").click()
    shown.run()
    asked = next(one for one in gateway.asked if one.method == "POST")
    assert asked.json == {"model": "spam", "window_hours": 6.0}
    assert "queued" in told(shown)


def test_a_reference_ends_before_the_hours_that_will_be_compared(gateway: FakeGateway, page: Page) -> None:
    noted(gateway, run())
    gateway.answers[("POST", "/v1/drift-references")] = 201, REFERENCE
    shown = page("drift")
    shown.number_input(key="keep.drift.days").set_value(3)
    press(shown, "Keep")
    asked = next(one for one in gateway.asked if one.method == "POST").json
    since, until = (datetime.fromisoformat(asked[name]) for name in ("since", "until"))
    assert until - since == timedelta(days=3)
    assert timedelta(hours=24) <= datetime.now(UTC) - until < timedelta(hours=24, minutes=1)
    assert "Kept: 400 rows" in told(shown)


def test_a_reference_up_to_now_leaves_the_end_to_the_gateway(gateway: FakeGateway, page: Page) -> None:
    noted(gateway, run())
    gateway.answers[("POST", "/v1/drift-references")] = 201, REFERENCE
    shown = page("drift")
    shown.number_input(key="keep.drift.ago").set_value(0)
    press(shown, "Keep")
    assert next(one for one in gateway.asked if one.method == "POST").json.keys() == {"model", "since"}


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [(403, "forbidden", "role trainer"), (404, "not_found", "Nothing was noted in that time"),
     (409, "conflict", "as many references as it may have")],
)  # fmt: skip
def test_a_refusal_keeps_what_was_typed(
    gateway: FakeGateway, page: Page, status: int, code: str, words: str
) -> None:
    noted(gateway, run())
    gateway.answers[("POST", "/v1/drift-references")] = status, {"code": code, "message": "No."}
    shown = page("drift")
    shown.number_input(key="keep.drift.days").set_value(3)
    press(shown, "Keep")
    assert words in told(shown)
    assert shown.number_input(key="keep.drift.days").value == 3


def test_hours_that_lie_in_the_reference_are_told(gateway: FakeGateway, page: Page) -> None:
    reference = {**REFERENCE, "since": hours_ago(48), "until": hours_ago(6)}
    seen = run(since=hours_ago(30), until=hours_ago(0))  # with 24 of its 30 hours in it
    noted(gateway, seen, reference=reference)
    warned = [one.value for one in page("drift").warning]
    assert [re.findall(r"[\d.]+ of [\d.]+ hours lie", one) for one in warned] == [
        ["24 of 30 hours lie"],
        ["18 of 24 hours lie"],  # of the comparison that may be asked for now
    ]


def test_a_reference_is_deleted_when_that_was_confirmed(gateway: FakeGateway, page: Page) -> None:
    noted(gateway, run())
    gateway.answers[("DELETE", "/v1/drift-references/ref_1")] = 409, {"code": "conflict", "message": "No."}
    shown = page("drift", **{"drift.reference": ["ref_1"]})
    assert "Its 400 rows go for good" in "".join(one.value for one in shown.text)
    assert not [one for one in gateway.asked if one.method == "DELETE"]
    press(shown, "Delete")
    assert "A comparison that is not over needs it" in told(shown)
    gateway.answers[("DELETE", "/v1/drift-references/ref_1")] = 204, b""
    press(shown, "Delete")
    assert "The reference is deleted" in told(shown)


def test_it_begins_with_what_drifted_and_a_failure_after_it_takes_nothing_back(
    gateway: FakeGateway, page: Page
) -> None:
    noted(gateway, run())
    failed = run(2, status="failed", drifted=None, columns=[])
    models = [traffic("calm", None), traffic("spam", failed, last_finding=run())]
    gateway.answers[("GET", "/v1/drift")] = 200, {"data": models}
    shown = page("drift")
    assert shown.selectbox(key="keep.drift.model").value == "spam"
    facts = shown.get("html")[0].proto.body
    assert re.findall(">([^<>]+)</div>", facts)[:4] == [
        "Last result",
        "Drifted",
        "Comparison after it",
        "failed",
    ]


def test_what_was_found_stands_above_what_can_be_done(gateway: FakeGateway, page: Page) -> None:
    noted(gateway, run())
    said = [one.value for one in page("drift").markdown]
    assert said.index("**Comparisons**") < said.index("**Keep a reference**")


def test_a_report_is_fetched_only_when_asked_for(gateway: FakeGateway, page: Page) -> None:
    noted(gateway, run())
    gateway.answers[("GET", "/v1/drift-runs/drift_1/report")] = 200, b"<html>whole</html>"
    shown = page("drift")
    assert not [one for one in gateway.asked if one.path.endswith("/report")]
    shown.toggle(key="drift.report").set_value(True).run()
    assert not shown.exception
    assert [one for one in gateway.asked if one.path.endswith("/report")]


@pytest.mark.parametrize(("status", "words"), [("skipped", "too few rows"), ("failed", "failed")])
def test_what_came_to_nothing_says_why(gateway: FakeGateway, page: Page, status: str, words: str) -> None:
    noted(
        gateway, run(status=status, drifted=None, columns=[], has_report=False, error="Fewer than 100 rows.")
    )
    shown = told(page("drift"))
    assert words in shown
    assert "Fewer than 100 rows" in shown


def test_a_gateway_that_is_down_is_said_to_be(gateway: FakeGateway, page: Page) -> None:
    gateway.answers[("GET", "/v1/drift")] = 502, b"<html>Bad gateway</html>"
    assert "does not answer" in told(page("drift"))
