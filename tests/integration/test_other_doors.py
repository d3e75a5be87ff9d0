"""Vectors, classes, masking, the Open Inference Protocol and the OpenAPI document of a deployed gateway."""

import base64
import math
import struct
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.integration
PLAIN = "Фотосинтез: 6CO₂ + 6H₂O → C₆H₁₂O₆ + 6O₂, «свет» — энергия 🌿"


def listed(models: dict[str, str], output: str) -> str:
    if output not in models:
        pytest.skip(f"this deployment has no model that answers with {output}")
    return models[output]


def told(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_vectors_are_the_same_in_both_encodings(gateway: httpx.Client, models: dict[str, str]) -> None:
    asked = {"model": listed(models, "embedding"), "input": ["Plants release oxygen.", "Привет!"]}
    floats = told(gateway.post("/v1/embeddings", json=asked))
    packed = told(gateway.post("/v1/embeddings", json={**asked, "encoding_format": "base64"}))
    assert (floats["object"], floats["model"]) == ("list", asked["model"])
    assert [row["index"] for row in floats["data"]] == [0, 1]
    for row, other in zip(floats["data"], packed["data"], strict=True):
        raw = base64.b64decode(other["embedding"])
        assert row["embedding"] == pytest.approx(struct.unpack(f"<{len(raw) // 4}f", raw), abs=1e-6)
        assert all(map(math.isfinite, row["embedding"]))


def test_a_classifier_answers_on_both_of_kserves_protocols(
    gateway: httpx.Client, models: dict[str, str]
) -> None:
    name, text = listed(models, "classification"), "Thank you, see you tomorrow."
    (one,) = told(gateway.post(f"/v1/models/{name}:predict", json={"instances": [text]}))["predictions"]
    assert max(one["probabilities"], key=one["probabilities"].get) == one["label"]
    tensor = {"name": "text", "shape": [1], "datatype": "BYTES", "data": [text]}
    two = told(gateway.post(f"/v2/models/{name}/infer", json={"id": "7", "inputs": [tensor]}))
    (output,) = two["outputs"]
    assert (two["id"], output["shape"]) == ("7", [1, len(one["probabilities"])])
    assert sorted(output["data"]) == pytest.approx(sorted(one["probabilities"].values()), abs=1e-3)


def test_the_inference_protocol_tells_what_is_there(gateway: httpx.Client) -> None:
    assert told(gateway.get("/v2"))["name"] == "grading-gateway"
    assert told(gateway.get("/v2/health/live"))["live"] is True
    assert told(gateway.get("/v2/health/ready"))["ready"] is True
    missing = gateway.get("/v2/models/no-such-model")
    assert (missing.status_code, missing.json()["code"]) == (404, "model_not_found")


def test_a_text_without_personal_data_is_left_as_it_is(gateway: httpx.Client) -> None:
    if not told(gateway.get("/v1/status"))["masking"]:
        pytest.skip("MASK_PERSONAL_DATA is off")
    assert told(gateway.post("/v1/mask", json={"text": PLAIN})) == {"masked": PLAIN, "entities": []}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("My name is Maria Ivanova, maria@example.org.", ("Maria", "Ivanova", "maria@example.org")),
        ("Меня зовут Анна Каренина, anna.k@example.org.", ("Анна", "Каренина", "anna.k@example.org")),
        ("Карта 4111 1111 1111 1111, +7 (912) 345-67-89.", ("4111 1111", "345-67-89")),
    ],
    ids=["English", "Russian", "numbers"],
)
def test_personal_data_is_masked(text: str, values: tuple[str, ...], gateway: httpx.Client) -> None:
    if not told(gateway.get("/v1/status"))["masking"]:
        pytest.skip("MASK_PERSONAL_DATA is off")
    masked = told(gateway.post("/v1/mask", json={"text": text}))
    assert [value for value in values if value in masked["masked"]] == []
    for entity in masked["entities"]:
        assert 0 <= entity["start"] < entity["end"] <= len(text)
        assert entity["placeholder"] in masked["masked"]


def test_the_openapi_document_describes_what_is_asked_here(gateway: httpx.Client) -> None:
    document = told(gateway.get("/openapi.json"))
    assert document["openapi"].startswith("3.1")
    assert document["paths"].keys() >= {
        "/v1/chat/completions",
        "/v1/models",
        "/v1/models/{name}:predict",
        "/v1/embeddings",
        "/v1/mask",
        "/v1/grades/{grade_id}",
        "/v2/models/{name}/infer",
        "/-/readyz",
    }
    known = document["components"]["schemas"]
    inner = [name for name in references(document) if name.startswith("#")]
    assert inner
    assert [name for name in inner if name.rpartition("/")[2] not in known] == []
    for name in {name for name in references(document) if name.startswith("/")}:
        assert told(gateway.get(name))["$id"].endswith(name.removeprefix("/v1/contracts"))


def references(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return own + [name for inner in part.values() for name in references(inner)]
    return [name for inner in part for name in references(inner)] if isinstance(part, list) else []
