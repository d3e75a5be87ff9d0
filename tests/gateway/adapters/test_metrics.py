"""The one list of metrics: documented, bounded, and true after what is gone is gone."""

import random
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import enable_created_metrics, generate_latest
from prometheus_client.metrics import MetricWrapperBase

from gateway.adapters.metrics import Metrics
from gateway.domain import Usage
from gateway.drift.facts import ColumnDrift, DriftRun, ModelTraffic, Reference, RunState, Window
from gateway.errors import Code
from gateway.examiner import REASONS
from gateway.grading.agreement import Pair, agreement
from gateway.grading.reply import Fault
from gateway.rest.errors import HTTP
from gateway.rest.routes import template
from gateway.reviews import GraderAgreement

DOCUMENT = Path(__file__).parents[3] / "docs" / "metrics.md"
ROW = re.compile(r"^\| `(\w+)` \| (counter|gauge|histogram) \|(.*?)\|", re.MULTILINE)
THEN = datetime(2026, 1, 2, tzinfo=UTC)
MANY = 10_000


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("1.2.3")


def told(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()


def series(metrics: Metrics, name: str) -> list[str]:
    return [line for line in told(metrics).splitlines() if re.match(rf"{name}[{{ ]", line)]


def test_the_document_lists_each_metric_with_its_labels_and_no_other(metrics: Metrics) -> None:
    documented = {
        name: (kind, set(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels in ROW.findall(DOCUMENT.read_text())
    }
    labels = {
        one._name: one._labelnames for one in vars(metrics).values() if isinstance(one, MetricWrapperBase)
    }
    defined = {}
    for family in metrics.registry.collect():
        name = family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")
        kind = "gauge" if family.type == "info" else family.type
        met = family.samples[0].labels if family.samples else ()  # of the process and the build
        defined[name] = (kind, set(labels.get(family.name, met)))
    assert documented == defined
    assert len(defined) >= 40


def test_every_series_is_of_a_documented_metric() -> None:
    """prometheus_client adds one of the time of its creation to each counter and histogram."""
    enable_created_metrics()  # type: ignore[no-untyped-call]
    fresh = Metrics("1.2.3")
    fresh.answered("/v1/mask", 200, None, 0.01)
    documented = {name for name, _, _ in ROW.findall(DOCUMENT.read_text())}
    for line in told(fresh).splitlines():
        name = re.split(r"[{ ]", line)[0]
        assert line.startswith("#") or re.sub(r"_(bucket|sum|count)$", "", name) in documented, line


def test_a_refusal_is_what_is_answered_with_a_4xx_or_a_503(metrics: Metrics) -> None:
    for code in Code:
        metrics.refused("ann", "/v1/mask", code)
    refused = {re.search(r'code="(\w+)"', line)[1] for line in series(metrics, "gateway_refusals_total")}  # type: ignore[index]
    assert refused == {code.value for code, http in HTTP.items() if http.status < 500 or http.status == 503}
    assert series(metrics, "gateway_shed_total") == ['gateway_shed_total{route="/v1/mask"} 1.0']


def test_a_key_is_told_by_a_hash_and_an_unknown_one_by_none(metrics: Metrics) -> None:
    metrics.refused("bot", "/v1/mask", Code.RATE_LIMITED)
    metrics.refused(None, "/v1/mask", Code.UNAUTHENTICATED)
    assert series(metrics, "gateway_refusals_total") == [
        'gateway_refusals_total{code="rate_limited",key="9d74932b"} 1.0',
        'gateway_refusals_total{code="unauthenticated",key="none"} 1.0',
    ]


def test_whatever_callers_come_up_with_the_series_are_bounded(metrics: Metrics) -> None:
    luck = random.Random(7)
    alphabet = "abz/:.%Анна0123456789"

    def word() -> str:
        return "".join(luck.choices(alphabet, k=luck.randint(1, 20)))

    for _ in range(MANY):
        route = template(f"/v1/{word()}")
        metrics.answered(route, 404, Code.NOT_FOUND, 0.01)
        metrics.refused(word(), route, Code.NOT_FOUND)
        model = word()
        metrics.model_call(model, luck.choice(("ok", "backend_timeout", "client_left")), 0.1)
        metrics.not_reached(model, Code.BACKEND_UNAVAILABLE)
    metrics.drifted([traffic(f"model-{number}", run()) for number in range(MANY)])
    figures = agreement([Pair(0.0, 0.5), Pair(1.0, 1.0)], resamples=0)
    metrics.agreed([GraderAgreement(f"r{number}", "grader-llm", "tiny", figures) for number in range(MANY)])
    text = told(metrics)
    assert len(series(metrics, "gateway_refusals_total")) == 201  # and `other`
    assert len(series(metrics, "gateway_model_seconds_count")) == 101
    assert len(series(metrics, "gateway_model_requests_total")) <= 101 * 4
    assert len(series(metrics, "gateway_drift_alarm")) == 100
    assert len(series(metrics, "gateway_agreement")) == 4 * 100
    assert len(series(metrics, "gateway_requests_total")) <= 40
    assert len(text.splitlines()) < 5_000
    beyond = [line for line in series(metrics, "gateway_refusals_total") if 'key="other"' in line]
    assert float(beyond[0].split()[-1]) > MANY / 2
    metrics.refused("a late key", "other", Code.NOT_FOUND)
    assert len(series(metrics, "gateway_refusals_total")) == 201


def test_what_is_known_beforehand_begins_at_zero(metrics: Metrics) -> None:
    """A counter that appears with its first rise has no rise for Prometheus."""
    assert len(series(metrics, "gateway_reply_faults_total")) == len(Fault)
    assert len(series(metrics, "gateway_review_reasons_total")) == len((*REASONS, "fallback"))
    for line in (
        'gateway_reply_faults_total{fault="not_ended"} 0.0',
        'gateway_repairs_total{outcome="failed"} 0.0',
        'gateway_retries_total{what="embeddings"} 0.0',
        'gateway_traffic_total{outcome="dropped"} 0.0',
        'gateway_masking_failures_total{code="masking_unavailable"} 0.0',
        'gateway_review_reasons_total{reason="guard_unavailable"} 0.0',
        'gateway_masked_values_total{kind="PERSON"} 0.0',
        'gateway_tokens_total{kind="completion"} 0.0',
        'gateway_build_info{version="1.2.3"} 1.0',
    ):
        assert line in told(metrics)


def test_faults_and_repairs_are_counted_by_our_names(metrics: Metrics) -> None:
    metrics.unusable(Fault.OTHER_FIELDS)
    metrics.repaired(mended=True)
    metrics.consumed(Usage(7, 3))
    assert 'gateway_reply_faults_total{fault="other_fields"} 1.0' in told(metrics)
    assert 'gateway_repairs_total{outcome="mended"} 1.0' in told(metrics)
    assert 'gateway_tokens_total{kind="prompt"} 7.0' in told(metrics)


def test_what_the_store_does_not_tell_is_not_shown(metrics: Metrics) -> None:
    metrics.queues({"reviews": 3}, {"reviews": 60.0})
    metrics.services({"llm": True, "store": False})
    assert series(metrics, "gateway_workers") == []  # nobody has looked yet
    metrics.workers(2)
    assert series(metrics, "gateway_queue") == ['gateway_queue{queue="reviews"} 3.0']
    assert series(metrics, "gateway_queue_oldest_seconds")[0].endswith(" 60.0")
    assert series(metrics, "gateway_up") == [
        'gateway_up{service="llm"} 1.0',
        'gateway_up{service="store"} 0.0',
    ]
    assert series(metrics, "gateway_workers") == ["gateway_workers 2.0"]
    metrics.queues({}, {})
    metrics.workers(None)
    metrics.services({"llm": True})
    assert series(metrics, "gateway_workers") == []
    assert series(metrics, "gateway_queue") == series(metrics, "gateway_queue_oldest_seconds") == []
    assert series(metrics, "gateway_up") == ['gateway_up{service="llm"} 1.0']


# Drift


def run(number: int = 1, state: RunState = RunState.SUCCEEDED, *, drifted: bool | None = True) -> DriftRun:
    columns = (ColumnDrift("label", "psi", 0.4, 0.2, drifted=True, rows=500),)
    return DriftRun(
        f"drift_{number}",
        "spam",
        "ref_1",
        Window(THEN, THEN),
        THEN,
        "schedule",
        state,
        ended_at=THEN,
        drifted=drifted if state is RunState.SUCCEEDED else None,
        columns=columns if state is RunState.SUCCEEDED else (),
    )


REFERENCE = Reference("ref_1", "spam", Window(THEN, THEN), THEN, "ann", 500)


def traffic(
    model: str,
    last: DriftRun | None,
    finding: DriftRun | None = None,
    reference: Reference | None = REFERENCE,
    answered_at: datetime | None = None,
) -> ModelTraffic:
    """Without a `finding` the last run is it, if it is one."""
    if finding is None and last is not None and last.state is RunState.SUCCEEDED:
        finding, answered_at = last, last.ended_at
    return ModelTraffic(model, 500, THEN, THEN, reference, last, finding, answered_at)


def test_drift_is_shown_until_its_model_is_gone(metrics: Metrics) -> None:
    metrics.drifted([traffic("spam", run()), traffic("new", None)])
    assert series(metrics, "gateway_drift_score") == ['gateway_drift_score{column="label",model="spam"} 0.4']
    assert series(metrics, "gateway_drift_threshold")[0].endswith(" 0.2")
    assert series(metrics, "gateway_drift_alarm") == ['gateway_drift_alarm{model="spam"} 1.0']
    at = series(metrics, "gateway_drift_run_timestamp_seconds")[0]
    assert float(at.split()[-1]) == THEN.timestamp()
    metrics.drifted([traffic("new", run(2, drifted=False))])
    assert series(metrics, "gateway_drift_alarm") == ['gateway_drift_alarm{model="new"} 0.0']
    metrics.drifted([])
    for name in DRIFT:
        assert series(metrics, name) == []


DRIFT = [f"gateway_drift_{name}" for name in ("score", "threshold", "alarm", "run_timestamp_seconds")]


def test_a_forgotten_reference_takes_its_alarm_along(metrics: Metrics) -> None:
    metrics.drifted([traffic("spam", run(), reference=None)])
    assert [series(metrics, name) for name in DRIFT] == [[]] * 4


def test_what_was_found_of_another_reference_is_no_alarm_of_this_one(metrics: Metrics) -> None:
    metrics.drifted([traffic("spam", run(), reference=replace(REFERENCE, id="ref_2"))])
    assert [series(metrics, name) for name in DRIFT[:3]] == [[]] * 3
    assert len(series(metrics, DRIFT[3])) == 1  # the schedule runs


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.SKIPPED])
def test_a_comparison_without_a_finding_silences_no_alarm_also_after_a_start(
    metrics: Metrics, state: RunState
) -> None:
    """`metrics` has never heard of the finding before."""
    metrics.drifted([traffic("spam", run(2, state), run(1), answered_at=THEN + timedelta(hours=1))])
    assert series(metrics, "gateway_drift_alarm") == ['gateway_drift_alarm{model="spam"} 1.0']
    assert len(series(metrics, "gateway_drift_score")) == 1
    (at,) = series(metrics, "gateway_drift_run_timestamp_seconds")
    assert float(at.split()[-1]) == THEN.timestamp() + 3600


def test_comparisons_that_fail_are_counted_once(metrics: Metrics) -> None:
    metrics.drifted([traffic("spam", run(1)), traffic("old", run(9, RunState.FAILED))])
    assert series(metrics, "gateway_drift_failures_total") == ["gateway_drift_failures_total 0.0"]
    failed = [traffic("spam", run(2, RunState.FAILED), run(1))]
    metrics.drifted(failed)
    metrics.drifted(failed)
    assert series(metrics, "gateway_drift_failures_total") == ["gateway_drift_failures_total 1.0"]
