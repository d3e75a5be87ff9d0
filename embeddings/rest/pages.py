"""All the paths behind the door."""

import time
from collections.abc import Callable

from fastapi import FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from embeddings import VERSION
from embeddings.errors import MethodNotAllowed, NotFound, ServiceError
from embeddings.models import Models
from embeddings.observe import Observer
from embeddings.rest import inference, kserve, openai
from embeddings.rest.errors import error_response
from embeddings.rest.payload import Json, exchange_of


def pages(models: Models, observer: Observer, *, max_inputs: int, waiting: Callable[[], int]) -> FastAPI:
    """Builds the application; nothing in it lives outside this call. `waiting`: texts that are queued."""
    app = FastAPI(
        title="Embeddings",
        version=VERSION,
        default_response_class=Json,
        docs_url=None,
        redoc_url=None,
        responses={"4XX": {"description": "Refused."}, "5XX": {"description": "Not now, or a fault."}},
        # Its own would tell paths as typed, and of a refusal the input.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )

    @app.exception_handler(ServiceError)
    async def refused(request: Request, error: ServiceError) -> Response:
        exchange = exchange_of(request)
        exchange.code = error.code
        status, headers, body = error_response(error, exchange.path)
        return Response(body, status, headers)

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
        """200: the models are loaded before the door opens."""
        return Json({"status": "ready"})

    @app.get("/metrics", tags=["operations"], response_class=Response)
    async def metrics() -> Response:
        """Prometheus text."""
        return Response(generate_latest(observer.registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/v1/status", tags=["operations"])
    async def status() -> Response:
        """What runs here."""
        table = [
            {
                "name": m.name,
                "version": m.version,
                "output": m.output,
                "labels": m.labels,
                "width": m.width,
                "max_tokens": m.max_tokens,
            }
            for m in models
        ]
        return Json({"service": "embeddings", "version": VERSION, "models": table, "waiting": waiting()})

    # Before openai's /v1/models/{name}, which would take the name of `NAME:predict` for its own.
    app.include_router(kserve.router(models, max_inputs=max_inputs))
    app.include_router(openai.router(models, max_inputs=max_inputs, started=int(time.time())))
    app.include_router(inference.router(models, max_inputs=max_inputs))
    return app
