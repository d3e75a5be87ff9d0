"""`/v1/batches`: gradings that are taken in now and done when there is time."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from gateway.batch.desk import BatchDesk
from gateway.batch.queue import Batch, ItemState
from gateway.batch.rows import Format, Job
from gateway.batch.submitted import format_of, read_requests
from gateway.chat.request import Bounds, parse_json
from gateway.errors import InvalidRequest, PayloadTooLarge
from gateway.rest.page import CallerOf, Json, Limit, once_of

_JSON_LINES = frozenset({"application/jsonl", "application/x-ndjson", "application/x-jsonlines"})
_FIELDS = frozenset({"requests", "grader", "rubric_id"})
_GRADERS = ("auto", "llm", "embedding")
_LONGEST_RUBRIC_ID = 100


def router(desk: BatchDesk, bounds: Bounds) -> APIRouter:
    """The routes over the desk."""
    routes = APIRouter(tags=["batches"])

    @routes.post("/v1/batches", status_code=202)
    async def accept(request: Request, caller: CallerOf) -> Response:
        """Takes in `{"requests": [...]}`, or JSON lines with `grader` and `rubric_id` in the query."""
        body = await request.body()
        lines = request.headers.get("content-type", "").partition(";")[0].strip().lower() in _JSON_LINES
        if lines:
            values: Any = _lines(body, bounds, desk.most_items)
            wishes: dict[str, Any] = dict(request.query_params)
        else:
            wishes = parse_json(body, bounds)
            values = wishes.pop("requests", None)
        job = _job(format_of(values) if isinstance(values, list) else Format.JSONL, wishes)
        asked = read_requests(values, job, desk.most_items)
        batch = await desk.accept(caller, asked, job.format, once_of(request, request.url.query, body))
        answer = Json(batch_answer(batch), status_code=202)
        answer.headers["location"] = f"/v1/batches/{batch.id}"
        return answer

    @routes.get("/v1/batches")
    async def batches(caller: CallerOf, after: str | None = None, limit: Limit = 20) -> Response:
        """A page, newest first."""
        found = await desk.find(caller, after, limit + 1)
        data = [batch_answer(batch) for batch in found[:limit]]
        return Json({"object": "list", "data": data, "has_more": len(found) > limit})

    @routes.get("/v1/batches/{batch_id}")
    async def batch(batch_id: str, caller: CallerOf) -> Response:
        """How far it is."""
        return Json(batch_answer(await desk.get(caller, batch_id)))

    @routes.get("/v1/batches/{batch_id}/results")
    async def results(batch_id: str, caller: CallerOf) -> Response:
        """What has ended so far, as JSON lines in the order of the requests."""
        return StreamingResponse(await desk.results(caller, batch_id), media_type="application/jsonl")

    @routes.post("/v1/batches/{batch_id}:cancel")
    async def cancel(batch_id: str, caller: CallerOf) -> Response:
        """Begins nothing more of it."""
        return Json(batch_answer(await desk.cancel(caller, batch_id)))

    return routes


def batch_answer(batch: Batch) -> dict[str, Any]:
    """In the manner of OpenAI's batch object; times in seconds since the epoch."""
    count = batch.items.get
    return {
        "id": batch.id,
        "object": "batch",
        "status": batch.status.value,
        "created_at": int(batch.created_at.timestamp()),
        "expires_at": int(batch.expires_at.timestamp()),
        "cancelling_at": int(batch.cancelled_at.timestamp()) if batch.cancelled_at else None,
        "ended_at": int(batch.ended_at.timestamp()) if batch.ended_at else None,
        "request_counts": {
            "total": batch.total,
            "completed": count(ItemState.GRADED, 0),
            "failed": count(ItemState.FAILED, 0) + count(ItemState.EXPIRED, 0),
            "cancelled": count(ItemState.CANCELLED, 0),
        },
        "results": f"/v1/batches/{batch.id}/results",
    }


def _job(form: Format, wishes: dict[str, Any]) -> Job:
    """What is said for requests that do not. Raises InvalidRequest."""
    if wishes.keys() - _FIELDS:
        raise InvalidRequest("Only 'requests', 'grader' and 'rubric_id' are read.", param="request")
    grader, rubric_id = wishes.get("grader", "auto"), wishes.get("rubric_id")
    if grader not in _GRADERS:
        raise InvalidRequest("'grader' must be auto, llm or embedding.", param="grader")
    if rubric_id is not None and not (isinstance(rubric_id, str) and len(rubric_id) <= _LONGEST_RUBRIC_ID):
        raise InvalidRequest("'rubric_id' must be name or name@1.0.0.", param="rubric_id")
    return Job(form, rubric_id=rubric_id, grader=grader)


def _lines(body: bytes, bounds: Bounds, most: int) -> list[dict[str, Any]]:
    lines = [line for line in body.split(b"\n") if line.strip()]
    if len(lines) > most:
        raise PayloadTooLarge(f"More than {most} requests: `gateway grade` takes a file.", param="requests")
    values = []
    for place, line in enumerate(lines):
        try:
            values.append(parse_json(line, bounds))
        except InvalidRequest:
            at = f"requests.{place}"
            raise InvalidRequest(f"'{at}' is not a JSON object of bounded depth.", param=at) from None
    return values
