"""Everything but chat completions, as a FastAPI application behind the door."""

import time
from typing import Annotated, Any

import orjson
from fastapi import Depends, FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from gateway.chat.request import Bounds, parse_json
from gateway.domain import Caller, ServedModel, Usage
from gateway.errors import (
    GatewayError,
    InvalidRequest,
    MethodNotAllowed,
    ModelNotFound,
    NotFound,
    PayloadTooLarge,
)
from gateway.grader import GRADER
from gateway.pipeline import Gateway
from gateway.rest.errors import error_response
from gateway.rest.observe import Exchange, Observer
from gateway.rest.payload import grade_answer, read_submission
from gateway.rest.vectors import embedding_answer, read_embedding_request

VERSION = "0.1.0"


class _Json(Response):
    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


def _exchange(request: Request) -> Exchange:
    exchange: Exchange = request.scope["state"]["exchange"]
    return exchange


def _caller(request: Request) -> Caller:
    caller = _exchange(request).caller
    assert caller is not None  # noqa: S101 - the door admits before it calls
    return caller


CallerOf = Annotated[Caller, Depends(_caller)]
ExchangeOf = Annotated[Exchange, Depends(_exchange)]


def pages(gateway: Gateway, observer: Observer, bounds: Bounds, max_instances: int) -> FastAPI:
    """Builds the application; nothing in it lives outside this call."""
    app = FastAPI(
        title="Grading gateway", version=VERSION, default_response_class=_Json, docs_url=None, redoc_url=None
    )
    started = int(time.time())

    def listed(model: ServedModel) -> dict[str, Any]:
        return {
            "id": model.name,
            "object": "model",
            "created": started,
            "owned_by": "grading-gateway",
            "max_model_len": model.context_window,
        }

    @app.exception_handler(GatewayError)
    async def refused(request: Request, error: GatewayError) -> Response:
        exchange = _exchange(request)
        exchange.code = error.code
        status, headers, body = error_response(error, exchange.path, exchange.request_id)
        return Response(body, status, {name.decode(): value.decode() for name, value in headers})

    @app.exception_handler(HTTPException)
    async def not_a_route(request: Request, error: HTTPException) -> Response:
        if error.status_code == 405:
            return await refused(request, MethodNotAllowed("This path has other methods."))
        return await refused(request, NotFound("There is nothing at this path."))

    @app.get("/-/healthz", tags=["operations"])
    async def healthz() -> Response:
        """200 while the process answers."""
        return _Json({"status": "ok"})

    @app.get("/-/readyz", tags=["operations"])
    async def readyz() -> Response:
        """200 when the model produced a token and masking works a few seconds ago or now, else 503."""
        await gateway.check_ready()
        return _Json({"status": "ready"})

    @app.get("/metrics", tags=["operations"])
    async def metrics() -> Response:
        """Prometheus text."""
        return Response(generate_latest(observer.registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/v1/status", tags=["operations"])
    async def status() -> Response:
        """What runs here."""
        return _Json({"service": "gateway", "version": VERSION, **await gateway.status()})

    @app.get("/v1/models", tags=["models"])
    async def models() -> Response:
        """OpenAI's list and KServe's names in one answer."""
        data = [listed(model) for model in await gateway.models()]
        return _Json({"object": "list", "data": data, "models": [entry["id"] for entry in data]})

    @app.post("/v1/embeddings", tags=["models"])
    async def embeddings(request: Request, caller: CallerOf, exchange: ExchangeOf) -> Response:
        """OpenAI's embeddings, of masked texts."""
        asked = read_embedding_request(parse_json(await request.body(), bounds))
        embedded = await gateway.embed(caller, asked.model, asked.texts)
        exchange.usage, exchange.masked = Usage(embedded.prompt_tokens), embedded.masked
        return _Json(embedding_answer(embedded, asked.encoding_format))

    @app.post("/v1/models/{name}:predict", tags=["models"])
    async def predict(name: str, request: Request, caller: CallerOf, exchange: ExchangeOf) -> Response:
        """KServe V1: a bare payload answers bare, `{"instances": [...]}` gives `{"predictions": [...]}`."""
        if name != GRADER:
            raise ModelNotFound("There is no model of that name.", param="name")
        payload = parse_json(await request.body(), bounds)
        if "instances" not in payload:
            grade = await gateway.grade(caller, read_submission(payload))
            exchange.usage = grade.usage
            return _Json(grade_answer(grade))
        instances = payload["instances"]
        if not isinstance(instances, list) or not instances or payload.keys() != {"instances"}:
            raise InvalidRequest("'instances' must be a list of at least one payload.", param="instances")
        if len(instances) > max_instances:
            raise PayloadTooLarge(f"More than {max_instances} instances.", param="instances")
        submissions = [read_submission(instance) for instance in instances]
        grades = await gateway.grade_all(caller, submissions)
        exchange.usage = sum((grade.usage for grade in grades), Usage())
        return _Json({"predictions": [grade_answer(grade) for grade in grades]})

    @app.get("/v1/models/{name:path}", tags=["models"])
    async def model(name: str) -> Response:
        """OpenAI's model object with KServe's `name` and `ready`."""
        for known in await gateway.models():
            if known.name == name:
                return _Json({**listed(known), "name": name, "ready": True})
        raise ModelNotFound("There is no model of that name.", param="name")

    return app
