"""`/v1/datasets`: tables to train on, every version kept."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from gateway.errors import InvalidRequest
from gateway.rest.form import form_file
from gateway.rest.page import CallerOf, Json, Limit
from gateway.training.datasets import DatasetDesk
from gateway.training.facts import Column, DatasetSummary, DatasetVersion, TableFormat

_TYPES: Mapping[str, TableFormat] = {
    "text/csv": TableFormat.CSV,
    "application/json": TableFormat.JSON,
    "application/jsonl": TableFormat.JSONL,
    "application/x-ndjson": TableFormat.JSONL,
    "application/x-jsonlines": TableFormat.JSONL,
}
_ENDINGS: Mapping[str, TableFormat] = {form.value: form for form in TableFormat} | {
    "ndjson": TableFormat.JSONL
}

VersionOf = Annotated[int | None, Query(ge=1, le=2**31 - 1)]


def router(desk: DatasetDesk) -> APIRouter:
    """The routes over the desk. The door hands the upload's body on as it comes."""
    routes = APIRouter(tags=["datasets"])

    @routes.post("/v1/datasets", status_code=201)
    async def upload(
        request: Request,
        caller: CallerOf,
        name: str,
        target: str | None = None,
        form: Annotated[str | None, Query(alias="format")] = None,
    ) -> Response:
        """Takes the file as the body, or as the part `file` of a form. 200 where the newest version is the
        same."""
        read_as, chunks = await _file(request, form)
        version, created = await desk.upload(caller, name, read_as, target, chunks)
        answer = Json(version_answer(version), status_code=201 if created else 200)
        answer.headers["location"] = f"/v1/datasets/{version.name}?version={version.version}"
        return answer

    @routes.get("/v1/datasets")
    async def datasets(caller: CallerOf, after: str | None = None, limit: Limit = 20) -> Response:
        """The newest version of each data set, by name."""
        found = await desk.find(caller, after, limit + 1)
        return await asyncio.to_thread(_page, found, limit)

    @routes.get("/v1/datasets/{name}")
    async def dataset(name: str, caller: CallerOf, version: VersionOf = None) -> Response:
        """A version with its first rows, and the newest others."""
        found = await desk.get(caller, name, version)
        others = await desk.versions(caller, name)
        return await asyncio.to_thread(_whole, found, others)

    @routes.delete("/v1/datasets/{name}", status_code=204)
    async def delete(name: str, caller: CallerOf, version: VersionOf = None) -> Response:
        """One version, or all of them."""
        await desk.delete(caller, name, version)
        return Response(status_code=204)

    return routes


# In threads: two hundred tables of a thousand columns are 150 ms.


def _page(found: list[DatasetVersion], limit: int) -> Response:
    data = [brief_answer(version) for version in found[:limit]]
    return Json({"object": "list", "data": data, "has_more": len(found) > limit})


def _whole(version: DatasetVersion, others: list[DatasetSummary]) -> Response:
    listed = [_listed(other) for other in others]
    return Json({**version_answer(version), "preview": version.table.preview, "versions": listed})


def version_answer(version: DatasetVersion) -> dict[str, Any]:
    """Everything but the first rows."""
    return {
        **brief_answer(version),
        "warnings": version.table.warnings,
        "columns": [_column(column) for column in version.table.columns],
    }


def brief_answer(version: DatasetVersion) -> dict[str, Any]:
    """For lists: of the columns only names and types."""
    table = version.table
    return {
        "name": version.name,
        "version": version.version,
        "id": version.id,
        "created_at": int(version.created_at.timestamp()),
        "format": table.format.value,
        "bytes": table.size,
        "sha256": table.sha256,
        "rows": table.rows,
        "target": version.target,
        "duplicate_rows": table.duplicate_rows,
        "columns": [{"name": column.name, "type": column.type.value} for column in table.columns],
        "dvc": _dvc(version),
    }


def _column(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type.value,
        "missing": column.missing,
        "distinct": column.distinct,
        "minimum": column.minimum,
        "maximum": column.maximum,
        "mean": column.mean,
        "deviation": column.deviation,
        "top": column.top,
    }


def _listed(version: DatasetSummary) -> dict[str, Any]:
    return {
        "version": version.version,
        "created_at": int(version.created_at.timestamp()),
        "rows": version.rows,
        "sha256": version.sha256,
        "dvc": _dvc(version),
    }


def _dvc(version: DatasetVersion | DatasetSummary) -> dict[str, Any]:
    return {
        "state": version.kept.value,
        "hash": version.dvc_hash,
        "attempts": version.attempts,
        "error": version.error,
    }


async def _file(request: Request, asked: str | None) -> tuple[TableFormat, AsyncIterator[bytes]]:
    """Its format and its bytes. Raises InvalidRequest."""
    if asked is not None and asked not in {form.value for form in TableFormat}:
        raise InvalidRequest("'format' must be csv, json or jsonl.", param="format")
    wish = TableFormat(asked) if asked is not None else None
    kind = request.headers.get("content-type", "")
    if _media(kind) != "multipart/form-data":
        return wish or _known(_TYPES.get(_media(kind))), request.stream()
    file = await form_file(kind, request.stream())
    by_ending = _ENDINGS.get(file.filename.rpartition(".")[2].lower())
    return wish or _known(by_ending or _TYPES.get(_media(file.content_type))), file.chunks


def _media(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _known(form: TableFormat | None) -> TableFormat:
    if form is None:
        raise InvalidRequest("Say what the file is: 'format' must be csv, json or jsonl.", param="format")
    return form
