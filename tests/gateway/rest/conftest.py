from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from gateway.rest.entrance import ConnectionBounds
from gateway.rest.listener import Listener
from tests.gateway.rest.listening import Place


@pytest.fixture
async def place() -> AsyncIterator[Callable[..., Any]]:
    async with AsyncExitStack() as stack:

        async def start(**bounds: Any) -> Place:
            place = Place()
            listener = Listener(
                place.app, ConnectionBounds(**{"keep_alive_s": 0.3, **bounds}), place.refused.append
            )
            place.port = await listener.open("127.0.0.1", 0)
            stack.push_async_callback(listener.cut)
            stack.push_async_callback(listener.close)
            return place

        yield start
