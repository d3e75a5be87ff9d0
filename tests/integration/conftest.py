"""What is deployed at MODEL_ENDPOINT, asked with AUTH_TOKEN; nothing here starts or stops anything.

MODEL_ENDPOINT_KIND says what it is: `gateway` (the default), or one bare InferenceService behind it, `llm` or
`embeddings`. MODEL_ENDPOINT_HOST is the Host header, by which an ingress of Knative's knows its services.
Nothing is changed but that grades are kept, most of them under the submission_id `integration`.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema_rs import Draft202012, Draft202012Validator, Registry

HERE = Path(__file__).parent
KINDS = ("gateway", "llm", "embeddings")  # and the fixtures' names
_TIMEOUT_S = 120.0  # a small model on a busy machine


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what is asked of another kind; without an endpoint all of it is skipped."""
    ours = [item for item in items if HERE in item.path.parents]
    if not os.environ.get("MODEL_ENDPOINT"):
        for item in ours:
            item.add_marker(pytest.mark.skip(reason="MODEL_ENDPOINT names no deployed instance"))
        return
    kind = os.environ.get("MODEL_ENDPOINT_KIND") or KINDS[0]
    if kind not in KINDS or not os.environ.get("AUTH_TOKEN"):
        raise pytest.UsageError(
            f"MODEL_ENDPOINT needs AUTH_TOKEN, and MODEL_ENDPOINT_KIND is one of {', '.join(KINDS)}."
        )
    others = [item for item in ours if kind not in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]


@pytest.fixture(scope="session")
def endpoint() -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {os.environ['AUTH_TOKEN']}"}
    if host := os.environ.get("MODEL_ENDPOINT_HOST"):
        headers["host"] = host
    with httpx.Client(base_url=os.environ["MODEL_ENDPOINT"], headers=headers, timeout=_TIMEOUT_S) as client:
        yield client


@pytest.fixture(scope="session")
def gateway(endpoint: httpx.Client) -> httpx.Client:
    return endpoint


@pytest.fixture(scope="session")
def llm(endpoint: httpx.Client) -> httpx.Client:
    return endpoint


@pytest.fixture(scope="session")
def embeddings(endpoint: httpx.Client) -> httpx.Client:
    return endpoint


@pytest.fixture(scope="session")
def models(gateway: httpx.Client) -> dict[str, str]:
    """By what they answer with (text, embedding, classification, grade) the first that is listed."""
    rows = gateway.get("/v1/models").json()["data"]
    return {row["output"]: row["id"] for row in reversed(rows)}


class Contracts:
    """The schemas that the instance serves, as a client of it would check by them."""

    def __init__(self, client: httpx.Client) -> None:
        listed = client.get("/v1/contracts").json()
        self.entries: list[dict[str, str]] = [*listed["contracts"], *listed["shared"]]
        self.bodies = {entry["url"]: client.get(entry["url"]) for entry in self.entries}
        schemas = [answer.json() for answer in self.bodies.values()]
        self._registry = Registry([(schema["$id"], schema) for schema in schemas], draft=Draft202012)

    def fits(self, payload: Any, version: str, task_type: str, kind: str) -> bool:
        (url,) = (
            entry["url"]
            for entry in self.entries
            if (entry.get("version"), entry.get("task_type"), entry.get("kind")) == (version, task_type, kind)
        )
        schema = self.bodies[url].json()
        return Draft202012Validator(schema, registry=self._registry, offline=True).is_valid(payload)


@pytest.fixture(scope="session")
def contracts(gateway: httpx.Client) -> Contracts:
    return Contracts(gateway)


def refused(answer: httpx.Response, status: int, code: str) -> None:
    """In OpenAI's shape, and the SDK's."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["code"] == code
    assert isinstance(error["message"], str)
    assert error["message"]
    assert answer.headers["x-should-retry"] in ("true", "false")


def events(answer: httpx.Response) -> list[str]:
    """The data of every event of a stream that has been read."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    return [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
