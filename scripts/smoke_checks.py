"""What a gateway must answer, one function each. What it returns is told beside its name; it raises `Wrong`
for an answer that is not what it should be and `Absent` for what this deployment has not."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from scripts.deployed import Absent, Answer, Away, Instance, Wrong, refusal, well

_WRONG_KEY = "smoke-no-such-key"
_NAME, _ADDRESS = "Maria Ivanova", "maria.ivanova@example.org"
_SUBMISSION_ID = "smoke"
_RPC_S = 10.0


def want(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Wrong(otherwise)


def refused(answer: Answer, status: int, code: str) -> None:
    """A refusal in OpenAI's shape."""
    want(answer.status == status, f"{refusal(answer)} instead of {status}")
    error = answer.json().get("error")
    want(isinstance(error, dict), "the refusal is not in OpenAI's shape")
    want({"message", "type", "param", "code"} <= error.keys(), "the refusal lacks a field of OpenAI's shape")
    want(error["code"] == code, f"{refusal(answer)} instead of {code}")


def health(gateway: Instance) -> str:
    gateway.told("GET", "/-/healthz", key="")
    return ""


def ready(gateway: Instance) -> str:
    gateway.told("GET", "/-/readyz", key="")
    return ""


def no_key(gateway: Instance) -> str:
    refused(gateway.ask("POST", "/v1/chat/completions", _chat("Hello!"), key=""), 401, "invalid_api_key")
    return ""


def wrong_key(gateway: Instance) -> str:
    refused(gateway.ask("GET", "/v1/models", key=_WRONG_KEY), 401, "invalid_api_key")
    return ""


def request_id(gateway: Instance) -> str:
    given = str(uuid.uuid4())
    answer = gateway.ask("GET", "/v1/models", x_request_id=given)
    want(answer.headers.get("x-request-id") == given, "x-request-id is not the one that was sent")
    return ""


def models(gateway: Instance) -> str:
    told = gateway.told("GET", "/v1/models")
    want(told.get("object") == "list" and told.get("data"), "no list of models")
    names = [one["id"] for one in told["data"] if one.get("object") == "model"]
    want(told.get("models") == names, "OpenAI's list and KServe's are not the same")
    one = gateway.told("GET", f"/v1/models/{names[0]}")
    want(one.get("name") == names[0] and one.get("ready") is True, "the first model is not ready")
    return f"{len(names)} models"


def malformed(gateway: Instance) -> str:
    refused(gateway.ask("POST", "/v1/chat/completions", b"{broken"), 400, "invalid_request")
    return ""


def _chat_model(gateway: Instance) -> str:
    """Of a model server that sleeps nothing is listed; without one there is no gateway."""
    try:
        return gateway.model("text")
    except Absent:
        raise Away("no chat model is listed now") from None


def _chat(content: str, **fields: Any) -> dict[str, Any]:
    return {
        "model": "model_identifier",
        "messages": [{"role": "user", "content": content}],
        "max_tokens": 16,
        **fields,
    }


def chat(gateway: Instance) -> str:
    told = gateway.told("POST", "/v1/chat/completions", _chat("Hello!", model=_chat_model(gateway)))
    choice, usage = told["choices"][0], told["usage"]
    want(told["object"] == "chat.completion", "no chat completion")
    want(choice["message"]["role"] == "assistant" and choice["message"]["content"], "nothing was said")
    want(choice["finish_reason"] in ("stop", "length"), "it did not finish")
    want(usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"], "tokens do not add up")
    return f"{usage['completion_tokens']} tokens"


def stream(gateway: Instance) -> str:
    asked = _chat("Hello!", model=_chat_model(gateway), stream=True)
    answer = well(gateway.ask("POST", "/v1/chat/completions", asked))
    want(answer.headers.get("content-type", "").startswith("text/event-stream"), "no event stream")
    events = [line[6:] for line in answer.body.decode().splitlines() if line.startswith("data: ")]
    want(bool(events) and events[-1] == "[DONE]", "the stream does not end with [DONE]")
    chunks = [json.loads(event) for event in events[:-1]]
    want(not any("error" in chunk for chunk in chunks), "the stream broke off")
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    want(any(choice["delta"].get("content") for choice in choices), "nothing was said")
    want(any(choice.get("finish_reason") for choice in choices), "it did not finish")
    return f"{len(chunks)} events"


def _grade(gateway: Instance, name: str) -> str:
    """By that grader and no other."""
    asked = {
        "contract": "v1.1",
        "submission": "The plants release oxygen.",
        "question": "What gas do plants release during photosynthesis?",
        "reference_answers": ["Plants release oxygen."],
        "metadata": {"max_score": 5},
        "submission_id": _SUBMISSION_ID,
        "grader": name.removeprefix("grader-"),
    }
    told = gateway.told("POST", f"/v1/models/{name}:predict", asked, cache_control="no-cache")
    criteria = told["details"]["criteria"]
    want(told["max_score"] == 5 and 0 <= told["score"] <= 5, "the score is out of bounds")
    want(bool(criteria), "no criterion was graded")
    want(
        abs(sum(one["points"] for one in criteria) - told["score"]) <= 0.01,
        "the criteria do not make the score",
    )
    want(told["grader"] == name and told["versions"]["contract"] == "v1.1", "another grader or contract")
    want(told["confidence"] is None or 0 <= told["confidence"] <= 1, "the confidence is out of bounds")
    want(
        told["needs_review"] == bool(told["review_reasons"]), "needs_review without a reason, or the reverse"
    )
    want(bool(told["id"]) and told["cached"] is False, "the grade was not kept, or not made now")
    return f"{told['score']:g} of 5"


def grade(gateway: Instance) -> str:
    return _grade(gateway, "grader-llm")


def comparison(gateway: Instance) -> str:
    if "grader-embedding" not in gateway.told("GET", "/v1/models")["models"]:
        raise Absent("grader-embedding is not listed")
    return _grade(gateway, "grader-embedding")


def embeddings(gateway: Instance) -> str:
    asked = {"model": gateway.model("embedding"), "input": ["Plants release oxygen.", "Good day!"]}
    vectors = [one["embedding"] for one in gateway.told("POST", "/v1/embeddings", asked)["data"]]
    want(len(vectors) == 2 and len(vectors[0]) == len(vectors[1]) > 0, "not a vector for each text")
    want(vectors[0] != vectors[1], "two texts have one vector")
    return f"{len(vectors[0])} numbers"


def classifier(gateway: Instance) -> str:
    name = gateway.model("classification")
    told = gateway.told("POST", f"/v1/models/{name}:predict", {"instances": ["Thank you, see you tomorrow."]})
    (one,) = told["predictions"]
    want(one["label"] in one["probabilities"], "the label is none of the classes")
    want(abs(sum(one["probabilities"].values()) - 1) < 0.01, "the probabilities do not make 1")
    return name


def masking(gateway: Instance) -> str:
    if not gateway.told("GET", "/v1/status")["masking"]:
        raise Absent("MASK_PERSONAL_DATA is off")
    text = f"My name is {_NAME}, write to {_ADDRESS} tomorrow."
    told = gateway.told("POST", "/v1/mask", {"text": text})
    left = [part for part in (*_NAME.split(), _ADDRESS, "example.org") if part in told["masked"]]
    want(not left, f"left unmasked: {', '.join(left)}")
    want("tomorrow" in told["masked"] and len(told["entities"]) >= 2, "the text is not the one that was sent")
    return ", ".join(sorted({one["type"] for one in told["entities"]}))


def inference_protocol(gateway: Instance) -> str:
    want(gateway.told("GET", "/v2/health/ready").get("ready") is True, "/v2 is not ready")
    return ""


def fraud(gateway: Instance) -> str:
    answer = gateway.ask("POST", "/predict", {"TX_AMOUNT": 42.5})
    if answer.status == 404:
        raise Absent("no fraud model is configured")
    told = well(answer).json()
    want(told["fraud"] in (0, 1) and 0 <= told["probability"] <= 1, "no probability")
    return f"version {told['model_version']}"


def rpc(gateway: Instance) -> str:
    """The standard health service, of the whole server: no generated code is needed for an empty message."""
    if not gateway.rpc:
        raise Absent("--rpc names no address")
    try:
        import grpc  # noqa: PLC0415 - not of the standard library
    except ImportError:
        raise Absent("grpc is not installed here") from None
    if gateway.secure:
        channel = grpc.secure_channel(gateway.rpc, grpc.ssl_channel_credentials())
    else:
        channel = grpc.insecure_channel(gateway.rpc)
    try:
        check: Callable[..., bytes] = channel.unary_unary("/grpc.health.v1.Health/Check")
        told = check(b"", timeout=_RPC_S)
    except grpc.RpcError as error:
        raise Away(f"gRPC: {error.code().name}") from None
    finally:
        channel.close()
    if told != b"\x08\x01":
        raise Away("gRPC: not SERVING")
    return "SERVING"


CHECKS: Mapping[str, Callable[[Instance], str]] = {
    "health": health,
    "ready": ready,
    "no-key": no_key,
    "wrong-key": wrong_key,
    "request-id": request_id,
    "models": models,
    "malformed": malformed,
    "chat": chat,
    "stream": stream,
    "grade": grade,
    "comparison": comparison,
    "embeddings": embeddings,
    "classifier": classifier,
    "masking": masking,
    "v2": inference_protocol,
    "fraud": fraud,
    "rpc": rpc,
}
