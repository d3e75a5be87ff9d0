"""Settings -> services -> an open door, in one event loop with one shutdown."""

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

import uvicorn
import uvloop

from embeddings import cache, source
from embeddings.batching import Batcher, Limits
from embeddings.encoder import Encoder
from embeddings.models import EncoderModel, Models
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
    encoder, version = load(settings)
    uvloop.run(_serve(settings, encoder, version))


def load(settings: Settings) -> tuple[Encoder, str]:
    """The encoder that the settings name, and its version. Blocking. Raises Unusable."""
    found = source.find(settings.model, settings.model_name, settings.model_revision, settings.cache / "hub")
    content, version = cache.onnx_file(found, settings.precision, settings.cache)
    return Encoder(found, content, max_tokens=settings.max_tokens), version


@asynccontextmanager
async def services(settings: Settings, encoder: Encoder, version: str) -> AsyncIterator[Services]:
    """Opens everything inside the running loop, yields it, closes it in the opposite order."""
    async with AsyncExitStack() as stack:
        observer = Observer()
        stack.push_async_callback(_ended, asyncio.create_task(observer.write_lines(), name="log lines"))
        limits = Limits(
            rows=settings.max_batch,
            tokens=settings.max_batch_tokens,
            wait_s=settings.max_wait_ms / 1000,
            queue=settings.max_queue,
            delay_s=settings.max_delay_ms / 1000,
            threads=settings.threads,
        )
        batcher = Batcher(encoder.vectors, limits, on_batch=observer.batch)
        stack.push_async_callback(batcher.close)
        observer.watch_queue(lambda: batcher.waiting)
        # The table: a head is one more row here.
        models = Models([EncoderModel(encoder, version, batcher, truncate=settings.truncate)])
        behind = pages(models, observer, max_inputs=settings.max_inputs, waiting=lambda: batcher.waiting)
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


async def _serve(settings: Settings, encoder: Encoder, version: str) -> None:
    async with services(settings, encoder, version) as made:
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
