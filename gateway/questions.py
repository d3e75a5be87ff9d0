"""One question to the model server: cut to its window, asked, asked again once, and kept for the audit."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import orjson

from gateway.domain import ModelCall, ServedModel, Usage
from gateway.errors import ContextLengthExceeded, InvalidRequest, UnusableAnswer
from gateway.grading import prompt, reply
from gateway.grading.cutting import cut
from gateway.grading.prompt import Message, Parts, Profile, Sampling
from gateway.grading.reply import Fault, Unusable
from gateway.ports import ChatBackend
from gateway.tasks import all_of

_FIT_ATTEMPTS = 12
_TEMPERATURE = 0.7  # of several samples

T = TypeVar("T")
Choice = Mapping[str, Any]  # one reply of a completion


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of which model, about one criterion."""

    criterion: str
    profile: Profile
    model: ServedModel
    schema: dict[str, Any]
    messages: Callable[[Parts], list[Message]]
    culprit: str  # the field to name when there is nothing left to cut


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What the replies come to, and how that came about."""

    value: T
    calls: tuple[ModelCall, ...]
    parts: Parts = field(repr=False)  # as far as they fitted
    repaired: bool

    @property
    def usage(self) -> Usage:
        return sum((call.usage for call in self.calls), Usage())


class Replies(Protocol):
    """Where it is told how replies keep to their schema. Never raises."""

    def unusable(self, fault: Fault) -> None:
        """What was asked got no usable reply."""

    def repaired(self, *, mended: bool) -> None:
        """It was asked a second time because of that, and whether that helped."""


class Questioner:
    def __init__(
        self,
        backend: ChatBackend,
        replies: Replies | None = None,
        *,
        timeout_s: float,
        seed: int,
        concurrency: int,
    ) -> None:
        """At most `concurrency` calls are under way; waiting for a turn does not count against
        `timeout_s`."""
        self._backend = backend
        self._told = replies
        self._timeout_s = timeout_s
        self._seed = seed
        self._turns = asyncio.Semaphore(concurrency)

    async def ask(
        self,
        question: Question,
        parts: Parts,
        read: Callable[[Sequence[Choice]], T | Unusable],
        *,
        samples: int = 1,
    ) -> Answer[T]:
        """What `read` makes of so many replies; where it makes nothing, of as many to a second asking. Raises
        UnusableAnswer, ContextLengthExceeded and the model server's errors."""
        fitted = await self._fitted(question, parts)
        asked = question.messages(fitted)
        choices, calls = await self._replies(question, asked, samples)
        value = read(choices)
        repaired = isinstance(value, Unusable)
        if isinstance(value, Unusable):
            self._tell(value)
            repairing = prompt.repair(asked, value.fault, question.profile)
            choices, more = await self._replies(question, repairing, samples)
            calls += more
            value = read(choices)
            self._tell(value, repaired=True)
            if isinstance(value, Unusable):
                raise UnusableAnswer(f"The model's answer was unusable twice: {value.fault}.")
        return Answer(value, calls, fitted, repaired)

    def _tell(self, value: object, *, repaired: bool = False) -> None:
        if self._told is None:
            return
        if isinstance(value, Unusable):
            self._told.unusable(value.fault)
        if repaired:
            self._told.repaired(mended=not isinstance(value, Unusable))

    async def _replies(
        self, question: Question, asked: list[Message], samples: int
    ) -> tuple[list[Choice], tuple[ModelCall, ...]]:
        """In one call where the model server gives several replies, else in one call for each."""
        temperature = _TEMPERATURE if samples > 1 else 0.0
        choices: list[Choice] = []
        calls: tuple[ModelCall, ...] = ()
        try:
            choices, call = await self._call(question, asked, Sampling(self._seed, temperature, samples))
            calls = (call,)
        except InvalidRequest:
            if samples == 1:
                raise
        missing = [
            self._call(question, asked, Sampling(self._seed + number, temperature))
            for number in range(len(choices), samples)
        ]
        for more, call in await all_of(missing):
            choices += more
            calls += (call,)
        return choices[:samples], calls

    async def _call(
        self, question: Question, asked: list[Message], sampling: Sampling
    ) -> tuple[list[Choice], ModelCall]:
        body = orjson.dumps(
            prompt.completion_request(asked, question.profile, question.schema, question.model.name, sampling)
        )
        async with self._turns:
            began = time.perf_counter()
            answer = await self._backend.complete(body, self._timeout_s)
            ms = (time.perf_counter() - began) * 1000
        completion = reply.parse_completion(answer)
        call = ModelCall(
            question.criterion, body.decode(), answer.decode(), reply.read_usage(completion), round(ms, 3)
        )
        return reply.choices_of(completion), call

    async def _fitted(self, question: Question, parts: Parts) -> Parts:
        """The parts cut until their prompt, a repair's extra words and the reply fit the context window."""
        profile = question.profile
        room = question.model.context_window - profile.reply_tokens - profile.repair_tokens
        for _ in range(_FIT_ATTEMPTS):
            messages = question.messages(parts)
            text = "".join(message["content"] for message in messages)
            # No token is shorter than a byte, so few enough bytes need no counting.
            if len(text.encode()) + prompt.TEMPLATE_TOKENS <= room:
                return parts
            tokens = await self._backend.count_tokens(messages, self._timeout_s)
            if tokens <= room:
                return parts
            shorter = cut(parts, (tokens - room) * len(text) // tokens + 8)
            if shorter is None:
                break
            parts = shorter
        raise ContextLengthExceeded(
            f"'{question.culprit}' does not fit the model's context window.", param=question.culprit
        )
