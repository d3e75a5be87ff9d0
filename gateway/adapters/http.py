"""One HTTP peer; what the client below raises becomes ours."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from gateway.adapters.connection import BrokenAnswer, Connection, LargeAnswer, NoAnswer
from gateway.adapters.wire import Wire
from gateway.errors import BackendError, BackendTimeout, BackendUnavailable
from gateway.urgency import urgency


class Peer:
    """Make it inside the running loop; `close()` releases the connections.

    `name` begins the constant texts of errors: what the client below says names addresses. An empty `api_key`
    sends none. `retry_after_s` is what a caller is told when the peer is down. `trace`: headers that every
    request takes along. A peer is told how long the caller of the request still waits.
    """

    def __init__(
        self,
        name: str,
        url: str,
        api_key: str,
        *,
        connect_timeout_s: float,
        max_connections: int,
        max_answer_bytes: int,
        retry_after_s: float,
        trace: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """Raises ValueError for an address, or a key, that cannot be one."""
        self.name = name
        self.retry_after_s = retry_after_s
        self._max_answer_bytes = max_answer_bytes
        self._trace = trace
        key = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._wire = Wire(
            url,
            {"content-type": "application/json", **key},
            connect_timeout_s=connect_timeout_s,
            max_connections=max_connections,
        )

    @property
    def heard_at(self) -> float:
        """By the loop's clock: when something last came from it."""
        return self._wire.heard_at

    async def close(self) -> None:
        await self._wire.close()

    async def exchange(
        self, method: str, path: str, body: bytes | None, timeout_s: float
    ) -> tuple[int, bytes]:
        """Status and whole body of the answer. Raises BackendUnavailable, BackendTimeout, BackendError."""
        most = self._max_answer_bytes
        try:
            return await self._wire.exchange(
                method, path, body, self._headers(), timeout_s=timeout_s, most_bytes=most
            )
        except TimeoutError:
            raise self._late() from None
        except NoAnswer:
            raise self.unavailable("cannot be reached") from None
        except LargeAnswer:
            raise self._too_large() from None
        except BrokenAnswer:
            raise self._broken() from None

    @asynccontextmanager
    async def stream(
        self, path: str, body: bytes, silence_s: float
    ) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
        """Status and body as it comes, cut anywhere; at most `silence_s` between two pieces. Leaving closes
        the connection, which a peer takes as the end of its work."""
        try:
            answer = await self._wire.begin(path, body, self._headers(), silence_s=silence_s)
        except TimeoutError:
            raise self._late() from None
        except NoAnswer:
            raise self.unavailable("cannot be reached") from None
        except BrokenAnswer:
            raise self._broken() from None
        pieces = self._pieces(answer)
        try:
            yield answer.status, pieces
        finally:
            # Whoever holds on to them takes nothing of the next caller's answer on the same connection.
            await pieces.aclose()
            self._wire.give_back(answer)

    async def whole(self, pieces: AsyncIterator[bytes]) -> bytes:
        """The pieces together. Raises BackendError when they are more than any answer can be."""
        parts, size = [], 0
        async for part in pieces:
            size += len(part)
            if size > self._max_answer_bytes:
                raise self._too_large()
            parts.append(part)
        return b"".join(parts)

    def unavailable(self, what: str) -> BackendUnavailable:
        """The peer said, or showed, that it cannot answer now."""
        return BackendUnavailable(f"{self.name} {what}.", retry_after=self.retry_after_s)

    def _headers(self) -> Mapping[str, str]:
        left = urgency().remaining_s
        if left is None:
            return self._trace()
        return {**self._trace(), "x-request-timeout": f"{max(left, 0.001):.3f}"}

    async def _pieces(self, answer: Connection) -> AsyncGenerator[bytes, None]:
        try:
            while piece := await answer.piece():
                yield piece
        except TimeoutError:
            raise self._late() from None
        except BrokenAnswer:
            raise self._broken() from None

    def _late(self) -> BackendTimeout:
        return BackendTimeout(f"{self.name} did not answer in time.")

    def _broken(self) -> BackendError:
        return BackendError(f"{self.name} broke off its answer.")

    def _too_large(self) -> BackendError:
        return BackendError(f"{self.name}'s answer is too large.")
