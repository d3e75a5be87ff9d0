"""`/v1/rubrics`: create, list, read, replace while unused, add up old grades anew."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from gateway.chat.request import Bounds, parse_json
from gateway.contracts.rubric import read_rubric, rubric_answer
from gateway.domain import Rubric
from gateway.errors import InvalidRequest
from gateway.records import RubricRecord
from gateway.rest.page import CallerOf, Json, Limit
from gateway.reviews import ReviewDesk
from gateway.rubrics import RubricBook


def router(book: RubricBook, desk: ReviewDesk, bounds: Bounds) -> APIRouter:
    """The routes over stored rubrics."""
    routes = APIRouter(prefix="/v1/rubrics", tags=["rubrics"])

    async def rubric_in(request: Request, rubric_id: str | None = None) -> tuple[Rubric, bool]:
        """The body's rubric, and whether it says its own version."""
        payload = parse_json(await request.body(), bounds)
        name, _, version = (rubric_id or "").partition("@")
        for field, said in (("name", name), ("version", version)):
            if said and payload.setdefault(field, said) != said:
                raise InvalidRequest(f"'{field}' and the path differ.", param=field)
        if not isinstance(payload.get("name"), str):
            raise InvalidRequest("A rubric needs a 'name'.", param="name")
        return read_rubric(payload), "version" in payload

    @routes.post("", status_code=201)
    async def create(request: Request, caller: CallerOf) -> Response:
        """A new rubric, or a new version of one: without `version` the next one."""
        rubric, versioned = await rubric_in(request)
        record = await book.add(caller, rubric, versioned=versioned)
        return Json(_answer(record), 201, {"location": f"/v1/rubrics/{record.rubric.id}"})

    @routes.get("")
    async def listed(
        _: CallerOf, limit: Limit = 50, name: str | None = None, after: str | None = None
    ) -> Response:
        """A page by name and version; `after` is the last id of the page before."""
        records = await book.find(name, after, limit)
        return Json({"object": "list", "data": [_answer(record) for record in records]})

    @routes.get("/{rubric_id}")
    async def read(rubric_id: str, _: CallerOf) -> Response:
        """By `name@version`, or by `name` the newest."""
        return Json(_answer(await book.get(rubric_id)))

    @routes.put("/{rubric_id}")
    async def replaced(rubric_id: str, request: Request, caller: CallerOf) -> Response:
        """Another content for a version that nothing was graded by."""
        if "@" not in rubric_id:
            raise InvalidRequest("Name the version: /v1/rubrics/name@version.", param="version")
        rubric, _ = await rubric_in(request, rubric_id)
        return Json(_answer(await book.replace(caller, rubric)))

    @routes.post("/{rubric_id}:rescore")
    async def rescore(
        rubric_id: str, caller: CallerOf, version: Annotated[str, Query(alias="from")]
    ) -> Response:
        """Adds up the grades by version `from` anew by this one; no model is asked."""
        name = rubric_id.partition("@")[0]
        graded, changed = await desk.rescore(caller, f"{name}@{version}", rubric_id)
        return Json({"object": "rescore", "rubric": rubric_id, "grades": graded, "changed": changed})

    return routes


def _answer(record: RubricRecord) -> dict[str, Any]:
    return {
        "object": "rubric",
        "id": record.rubric.id,
        **rubric_answer(record.rubric),
        "created_at": record.created_at.isoformat(),
        "created_by": record.key_id,
        "used": record.used,
    }
