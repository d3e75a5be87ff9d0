"""Ready is a gateway whose model answers, or says that it is well while others get its answers."""

import pytest

from gateway.domain import MaskingPolicy, ServedModel
from gateway.errors import BackendError, BackendTimeout, BackendUnavailable, GatewayError
from gateway.readiness import Answering, Readiness


class Server:
    def __init__(self, *, busy: bool = False, fault: GatewayError | None = None) -> None:
        self.busy, self.fault = busy, fault
        self.asked: list[str] = []

    def at_work(self, within_s: float) -> bool:
        return self.busy

    async def alive(self, within_s: float) -> None:
        self.asked.append("alive")
        if self.fault:
            raise self.fault

    async def served_model(self) -> ServedModel:
        return ServedModel("tiny", 4096)

    async def complete(self, body: bytes, timeout_s: float) -> bytes:
        self.asked.append("token")
        return b"{}"


def readiness(server: Server) -> Readiness:
    return Readiness(Answering(None, MaskingPolicy(frozenset()), server))  # type: ignore[arg-type]


async def test_a_server_at_work_is_not_asked_for_a_token() -> None:
    for busy, asked in ((True, ["alive"]), (False, ["alive", "token"])):
        server = Server(busy=busy)
        await readiness(server).confirm()
        assert server.asked == asked


@pytest.mark.parametrize(
    "fault", [BackendTimeout("silent"), BackendError("garbage"), BackendUnavailable("away")]
)
async def test_a_silent_server_is_not_asked_for_a_token_and_every_fault_is_told_alike(
    fault: GatewayError,
) -> None:
    server = Server(fault=fault)
    ready = readiness(server)
    for _ in range(2):
        with pytest.raises(BackendUnavailable, match=fault.message):
            await ready.confirm()
    assert server.asked == ["alive"]  # believed for two seconds
