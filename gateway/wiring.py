"""Settings -> services: the one place where ports meet adapters, and where what is opened is closed.

Over 250 lines: everything that runs is named here, one below the other.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from gateway.adapters.artifact_policy import Allowed
from gateway.adapters.artifacts import ArtifactBounds, HttpArtifacts
from gateway.adapters.database.answers import DatabaseAnswers
from gateway.adapters.database.batch_queue import DatabaseQueue, DatabaseResults
from gateway.adapters.database.batches import DatabaseShelf
from gateway.adapters.database.database import Database
from gateway.adapters.database.grades import DatabaseGrades
from gateway.adapters.database.ledger import DatabaseLedger
from gateway.adapters.database.queues import DatabaseQueues
from gateway.adapters.database.reviews import DatabaseReviews
from gateway.adapters.database.rubrics import DatabaseRubrics
from gateway.adapters.database.workers_roll import DatabaseRoll
from gateway.adapters.embeddings import Embeddings
from gateway.adapters.keyring import Keyring
from gateway.adapters.metrics import Metrics
from gateway.adapters.observed import Calls, ObservedAnalyzer, ObservedChat, ObservedEmbedder, ObservedSheets
from gateway.adapters.presidio.pool import AnalyzerPool
from gateway.adapters.presidio.remembered import Remembered
from gateway.adapters.rates import MemoryRates
from gateway.adapters.tracing import NO_TRACES, Traces, opened
from gateway.adapters.vllm import VLLM
from gateway.batch.desk import BatchDesk, BatchLimits
from gateway.batch.runner import Pace, Runner
from gateway.catalog import Catalog
from gateway.chat.request import Bounds
from gateway.classical import Classical
from gateway.domain import Caller, Role
from gateway.drift.recorder import Recorder, Unnoted
from gateway.drifting import Drifting, recorder_of
from gateway.embedding_grader import EmbeddingGrader
from gateway.errors import GatewayError
from gateway.examiner import Examiner, ExaminerPolicy
from gateway.grader import Grader, GraderPolicy
from gateway.grading.routing import GRADER_EMBEDDING, GRADER_LLM
from gateway.guards import Guards
from gateway.inference import Inference
from gateway.ledger import GradeBook
from gateway.masking import Masking
from gateway.pipeline import Gateway, Policy, Shelves
from gateway.ports import Artifacts, ChatBackend, Embedder
from gateway.readiness import Answering, Readiness
from gateway.rest.chat import chat_door
from gateway.rest.door import App, Door, DoorPolicy
from gateway.rest.observe import Observer
from gateway.rest.page import VERSION
from gateway.rest.pages import Desks, pages
from gateway.reviews import ReviewDesk
from gateway.rpc.server import RpcAccount, RpcDesks, RpcPolicy, RpcServer
from gateway.rubrics import RubricBook
from gateway.settings import Settings
from gateway.status import LiveAnalyzer, Status, Watched
from gateway.tasks import ended
from gateway.turns import InTurn

log = logging.getLogger(__name__)

_STORE_RETRY_S = 2.0


@dataclass(frozen=True, slots=True)
class Services:
    gateway: Gateway
    guards: Guards
    observer: Observer
    status: Status
    runner: Runner
    recorder: Recorder | Unnoted
    classical: Classical
    drifting: Drifting
    rpc: RpcServer
    app: App


@asynccontextmanager
async def services(settings: Settings, analyzer: AnalyzerPool | None = None) -> AsyncIterator[Services]:
    """Opens everything, yields it, closes it in the opposite order. An analyser that is given may be starting
    already, and is closed here."""
    async with AsyncExitStack() as stack:
        traces = await opened(
            settings.otel_exporter_otlp_endpoint,
            settings.otel_service_name,
            VERSION,
            settings.otel_traces_share,
        )
        stack.push_async_callback(traces.close)
        backend = VLLM(
            settings.llm_url,
            settings.llm_api_key.get_secret_value(),
            connect_timeout_s=settings.llm_connect_timeout_s,
            max_connections=settings.max_in_flight,
            trace=traces.headers,
        )
        stack.push_async_callback(backend.close)
        analyzer = analyzer or settings.analyzer_pool()
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
                trace=traces.headers,
            )
            stack.push_async_callback(embedder.close)
        artifacts = HttpArtifacts(
            Allowed.of(
                settings.artifact_hosts, settings.artifact_http_hosts, settings.artifact_private_hosts
            ),
            ArtifactBounds(
                settings.artifact_max_bytes,
                settings.artifact_timeout_s,
                settings.artifact_read_timeout_s,
                settings.artifact_concurrency,
                settings.artifact_content_types,
            ),
        )
        stack.push_async_callback(artifacts.close)
        database = Database(settings.database_url.get_secret_value(), timeout_s=settings.database_timeout_s)
        stack.push_async_callback(database.close)
        made = assembled(settings, backend, analyzer, database, artifacts, embedder, traces)
        # The store too may come later than the door; until then grading answers 503.
        opening = asyncio.create_task(_opened(database, made), name="store start")
        made.recorder.start()
        stack.push_async_callback(made.recorder.close)
        stack.push_async_callback(made.runner.close)
        made.classical.start()
        stack.push_async_callback(made.classical.close)
        made.status.start()
        stack.push_async_callback(made.status.close)
        made.drifting.start()
        stack.push_async_callback(made.drifting.close)
        stack.push_async_callback(ended, opening)
        writer = asyncio.create_task(made.observer.write_lines(), name="log lines")
        stack.push_async_callback(ended, writer)
        yield made


def assembled(
    settings: Settings,
    backend: ChatBackend,
    analyzer: LiveAnalyzer,
    database: Database,
    artifacts: Artifacts,
    embedder: Embedder | None = None,
    traces: Traces = NO_TRACES,
) -> Services:
    """The service and its door over given backends."""
    metrics = Metrics(VERSION)
    calls = Calls(metrics, traces)
    # The account is of what callers ask: for itself the gateway asks the plain ports.
    plain_backend, plain_embedder = backend, embedder
    backend = ObservedChat(backend, calls)
    embedder = ObservedEmbedder(embedder, calls) if embedder else None
    found = Remembered(analyzer, settings.mask_cache_size) if settings.mask_cache_size else analyzer
    guards = Guards(
        Keyring(settings.api_keys_file, _fixed_keys(settings), settings.requests_per_minute),
        MemoryRates(),
        ObservedAnalyzer(found, calls),
        settings.masking_policies,
        mask_personal_data=settings.mask_personal_data,
        max_in_flight=settings.max_in_flight,
    )
    metrics.places(lambda: guards.in_flight, settings.max_in_flight)
    classical = Classical(settings, database)
    catalog = _catalog(settings, backend, embedder, classical)
    drifting = Drifting(settings, database, metrics)
    recorder = recorder_of(settings, database, plain_embedder, metrics.traffic)
    inference = Inference(guards, catalog, embedder, recorder, timeout_s=settings.llm_timeout_s)
    trained = classical.desks(guards, catalog, inference, recorder, calls)
    bounds = _bounds(settings)
    grades, ledger = DatabaseGrades(database), DatabaseLedger(database)
    rubrics = RubricBook(DatabaseRubrics(database))
    book = GradeBook(ledger, grades, lease_s=settings.grade_lease_s, wait_s=settings.llm_timeout_s)
    examiner = _examiner(settings, backend, embedder, metrics)
    gateway = Gateway(
        guards,
        catalog,
        backend,
        examiner,
        Shelves(book, grades, DatabaseAnswers(database), rubrics, artifacts),
        Policy(bounds, settings.grade_fallback, settings.choices, settings.llm_timeout_s),
        recorder,
        Readiness(
            Answering(
                analyzer if settings.mask_personal_data else None,
                settings.masking_policies["chat"],
                plain_backend,
            )
        ),
    )
    results = DatabaseResults(database)
    pace = Pace(settings.batch_concurrency, settings.grade_lease_s)
    runner = Runner(
        DatabaseQueue(database),
        results,
        ObservedSheets(gateway, calls),
        pace,
        lambda: metrics.retried("batch_item"),
    )
    batches = BatchDesk(
        DatabaseShelf(database),
        results,
        gateway,
        BatchLimits(most_open=settings.batch_most_open),
        runner.wake,
    )

    reviews = ReviewDesk(grades, DatabaseReviews(database), ledger, rubrics)
    observer = Observer(metrics, traces)
    status = Status(
        Watched(
            _catalog(settings, plain_backend, plain_embedder, classical),
            plain_backend,
            plain_embedder,
            analyzer,
            guards,
            Examiner({}, plain_embedder, ExaminerPolicy(watch=settings.grade_watch)).detector,
            DatabaseQueues(database),
            DatabaseRoll(database, remote=bool(settings.datasets_remote)),
            trained.status.facts,
            trained.predictions.facts,
            reviews,
        ),
        metrics,
        observer.slo,
        {"service": "gateway", "version": VERSION},
        _limits(settings),
    )
    desks = Desks(
        gateway=gateway,
        inference=inference,
        masking=Masking(guards),
        catalog=catalog,
        rubrics=rubrics,
        reviews=reviews,
        batches=batches,
        trained=trained,
        drift=drifting.desk,
        status=status.facts,
    )
    door = Door(
        guards,
        chat_door(gateway),
        pages(desks, metrics, bounds, settings.max_instances),
        observer,
        DoorPolicy(
            settings.max_body_bytes,
            settings.body_timeout_s,
            settings.unmask_replies,
            settings.dataset_max_bytes,
            settings.dataset_upload_timeout_s,
        ),
    )
    rpc = RpcServer(
        RpcDesks(
            catalog,
            trained.datasets,
            trained.training,
            trained.models,
            trained.predictions,
            trained.open_inference,
            trained.status,
            status.facts,
        ),
        guards,
        RpcAccount(metrics, traces, observer),
        RpcPolicy(settings.host, settings.rpc_max_bytes, settings.body_timeout_s, VERSION),
    )
    return Services(gateway, guards, observer, status, runner, recorder, classical, drifting, rpc, door)


def _catalog(
    settings: Settings, backend: ChatBackend, embedder: Embedder | None, classical: Classical
) -> Catalog:
    return Catalog(
        backend,
        embedder,
        unknown_model_fallback=settings.unknown_model_fallback,
        trained=classical.champions.served_models,
        note_newer=classical.champions.note_newer,
    )


def _examiner(
    settings: Settings, backend: ChatBackend, service: Embedder | None, metrics: Metrics
) -> Examiner:
    embedder = (
        InTurn(service, settings.grade_embeddings_concurrency, lambda: metrics.retried("embeddings"))
        if service
        else None
    )
    graders: dict[str, Grader | EmbeddingGrader] = {
        GRADER_LLM: Grader(
            backend,
            GraderPolicy(
                settings.llm_timeout_s,
                settings.review_below_confidence,
                settings.grade_seed,
                settings.grade_concurrency,
                settings.grade_samples,
            ),
            metrics,
        )
    }
    if embedder is not None:
        graders[GRADER_EMBEDDING] = EmbeddingGrader(
            embedder, settings.embeddings_timeout_s, settings.review_below_confidence
        )
    return Examiner(
        graders,
        embedder,
        ExaminerPolicy(
            second_opinion=settings.grade_second_opinion,
            disagreement=settings.grade_disagreement,
            watch=settings.grade_watch,
        ),
    )


def _bounds(settings: Settings) -> Bounds:
    return Bounds(
        max_json_depth=settings.max_json_depth,
        max_messages=settings.max_messages,
        max_message_chars=settings.max_message_chars,
        max_completion_tokens=settings.max_completion_tokens,
        max_n=settings.max_n,
        max_schema_bytes=settings.max_schema_bytes,
    )


def _limits(settings: Settings) -> dict[str, object]:
    """What callers are told of what they may ask."""
    return {
        "max_in_flight": settings.max_in_flight,
        "max_body_bytes": settings.max_body_bytes,
        "max_message_chars": settings.max_message_chars,
        "max_completion_tokens": settings.max_completion_tokens,
        "max_instances": settings.max_instances,
        "dataset_max_bytes": settings.dataset_max_bytes,
        "llm_timeout_s": settings.llm_timeout_s,
    }


async def _started(analyzer: AnalyzerPool) -> None:
    try:
        await analyzer.start()
    except Exception:
        log.exception("masking could not start: requests are refused with 503")


async def _opened(database: Database, made: Services) -> None:
    while True:
        try:
            await database.start()
            break
        except GatewayError as error:
            log.warning("the store is not ready: %s", error.message)
            await asyncio.sleep(_STORE_RETRY_S)
    made.runner.start()
    try:
        await made.classical.sweep()
    except GatewayError as error:
        log.warning("what crashed uploads left was not swept: %s", error.message)


def _fixed_keys(settings: Settings) -> dict[str, Caller]:
    keys = {}
    if settings.api_key:
        keys[settings.api_key.get_secret_value()] = Caller(
            "settings", Role.ADMIN, settings.requests_per_minute
        )
    if settings.metrics_key:
        keys[settings.metrics_key.get_secret_value()] = Caller("metrics", Role.METRICS, 600)
    return keys
