"""The fraud pair: two models on one schema, one answer each. `POST /predict`, `POST /predict_scenario`."""

from typing import Any

from fastapi import APIRouter, Request, Response

from gateway.chat.request import Bounds, parse_json
from gateway.prediction import Pair, Predictions
from gateway.rest.page import CallerOf, Json
from gateway.rest.predict import instances_of
from gateway.training.facts import Prediction


def router(predictions: Predictions, bounds: Bounds) -> APIRouter:
    """Each takes one transaction's features and answers bare, or `{"instances": [...]}` and answers
    `{"predictions": [...]}`."""
    routes = APIRouter(tags=["fraud"])

    async def answered(request: Request, caller: CallerOf, which: Pair) -> Response:
        instances, bare = instances_of(parse_json(await request.body(), bounds))
        predicted = await predictions.pair(caller, which, instances)
        told = _scenario if which == "fraud_scenario" else _fraud
        answers = [
            {**told(one), "model_version": predicted.version, **({"missing_features": gaps} if gaps else {})}
            for one, gaps in zip(predicted.predictions, predicted.missing, strict=True)
        ]
        return Json(answers[0] if bare else {"predictions": answers})

    @routes.post("/predict")
    async def predict(request: Request, caller: CallerOf) -> Response:
        """Whether it is fraud, and how probable that is."""
        return await answered(request, caller, "fraud")

    @routes.post("/predict_scenario")
    async def predict_scenario(request: Request, caller: CallerOf) -> Response:
        """Which kind of fraud it is; 0 is none."""
        return await answered(request, caller, "fraud_scenario")

    return routes


def _fraud(prediction: Prediction) -> dict[str, Any]:
    # The labels are 0 and 1: a file of others is not loaded.
    return {"fraud": prediction.label, "probability": prediction.probabilities["1"]}


def _scenario(prediction: Prediction) -> dict[str, Any]:
    return {"fraud_scenario": prediction.label, "probabilities": dict(prediction.probabilities)}
