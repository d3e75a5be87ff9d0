"""`/v1/drift`: how the live traffic of each model has changed, references, comparisons and their reports."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response

from gateway.chat.request import Bounds, parse_json
from gateway.domain import Caller
from gateway.drift.asks import read_reference_ask, read_run_ask
from gateway.drift.desk import DriftDesk
from gateway.drift.facts import ColumnDrift, DriftRun, ModelTraffic, Reference
from gateway.guards import may_train
from gateway.rest.page import CallerOf, Json, Limit

# A report is callers' labels and a library's scripts: they draw, in an origin that has no key and no cookie,
# and fetch nothing. Evidently's looks the same with it as without (Chromium, pixel by pixel).
_REPORT = {
    "content-security-policy": "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data: blob:; font-src data:",
    "x-content-type-options": "nosniff",
    "cache-control": "private, max-age=31536000, immutable",
}


async def _overseer(caller: CallerOf) -> Caller:
    """Who may not look learns so before anything that they sent is looked at."""
    may_train(caller)
    return caller


OverseerOf = Annotated[Caller, Depends(_overseer)]


def router(desk: DriftDesk, bounds: Bounds) -> APIRouter:
    """The routes over the desk."""
    routes = APIRouter(tags=["drift"])

    @routes.get("/v1/drift")
    async def traffic(caller: OverseerOf) -> Response:
        """Every model that was seen or has a reference, by name, with its last comparison."""
        data = [traffic_answer(one) for one in await desk.traffic(caller)]
        return Json({"object": "list", "data": data})

    _references(routes, desk, bounds)
    _runs(routes, desk, bounds)
    return routes


def _references(routes: APIRouter, desk: DriftDesk, bounds: Bounds) -> None:
    @routes.post("/v1/drift-references", status_code=201)
    async def keep(request: Request, caller: OverseerOf) -> Response:
        """Puts observations aside to compare with: `model`, and `since` and `until` of another week than the
        last one."""
        ask = read_reference_ask(parse_json(await request.body(), bounds))
        kept = await desk.keep(caller, ask.model, ask.since, ask.until)
        return Json(reference_answer(kept), 201, {"location": f"/v1/drift-references/{kept.id}"})

    @routes.get("/v1/drift-references")
    async def references(caller: OverseerOf, model: str | None = None, limit: Limit = 20) -> Response:
        """Newest first."""
        found = await desk.references(caller, model, limit + 1)
        data = [reference_answer(one) for one in found[:limit]]
        return Json({"object": "list", "data": data, "has_more": len(found) > limit})

    @routes.delete("/v1/drift-references/{reference_id}", status_code=204)
    async def forget(reference_id: str, caller: OverseerOf) -> Response:
        """With its observations; what was compared with it stays."""
        await desk.forget(caller, reference_id)
        return Response(status_code=204)


def _runs(routes: APIRouter, desk: DriftDesk, bounds: Bounds) -> None:
    @routes.post("/v1/drift-runs", status_code=202)
    async def ask(request: Request, caller: OverseerOf) -> Response:
        """Queues a comparison of a model's last `window_hours` with its newest reference, or answers the one
        that is queued already."""
        asked = read_run_ask(parse_json(await request.body(), bounds))
        run = await desk.ask(caller, asked.model, asked.window_h)
        return Json(run_answer(run), 202, {"location": f"/v1/drift-runs/{run.id}"})

    @routes.get("/v1/drift-runs")
    async def runs(
        caller: OverseerOf, model: str | None = None, after: str | None = None, limit: Limit = 20
    ) -> Response:
        """A page, newest first; `after` is the last id of the page before."""
        found = await desk.find(caller, model, after, limit + 1)
        data = [run_answer(one) for one in found[:limit]]
        return Json({"object": "list", "data": data, "has_more": len(found) > limit})

    @routes.get("/v1/drift-runs/{run_id}")
    async def run(run_id: str, caller: OverseerOf) -> Response:
        """How far it is, or what came of it."""
        return Json(run_answer(await desk.get(caller, run_id)))

    @routes.get("/v1/drift-runs/{run_id}/report")
    async def report(
        run_id: str, caller: OverseerOf, if_none_match: Annotated[str | None, Header()] = None
    ) -> Response:
        """Its HTML, whole in itself."""
        sha256 = (await desk.get(caller, run_id)).report
        headers = {**_REPORT, "etag": f'"{sha256}"'}
        if sha256 is not None and if_none_match == headers["etag"]:
            return Response(status_code=304, headers=headers)
        html = await desk.report(caller, run_id)
        return Response(html, headers=headers, media_type="text/html; charset=utf-8")


def traffic_answer(traffic: ModelTraffic) -> dict[str, Any]:
    """What is there of a model as JSON; times in seconds since the epoch, as in all of these."""
    return {
        "model": traffic.model,
        "rows": traffic.rows,
        "oldest": _seconds(traffic.oldest),
        "newest": _seconds(traffic.newest),
        "reference": reference_answer(traffic.reference) if traffic.reference else None,
        "last_run": run_answer(traffic.last_run) if traffic.last_run else None,
        "last_finding": run_answer(traffic.last_finding) if traffic.last_finding else None,
    }


def reference_answer(reference: Reference) -> dict[str, Any]:
    """A reference as JSON."""
    return {
        "id": reference.id,
        "object": "drift_reference",
        "model": reference.model,
        "since": _seconds(reference.window.since),
        "until": _seconds(reference.window.until),
        "created_at": _seconds(reference.created_at),
        "created_by": reference.key_id,
        "rows": reference.rows,
    }


def run_answer(run: DriftRun) -> dict[str, Any]:
    """A comparison as JSON."""
    return {
        "id": run.id,
        "object": "drift_run",
        "model": run.model,
        "reference_id": run.reference_id,
        "since": _seconds(run.window.since),
        "until": _seconds(run.window.until),
        "created_at": _seconds(run.created_at),
        "created_by": run.key_id,
        "status": run.state.value,
        "started_at": _seconds(run.started_at),
        "ended_at": _seconds(run.ended_at),
        "rows": run.rows,
        "reference_rows": run.reference_rows,
        "drifted": run.drifted,
        "columns": [_column(column) for column in run.columns],
        "has_report": run.report is not None,
        "error": run.error,
    }


def _column(column: ColumnDrift) -> dict[str, Any]:
    return {
        "column": column.column,
        "method": column.method,
        "score": column.score,
        "threshold": column.threshold,
        "drifted": column.drifted,
        "rows": column.rows,
    }


def _seconds(time: datetime | None) -> int | None:
    return None if time is None else int(time.timestamp())
