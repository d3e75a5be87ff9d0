"""READ FIRST: a request's whole life. Door -> guards -> route -> model -> back, each a short straight line.

The doors (rest/) authenticate by Guards.known() and admit(), read the body within bounds and call chat(),
chat_stream() or grade() here, or embed(), classify(), compare() of inference.py, which go the same way. What
stands behind the ports is chosen in wiring.py.

Over 250 lines: every line that a chat or a grade can take is read here, one below the other.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

import orjson

from gateway.catalog import Catalog
from gateway.chat.reply import unmask_completion, unmasked_stream, whole_stream
from gateway.chat.request import Bounds, ChatRequest, read_chat
from gateway.chat.texts import spoken_passages, with_speakers, with_texts
from gateway.domain import (
    Artifact,
    Caller,
    Completion,
    CompletionStream,
    Grade,
    Masked,
    Server,
    Submission,
    Usage,
    UsageSeen,
)
from gateway.drift.facts import Sighting
from gateway.drift.ports import Traffic
from gateway.drift.sightings import of_chat, of_grade
from gateway.errors import Conflict, GatewayError
from gateway.examiner import Examiner
from gateway.grading import reply, routing
from gateway.grading.masked import submission_passages, unmasked_grade, with_submission_texts
from gateway.guards import Guards, may_ask_models
from gateway.ledger import GradeBook, Sheet
from gateway.places import Place
from gateway.ports import Answers, Artifacts, ChatBackend, Grades
from gateway.readiness import Readiness
from gateway.records import Graded, GradeRecord, Once
from gateway.rubrics import RubricBook
from gateway.tasks import each_of

_AT_ONCE = 8  # submissions of a request: half the graders' turns at a model (GRADE_CONCURRENCY)


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings that shape a request's life."""

    bounds: Bounds = field(default_factory=Bounds)
    grade_fallback: bool = True  # a grading request that names no grader means `auto`
    choices: routing.Choices = field(default_factory=lambda: routing.DEFAULT_CHOICES)  # of grader-auto
    timeout_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Shelves:
    """What grading takes from the store and from elsewhere."""

    book: GradeBook
    grades: Grades
    answers: Answers
    rubrics: RubricBook
    artifacts: Artifacts


class Gateway:
    """The line behind every door."""

    def __init__(
        self,
        guards: Guards,
        catalog: Catalog,
        backend: ChatBackend,
        examiner: Examiner,
        shelves: Shelves,
        policy: Policy,
        traffic: Traffic,
        readiness: Readiness,
    ) -> None:
        self._guards = guards
        self._catalog = catalog
        self._backend = backend
        self._examiner = examiner
        self._shelves = shelves
        self._policy = policy
        self._traffic = traffic
        self._readiness = readiness

    # Chat completions

    def read_chat(self, caller: Caller, body: bytes) -> ChatRequest:
        """The body checked against the allow-list. Raises Forbidden, InvalidRequest and its like."""
        may_ask_models(caller)
        return read_chat(body, self._policy.bounds)

    async def chat(self, caller: Caller, request: ChatRequest, *, unmask_reply: bool) -> Completion:
        """One completion. Raises the errors of admission, of masking and of the model server."""
        with self._guards.place(caller, Server.LLM):
            body, masked, sighting = await self._outgoing(request)
            charged = await self._guards.charge(caller, len(body))
            answer = await self._backend.complete(body, self._policy.timeout_s)
            self._traffic.saw(sighting)
            completion = reply.parse_completion(answer)
            usage = reply.read_usage(completion)
            self._guards.settle(caller, charged, usage)
            if masked.originals and unmask_reply:
                unmask_completion(completion, masked.originals, json_reply=request.json_reply)
                answer = orjson.dumps(completion)
            return Completion(answer, usage, masked.counts)

    @asynccontextmanager
    async def chat_stream(
        self, caller: Caller, request: ChatRequest, *, unmask_reply: bool
    ) -> AsyncIterator[CompletionStream]:
        """A streamed completion as SSE bytes, ending with `data: [DONE]`. Entering waits for the model server
        to accept; leaving, for whatever reason, ends the upstream request."""
        with self._guards.place(caller, Server.LLM):
            body, masked, sighting = await self._outgoing(request)
            charged = await self._guards.charge(caller, len(body))
            async with self._backend.stream(body, self._policy.timeout_s) as chunks:
                self._traffic.saw(sighting)
                seen = UsageSeen()
                events = whole_stream(chunks, seen, show_usage=request.tells_usage)
                if masked.originals and unmask_reply:
                    events = unmasked_stream(events, masked.originals, json_reply=request.json_reply)
                try:
                    yield CompletionStream(events, masked.counts, seen)
                finally:
                    # Whoever leaves before the usage is told has had what came until then.
                    usage = seen.usage if seen.usage != Usage() else Usage(charged, seen.events)
                    self._guards.settle(caller, charged, usage)

    async def _outgoing(self, request: ChatRequest) -> tuple[bytes, Masked, Sighting]:
        """What the model server gets: the checked request, masked, for the model that it serves; and what is
        told of it once there is an answer."""
        model = await self._catalog.chat_model(request.model)
        fields = request.fields
        if request.stream:
            # Asked for always, for what is used is charged; shown to those who have asked.
            options = fields.get("stream_options") or {}
            fields = {**fields, "stream_options": {**options, "include_usage": True}}
        masked = Masked((), {})
        if self._guards.masking:
            fields = with_speakers(fields)
            masked = await self._guards.masked(spoken_passages(fields), "chat")
            if masked.originals:
                fields = with_texts(fields, masked.texts)
        return orjson.dumps({**fields, "model": model.name}), masked, of_chat(model, fields)

    # Grading

    async def grade(
        self, caller: Caller, submission: Submission, grader: str, *, fresh: bool = False
    ) -> Graded:
        """As grade_all(), of one."""
        (graded,) = await self.grade_all(caller, [submission], grader, fresh=fresh)
        return graded

    async def sheet(self, caller: Caller, submission: Submission) -> Sheet:
        """The first half of grade(), for what is graded later: the submission fit to leave and to be kept."""
        may_ask_models(caller)
        sheet, _ = await self._masked_sheet(caller, await self._fetched(submission))
        return sheet

    async def grade_sheet(self, sheet: Sheet, grader: str) -> Graded:
        """The second half: the grade with placeholders in it, for what stood behind them was not kept."""
        route = self._route(grader, sheet.submission)
        with self._guards.place(sheet.caller, _server_of(route.first)) as place:
            record, cached = await self._graded(sheet, route, place, fresh=False)
            return Graded(record.id, record.grade, cached)

    async def grade_all(
        self, caller: Caller, submissions: Sequence[Submission], grader: str, *, fresh: bool = False
    ) -> list[Graded]:
        """Grades in the order of the submissions, of which there is one: scores added up by code from checked
        verdicts, by `grader` or, where the request lets it, by the other one; kept with their audit before
        they are answered. What was graded before is given again, unless `fresh`. One that fails fails them
        all: KServe's answer has no place for an error beside predictions. Raises InvalidRequest,
        ModelNotFound, StoreUnavailable, the errors of a submission that lies elsewhere, and the first
        grader's error when neither can grade: no grade is made up."""
        may_ask_models(caller)
        routes = [self._route(grader, one) for one in submissions]
        with self._guards.place(caller, _server_of(routes[0].first)) as place:
            for route in routes:
                place.also(_server_of(route.first))
            fetched = await each_of(submissions, self._fetched, _AT_ONCE)
            # In turn: together they would make the line for masking too long for themselves.
            sheets = [await self._masked_sheet(caller, one) for one in fetched]

            async def graded(one: tuple[routing.Route, tuple[Sheet, Masked]]) -> Graded:
                route, (sheet, masked) = one
                record, cached = await self._graded(sheet, route, place, fresh=fresh)
                return _unmasked(record, masked, cached=cached)

            return await each_of([*zip(routes, sheets, strict=True)], graded, _AT_ONCE)

    async def grade_once(
        self, caller: Caller, submissions: Sequence[Submission], grader: str, once: Once, *, fresh: bool
    ) -> list[Graded]:
        """As grade_all(); under an idempotency key that was used already, the grades that it gave then.
        Raises Conflict when it was used for another body."""
        may_ask_models(caller)
        answers = self._shelves.answers
        known = await answers.recall(caller.key_id, once.key)
        grades = None
        if known is None:
            grades = await self.grade_all(caller, submissions, grader, fresh=fresh)
            ids = tuple(graded.id for graded in grades)
            await answers.remember(caller.key_id, once.key, once.body_hash, ids)
            # Somebody else may have used the key meanwhile, and the first stays.
            known = await answers.recall(caller.key_id, once.key) or (once.body_hash, ids)
        body_hash, ids = known
        if body_hash != once.body_hash:
            raise Conflict("This idempotency key was used for another request.", param="Idempotency-Key")
        if grades is not None:
            return grades
        return [await self._given_then(caller, one, i) for one, i in zip(submissions, ids, strict=True)]

    async def _given_then(self, caller: Caller, submission: Submission, grade_id: str) -> Graded:
        record = await self._shelves.grades.get(grade_id)
        if submission.artifact is not None:
            # What lay there may be gone; without it nothing can be un-masked.
            return Graded(record.id, record.grade, cached=True)
        if submission.rubric_id is not None and record.submission.rubric is not None:
            submission = replace(
                submission, rubric_id=record.submission.rubric.id
            )  # there may be a newer one
        sheet, masked = await self._masked_sheet(caller, submission)
        if sheet.submission != record.submission:
            # Numbered otherwise now: a placeholder could stand for somebody else.
            return Graded(record.id, record.grade, cached=True)
        return _unmasked(record, masked, cached=True)

    async def _fetched(self, submission: Submission) -> Submission:
        """With its text, where that lies elsewhere."""
        if submission.artifact is None:
            return submission
        text, found = await self._shelves.artifacts.fetch(submission.artifact)
        # A presigned address is a secret, and not kept.
        return replace(submission, text=text, artifact=Artifact("", found))

    async def _masked_sheet(self, caller: Caller, submission: Submission) -> tuple[Sheet, Masked]:
        """The submission fit to leave: with its rubric when the store has it, and masked."""
        stored = None
        if submission.rubric_id is not None:
            stored = (await self._shelves.rubrics.get(submission.rubric_id)).rubric
            submission = replace(submission, rubric=stored, rubric_id=None)
        masked = await self._guards.masked(submission_passages(submission), submission.task_type)
        fit = with_submission_texts(submission, masked.texts)
        return Sheet(caller, fit, masked.nonce, stored), masked

    def _route(self, grader: str, submission: Submission) -> routing.Route:
        policy = self._policy
        return routing.route(grader, submission, policy.choices, fall_back=policy.grade_fallback)

    async def _graded(
        self, sheet: Sheet, route: routing.Route, place: Place, *, fresh: bool
    ) -> tuple[GradeRecord, bool]:
        try:
            found = await self._graded_by(route.first, sheet, fresh=fresh)
        except (*routing.OUTAGES, *routing.UNFIT) as error:
            outage = isinstance(error, routing.OUTAGES)
            if route.other is None or not (outage or route.picked):
                raise
            with suppress(GatewayError):
                place.also(_server_of(route.other))
                return await self._graded_by(route.other, sheet, fresh=fresh, stands_in=outage)
            raise
        if route.when_unsure and routing.is_unsure(found[0].grade):
            with suppress(GatewayError):
                place.also(_server_of(route.when_unsure))
                return await self._graded_by(route.when_unsure, sheet, fresh=fresh)
        return found

    async def _graded_by(
        self, grader: str, sheet: Sheet, *, fresh: bool, stands_in: bool = False
    ) -> tuple[GradeRecord, bool]:
        identity = await self._examiner.identity(sheet.submission, grader)
        # Before it is known whether somebody grades it already: their grading must not fail by our rate.
        size = sum(len(passage.text) for passage in submission_passages(sheet.submission))
        charged = await self._guards.charge(sheet.caller, size)

        async def grading() -> Grade:
            grade = await self._examiner.grade(sheet.submission, grader)
            self._guards.settle(sheet.caller, charged, grade.usage)
            if grade.calls:  # else code decided it, and no model had a part in it
                self._traffic.saw(of_grade(sheet.submission, grade))
            return routing.as_fallback(grade) if stands_in else grade

        if stands_in:
            identity = {**identity, "stands_in": "yes"}
        return await self._shelves.book.graded(sheet, identity, grading, fresh=fresh)

    # Operations

    async def check_ready(self) -> None:
        """Returns when the model has produced a token and masking worked a moment ago; raises what is wrong.
        Anybody may ask."""
        await self._readiness.confirm()


def _server_of(grader: str) -> Server:
    return Server.EMBEDDINGS if grader == routing.GRADER_EMBEDDING else Server.LLM


def _unmasked(record: GradeRecord, masked: Masked, *, cached: bool) -> Graded:
    """For its caller: the record's placeholders end with the nonce of the request that made it."""
    grade = unmasked_grade(record.grade, record.submission, masked, record.nonce)
    return Graded(record.id, grade, cached, masked.counts)
