"""A file's run through a model: batches, bad rows, a busy gateway, one that goes away."""

from collections.abc import Callable
from typing import Any

import pytest

from ui.client import GatewayDown, Refused
from ui.row_run import RowRun
from ui.rows import Sheet

FEATURES = [{"name": "x", "type": "integer"}]


def run_of(cells: list[str]) -> RowRun:
    return RowRun(Sheet(("x",), [[one] for one in cells]), FEATURES, lambda wrong: f"bad {wrong}")


def to_the_end(run: RowRun, ask: Callable[[list[Any]], list[Any]]) -> list[float]:
    waits = []
    while run.going:
        waits.append(run.step(ask))
    return waits


def answer(instances: list[Any]) -> list[Any]:
    return [{"label": one["x"]} for one in instances]


def test_every_row_is_answered_in_its_place() -> None:
    sizes = []

    def ask(instances: list[Any]) -> list[Any]:
        sizes.append(len(instances))
        return answer(instances)

    run = run_of([str(one) for one in range(1203)])
    to_the_end(run, ask)
    assert run.over
    assert sizes == [500, 500, 203]
    assert [run.answers[place]["label"] for place in range(1203)] == list(range(1203))
    assert run.failed == {}


def test_wide_rows_go_in_smaller_batches() -> None:
    sheet = Sheet(("x",), [["y" * 100_000]] * 12)
    run = RowRun(sheet, [{"name": "x", "type": "text"}], str)
    sizes = []

    def ask(instances: list[Any]) -> list[Any]:
        sizes.append(len(instances))
        return [{}] * len(instances)

    to_the_end(run, ask)
    assert sizes == [5, 5, 2]


def test_a_row_that_cannot_be_sent_fails_alone() -> None:
    run = run_of(["1", "one", "3"])
    to_the_end(run, answer)
    assert sorted(run.answers) == [0, 2]
    assert run.failed == {1: "bad ['x']"}


def test_a_row_that_the_gateway_refuses_fails_alone() -> None:
    def ask(instances: list[Any]) -> list[Any]:
        for place, one in enumerate(instances):
            if one["x"] in (1, 2):
                raise Refused(
                    400,
                    {"code": "invalid_request", "message": f"no {one['x']}", "param": f"instances.{place}"},
                )
        return answer(instances)

    run = run_of(["0", "1", "2", "3"])
    to_the_end(run, ask)
    assert {place: one["label"] for place, one in run.answers.items()} == {0: 0, 3: 3}
    assert run.failed == {1: "no 1", 2: "no 2"}


def test_a_refusal_of_the_whole_stops_and_is_told() -> None:
    def ask(_: list[Any]) -> list[Any]:
        raise Refused(404, {"code": "model_not_found", "message": "gone"})

    run = run_of(["0", "1"])
    to_the_end(run, ask)
    assert isinstance(run.fault, Refused)
    assert not run.over
    assert (run.answers, run.failed) == ({}, {})


def test_a_busy_gateway_is_waited_for_and_not_for_ever() -> None:
    busy = Refused(429, {"code": "rate_limited", "message": "later"}, 3.0)
    left = [busy, busy]

    def ask(instances: list[Any]) -> list[Any]:
        if left:
            raise left.pop()
        return answer(instances)

    run = run_of(["0"])
    assert to_the_end(run, ask) == [3.0, 3.0, 0.0]
    assert run.over
    left.extend([busy] * 100)
    run = run_of(["0"])
    assert to_the_end(run, ask) == [3.0] * 5 + [0.0]
    assert run.fault is busy


def test_a_gateway_that_takes_less_gets_less() -> None:
    def ask(instances: list[Any]) -> list[Any]:
        if len(instances) > 3 or instances[0]["x"] == 9:
            raise Refused(413, {"code": "payload_too_large", "message": "too much"})
        return answer(instances)

    run = run_of([str(one) for one in range(9)])
    to_the_end(run, ask)
    assert run.over
    assert sorted(run.answers) == list(range(9))
    run = run_of(["x", "9"])
    to_the_end(run, ask)
    assert run.failed == {0: "bad ['x']", 1: "too much"}


@pytest.mark.parametrize("what", ["down", "short"])
def test_what_was_answered_outlives_a_gateway_that_goes_away(what: str) -> None:
    down = False

    def ask(instances: list[Any]) -> list[Any]:
        if down and what == "down":
            raise GatewayDown
        return answer(instances)[: 1 if down else None]

    run = run_of([str(one) for one in range(1100)])
    run.step(ask)
    down = True
    to_the_end(run, ask)
    assert isinstance(run.fault, GatewayDown)
    assert len(run.answers) == 500
    down = False
    before = run.file()
    run.go_on()
    to_the_end(run, ask)
    assert run.over
    assert sorted(run.answers) == list(range(1100))
    assert run.file() != before


def test_a_stopped_run_asks_nothing_more() -> None:
    run = run_of(["0"])
    run.stopped = True
    assert to_the_end(run, answer) == []
    assert not run.over
