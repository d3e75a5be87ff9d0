"""KServe's V1 protocol: `POST /v1/models/{name}:predict`, graders, classifiers and encoders.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol
"""

from typing import Any

from fastapi import APIRouter, Request, Response

from gateway.chat.request import Bounds, parse_json
from gateway.contracts.grade import grade_answer
from gateway.contracts.submission import read_submission
from gateway.domain import Caller, Output, Usage
from gateway.errors import InvalidRequest, PayloadTooLarge
from gateway.grading.routing import GRADERS
from gateway.pipeline import Gateway
from gateway.rest.contracts import predict_operation
from gateway.rest.labels import classification_answer, read_text
from gateway.rest.observe import Exchange, Observer
from gateway.rest.page import CallerOf, ExchangeOf, Json


def router(gateway: Gateway, observer: Observer, bounds: Bounds, max_instances: int) -> APIRouter:
    """The route over everything that predicts."""
    routes = APIRouter(tags=["models"])

    async def graded(name: str, instances: list[Any], caller: Caller, exchange: Exchange) -> list[Any]:
        submissions = [read_submission(instance) for instance in instances]
        grades = await gateway.grade_all(caller, submissions, name)
        exchange.usage = sum((one.grade.usage for one in grades), Usage())
        for one in grades:
            if one.grade.grader != name:
                observer.fell_back(name, one.grade.grader)
        return [grade_answer(one) for one in grades]

    async def inferred(name: str, instances: list[Any], caller: Caller, exchange: Exchange) -> list[Any]:
        """Classifications, or vectors when the model is an encoder."""
        model = await gateway.inference_model(name)
        texts = [read_text(instance) for instance in instances]
        if model.output is Output.EMBEDDING:
            embedded = await gateway.embed(caller, name, texts)
            exchange.usage, exchange.masked = Usage(embedded.prompt_tokens), embedded.masked
            return embedded.vectors
        classified = await gateway.classify(caller, name, texts)
        exchange.masked = classified.masked
        return [classification_answer(one) for one in classified.predictions]

    @routes.post("/v1/models/{name}:predict", openapi_extra=predict_operation())
    async def predict(name: str, request: Request, caller: CallerOf, exchange: ExchangeOf) -> Response:
        """A bare payload answers bare, `{"instances": [...]}` gives `{"predictions": [...]}`."""
        payload = parse_json(await request.body(), bounds)
        bare = "instances" not in payload
        instances = [payload] if bare else _instances(payload, max_instances)
        answer = graded if name in GRADERS else inferred
        predictions = await answer(name, instances, caller, exchange)
        return Json(predictions[0] if bare else {"predictions": predictions})

    return routes


def _instances(payload: dict[str, Any], most: int) -> list[Any]:
    instances = payload["instances"]
    if not isinstance(instances, list) or not instances or payload.keys() != {"instances"}:
        raise InvalidRequest("'instances' must be a list of at least one payload.", param="instances")
    if len(instances) > most:
        raise PayloadTooLarge(f"More than {most} instances.", param="instances")
    return instances
