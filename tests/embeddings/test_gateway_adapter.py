"""The gateway's client against the real service: the fake in its own tests must not drift from this."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.adapters.embeddings import Embeddings
from gateway.domain import Comparison, Output
from gateway.errors import BackendError, ContextLengthExceeded, InvalidRequest
from tests.embeddings import tiny


async def test_the_gateways_client_gets_the_services_vectors(start: Callable[..., Any]) -> None:
    running = await start(api_key="k", max_inputs=3)
    client = Embeddings(running.url, "k", connect_timeout_s=1.0, max_connections=4)
    (model,) = await client.models()
    assert (model.name, model.context_window) == ("tiny", tiny.POSITIONS)
    vectors, tokens = await client.embed(["a", "вода кипит", "b c"], 5.0)
    assert tokens == 3 + 4 + 4
    expected = running.encoder.vectors(running.encoder.tokens(["вода кипит"], truncate=False))[0]
    assert vectors[1] == pytest.approx(expected.tolist(), abs=1e-6)
    with pytest.raises(ContextLengthExceeded, match="too long"):
        await client.embed(["a " * 70], 5.0)
    for refused in ([""], ["a"] * 4):
        with pytest.raises(InvalidRequest):
            await client.embed(refused, 5.0)
    await client.close()
    stranger = Embeddings(running.url, "wrong", connect_timeout_s=1.0, max_connections=4)
    with pytest.raises(BackendError):
        await stranger.embed(["a"], 5.0)
    await stranger.close()


async def test_the_gateways_client_understands_the_heads(start: Callable[..., Any], heads: Path) -> None:
    running = await start(heads=str(heads))
    client = Embeddings(running.url, "", connect_timeout_s=1.0, max_connections=4)
    encoder, grader, sorter = await client.models()
    assert (encoder.output, grader.output, sorter.output) == (
        Output.EMBEDDING,
        Output.GRADE,
        Output.CLASSIFICATION,
    )
    assert (sorter.version, sorter.labels) == ("1.2.3", ("plain", "marked"))
    (one,) = await client.classify(sorter, ["the answer"], 5.0)
    assert one.confidence == one.probabilities[one.label]
    asked = [Comparison("вода", ("the answer is right",), "the word?"), Comparison("", ("a",))]
    known, nothing = await client.estimate(grader, asked, 5.0)
    assert 0 < known.score < 1
    assert (nothing.score, nothing.label) == (0.0, "incorrect")
    await client.close()
