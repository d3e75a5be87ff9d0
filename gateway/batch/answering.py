"""One row, one answer: whatever is wrong with a row ends in a Failure of that row."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import orjson

from gateway.batch.patience import Patience, patiently
from gateway.batch.rows import CHAT, Answer, Failure, Outcome, Row
from gateway.chat.request import ChatRequest
from gateway.contracts.grade import grade_answer
from gateway.contracts.submission import read_submission
from gateway.domain import Caller, Completion, Role, Submission
from gateway.errors import Code, GatewayError, InvalidRequest
from gateway.records import Graded

log = logging.getLogger(__name__)

# Who grades files: whoever can run the command reads the gateway's secrets anyway.
CALLER = Caller("batch", Role.ADMIN, 1_000_000)


class AnswersOne(Protocol):
    """The gateway's line, as far as rows need it."""

    async def grade(self, caller: Caller, submission: Submission, grader: str) -> Graded: ...

    def read_chat(self, caller: Caller, body: bytes) -> ChatRequest: ...

    async def chat(self, caller: Caller, request: ChatRequest, *, unmask_reply: bool) -> Completion: ...


def answer_of(graded: Graded) -> Answer:
    """The grade by its contract."""
    return Answer(grade_answer(graded), graded.id, bool(graded.grade.review_reasons), graded.cached)


async def outcome_of_work(
    work: Callable[[], Awaitable[Answer]], patience: Patience, again: Callable[[], None] = lambda: None
) -> Outcome:
    """Never raises for what is wrong with the request or with a server."""
    try:
        return await patiently(work, patience, again)
    except GatewayError as error:
        return Failure(error.code.value, error.message)
    except Exception:
        # A door like REST's: one request's failure of ours must not end a run of a million.
        log.exception("a request of a batch failed unexpectedly")
        return Failure(Code.INTERNAL.value, "The gateway failed.")


@dataclass(frozen=True, slots=True)
class Answering:
    gateway: AnswersOne
    patience: Patience
    caller: Caller = CALLER

    async def outcome(self, row: Row) -> Outcome:
        """Never raises for what is wrong with the row or with a server."""
        return await outcome_of_work(lambda: self._answer(row), self.patience)

    async def _answer(self, row: Row) -> Answer:
        if row.target == CHAT:
            return await self._chat(row)
        submission = read_submission(row.payload)
        return answer_of(await self.gateway.grade(self.caller, submission, row.target))

    async def _chat(self, row: Row) -> Answer:
        request = self.gateway.read_chat(self.caller, orjson.dumps(row.payload))
        if request.stream:
            raise InvalidRequest("'stream' has no place in a batch.", param="stream")
        completion = await self.gateway.chat(self.caller, request, unmask_reply=True)
        return Answer(orjson.loads(completion.body))
