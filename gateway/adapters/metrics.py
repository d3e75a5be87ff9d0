"""Every metric of the gateway: the one list, and how each is told. docs/metrics.md says what they mean.

No label holds a caller's text, but for two names that trainers give, a rubric's and a trained model's; each
has a bound. `labels()` takes a lock and a dictionary walk, so what a request tells is told to children that
are kept.

Over 250 lines: one metric below the other, and then what tells them.
"""

import hashlib
from collections.abc import Mapping, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from gateway.adapters.series import OTHER, BoundedNames, GaugeOnceKnown
from gateway.domain import KINDS, OPTIONAL_KINDS, Server, Usage
from gateway.drift.facts import DriftRun, ModelTraffic, RunState
from gateway.errors import Code
from gateway.examiner import REASONS
from gateway.grading.reply import Fault
from gateway.places import Room
from gateway.records import Graded
from gateway.reviews import GraderAgreement

_MOST_KEYS = 200
_MOST_MODELS = 100
_MOST_AGREEMENTS = 100  # label sets of the agreement metric: rubrics are named by callers
# What the gateway or somebody behind it failed at; every other code is a refusal, a 4xx or a 503.
_FAILURES = frozenset(
    {
        Code.ARTIFACT_UNAVAILABLE,
        Code.BACKEND_ERROR,
        Code.BACKEND_TIMEOUT,
        Code.DEADLINE_EXCEEDED,
        Code.INTERNAL,
        Code.UNUSABLE_ANSWER,
    }
)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10, 30, 60)
_CALL_SECONDS = (*_SECONDS, 300, 1800)  # a watched training takes minutes


class Metrics:
    """What is told from the event loop alone: a scrape never sees a half of what belongs together."""

    def __init__(self, version: str) -> None:
        # Of each counter and histogram a series more, of when it began, that nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()

        def counter(name: str, says: str, *labels: str) -> Counter:
            return Counter(name, says, labels, registry=registry)

        def gauge(name: str, says: str, *labels: str) -> Gauge:
            return Gauge(name, says, labels, registry=registry)

        def seconds(name: str, says: str, *labels: str, buckets: Sequence[float] = _SECONDS) -> Histogram:
            return Histogram(name, says, labels, buckets=buckets, registry=registry)

        # The doors.
        self._requests = counter("gateway_requests", "Requests answered.", "route", "status", "code")
        self._request_seconds = seconds(
            "gateway_request_seconds", "From the request's head to the last byte of its answer.", "route"
        )
        self._calls = counter("gateway_rpc_calls", "gRPC calls answered.", "method", "status", "code")
        self._call_seconds = seconds(
            "gateway_rpc_seconds",
            "From a gRPC call's head to its status.",
            "method",
            buckets=_CALL_SECONDS,
        )
        self._connections_refused = counter(
            "gateway_connections_refused", "Connections closed for what their client did.", "reason"
        )
        self._shed = counter(
            "gateway_shed", "Requests and calls refused because too many were under way.", "route"
        )
        self._refusals = counter(
            "gateway_refusals", "Answers of 4xx and 503, by 8 hex digits of the key id's hash.", "key", "code"
        )
        self._in_flight = gauge("gateway_in_flight", "Requests at a server now.", "server")
        self._places = gauge("gateway_places", "Requests at a server at once, at most.", "server")
        self._place_limit = gauge(
            "gateway_place_limit", "Requests that a server is given at once now.", "server"
        )
        self._uncounted = counter(
            "gateway_limits_unavailable", "Requests and tokens not counted: the limits' store was away."
        )
        # The models behind.
        self._breaker_open = gauge(
            "gateway_breaker_open", "1 while a replica is left alone.", "server", "replica"
        )
        self._breaker_opened = counter(
            "gateway_breaker_opened", "How often a replica was left alone.", "server", "replica"
        )
        self._retries_refused = counter(
            "gateway_retries_refused", "Not tried again because the budget was spent.", "server"
        )
        self._model_requests = counter(
            "gateway_model_requests", "Calls of models, by how they ended.", "model", "outcome"
        )
        self._model_seconds = seconds(
            "gateway_model_seconds", "Of a call of a model, to the last byte of its answer.", "model"
        )
        self._tokens = counter("gateway_tokens", "Tokens as the model server counts.", "kind")
        # Masking.
        self._masking_seconds = seconds(
            "gateway_masking_seconds", "Of looking for personal data in one request's texts."
        )
        self._masked = counter(
            "gateway_masked_values", "Distinct personal values replaced in requests.", "kind"
        )
        self._masking_failures = counter(
            "gateway_masking_failures", "Requests whose texts could not be masked and went nowhere.", "code"
        )
        # Grading.
        self._grades = counter("gateway_grades", "Grades answered.", "grader", "cached", "needs_review")
        self._reasons = counter(
            "gateway_review_reasons", "Reasons for a person to look at a grade.", "reason"
        )
        self._fallbacks = counter(
            "gateway_grade_fallbacks", "Grades by another grader than the one asked for.", "from", "to"
        )
        self._faults = counter(
            "gateway_reply_faults", "Replies of the model that broke their schema, by how.", "fault"
        )
        self._repairs = counter("gateway_repairs", "Second askings after such a reply.", "outcome")
        self._agreement = gauge(
            "gateway_agreement",
            "Of grades with people's corrections.",
            "rubric",
            "grader",
            "model",
            "measure",
        )
        # Work that waits.
        self._retries = counter("gateway_retries", "What was tried again after an error that passes.", "what")
        self._queue = gauge("gateway_queue", "What waits in the store.", "queue")
        self._queue_oldest = gauge(
            "gateway_queue_oldest_seconds", "How long the first of a queue has waited.", "queue"
        )
        self._workers = GaugeOnceKnown(
            "gateway_workers", "Workers that reported within 30 s.", registry=registry
        )
        # Drift.
        self._traffic = counter(
            "gateway_traffic", "Answers seen for drift, by what became of them.", "outcome"
        )
        self._drift_score = gauge(
            "gateway_drift_score", "A column's, of a model's last comparison.", "model", "column"
        )
        self._drift_threshold = gauge(
            "gateway_drift_threshold", "Where that column's drift begins.", "model", "column"
        )
        self._drift_alarm = gauge(
            "gateway_drift_alarm", "1 when the last comparison that found anything found drift.", "model"
        )
        self._drift_at = gauge(
            "gateway_drift_run_timestamp_seconds", "When the last comparison ended.", "model"
        )
        self._drift_failures = counter("gateway_drift_failures", "Comparisons that came to nothing.")
        # The process and what is around it.
        self._up = gauge("gateway_up", "1 when the service answered at the last look.", "service")
        self._lines_lost = counter("gateway_log_lines_lost", "Log lines dropped, none could be written.")
        Info("gateway_build", "The gateway's version.", registry=registry).info({"version": version})
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)

        self._keys = BoundedNames(_MOST_KEYS)
        self._models = BoundedNames(_MOST_MODELS)
        self._request_children: dict[tuple[str, int, Code | None], tuple[Counter, Histogram]] = {}
        self._model_children: dict[tuple[str, str], tuple[Counter, Histogram]] = {}
        self._failed_runs: frozenset[str] | None = None  # None: nobody has looked yet
        self._prompt_tokens = self._tokens.labels("prompt")
        self._completion_tokens = self._tokens.labels("completion")
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """What is bounded and not met yet is 0, so that its first rise is seen as one."""
        for kind in sorted(KINDS | OPTIONAL_KINDS):
            self._masked.labels(kind)
        for fault in Fault:
            self._faults.labels(fault.name.lower())
        for counter, labels in (
            (self._reasons, (*REASONS, "fallback")),
            (self._repairs, ("mended", "failed")),
            (self._retries, ("batch_item", "embeddings", "llm")),
            (self._retries_refused, ("embeddings", "llm")),
            (self._traffic, ("noted", "sampled_out", "dropped")),
            (self._masking_failures, (Code.MASKING_UNAVAILABLE.value, Code.OVERLOADED.value)),
        ):
            for label in labels:
                counter.labels(label)

    # The doors

    def places(self, server: Server, room: Room, most: int) -> None:
        """How many requests may be at a server at once, and where it is read how many are and may be now."""
        self._in_flight.labels(server.value).set_function(lambda: room.in_flight)
        self._place_limit.labels(server.value).set_function(lambda: room.limit.now)
        self._places.labels(server.value).set(most)

    def uncounted(self) -> None:
        """Something was let in that no limit knows of."""
        self._uncounted.inc()

    def answered(self, route: str, status: int, code: Code | None, seconds: float) -> None:
        """A request is over; `route` is a template."""
        key = (route, status, code)
        children = self._request_children.get(key)
        if children is None:
            label = code.value if code else ""
            children = (
                self._requests.labels(route, str(status), label),
                self._request_seconds.labels(route),
            )
            self._request_children[key] = children
        children[0].inc()
        children[1].observe(seconds)

    def called(self, method: str, status: str, code: Code | None, seconds: float) -> None:
        """A gRPC call is over; `method` is one of ours or `other`."""
        self._calls.labels(method, status, code.value if code else "").inc()
        self._call_seconds.labels(method).observe(seconds)

    def refused(self, key_id: str | None, route: str, code: Code) -> None:
        """A request or a call was answered with an error; a failure is none of the caller's and is not
        counted here. `key_id`: None before a key is known."""
        if code in _FAILURES:
            return
        if code is Code.OVERLOADED:
            self._shed.labels(route).inc()
        key = "none" if key_id is None else self._keys.label(hashlib.sha256(key_id.encode()).hexdigest()[:8])
        self._refusals.labels(key, code.value).inc()

    def connection_refused(self, reason: str) -> None:
        """`reason`: full, malformed, too_large, header_timeout or stalled."""
        self._connections_refused.labels(reason).inc()

    def lost_line(self) -> None:
        """A log line could not be kept."""
        self._lines_lost.inc()

    # The models behind, and masking

    def model_call(self, model: str, outcome: str, seconds: float) -> None:
        """`outcome`: `ok`, `client_left` or an error's code."""
        key = (model, outcome)
        children = self._model_children.get(key)
        if children is None:
            label = self._models.label(model)
            children = self._model_requests.labels(label, outcome), self._model_seconds.labels(label)
            if label is not OTHER:  # the names beyond the bound have none
                self._model_children[key] = children
        children[0].inc()
        children[1].observe(seconds)

    def not_reached(self, model: str, code: Code) -> None:
        """A request came to nothing because the model's server does not even say what it serves."""
        self._model_requests.labels(self._models.label(model), code.value).inc()

    def consumed(self, usage: Usage) -> None:
        """Tokens of a request."""
        if usage.prompt_tokens:
            self._prompt_tokens.inc(usage.prompt_tokens)
            self._completion_tokens.inc(usage.completion_tokens)

    def masked(self, counts: Mapping[str, int]) -> None:
        """Distinct values that were replaced in a request, by kind."""
        for kind, count in counts.items():
            self._masked.labels(kind).inc(count)

    def looked(self, seconds: float) -> None:
        """Texts were looked through for personal data."""
        self._masking_seconds.observe(seconds)

    def not_masked(self, code: Code) -> None:
        """Texts could not be looked through."""
        self._masking_failures.labels(code.value).inc()

    # Grading

    def graded(self, asked: str, graded: Graded) -> None:
        """A grade is about to be answered; `asked` is the grader that was asked for."""
        grade = graded.grade
        cached, review = str(graded.cached).lower(), str(bool(grade.review_reasons)).lower()
        self._grades.labels(grade.grader, cached, review).inc()
        for reason in grade.review_reasons:
            self._reasons.labels(reason).inc()
        if "fallback" in grade.review_reasons:
            self._fallbacks.labels(asked, grade.grader).inc()

    def unusable(self, fault: Fault) -> None:
        """A reply of the model broke its schema."""
        self._faults.labels(fault.name.lower()).inc()

    def repaired(self, *, mended: bool) -> None:
        """The model was asked a second time because of that."""
        self._repairs.labels("mended" if mended else "failed").inc()

    def agreed(self, found: Sequence[GraderAgreement]) -> None:
        """How graders agree with people; what is no longer found is no longer shown."""
        self._agreement.clear()
        for one in found[:_MOST_AGREEMENTS]:
            overall = one.agreement.overall
            measures = {
                "qwk": overall.kappa,
                "exact": overall.exact,
                "mae": overall.mae,
                "bias": overall.bias,
            }
            for measure, figure in measures.items():
                if figure is not None:
                    self._agreement.labels(one.rubric, one.grader, one.model, measure).set(figure.value)

    # Work that waits

    def retried(self, what: str) -> None:
        """`what`: batch_item, or a server: embeddings, llm."""
        self._retries.labels(what).inc()

    def retry_refused(self, server: str) -> None:
        """Something was not tried again."""
        self._retries_refused.labels(server).inc()

    def breaker(self, server: str, replica: int, *, is_open: bool) -> None:
        """A replica, by its place in the list of addresses, is left alone from now on, or no more."""
        labels = server, str(replica)
        self._breaker_open.labels(*labels).set(is_open)
        self._breaker_opened.labels(*labels).inc(is_open)

    def queues(self, waiting: Mapping[str, int], oldest_s: Mapping[str, float]) -> None:
        """By queue: how many wait, and for how long the first of them. What is not told is not shown: a
        store that is down says nothing."""
        _show(self._queue, waiting)
        _show(self._queue_oldest, oldest_s)

    def workers(self, count: int | None) -> None:
        """Workers that reported a moment ago; None: not known."""
        self._workers.known = count is not None
        self._workers.set(count or 0)

    def services(self, up: Mapping[str, bool]) -> None:
        """What answered at the last look. What is not configured is not told."""
        _show(self._up, up)

    # Drift

    def traffic(self, outcome: str, count: int) -> None:
        """`outcome`: noted, sampled_out or dropped."""
        self._traffic.labels(outcome).inc(count)

    def drifted(self, found: Sequence[ModelTraffic]) -> None:
        """What the last comparison found that found something: one that failed, or had too few rows, leaves
        it standing. Shown is what was found of the reference that counts, of models that have one; when, by
        the last run that did not fail, since too little traffic to say anything is an answer too."""
        runs = [one.last_run for one in found if one.last_run is not None]
        failed = frozenset(run.id for run in runs if run.state is RunState.FAILED)
        if self._failed_runs is not None:  # those that failed before this process began are none of its
            self._drift_failures.inc(len(failed - self._failed_runs))
        self._failed_runs = failed
        for gauge in (self._drift_score, self._drift_threshold, self._drift_alarm, self._drift_at):
            gauge.clear()
        compared = [(one, one.reference.id) for one in found if one.reference is not None]
        for one, reference_id in compared[:_MOST_MODELS]:
            if one.last_finding is not None and one.last_finding.reference_id == reference_id:
                self._show_drift(one.model, one.last_finding)
            if one.answered_at is not None:
                self._drift_at.labels(one.model).set(one.answered_at.timestamp())

    def _show_drift(self, model: str, run: DriftRun) -> None:
        for column in run.columns:
            self._drift_score.labels(model, column.column).set(column.score)
            self._drift_threshold.labels(model, column.column).set(column.threshold)
        if run.drifted is not None:
            self._drift_alarm.labels(model).set(run.drifted)


def _show(gauge: Gauge, figures: Mapping[str, float]) -> None:
    gauge.clear()
    for label, figure in figures.items():
        gauge.labels(label).set(figure)
