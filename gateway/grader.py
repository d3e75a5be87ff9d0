"""The LLM grader: a masked submission in, a grade out, one model call for each criterion."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

from gateway.domain import Criterion, Grade, ServedModel, Submission, Usage, Verdict
from gateway.errors import ContextLengthExceeded, UnusableAnswer
from gateway.grading import prompt, reply, rubric
from gateway.grading.placeholders import new_nonce
from gateway.grading.routing import GRADER_LLM
from gateway.ports import ChatBackend

_FIT_ATTEMPTS = 12

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class GraderPolicy:
    timeout_s: float = 60.0  # for each call of the model
    review_below_confidence: float = 0.6
    seed: int = 0
    concurrency: int = 16  # model calls at once; waiting for a turn does not count against timeout_s


@dataclass(frozen=True, slots=True)
class _Answer:
    """One criterion's verdict and how it came about."""

    verdict: Verdict
    usage: Usage
    cut: bool
    repaired: bool
    misquoted: bool


async def all_of(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """The results in order. The first failure cancels the rest and is raised as itself."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


class Grader:
    def __init__(self, backend: ChatBackend, policy: GraderPolicy) -> None:
        self._backend = backend
        self._policy = policy
        self._turns = asyncio.Semaphore(policy.concurrency)

    async def grade(self, submission: Submission) -> Grade:
        """Grades a submission that holds no personal data any more. Raises UnusableAnswer,
        ContextLengthExceeded and the model server's errors."""
        model = await self._backend.served_model()
        profile = prompt.profile_for(model.context_window)
        used = rubric.rubric_of(submission)
        parts = prompt.parts_of(submission)
        fence = new_nonce([submission.text])
        answers = await all_of(
            [self._verdict(parts, criterion, profile, model, fence) for criterion in used.criteria]
        )
        versions = {
            "model": model.name,
            "prompt": profile.version,
            "rubric": used.id,
            "contract": submission.contract,
        }
        return rubric.grade(
            submission,
            used,
            [answer.verdict for answer in answers],
            grader=GRADER_LLM,
            versions=versions,
            review_reasons=self._review_reasons(submission, answers),
            partial=any(answer.cut or answer.repaired for answer in answers),
            usage=sum((answer.usage for answer in answers), Usage()),
        )

    async def _verdict(
        self,
        parts: prompt.Parts,
        criterion: Criterion,
        profile: prompt.Profile,
        model: ServedModel,
        fence: str,
    ) -> _Answer:
        fitted = await self._fitted(parts, criterion, profile, model, fence)
        asked = prompt.messages(fitted, criterion, profile, fence)
        verdict, usage = await self._ask(asked, profile, model)
        repaired = isinstance(verdict, reply.Unusable)
        if isinstance(verdict, reply.Unusable):
            verdict, more = await self._ask(prompt.repair(asked, verdict.fault), profile, model)
            usage += more
            if isinstance(verdict, reply.Unusable):
                raise UnusableAnswer(f"The model's answer was unusable twice: {verdict.fault}.")
        verdict, misquoted = reply.with_checked_evidence(verdict, fitted.submission)
        if not profile.explains:
            verdict = reply.with_factual_comment(verdict, fitted)
        return _Answer(verdict, usage, cut=fitted != parts, repaired=repaired, misquoted=misquoted)

    async def _ask(
        self, asked: list[prompt.Message], profile: prompt.Profile, model: ServedModel
    ) -> tuple[Verdict | reply.Unusable, Usage]:
        body = orjson.dumps(prompt.completion_request(asked, profile, model.name, self._policy.seed))
        async with self._turns:
            completion = reply.parse_completion(await self._backend.complete(body, self._policy.timeout_s))
        return reply.read_verdict(completion, profile), reply.read_usage(completion)

    async def _fitted(
        self,
        parts: prompt.Parts,
        criterion: Criterion,
        profile: prompt.Profile,
        model: ServedModel,
        fence: str,
    ) -> prompt.Parts:
        """The parts cut until their prompt, a repair's extra words and the reply fit the context window."""
        room = model.context_window - profile.reply_tokens - prompt.REPAIR_TOKENS
        for _ in range(_FIT_ATTEMPTS):
            messages = prompt.messages(parts, criterion, profile, fence)
            text = "".join(message["content"] for message in messages)
            # No token is shorter than a byte, so few enough bytes need no counting.
            if len(text.encode()) + prompt.TEMPLATE_TOKENS <= room:
                return parts
            tokens = await self._backend.count_tokens(messages, self._policy.timeout_s)
            if tokens <= room:
                return parts
            shorter = prompt.cut(parts, (tokens - room) * len(text) // tokens + 8)
            if shorter is None:
                break
            parts = shorter
        raise ContextLengthExceeded("The rubric does not fit the model's context window.", param="rubric")

    def _review_reasons(self, submission: Submission, answers: Sequence[_Answer]) -> list[str]:
        low = self._policy.review_below_confidence
        reasons = {
            "low_confidence": any((answer.verdict.confidence or 0.0) < low for answer in answers),
            "nothing_to_compare_with": not (submission.references or submission.rubric),
            "submission_or_task_cut": any(answer.cut for answer in answers),
            "answer_repaired": any(answer.repaired for answer in answers),
            "evidence_not_in_submission": any(answer.misquoted for answer in answers),
        }
        return [reason for reason, holds in reasons.items() if holds]
