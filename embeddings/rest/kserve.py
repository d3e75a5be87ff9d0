"""KServe's V1 protocol: `POST /v1/models/{name}:predict`; its model's state is served by openai.py's path.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol
"""

from typing import Any

from fastapi import APIRouter, Request

from embeddings.errors import InvalidRequest
from embeddings.models import Comparer, Models
from embeddings.rest.comparisons import checked_comparisons
from embeddings.rest.payload import Json, checked_texts, noted, read_object


def router(models: Models, *, max_inputs: int) -> APIRouter:
    """The route over a table of models."""
    routes = APIRouter(tags=["kserve v1"])

    @routes.post("/v1/models/{name}:predict")
    async def predict(name: str, request: Request) -> Json:
        """`{"instances": [...]}` -> `{"predictions": [one for each]}`. An instance is "text" or
        {"text": "text"}; a grader's is {"submission": "", "reference_answers": [""], "question": ""}, the
        question may be left out. A prediction is an encoder's vector, or a head's object with `label`,
        `confidence`, `probabilities`, `needs_review`, `cut` and, of a grader, `score`."""
        model = models[name]
        body = await read_object(request, ("instances",))
        instances = body.get("instances")
        if not isinstance(instances, list):
            raise InvalidRequest("'instances' must be a list.", param="instances")
        if isinstance(model, Comparer):
            coming = model.compare(checked_comparisons(instances, max_inputs))
        else:
            coming = model.predict(checked_texts([_text(one) for one in instances], max_inputs, "instances"))
        prediction = await noted(request, model, len(instances), coming)
        return Json({"predictions": prediction.verdicts or prediction.rows})

    return routes


def _text(instance: Any) -> Any:
    if isinstance(instance, dict):
        if instance.keys() != {"text"}:
            raise InvalidRequest("An instance must be a text or an object with 'text'.", param="instances")
        return instance["text"]
    return instance
