"""Everything but chat completions, as a FastAPI application behind the door."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from gateway.adapters.metrics import Metrics
from gateway.audit import Audit
from gateway.batch.desk import BatchDesk
from gateway.catalog import Catalog
from gateway.chat.request import Bounds, parse_json
from gateway.classical import ClassicalDesks
from gateway.domain import Caller, ServedModel, Usage
from gateway.drift.desk import DriftDesk
from gateway.errors import GatewayError, InvalidRequest, MethodNotAllowed, NotFound
from gateway.guards import may_read_metrics
from gateway.inference import Inference
from gateway.masking import Masking
from gateway.pipeline import Gateway
from gateway.rest import (
    audit,
    batches,
    contracts,
    datasets,
    drift,
    fraud,
    grades,
    inference,
    mask,
    predict,
    rubrics,
    training,
)
from gateway.rest.errors import error_response
from gateway.rest.openapi import describe
from gateway.rest.page import VERSION, CallerOf, ExchangeOf, Json, exchange_of
from gateway.rest.vectors import embedding_answer, read_embedding_request
from gateway.reviews import ReviewDesk
from gateway.rubrics import RubricBook


@dataclass(frozen=True, slots=True)
class Desks:
    """The services behind the pages."""

    gateway: Gateway
    inference: Inference
    masking: Masking
    catalog: Catalog
    rubrics: RubricBook
    reviews: ReviewDesk
    batches: BatchDesk
    trained: ClassicalDesks
    drift: DriftDesk
    audit: Audit
    status: Callable[[Caller], Awaitable[dict[str, Any]]]  # what /v1/status tells
    ready: Callable[[], Awaitable[None]]  # raises what this process lacks


def pages(desks: Desks, told: Metrics, bounds: Bounds, max_instances: int) -> FastAPI:
    """Builds the application; nothing in it lives outside this call."""
    app = FastAPI(
        title="Grading gateway",
        version=VERSION,
        default_response_class=Json,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # Its own would tell paths as typed, and of a refusal the input; the door's tell what may be told.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    started = int(time.time())

    def listed(model: ServedModel) -> dict[str, Any]:
        return {
            "id": model.name,
            "object": "model",
            "created": started,
            "owned_by": "grading-gateway",
            **({"max_model_len": model.context_window} if model.context_window else {}),
            "output": model.output,
            **({"version": model.version} if model.version else {}),
            **({"labels": model.labels} if model.labels else {}),
        }

    @app.exception_handler(GatewayError)
    async def refused(request: Request, error: GatewayError) -> Response:
        exchange = exchange_of(request)
        exchange.code = error.code
        status, headers, body = error_response(error, exchange.method, exchange.path, exchange.request_id)
        return Response(body, status, {name.decode(): value.decode() for name, value in headers})

    @app.exception_handler(RequestValidationError)
    async def not_understood(request: Request, error: RequestValidationError) -> Response:
        fault = error.errors()[0]
        field = str(fault["loc"][-1])  # a parameter's name, which is ours
        return await refused(request, InvalidRequest(f"'{field}' is not what it should be.", param=field))

    @app.exception_handler(Exception)
    async def failed(request: Request, _: Exception) -> Response:
        return await refused(request, GatewayError("The gateway failed."))

    @app.exception_handler(HTTPException)
    async def not_a_route(request: Request, error: HTTPException) -> Response:
        if error.status_code == 405:
            return await refused(request, MethodNotAllowed("This path has other methods."))
        return await refused(request, NotFound("There is nothing at this path."))

    @app.get("/-/healthz", tags=["operations"])
    async def healthz() -> Response:
        """200 while the process answers."""
        return Json({"status": "ok"})

    @app.get("/-/readyz", tags=["operations"])
    async def readyz() -> Response:
        """200 when the model produced a token and masking works a few seconds ago or now, else 503, also
        while the process ends."""
        await desks.ready()
        return Json({"status": "ready"})

    @app.get("/metrics", tags=["operations"])
    async def metrics(caller: CallerOf) -> Response:
        """Prometheus text."""
        may_read_metrics(caller)
        return Response(generate_latest(told.registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/v1/status", tags=["operations"])
    async def status(caller: CallerOf) -> Response:
        """What runs here, what is up, what waits, and how the objectives were kept over the last hour."""
        return Json(await desks.status(caller))

    @app.get("/v1/models", tags=["models"])
    async def models() -> Response:
        """OpenAI's list and KServe's names in one answer."""
        data = [listed(model) for model in await desks.catalog.models()]
        return Json({"object": "list", "data": data, "models": [entry["id"] for entry in data]})

    @app.post("/v1/embeddings", tags=["models"])
    async def embeddings(request: Request, caller: CallerOf, exchange: ExchangeOf) -> Response:
        """OpenAI's embeddings, of masked texts."""
        asked = read_embedding_request(parse_json(await request.body(), bounds))
        embedded = await desks.inference.embed(caller, asked.model, asked.texts)
        exchange.usage, exchange.masked = Usage(embedded.prompt_tokens), embedded.masked
        return Json(embedding_answer(embedded, asked.encoding_format))

    app.include_router(
        predict.router(
            desks.gateway,
            desks.inference,
            desks.catalog,
            desks.trained.predictions,
            told,
            bounds,
            max_instances,
        )
    )
    app.include_router(inference.router(desks.trained.open_inference, bounds))
    app.include_router(fraud.router(desks.trained.predictions, bounds))
    app.include_router(datasets.router(desks.trained.datasets))
    app.include_router(training.router(desks.trained.training, desks.trained.models, bounds))
    app.include_router(drift.router(desks.drift, bounds))
    app.include_router(mask.router(desks.masking, bounds))
    app.include_router(rubrics.router(desks.rubrics, desks.reviews, bounds))
    app.include_router(grades.router(desks.reviews, told, bounds))
    app.include_router(batches.router(desks.batches, bounds))
    app.include_router(audit.router(desks.audit))
    app.include_router(contracts.router())

    @app.get("/v1/models/{name:path}", tags=["models"])
    async def model(name: str) -> Response:
        """OpenAI's model object with KServe's `name` and `ready`."""
        known = await desks.catalog.model(name)
        return Json({**listed(known), "name": known.name, "ready": known.ready})

    describe(app)
    return app
