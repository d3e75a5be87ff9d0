"""Settings -> services -> an open door, in one event loop with one shutdown."""

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

import uvicorn
import uvloop

from embeddings import loading
from embeddings.encoder import Encoder
from embeddings.loading import Head
from embeddings.models import Models
from embeddings.observe import JsonFormatter, Observer
from embeddings.rest.door import App, Door, DoorPolicy
from embeddings.rest.pages import pages
from embeddings.settings import Settings

_DRAIN_S = 20  # seconds for answers under way after a stop signal


@dataclass(frozen=True, slots=True)
class Services:
    app: App
    models: Models


def serve(settings: Settings) -> None:
    """Runs until SIGINT or SIGTERM; answers under way are finished first. Raises Unusable."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    encoder, version = loading.load(settings)
    heads = loading.heads(settings, encoder)
    uvloop.run(_serve(settings, encoder, version, heads))


def build(settings: Settings) -> None:
    """Everything that a start needs, fetched, written and looked at once. Raises Unusable."""
    encoder, _ = loading.load(settings)
    loading.heads(settings, encoder)


@asynccontextmanager
async def services(
    settings: Settings, encoder: Encoder, version: str, heads: Sequence[Head] = ()
) -> AsyncIterator[Services]:
    """Opens everything inside the running loop, yields it, closes it in the opposite order."""
    async with AsyncExitStack() as stack:
        observer = Observer()
        stack.push_async_callback(_ended, asyncio.create_task(observer.write_lines(), name="log lines"))
        opened = loading.table(settings, encoder, version, heads, on_batch=observer.batch)
        models, waiting = await stack.enter_async_context(opened)
        observer.watch_queue(waiting)
        behind = pages(models, observer, max_inputs=settings.max_inputs, waiting=waiting)
        policy = DoorPolicy(
            settings.api_key.get_secret_value().encode(), settings.max_body_bytes, settings.body_timeout_s
        )
        yield Services(Door(behind, observer, policy), models)


class _Server(uvicorn.Server):
    """uvicorn raises a caught signal again when it has stopped, which would end the process before the queue
    is drained; here the signal only asks for the shutdown."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


async def _serve(settings: Settings, encoder: Encoder, version: str, heads: Sequence[Head]) -> None:
    async with services(settings, encoder, version, heads) as made:
        config = uvicorn.Config(
            made.app,
            host=settings.host,
            port=settings.port,
            http="httptools",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=_DRAIN_S,
        )
        await _Server(config).serve()


async def _ended(task: asyncio.Task[None]) -> None:
    """Cancels a task and waits for its end."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
