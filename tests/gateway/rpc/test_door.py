"""The gRPC door over a real socket, in front of procedures that do what a test needs."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from prometheus_client import generate_latest

from gateway.adapters.metrics import Metrics
from gateway.adapters.tracing import NO_TRACES
from gateway.domain import Caller, Quota, Role, Usage
from gateway.errors import NotFound, RateLimited, Unauthenticated
from gateway.rpc.calls import Call, CallLog
from gateway.rpc.door import Door, DoorPolicy
from gateway.rpc.gen import datasets_pb2 as data
from gateway.rpc.gen import datasets_pb2_grpc, operations_pb2, operations_pb2_grpc, training_pb2_grpc
from gateway.rpc.gen import training_pb2 as train
from gateway.rpc.procedures import procedures

KEY = (("authorization", "Bearer key"),)
MOST = 100_000  # bytes of a message
MOST_CALLS = 8  # at once
UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"


class Lines:
    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def tell(self, line: Any) -> None:
        self.lines.append(dict(line))


class Guards:
    """Two keys; "spent" is beyond its rate."""

    def known(self, key: bytes) -> Caller:
        roles = {b"key": Role.ADMIN, b"metrics": Role.METRICS, b"spent": Role.GRADER}
        if key not in roles:
            raise Unauthenticated("Incorrect API key provided.")
        return Caller("bob" if key == b"spent" else "ann", roles[key], 60)

    async def admit(self, caller: Caller) -> Quota:
        if caller.key_id == "bob":
            raise RateLimited("Too many requests.", retry_after=2.5)
        return Quota(60, 59, 1.0)


class Servicer:
    """Any service; what its procedures do is said by the test."""

    def __init__(self) -> None:
        self.status: Callable[[Call], Any] | None = None
        self.watch: Callable[[Call], AsyncIterator[Any]] | None = None
        self.ended = asyncio.Event()
        self.chunks = 0

    async def get_status(self, _: Any, call: Call) -> operations_pb2.GetStatusResponse:
        if self.status is not None:
            await self.status(call)
        return operations_pb2.GetStatusResponse()

    async def upload_dataset(self, asked: AsyncIterator[Any], _: Call) -> data.UploadDatasetResponse:
        async for _message in asked:
            self.chunks += 1
        return data.UploadDatasetResponse()

    async def watch_training_job(self, _: Any, __: Call) -> AsyncIterator[train.WatchTrainingJobResponse]:
        try:
            yield train.WatchTrainingJobResponse()
            await asyncio.sleep(60)
        finally:
            self.ended.set()

    async def check(self, _: Any, __: Call) -> health_pb2.HealthCheckResponse:
        return health_pb2.HealthCheckResponse()

    async def stay(self) -> None:
        """Work that takes longer than anyone waits."""
        try:
            await asyncio.sleep(60)
        finally:
            self.ended.set()

    def __getattr__(self, name: str) -> Any:
        return None


class Place:
    """A server, and a caller's stubs."""

    def __init__(self, policy: DoorPolicy) -> None:
        self.account = Lines()
        self.metrics = Metrics("0")
        self.servicer = Servicer()
        known = {}
        for module, service in ((operations_pb2, "Operations"), (data, "Datasets"), (train, "Training")):
            known |= procedures(module.DESCRIPTOR.services_by_name[service], self.servicer)  # type: ignore[attr-defined]
        known |= procedures(health_pb2.DESCRIPTOR.services_by_name["Health"], self.servicer, public=True)
        self.door = Door(known, Guards(), CallLog(self.metrics, NO_TRACES, self.account), policy)  # type: ignore[arg-type]

    @property
    def line(self) -> dict[str, Any]:
        return self.account.lines[-1]

    async def told(self, count: int = 1) -> list[dict[str, Any]]:
        """The lines of calls that their caller did not wait for."""
        async with asyncio.timeout(30):
            while len(self.account.lines) < count:
                await asyncio.sleep(0.01)
        return self.account.lines


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., Any]]:
    async with AsyncExitStack() as stack:

        async def started(**policy: Any) -> Place:
            place = Place(DoorPolicy(**{"message_timeout_s": 30.0, **policy}))
            server = grpc.aio.server(
                handlers=(place.door,),
                maximum_concurrent_rpcs=MOST_CALLS,
                options=[("grpc.max_receive_message_length", MOST)],
            )
            port = server.add_insecure_port("127.0.0.1:0")
            await server.start()
            stack.push_async_callback(server.stop, None)
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}"))
            place.channel = channel  # type: ignore[attr-defined]
            place.status = operations_pb2_grpc.OperationsStub(channel).GetStatus  # type: ignore[attr-defined]
            place.upload = datasets_pb2_grpc.DatasetsStub(channel).UploadDataset  # type: ignore[attr-defined]
            place.watch = training_pb2_grpc.TrainingStub(channel).WatchTrainingJob  # type: ignore[attr-defined]
            return place

        yield started


async def refusal(call: Any) -> tuple[grpc.StatusCode, dict[str, Any]]:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    error = refused.value
    return error.code(), {**dict(error.trailing_metadata() or ()), "words": error.details()}


ASKED = operations_pb2.GetStatusRequest()


async def test_a_key_is_asked_for_before_a_message_is_read(start: Callable[..., Any]) -> None:
    place = await start()

    async def chunks() -> AsyncIterator[data.UploadDatasetRequest]:
        yield data.UploadDatasetRequest(chunk=b"x" * 2 * MOST)
        await asyncio.Event().wait()  # a write when the call ends is an error of the client's own

    for metadata in ((), (("authorization", "Bearer wrong"),), (("authorization", "Basic key"),)):
        code, told = await refusal(place.upload(chunks(), metadata=metadata))
        # A message of that size would have been RESOURCE_EXHAUSTED.
        assert (code, told["x-error-code"]) == (grpc.StatusCode.UNAUTHENTICATED, "unauthenticated")
    assert place.servicer.chunks == 0


async def test_refusals_carry_code_request_id_and_rate(start: Callable[..., Any]) -> None:
    place = await start()

    async def nothing(_: Call) -> None:
        raise NotFound("There is no such thing.", param="name", detail="Ivanov")

    place.servicer.status = nothing
    code, told = await refusal(place.status(ASKED, metadata=(*KEY, ("x-request-id", UUID))))
    assert code is grpc.StatusCode.NOT_FOUND
    assert told["words"] == "There is no such thing. Ivanov"
    assert (told["x-error-code"], told["x-error-field"], told["x-request-id"]) == ("not_found", "name", UUID)
    assert (told["x-ratelimit-limit-requests"], told["x-ratelimit-remaining-requests"]) == ("60", "59")
    code, told = await refusal(place.status(ASKED, metadata=(("authorization", "Bearer spent"),)))
    assert (code, told["retry-after"], told["retry-after-ms"]) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "3",
        "2500",
    )
    code, told = await refusal(place.status(ASKED, metadata=(("authorization", "Bearer metrics"),)))
    assert (code, told["x-error-code"]) == (grpc.StatusCode.PERMISSION_DENIED, "forbidden")


async def test_a_request_id_that_could_spell_a_name_is_not_kept(start: Callable[..., Any]) -> None:
    place = await start()
    call = place.status(ASKED, metadata=(*KEY, ("x-request-id", "ivanov-ivan")))
    await call
    told = dict(await call.trailing_metadata())
    assert len(told["x-request-id"]) == 32
    assert "ivanov" not in str(place.account.lines)


async def test_a_procedure_that_is_none_is_told_to_those_with_a_key_only(start: Callable[..., Any]) -> None:
    place = await start()
    ask = place.channel.unary_unary("/students.Ivanov/Grades")
    code, _ = await refusal(ask(b""))
    assert code is grpc.StatusCode.UNAUTHENTICATED
    code, told = await refusal(ask(b"", metadata=KEY))
    assert (code, told["x-error-code"]) == (grpc.StatusCode.UNIMPLEMENTED, "method_not_allowed")
    assert {line["method"] for line in place.account.lines} == {"other"}


async def test_a_message_that_is_none_or_too_large_is_refused(start: Callable[..., Any]) -> None:
    place = await start()
    ask = place.channel.unary_unary("/grading_gateway.v1.Operations/GetStatus")
    code, told = await refusal(ask(b"\xff\xff\xff", metadata=KEY))
    assert (code, told["x-error-code"]) == (grpc.StatusCode.INVALID_ARGUMENT, "invalid_request")
    code, _ = await refusal(ask(b"x" * (MOST + 1), metadata=KEY))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_caller_who_falls_silent_is_not_waited_for(start: Callable[..., Any]) -> None:
    place = await start(message_timeout_s=0.2)
    enough = asyncio.Event()

    async def chunks() -> AsyncIterator[data.UploadDatasetRequest]:
        yield data.UploadDatasetRequest(chunk=b"x")
        await enough.wait()

    code, told = await refusal(place.upload(chunks(), metadata=KEY))
    enough.set()
    assert (code, told["x-error-code"]) == (grpc.StatusCode.DEADLINE_EXCEEDED, "body_timeout")


class Silent:
    """Calls of a public procedure that send no message."""

    def __init__(self, place: Any) -> None:
        self._enough = asyncio.Event()
        self._ask = place.channel.stream_unary("/grpc.health.v1.Health/Check")

    def call(self) -> Any:
        async def nothing() -> AsyncIterator[bytes]:
            await self._enough.wait()
            yield b""

        return self._ask(nothing())

    def end(self) -> None:
        self._enough.set()


async def test_who_has_no_key_is_waited_for_shortly(start: Callable[..., Any]) -> None:
    place = await start(public_timeout_s=0.2)
    silent = Silent(place)
    code, told = await refusal(silent.call())
    silent.end()
    assert (code, told["x-error-code"]) == (grpc.StatusCode.DEADLINE_EXCEEDED, "body_timeout")


async def test_silent_callers_without_a_key_leave_the_others_their_places(start: Callable[..., Any]) -> None:
    place = await start(public_timeout_s=30.0, most_public_waiting=MOST_CALLS - 4)
    silent = Silent(place)
    calls = [silent.call() for _ in range(MOST_CALLS)]
    # Those who have waited longest give way. Without that, all places of the server were taken.
    assert {line["code"] for line in await place.told(4)} == {"body_timeout"}
    await place.status(ASKED, metadata=KEY)
    check = place.channel.unary_unary("/grpc.health.v1.Health/Check")
    assert await check(b"") == b""
    silent.end()
    codes = [await call.code() for call in calls]
    # The call of check took a place too; who gave way for it may have been ended before.
    assert codes.count(grpc.StatusCode.DEADLINE_EXCEEDED) in (4, 5)


async def test_a_deadline_ends_the_work(start: Callable[..., Any]) -> None:
    place = await start()
    place.servicer.status = lambda _: place.servicer.stay()
    code, _ = await refusal(place.status(ASKED, metadata=KEY, timeout=0.2))
    assert code is grpc.StatusCode.DEADLINE_EXCEEDED
    async with asyncio.timeout(30):
        await place.servicer.ended.wait()
    assert (await place.told())[-1]["status"] == "DEADLINE_EXCEEDED"


async def test_a_caller_who_leaves_ends_the_work(start: Callable[..., Any]) -> None:
    place = await start()
    begun = asyncio.Event()

    async def stay(_: Call) -> None:
        begun.set()
        await place.servicer.stay()

    place.servicer.status = stay
    call = place.status(ASKED, metadata=KEY)
    asked = asyncio.ensure_future(call)
    async with asyncio.timeout(30):
        await begun.wait()
        call.cancel()
        await place.servicer.ended.wait()
    with suppress(asyncio.CancelledError):
        await asked
    assert (await place.told())[-1]["status"] == "CANCELLED"


async def test_an_unexpected_failure_tells_nothing(
    start: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    place = await start()

    async def fail(_: Call) -> None:
        raise RuntimeError("Ivanov")

    place.servicer.status = fail
    with caplog.at_level(logging.ERROR):
        code, told = await refusal(place.status(ASKED, metadata=KEY))
    assert (code, told["words"], told["x-error-code"]) == (
        grpc.StatusCode.INTERNAL,
        "The gateway failed.",
        "internal",
    )
    assert [record.getMessage() for record in caplog.records] == ["unexpected failure"]


async def test_one_line_and_one_count_tell_of_a_call(start: Callable[..., Any]) -> None:
    place = await start()

    async def masked(call: Call) -> None:
        call.masked, call.usage = {"PERSON": 2}, Usage(7, 0)

    place.servicer.status = masked
    await place.status(ASKED, metadata=KEY)
    method = "/grading_gateway.v1.Operations/GetStatus"
    line = place.line
    assert (line["event"], line["method"], line["status"], line["key_id"]) == ("call", method, "OK", "ann")
    assert (line["code"], line["masked"], line["prompt_tokens"]) == (None, 2, 7)
    text = generate_latest(place.metrics.registry).decode()
    assert f'gateway_rpc_calls_total{{code="",method="{method}",status="OK"}} 1.0' in text


async def test_streams_are_bounded_and_end_with_the_server(start: Callable[..., Any]) -> None:
    place = await start(most_streams=1)
    watched = place.watch(train.WatchTrainingJobRequest(), metadata=KEY)
    assert await watched.read() == train.WatchTrainingJobResponse()
    second = place.watch(train.WatchTrainingJobRequest(), metadata=KEY)
    code, told = await refusal(second.read())
    assert (code, told["x-error-code"]) == (grpc.StatusCode.UNAVAILABLE, "overloaded")
    place.door.end_streams()
    code, told = await refusal(watched.read())
    assert (code, told["retry-after"]) == (grpc.StatusCode.UNAVAILABLE, "1")
    assert place.servicer.ended.is_set()


async def test_a_watcher_who_leaves_gives_their_place_back(start: Callable[..., Any]) -> None:
    place = await start(most_streams=1)
    for _ in range(3):
        place.servicer.ended.clear()
        watched = place.watch(train.WatchTrainingJobRequest(), metadata=KEY)
        await watched.read()
        watched.cancel()
        async with asyncio.timeout(30):
            await place.servicer.ended.wait()
            while place.line["status"] != "CANCELLED":
                await asyncio.sleep(0.01)
        place.account.lines.clear()
