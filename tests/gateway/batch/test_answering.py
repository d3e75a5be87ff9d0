"""One row, one answer: what passes is waited for, what does not is told, and nothing is raised."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from gateway.batch.answering import CALLER, Answering
from gateway.batch.patience import Patience
from gateway.batch.rows import Answer, Failure, Row
from gateway.chat.request import Bounds, ChatRequest, read_chat
from gateway.domain import Caller, Completion, Submission, Usage
from gateway.errors import (
    ArtifactUnavailable,
    BackendTimeout,
    BackendUnavailable,
    GatewayError,
    MaskingUnavailable,
    Overloaded,
    RateLimited,
    StoreUnavailable,
    UnusableAnswer,
)
from gateway.records import Graded
from tests.gateway.batch.conftest import GRADE

SOON = Patience(total_s=5.0, first_s=0.001, longest_s=0.002)


class Line:
    """A gateway that fails as it is told, and then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.seen: list[tuple[Caller, Any, str]] = []

    async def grade(self, caller: Caller, submission: Submission, grader: str) -> Graded:
        self.seen.append((caller, submission, grader))
        if self.errors:
            raise self.errors.pop(0)
        return Graded("grade_1", GRADE, cached=True)

    def read_chat(self, caller: Caller, body: bytes) -> ChatRequest:
        return read_chat(body, Bounds())

    async def chat(self, caller: Caller, request: ChatRequest, *, unmask_reply: bool) -> Completion:
        self.seen.append((CALLER, request, ""))
        return Completion(b'{"id": "chatcmpl-1"}', Usage(), 0)


def row(payload: dict[str, Any] | None = None, target: str = "grader-llm") -> Row:
    return Row(0, 1, "a", target, payload or {"submission": "x", "submission_id": "a"})


@pytest.mark.parametrize(
    "error",
    [
        *(Overloaded, RateLimited, BackendUnavailable, MaskingUnavailable, StoreUnavailable),
        ArtifactUnavailable,
    ],
)
async def test_what_passes_is_waited_for(error: Callable[..., GatewayError]) -> None:
    line = Line(error("Later.", retry_after=0.001), error("Later."))
    outcome = await Answering(line, SOON).outcome(row())
    assert isinstance(outcome, Answer)
    assert (outcome.grade_id, outcome.needs_review, outcome.cached) == ("grade_1", True, True)
    assert outcome.body["score"] == 7.5
    assert len(line.seen) == 3
    assert line.seen[0][0] == CALLER


async def test_patience_ends() -> None:
    line = Line(*[BackendUnavailable("Down.")] * 1000)
    outcome = await Answering(line, Patience(0.05, 0.01, 0.01)).outcome(row())
    assert outcome == Failure("backend_unavailable", "Down.")
    assert len(line.seen) < 1000


async def test_a_server_that_asks_for_more_time_than_there_is_is_not_asked_again() -> None:
    line = Line(RateLimited("Later.", retry_after=60.0))
    outcome = await Answering(line, SOON).outcome(row())
    assert (outcome, len(line.seen)) == (Failure("rate_limited", "Later."), 1)


@pytest.mark.parametrize("error", [BackendTimeout("Slow."), UnusableAnswer("Odd.")])
async def test_what_does_not_pass_is_told_at_once(error: GatewayError) -> None:
    line = Line(error)
    assert await Answering(line, SOON).outcome(row()) == Failure(error.code.value, error.message)
    assert len(line.seen) == 1


async def test_a_fault_of_ours_costs_its_row_and_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    line = Line(RuntimeError("Ivan Petrov"))
    with caplog.at_level(logging.ERROR):
        outcome = await Answering(line, SOON).outcome(row())
    assert outcome == Failure("internal", "The gateway failed.")
    assert [record.message for record in caplog.records] == ["a request of a batch failed unexpectedly"]


@pytest.mark.parametrize(
    ("payload", "field"),
    [({"submission": 5}, "submission"), ({"submission": "x" * 200_001}, "submission"), ({"rubrik": 1}, "")],
)
async def test_a_request_that_breaks_the_contract_names_its_field(payload: Any, field: str) -> None:
    outcome = await Answering(Line(), SOON).outcome(row({"submission": "x", "submission_id": "a", **payload}))
    assert isinstance(outcome, Failure)
    assert outcome.code == "invalid_request"
    assert field in outcome.message
    assert "rubrik" not in outcome.message


async def test_a_chat_completion_is_answered_whole_and_never_streamed() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    answering = Answering(Line(), SOON)
    assert await answering.outcome(row(body, "chat")) == Answer({"id": "chatcmpl-1"})
    streamed = await answering.outcome(row({**body, "stream": True}, "chat"))
    assert isinstance(streamed, Failure)
    assert (streamed.code, "stream" in streamed.message) == ("invalid_request", True)
