"""`/v1/grades` and `/v1/reviews`: what was graded, the queue for people, their corrections, agreement."""

from datetime import MAXYEAR, UTC, datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response

from gateway.adapters.metrics import Metrics
from gateway.chat.request import Bounds, parse_json
from gateway.contracts.grade import grade_answer
from gateway.contracts.review import read_judgement
from gateway.domain import Caller
from gateway.errors import Forbidden, InvalidRequest
from gateway.grading.agreement import Agreement, Figure, Figures
from gateway.records import Correction, Graded, GradeQuery, GradeRecord, Judged
from gateway.rest.page import CallerOf, Json, Limit
from gateway.reviews import GraderAgreement, ReviewDesk


def _query(
    limit: Limit = 50,
    rubric: str | None = None,
    grader: str | None = None,
    model: str | None = None,
    submission_id: str | None = None,
    waiting: bool | None = None,
    since: Annotated[datetime | None, Query(description="ISO 8601; without a time zone in UTC")] = None,
    after: str | None = None,
) -> GradeQuery:
    if since is not None and not 1 < since.year < MAXYEAR:
        raise InvalidRequest("'since' is out of range.", param="since")  # and would be in another time zone
    return GradeQuery(
        rubric=rubric,
        grader=grader,
        model=model,
        submission_id=submission_id,
        waiting=waiting,
        since=since.replace(tzinfo=UTC) if since and since.tzinfo is None else since,
        after=after,
        limit=limit,
    )


QueryOf = Annotated[GradeQuery, Depends(_query)]


def router(desk: ReviewDesk, metrics: Metrics, bounds: Bounds) -> APIRouter:
    """The routes over kept grades."""
    routes = APIRouter(prefix="/v1", tags=["grades"])

    @routes.get("/grades")
    async def grades(caller: CallerOf, query: QueryOf) -> Response:
        """A page, newest first; `after` is the last id of the page before."""
        return Json({"object": "list", "data": [_answer(one) for one in await desk.grades(caller, query)]})

    @routes.get("/grades/{grade_id}")
    async def grade(grade_id: str, caller: CallerOf, *, audit: bool = False) -> Response:
        """One grade; with `audit` the masked submission and every exchange with a model."""
        if audit and not caller.oversees:
            raise Forbidden("The audit is read with a key of the role admin or trainer.")
        seen = await desk.grade(caller, grade_id)
        record = seen.record if isinstance(seen, Judged) else seen
        correction = _correction(seen.correction) if isinstance(seen, Judged) else None
        answer = {**_answer(record), "correction": correction}
        return Json({**answer, **({"audit": _audit(record)} if audit else {})})

    @routes.get("/reviews")
    async def queue(caller: CallerOf, query: QueryOf) -> Response:
        """The newest grades that wait for a person, the most doubtful first."""
        waiting, after = await desk.queue(caller, query)
        return Json({"object": "list", "data": [_answer(one) for one in waiting], "after": after})

    @routes.get("/reviews/agreement")
    async def agreement(caller: CallerOf, query: QueryOf) -> Response:
        """How graders agree with people, by rubric, grader and model."""
        found = await desk.agreement(caller, query)
        _tell(metrics, caller, query, found)
        return Json({"object": "list", "data": [_agreement(one) for one in found]})

    @routes.post("/reviews/{grade_id}", status_code=201)
    async def correct(grade_id: str, request: Request, caller: CallerOf) -> Response:
        """A person's word on a grade: `score`, or points by `criteria`, or an empty object: it stands."""
        judgement = read_judgement(parse_json(await request.body(), bounds))
        judged = await desk.correct(caller, grade_id, judgement)
        return Json({**_answer(judged.record), "correction": _correction(judged.correction)}, 201)

    return routes


def _tell(metrics: Metrics, caller: Caller, query: GradeQuery, found: list[GraderAgreement]) -> None:
    """Only what all grades say becomes a metric, not a page of somebody's choosing."""
    if caller.oversees and query == GradeQuery(limit=query.limit):
        metrics.agreed(found)


def _answer(record: GradeRecord) -> dict[str, Any]:
    """As it was answered, but for the placeholders: what stood behind them was never kept."""
    return {
        "object": "grade",
        **grade_answer(Graded(record.id, record.grade, cached=False)),
        "id": record.id,
        "created_at": record.created_at.isoformat(),
        "created_by": record.key_id,
        "student_id": record.submission.student_id,
        "submission_id": record.submission.submission_id,
        "task_type": record.submission.task_type,
        "based_on": record.based_on,
        "ms": record.ms,
    }


def _correction(correction: Correction) -> dict[str, Any]:
    return {
        "score": correction.score,
        "max_score": correction.max_score,
        "criteria": [{"id": name, "points": points} for name, points in correction.points.items()],
        "comment": correction.comment,
        "created_at": correction.created_at.isoformat(),
        "created_by": correction.key_id,
    }


def _audit(record: GradeRecord) -> dict[str, Any]:
    submission = record.submission
    return {
        "submission": submission.text,
        "question": submission.question,
        "reference_answers": list(submission.references),
        "language": submission.language,
        "artifact_sha256": submission.artifact.sha256 if submission.artifact else None,
        "key": record.key,
        "calls": [
            {
                "criterion": call.criterion,
                "request": orjson.loads(call.prompt),
                "response": orjson.loads(call.answer),
                "prompt_tokens": call.usage.prompt_tokens,
                "completion_tokens": call.usage.completion_tokens,
                "ms": call.ms,
            }
            for call in record.grade.calls
        ],
    }


def _agreement(found: GraderAgreement) -> dict[str, Any]:
    return {
        "rubric": found.rubric,
        "grader": found.grader,
        "model": found.model,
        **_bands(found.agreement),
    }


def _bands(agreement: Agreement) -> dict[str, Any]:
    return {
        "levels": agreement.levels,
        **_figures(agreement.overall),
        "bands": {third.value: _figures(figures) for third, figures in agreement.thirds.items()},
    }


def _figures(figures: Figures) -> dict[str, Any]:
    named = {
        "qwk": figures.kappa,
        "exact": figures.exact,
        "adjacent": figures.adjacent,
        "mae": figures.mae,
        "bias": figures.bias,
    }
    return {"n": figures.n, **{name: _figure(figure) for name, figure in named.items()}}


def _figure(figure: Figure | None) -> dict[str, Any] | None:
    if figure is None:
        return None
    low, high = figure.interval or (None, None)
    return {"value": round(figure.value, 4), "low": _rounded(low), "high": _rounded(high)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
