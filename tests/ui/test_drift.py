"""The drift page: what was noted, what it is compared with, what came of it."""

from typing import Any

import pytest

from tests.ui.conftest import Page
from tests.ui.fake_gateway import FakeGateway
from ui.charts_of_drift import rows, trend
from ui.markup import sandboxed

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
    model = {"model": "spam", "rows": 900, "oldest": 1, "newest": 2, "reference": reference, "last_run": last}
    gateway.answers[("GET", "/v1/drift")] = 200, {"data": [model]}
    gateway.answers[("GET", "/v1/drift-runs")] = 200, {"data": list(runs), "has_more": False}


def told(shown: Any) -> str:
    parts = [
        one.value for one in [*shown.markdown, *shown.caption, *shown.error, *shown.warning, *shown.info]
    ]
    parts += [one.value for one in shown.toast]
    parts += [frame.value.to_string() for frame in shown.dataframe]
    return "\n".join(map(str, parts))


def test_it_says_which_columns_drifted(gateway: FakeGateway, page: Page) -> None:
    noted(gateway, run())
    shown = page("drift")
    assert not shown.exception
    assert "Drifted" in told(shown)
    assert "total_variation" in told(shown)
    assert gateway.asked[-1].query["model"] == "spam"


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


def test_a_refusal_keeps_what_was_typed(gateway: FakeGateway, page: Page) -> None:
    noted(gateway, run())
    gateway.answers[("POST", "/v1/drift-references")] = 403, {"code": "forbidden", "message": "No."}
    shown = page("drift")
    shown.number_input(key="keep.drift.days").set_value(3)
    next(one for one in shown.button if one.label == "Keep").click()
    shown.run()
    assert "role trainer" in told(shown)
    assert shown.number_input(key="keep.drift.days").value == 3


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


def test_a_report_cannot_leave_its_frame() -> None:
    framed = sandboxed('<script>"</iframe><script>alert(1)</script>', 10)
    assert framed.count("<script>") == 0
    assert framed.count("</iframe>") == 1
    assert 'sandbox="allow-scripts"' in framed


def test_each_column_has_a_chart_of_its_own_and_the_furthest_stands_first() -> None:
    words = {
        name: name
        for name in ("ended", "measure", "threshold", "column", "drifted", "yes", "no", "rows", "method")
    }
    assert len(trend([run(1), run(2), run(3, status="failed", columns=[])], words)) == 2
    assert trend([], words) == []
    assert list(rows(COLUMNS[::-1], words)["column"]) == ["label", "text_length"]
