"""What counts as kept, over which requests, and for how long."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.adapters.metrics import Metrics
from gateway.slo import BOUNDS, CHAT_S, CLASSIFIER_S, WINDOW_S, Objective, Slo

CHAT, GRADE = "/v1/chat/completions", "/v1/models/{grader}:predict"
CLASSIFIERS = ("/v1/models/{name}:predict", "/predict", "/predict_scenario", "/v2/models/{name}/infer")


class Clock:
    def __init__(self) -> None:
        self.now = 1e6

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slo(clock: Clock) -> Slo:
    return Slo(clock)


def kept(slo: Slo, name: str) -> Objective:
    (one,) = (objective for objective in slo.objectives() if objective.name == name)
    return one


def test_without_a_request_nothing_is_kept_or_broken(slo: Slo) -> None:
    assert slo.objectives() == [
        Objective("classifier_p95", 0.2, None, 0, 0, None),
        Objective("good_answers", 0.99, None, 0, 0, None),
        Objective("availability", 0.995, None, 0, 0, None),
        Objective("chat_p95", 10.0, None, 0, 0, None),
    ]


@pytest.mark.parametrize("route", CLASSIFIERS)
def test_a_classifier_is_quick_for_nineteen_of_twenty(slo: Slo, route: str) -> None:
    for _ in range(19):
        slo.record(route, 200, 0.15)
    slo.record(route, 200, 3.0)
    found = kept(slo, "classifier_p95")
    assert (found.good, found.total, found.met) == (19, 20, True)
    assert found.value == pytest.approx(0.2)
    slo.record(route, 200, 3.0)
    assert kept(slo, "classifier_p95").met is False


def test_a_grade_is_no_classification_and_a_quick_refusal_does_not_flatter(slo: Slo) -> None:
    slo.record(GRADE, 200, 9.0)
    slo.record("/predict", 400, 0.001)
    slo.record("/predict", 503, 0.001)
    assert kept(slo, "classifier_p95").total == 0
    slo.record(CHAT, 200, 0.3)
    assert kept(slo, "chat_p95") == Objective("chat_p95", 10.0, pytest.approx(0.485), 1, 1, True)


@pytest.mark.parametrize(
    ("status", "whole", "good", "available"),
    [
        (200, True, (1, 1), (1, 1)),
        (200, False, (0, 1), (1, 1)),  # a stream that broke
        (500, False, (0, 1), (0, 1)),
        (503, False, (0, 1), (0, 1)),  # shed: nobody's fault but the gateway's
        (504, False, (0, 1), (0, 1)),
        (429, False, (0, 0), (1, 1)),  # the caller's
        (401, False, (0, 0), (1, 1)),
        (499, True, (0, 0), (0, 0)),  # the caller left
        (0, True, (0, 0), (0, 0)),  # nothing was answered: the gateway stops
    ],
)
def test_what_is_good_and_what_is_available(
    slo: Slo, status: int, whole: bool, good: tuple[int, int], available: tuple[int, int]
) -> None:
    slo.record(CHAT, status, 0.1, whole=whole)
    answers, door = kept(slo, "good_answers"), kept(slo, "availability")
    assert ((answers.good, answers.total), (door.good, door.total)) == (good, available)


def test_only_models_give_good_answers_and_probes_count_for_nothing(slo: Slo) -> None:
    slo.record("/v1/datasets", 500, 0.1)
    for probe in ("/-/readyz", "/-/healthz", "/metrics", "/v1/status"):
        slo.record(probe, 503, 0.1)
    assert kept(slo, "good_answers").total == 0
    assert kept(slo, "availability") == Objective("availability", 0.995, 0.0, 0, 1, False)


def test_an_answer_is_forgotten_after_an_hour(slo: Slo, clock: Clock) -> None:
    slo.record(CHAT, 500, 0.1)
    clock.now += WINDOW_S / 2
    slo.record(CHAT, 200, 0.1)
    assert kept(slo, "good_answers").value == 0.5
    clock.now += WINDOW_S / 2
    assert kept(slo, "good_answers").value == 1.0
    clock.now += WINDOW_S / 2
    assert kept(slo, "good_answers").value is None


def test_a_process_that_slept_for_a_day_knows_only_what_came_after(slo: Slo, clock: Clock) -> None:
    for _ in range(200):
        slo.record(CHAT, 500, 0.1)
        clock.now += 60
    clock.now += 86_400
    slo.record(CHAT, 200, 0.1)
    assert kept(slo, "availability") == Objective("availability", 0.995, 1.0, 1, 1, True)


@settings(deadline=None)
@given(st.lists(st.floats(0, 100), min_size=1, max_size=200))
def test_the_percentile_and_the_count_agree(seconds: list[float]) -> None:
    slo = Slo()
    for one in seconds:
        slo.record(CHAT, 200, one)
        slo.record("/predict", 200, one)
    for name, bound in (("chat_p95", CHAT_S), ("classifier_p95", CLASSIFIER_S)):
        found = kept(slo, name)
        assert found.value is not None
        assert found.met == (found.value <= bound + 1e-12)
        assert found.good == sum(one <= bound for one in seconds)


def test_the_bounds_are_the_histograms() -> None:
    metrics = Metrics("1")
    metrics.answered("/predict", 200, None, 0.1)
    edges = {
        sample.labels["le"]
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "gateway_request_seconds_bucket"
    }
    assert {float(edge) for edge in edges} == {*BOUNDS, float("inf")}
