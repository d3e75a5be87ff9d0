"""The gateway against its own OpenAPI document."""

import asyncio
from collections.abc import Callable
from typing import Any

from openapi_spec_validator import validate

from tests.attacks.documents import asked, with_names
from tests.fakes import FakeEmbeddings
from tests.gateway.conftest import KEY, Running

EXAMPLES = 6  # of each operation, twice: sound ones and broken ones
NAMES = {
    "name": ("grader-llm", "grader-embedding", "tiny", "tiny-encoder", "spam"),
    "version": ("1", "v1", "v1.1"),
}


async def test_every_answer_is_one_that_the_document_tells(start: Callable[..., Any]) -> None:
    """None of them is 5xx: whatever an operation needs is there, or it says 4xx."""
    running: Running = await start(embeddings=FakeEmbeddings(), requests_per_minute=1_000_000)
    _, document, _ = await running.get("/openapi.json")
    known = with_names(document, NAMES)
    validate(known)
    counts = await asyncio.to_thread(asked, known, running.url, KEY, EXAMPLES)
    assert len(counts) == sum(len(operations) for operations in document["paths"].values())
    assert counts.total() > 5 * len(counts)


async def test_the_document_tells_every_route_and_who_may_ask(running: Running) -> None:
    _, document, _ = await running.get("/openapi.json")
    assert "/v1/chat/completions" in document["paths"]
    public = {
        path
        for path, operations in document["paths"].items()
        for told in operations.values()
        if told.get("security") == []
    }
    for path, operations in document["paths"].items():
        for method in operations:
            url = running.url + path.replace("{", "").replace("}", "")
            async with running.http.request(method, url) as answer:
                assert (answer.status == 401) == (path not in public), path
    assert public == {"/-/healthz", "/-/readyz"}
