"""Settings -> services: the one place where ports meet adapters, and where what is opened is closed.

Over 250 lines: everything that runs is named here, one below the other.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from gateway.adapters.artifact_policy import Allowed, ArtifactBounds
from gateway.adapters.database.answers import DatabaseAnswers
from gateway.adapters.database.audit import DatabaseTrail
from gateway.adapters.database.batch_queue import DatabaseQueue, DatabaseResults
from gateway.adapters.database.batches import DatabaseShelf
from gateway.adapters.database.database import Database
from gateway.adapters.database.grades import DatabaseGrades
from gateway.adapters.database.ledger import DatabaseLedger
from gateway.adapters.database.queues import DatabaseQueues
from gateway.adapters.database.reviews import DatabaseReviews
from gateway.adapters.database.rubrics import DatabaseRubrics
from gateway.adapters.database.workers_roll import DatabaseRoll
from gateway.adapters.late_artifacts import LateArtifacts
from gateway.adapters.metrics import Metrics
from gateway.adapters.observed import Calls, ObservedAnalyzer, ObservedChat, ObservedEmbedder, ObservedSheets
from gateway.adapters.presidio.pool import AnalyzerPool
from gateway.adapters.presidio.remembered import Remembered
from gateway.adapters.tracing import NO_TRACES, Traces, opened
from gateway.audit import Audit
from gateway.backends import Backends, backends_of
from gateway.batch.desk import BatchDesk, BatchLimits
from gateway.batch.runner import Pace, Runner
from gateway.catalog import Catalog
from gateway.chat.request import Bounds
from gateway.classical import Classical
from gateway.domain import Server
from gateway.drift.recorder import Recorder, Unnoted
from gateway.drifting import Drifting, recorder_of
from gateway.embedding_grader import EmbeddingGrader
from gateway.errors import GatewayError
from gateway.examiner import Examiner, ExaminerPolicy
from gateway.grader import Grader, GraderPolicy
from gateway.grading.routing import GRADER_EMBEDDING, GRADER_LLM
from gateway.guarding import guards_of, limits_told, rooms_of
from gateway.guards import Guards
from gateway.inference import Inference
from gateway.ledger import GradeBook
from gateway.masking import Masking
from gateway.pipeline import Gateway, Policy, Shelves
from gateway.ports import Artifacts, ChatBackend, Embedder
from gateway.readiness import Answering, Readiness
from gateway.rest.audit import Recorded
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
from gateway.stopping import Stopping
from gateway.tasks import ended
from gateway.timed import TimedChat, TimedEmbedder
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
    audit: Audit
    rpc: RpcServer
    app: App
    metrics: Metrics
    stopping: Stopping
    ready: Callable[[], Awaitable[None]]  # raises what this process lacks


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
        metrics = Metrics(VERSION)
        backends = backends_of(settings, traces, metrics)
        stack.push_async_callback(backends.close)
        analyzer = analyzer or settings.analyzer_pool()
        stack.push_async_callback(analyzer.close)
        if settings.mask_personal_data:
            # The workers load while the door is open already; until then masking answers 503.
            stack.push_async_callback(ended, asyncio.create_task(_started(analyzer), name="masking start"))
        else:
            log.warning("MASK_PERSONAL_DATA is off: the model server sees whatever callers send")
        artifacts = LateArtifacts(
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
        made = assembled(settings, metrics, backends, analyzer, database, artifacts, traces)
        stack.push_async_callback(made.guards.close)
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
        made.audit.start()
        stack.push_async_callback(made.audit.close)
        stack.push_async_callback(ended, opening)
        writer = asyncio.create_task(made.observer.write_lines(), name="log lines")
        stack.push_async_callback(ended, writer)
        yield made


def assembled(
    settings: Settings,
    metrics: Metrics,
    backends: Backends,
    analyzer: LiveAnalyzer,
    database: Database,
    artifacts: Artifacts,
    traces: Traces = NO_TRACES,
) -> Services:
    """The service and its door over given backends."""
    calls = Calls(metrics, traces)
    # The account is of what callers ask: for itself the gateway asks the plain ports.
    plain_backend, plain_embedder = backends.llm, backends.embedder
    rooms = rooms_of(settings, metrics)
    backend = ObservedChat(TimedChat(plain_backend, rooms[Server.LLM]), calls)
    embedder = (
        ObservedEmbedder(TimedEmbedder(plain_embedder, rooms[Server.EMBEDDINGS]), calls)
        if plain_embedder
        else None
    )
    in_turn = (
        InTurn(
            embedder,
            settings.grade_embeddings_concurrency,
            plain_embedder.budget,
            lambda: metrics.retried(Server.EMBEDDINGS),
        )
        if embedder and plain_embedder
        else None
    )
    found = Remembered(analyzer, settings.mask_cache_size) if settings.mask_cache_size else analyzer
    guards = guards_of(settings, ObservedAnalyzer(found, calls), rooms, metrics)
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
    examiner = _examiner(settings, backend, in_turn, metrics)
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
            backends.replicas,
        ),
        metrics,
        observer.slo,
        {"service": "gateway", "version": VERSION},
        limits_told(settings),
    )
    acts = Audit(DatabaseTrail(database), settings.audit_days)
    stopping = Stopping()

    async def ready() -> None:
        stopping.check()
        await gateway.check_ready()

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
        audit=acts,
        status=status.facts,
        ready=ready,
    )
    door = Door(
        guards,
        chat_door(gateway),
        Recorded(pages(desks, metrics, bounds, settings.max_instances), acts),
        observer,
        DoorPolicy(
            settings.max_body_bytes,
            settings.body_timeout_s,
            settings.unmask_replies,
            settings.dataset_max_bytes,
            settings.dataset_upload_timeout_s,
        ),
        stopping,
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
            acts,
            stopping,
        ),
        guards,
        RpcAccount(metrics, traces, observer),
        RpcPolicy(settings.host, settings.rpc_max_bytes, settings.body_timeout_s, VERSION),
    )
    return Services(
        gateway,
        guards,
        observer,
        status,
        runner,
        recorder,
        classical,
        drifting,
        acts,
        rpc,
        door,
        metrics,
        stopping,
        ready,
    )


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
    settings: Settings, backend: ChatBackend, embedder: InTurn | None, metrics: Metrics
) -> Examiner:
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
