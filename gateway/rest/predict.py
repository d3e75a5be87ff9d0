"""KServe's V1 protocol: `POST /v1/models/{name}:predict`, graders, classifiers, encoders, trained models.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol
"""

from collections import Counter
from typing import Any

from fastapi import APIRouter, Request, Response

from gateway.adapters.metrics import Metrics
from gateway.catalog import Catalog
from gateway.chat.request import Bounds, parse_json
from gateway.contracts.grade import grade_answer
from gateway.contracts.submission import read_submission
from gateway.domain import Caller, Output, ServedModel, Submission, Usage
from gateway.errors import InvalidRequest, PayloadTooLarge
from gateway.grading.routing import GRADERS
from gateway.inference import Inference
from gateway.pipeline import Gateway
from gateway.prediction import Predictions
from gateway.records import Once
from gateway.rest.contracts import predict_operation
from gateway.rest.labels import classification_answer, read_text
from gateway.rest.observe import Exchange
from gateway.rest.page import CallerOf, ExchangeOf, Json, once_of
from gateway.training.facts import Prediction


def router(
    gateway: Gateway,
    inference: Inference,
    catalog: Catalog,
    predictions: Predictions,
    metrics: Metrics,
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
            metrics.graded(name, one)
        return [grade_answer(one) for one in grades]

    async def inferred(
        model: ServedModel, instances: list[Any], caller: Caller, exchange: Exchange
    ) -> list[Any]:
        """Classifications, or vectors when the model is an encoder."""
        texts = [read_text(instance) for instance in instances]
        if model.output is Output.EMBEDDING:
            embedded = await inference.embed(caller, model.name, texts)
            exchange.usage, exchange.masked = Usage(embedded.prompt_tokens), embedded.masked
            return embedded.vectors
        classified = await inference.classify(caller, model.name, texts)
        exchange.masked = classified.masked
        return [classification_answer(one) for one in classified.predictions]

    async def trained(name: str, payload: dict[str, Any], caller: Caller) -> Response:
        bare = "instances" not in payload
        version = None if bare else _version(payload.pop("version", None))
        instances, bare = instances_of(payload)
        predicted = await predictions.predict(caller, name, version, instances)
        answers = [_prediction_answer(one) for one in predicted.predictions]
        told = {"model_name": predicted.model, "model_version": predicted.version}
        return Json({**answers[0], **told} if bare else {"predictions": answers, **told})

    @routes.post("/v1/models/{name}:predict", openapi_extra=predict_operation())
    async def predict(name: str, request: Request, caller: CallerOf, exchange: ExchangeOf) -> Response:
        """A bare payload answers bare, `{"instances": [...]}` gives `{"predictions": [...]}`. For graders:
        `Idempotency-Key` pins the answer, `Cache-Control: no-cache` has it graded anew. For trained models:
        `"version"` beside the instances names one, by default the champion answers."""
        body = await request.body()
        payload = parse_json(body, bounds)
        model = None if name in GRADERS else await catalog.service_model(name)
        if name not in GRADERS and model is None:
            return await trained(name, payload, caller)
        instances, bare = instances_of(payload, max_instances)
        if model is None:
            fresh = "no-cache" in request.headers.get("cache-control", "").lower()
            once = once_of(request, name, body)
            answers = await graded(name, instances, caller, exchange, bare=bare, once=once, fresh=fresh)
        else:
            answers = await inferred(model, instances, caller, exchange)
        return Json(answers[0] if bare else {"predictions": answers})

    return routes


def _read(instance: Any, place: int, *, alone: bool) -> Submission:
    try:
        return read_submission(instance)
    except InvalidRequest as error:
        if alone:
            raise
        where = f"instances.{place}"
        raise InvalidRequest(f"In '{where}': {error.message}", param=f"{where}.{error.param}") from None


def instances_of(payload: dict[str, Any], most: int | None = None) -> tuple[list[Any], bool]:
    """The instances, and whether the payload is one itself, bare. Raises InvalidRequest, PayloadTooLarge."""
    if "instances" not in payload:
        return [payload], True
    instances = payload["instances"]
    if not isinstance(instances, list) or not instances or payload.keys() != {"instances"}:
        raise InvalidRequest(
            "'instances' must be a list of at least one payload, and stand alone.", param="instances"
        )
    if most is not None and len(instances) > most:
        raise PayloadTooLarge(f"More than {most} instances.", param="instances")
    return instances, False


def _version(version: Any) -> int | None:
    if version is not None and (type(version) is not int or not 0 < version < 1 << 31):
        raise InvalidRequest("'version' must be a number of a version.", param="version")
    return version


def _prediction_answer(prediction: Prediction) -> dict[str, Any]:
    return {
        "label": prediction.label,
        "confidence": prediction.confidence,
        "probabilities": dict(prediction.probabilities),
    }
