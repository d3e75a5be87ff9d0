"""Settings -> services: the one place where ports meet adapters, and where what is opened is closed."""

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from gateway.adapters.embeddings import Embeddings
from gateway.adapters.keyring import Keyring
from gateway.adapters.presidio.pool import AnalyzerPool
from gateway.adapters.rates import MemoryRates
from gateway.adapters.vllm import VLLM
from gateway.chat.request import Bounds
from gateway.domain import Caller, Role
from gateway.embedding_grader import EmbeddingGrader
from gateway.grader import Grader, GraderPolicy
from gateway.grading.routing import GRADER_EMBEDDING, GRADER_LLM
from gateway.pipeline import Gateway, Policy
from gateway.ports import Analyzer, ChatBackend, Embedder
from gateway.rest.chat import chat_door
from gateway.rest.door import App, Door, DoorPolicy
from gateway.rest.observe import JsonFormatter, Observer
from gateway.rest.pages import pages
from gateway.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Services:
    gateway: Gateway
    observer: Observer
    app: App


def log_as_json(level: str) -> None:
    """Every logger of the process writes JSON lines to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)


@asynccontextmanager
async def services(settings: Settings) -> AsyncIterator[Services]:
    """Opens everything, yields it, closes it in the opposite order."""
    async with AsyncExitStack() as stack:
        backend = VLLM(
            settings.llm_url,
            settings.llm_api_key.get_secret_value(),
            connect_timeout_s=settings.llm_connect_timeout_s,
            max_connections=settings.max_in_flight,
        )
        stack.push_async_callback(backend.close)
        analyzer = AnalyzerPool(
            workers=settings.mask_workers, names=settings.mask_names, timeout_s=settings.mask_timeout_s
        )
        stack.push_async_callback(analyzer.close)
        if settings.mask_personal_data:
            # The workers load while the door is open already; until then masking answers 503.
            stack.push_async_callback(ended, asyncio.create_task(_started(analyzer), name="masking start"))
        else:
            log.warning("MASK_PERSONAL_DATA is off: the model server sees whatever callers send")
        embedder = None
        if settings.embeddings_url:
            embedder = Embeddings(
                settings.embeddings_url,
                settings.embeddings_api_key.get_secret_value(),
                connect_timeout_s=settings.llm_connect_timeout_s,
                max_connections=settings.max_in_flight,
            )
            stack.push_async_callback(embedder.close)
        made = assembled(settings, backend, analyzer, embedder)
        writer = asyncio.create_task(made.observer.write_lines(), name="log lines")
        stack.push_async_callback(ended, writer)
        yield made


def assembled(
    settings: Settings, backend: ChatBackend, analyzer: Analyzer, embedder: Embedder | None = None
) -> Services:
    """The service and its door over given backends."""
    bounds = Bounds(
        max_json_depth=settings.max_json_depth,
        max_messages=settings.max_messages,
        max_message_chars=settings.max_message_chars,
        max_completion_tokens=settings.max_completion_tokens,
        max_n=settings.max_n,
        max_schema_bytes=settings.max_schema_bytes,
    )
    grading = GraderPolicy(
        settings.llm_timeout_s,
        settings.review_below_confidence,
        settings.grade_seed,
        settings.grade_concurrency,
    )
    policy = Policy(
        bounds=bounds,
        mask_personal_data=settings.mask_personal_data,
        unknown_model_fallback=settings.unknown_model_fallback,
        grade_fallback=settings.grade_fallback,
        timeout_s=settings.llm_timeout_s,
        max_in_flight=settings.max_in_flight,
    )
    graders: dict[str, Grader | EmbeddingGrader] = {GRADER_LLM: Grader(backend, grading)}
    if embedder is not None:
        graders[GRADER_EMBEDDING] = EmbeddingGrader(
            embedder, settings.llm_timeout_s, settings.review_below_confidence
        )
    gateway = Gateway(
        keys=Keyring(settings.api_keys_file, _fixed_keys(settings), settings.requests_per_minute),
        limits=MemoryRates(),
        analyzer=analyzer,
        backend=backend,
        graders=graders,
        policy=policy,
        embedder=embedder,
    )
    observer = Observer(lambda: gateway.in_flight)
    door = Door(
        gateway,
        chat_door(gateway),
        pages(gateway, observer, bounds, settings.max_instances),
        observer,
        DoorPolicy(settings.max_body_bytes, settings.body_timeout_s, settings.unmask_replies),
    )
    return Services(gateway, observer, door)


async def _started(analyzer: AnalyzerPool) -> None:
    try:
        await analyzer.start()
    except Exception:
        log.exception("masking could not start: requests are refused with 503")


async def ended(task: asyncio.Task[None]) -> None:
    """Cancels a task and waits for its end."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _fixed_keys(settings: Settings) -> dict[str, Caller]:
    if not settings.api_key and not settings.api_keys_file.exists():
        log.warning("no API key is set and there is no key file yet: every request will be refused")
    keys = {}
    if settings.api_key:
        keys[settings.api_key.get_secret_value()] = Caller(
            "settings", Role.ADMIN, settings.requests_per_minute
        )
    if settings.metrics_key:
        keys[settings.metrics_key.get_secret_value()] = Caller("metrics", Role.METRICS, 600)
    return keys
