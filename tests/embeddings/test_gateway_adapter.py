"""The gateway's client against the real service: the fake in its own tests must not drift from this."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway.adapters.embeddings import Embeddings
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
