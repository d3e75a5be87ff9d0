"""The status page: what is up, what was promised, what waits."""

from tests.ui.conftest import Page
from tests.ui.fake_gateway import FakeGateway

STATUS = {
    "version": "0.1.0",
    "models": ["local", "spam"],
    "in_flight": 3,
    "masking": True,
    "injection_detector": "injection-detector@1.0.0",
    "training": {"workers": [{"id": "w"}]},
    "services": [
        {
            "name": "llm",
            "state": "down",
            "detail": "<b>The model server</b> does not answer.",
            "since": 1_700_000_000,
        },
        {"name": "store", "state": "up", "detail": None, "since": 1_700_000_000},
    ],
    "queue": {"batch_items": 0, "training_jobs": 2, "reviews": 5, "drift_runs": 0},
    "slo": [
        {"name": "classifier_p95", "objective": 0.2, "value": 0.012, "good": 99, "total": 100, "met": True},
        {"name": "good_answers", "objective": 0.99, "value": None, "good": 0, "total": 0, "met": None},
    ],
    "limits": {"requests_per_minute": 6000, "max_in_flight": 256},
}


def told(page: object) -> str:
    """Every word on the page."""
    parts = [
        element.value for element in [*page.markdown, *page.caption, *page.error, *page.warning, *page.info]
    ]  # type: ignore[attr-defined]
    parts += [frame.value.to_string() for frame in page.dataframe]  # type: ignore[attr-defined]
    return "\n".join(map(str, parts))


def test_it_tells_what_is_down_and_which_promise_was_kept(gateway: FakeGateway, page: Page) -> None:
    gateway.answers[("GET", "/v1/status")] = 200, STATUS
    shown = page("status")
    assert not shown.exception
    words = told(shown)
    assert "Language model" in words
    assert "down" in words
    assert "0.012 s" in words
    assert "no requests yet" in words
    assert "6 000" in words
    assert "<b>The" not in words.replace("\\<b\\>The", "")


def test_the_same_in_russian(gateway: FakeGateway, page: Page) -> None:
    gateway.answers[("GET", "/v1/status")] = 200, STATUS
    words = told(page("status", language="ru"))
    assert "Языковая модель" in words
    assert "не отвечает" in words


def test_an_older_or_a_wounded_gateway_is_no_reason_to_break(gateway: FakeGateway, page: Page) -> None:
    gateway.answers[("GET", "/v1/status")] = (
        200,
        {"version": "0.0.1", "queue": None, "services": [], "slo": []},
    )
    shown = page("status")
    assert not shown.exception
    assert "nobody knows" in told(shown)


def test_a_refusal_says_why_and_when_to_come_back(gateway: FakeGateway, page: Page) -> None:
    gateway.all_refuse(429, "rate_limited", **{"retry-after": "7"})
    assert "7 s" in told(page("status"))


def test_a_gateway_that_is_down_is_said_to_be(gateway: FakeGateway, page: Page, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    gateway.all_refuse(502, "")
    gateway.answers[("GET", "/v1/status")] = 502, b"<html>Bad gateway</html>"
    shown = page("status")
    assert "does not answer" in told(shown)
    assert not shown.exception
