"""The status page: what is up, what was promised, what waits."""

import itertools
import re

from tests.ui.conftest import Page, told
from tests.ui.fake_gateway import FakeGateway

STATUS = {
    "version": "0.1.0",
    "models": ["local", "spam"],
    "in_flight": 3,
    "masking": True,
    "injection_detector": "injection-detector@1.0.0",
    "training": {
        "workers": [{"id": "worker_1", "engine": "local", "capacity": 2, "running": 1, "stores": {}}],
        "stores": {"database": "up", "registry": "down", "dataset_remote": "unknown: no worker reports"},
    },
    "prediction": {"champions": [{"name": "spam", "version": 17}]},
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
        {
            "name": "availability",
            "objective": 0.995,
            "value": 0.99999,
            "good": 99_999,
            "total": 100_000,
            "met": True,
        },
    ],
    "limits": {"requests_per_minute": 6000, "dataset_max_bytes": 104_857_600, "llm_timeout_s": 60.0},
}


def sheets(page: object) -> list[list[list[str]]]:
    """The cells of each table that is HTML, head first."""
    found = [one.proto.body for one in page.get("html") if "<table>" in one.proto.body]  # type: ignore[attr-defined]
    return [
        [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall("<tr>(.*?)</tr>", table)]
        for table in found
    ]


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


def test_it_tells_which_version_predicts_what_training_lacks_and_who_drifted(
    gateway: FakeGateway, page: Page
) -> None:
    gateway.answers[("GET", "/v1/status")] = 200, STATUS
    drifted = {"model": "spam", "last_run": {"drifted": True}}
    calm = [{"model": "calm", "last_run": {"drifted": False}}, {"model": "new", "last_run": None}]
    gateway.answers[("GET", "/v1/drift")] = 200, {"data": [drifted, *calm]}
    shown = page("status")
    assert not shown.exception
    assert "17" in told(shown)
    assert [one.value for one in shown.warning] == ["Drift found: spam"]
    worker = ["worker_1", "local", "1 of 2"]
    assert [table[1] for table in sheets(shown) if table[0][0] == "Worker"] == [worker]
    facts = re.findall(">([^<>]+)</div>", "".join(one.proto.body for one in shown.get("html")))
    stores = dict(itertools.pairwise(facts))
    assert [stores[name] for name in ("store", "registry", "DVC&#x27;s remote")] == [
        "up",
        "down",
        "nobody knows",
    ]


def test_a_drift_that_a_later_failure_hides_is_told(gateway: FakeGateway, page: Page) -> None:
    gateway.answers[("GET", "/v1/status")] = 200, STATUS
    spam = {"model": "spam", "last_run": {"drifted": None}, "last_finding": {"drifted": True}}
    gateway.answers[("GET", "/v1/drift")] = 200, {"data": [spam]}
    assert [one.value for one in page("status").warning] == ["Drift found: spam"]


def test_promises_and_limits_have_units_and_what_was_met_stands_second(
    gateway: FakeGateway, page: Page
) -> None:
    gateway.answers[("GET", "/v1/status")] = 200, STATUS
    promises, limits = sheets(page("status"))[:2]
    assert promises == [
        ["Objective", "Met", "Seen", "Requests"],
        ["Classifiers: 95 % within 0.2 s", "yes", "0.012 s", "100"],
        ["Good answers &gt;= 99 %", "no requests yet", "-", "0"],
        ["Availability &gt;= 99.5 %", "yes", "99.99 %", "100000"],
    ]
    assert limits == [
        ["Limit", "Value"],
        ["Requests a minute, your key", "6 000"],
        ["A data set", "100.0 MiB"],
        ["The model answers within", "60 s"],
    ]


def test_a_key_that_may_not_see_drift_sees_the_rest(gateway: FakeGateway, page: Page) -> None:
    gateway.answers[("GET", "/v1/status")] = 200, STATUS
    gateway.answers[("GET", "/v1/drift")] = 403, {"code": "forbidden", "message": "No."}
    shown = page("status")
    assert not shown.warning
    assert "Language model" in told(shown)


def test_a_refusal_says_why_and_when_to_come_back(gateway: FakeGateway, page: Page) -> None:
    gateway.all_refuse(429, "rate_limited", **{"retry-after": "7"})
    assert "7 s" in told(page("status"))


def test_a_gateway_that_is_down_is_said_to_be(gateway: FakeGateway, page: Page, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    gateway.all_refuse(502, "")
    gateway.answers[("GET", "/v1/status")] = 502, b"<html>Bad gateway</html>"
    shown = page("status")
    assert "does not answer" in told(shown)
    assert not shown.exception
