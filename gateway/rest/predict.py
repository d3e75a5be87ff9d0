"""KServe's V1 protocol: `POST /v1/models/{name}:predict`, graders, classifiers and encoders.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol
"""

from collections import Counter
from typing import Any

from fastapi import APIRouter, Request, Response

from gateway.catalog import Catalog
from gateway.chat.request import Bounds, parse_json
from gateway.contracts.grade import grade_answer
from gateway.contracts.submission import read_submission
from gateway.domain import Caller, Output, Submission, Usage
from gateway.errors import InvalidRequest, PayloadTooLarge
from gateway.grading.routing import GRADERS
from gateway.inference import Inference
from gateway.pipeline import Gateway
from gateway.records import Once
from gateway.rest.contracts import predict_operation
from gateway.rest.labels import classification_answer, read_text
from gateway.rest.observe import Exchange, Observer
from gateway.rest.page import CallerOf, ExchangeOf, Json, once_of


def router(
    gateway: Gateway,
    inference: Inference,
    catalog: Catalog,
    observer: Observer,
    bounds: Bounds,
    max_instances: int,
) -> APIRouter:
    """The route over everything that predicts."""
    routes = APIRouter(tags=["models"])

    async def graded(
        name: str,
        instances: list[Any],
        caller: Caller,
        exchange: Exchange,
        *,
        bare: bool,
        once: Once | None,
        fresh: bool,
    ) -> list[Any]:
        submissions = [_read(instance, place, alone=bare) for place, instance in enumerate(instances)]
        if once:
            grades = await gateway.grade_once(caller, submissions, name, once, fresh=fresh)
        else:
            grades = await gateway.grade_all(caller, submissions, name, fresh=fresh)
        exchange.usage = sum((one.grade.usage for one in grades if not one.cached), Usage())
        exchange.masked = sum((Counter(one.masked) for one in grades), Counter())
        for one in grades:
            observer.graded(name, one)
        return [grade_answer(one) for one in grades]

    async def inferred(name: str, instances: list[Any], caller: Caller, exchange: Exchange) -> list[Any]:
        """Classifications, or vectors when the model is an encoder."""
        model = await catalog.inference_model(name)
        texts = [read_text(instance) for instance in instances]
        if model.output is Output.EMBEDDING:
            embedded = await inference.embed(caller, name, texts)
            exchange.usage, exchange.masked = Usage(embedded.prompt_tokens), embedded.masked
            return embedded.vectors
        classified = await inference.classify(caller, name, texts)
        exchange.masked = classified.masked
        return [classification_answer(one) for one in classified.predictions]

    @routes.post("/v1/models/{name}:predict", openapi_extra=predict_operation())
    async def predict(name: str, request: Request, caller: CallerOf, exchange: ExchangeOf) -> Response:
        """A bare payload answers bare, `{"instances": [...]}` gives `{"predictions": [...]}`. For graders:
        `Idempotency-Key` pins the answer, `Cache-Control: no-cache` has it graded anew."""
        body = await request.body()
        payload = parse_json(body, bounds)
        bare = "instances" not in payload
        instances = [payload] if bare else _instances(payload, max_instances)
        if name in GRADERS:
            fresh = "no-cache" in request.headers.get("cache-control", "").lower()
            once = once_of(request, name, body)
            predictions = await graded(name, instances, caller, exchange, bare=bare, once=once, fresh=fresh)
        else:
            predictions = await inferred(name, instances, caller, exchange)
        return Json(predictions[0] if bare else {"predictions": predictions})

    return routes


def _read(instance: Any, place: int, *, alone: bool) -> Submission:
    try:
        return read_submission(instance)
    except InvalidRequest as error:
        if alone:
            raise
        where = f"instances.{place}"
        raise InvalidRequest(f"In '{where}': {error.message}", param=f"{where}.{error.param}") from None


def _instances(payload: dict[str, Any], most: int) -> list[Any]:
    instances = payload["instances"]
    if not isinstance(instances, list) or not instances or payload.keys() != {"instances"}:
        raise InvalidRequest(
            "'instances' must be a list of at least one payload, and stand alone.", param="instances"
        )
    if len(instances) > most:
        raise PayloadTooLarge(f"More than {most} instances.", param="instances")
    return instances
