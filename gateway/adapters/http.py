"""One HTTP peer over one shared aiohttp session; what its client library raises becomes ours.

aiohttp and not httpx: on the hot path httpx cost five times the CPU and grew worse with concurrency.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import aiohttp

from gateway.errors import BackendError, BackendTimeout, BackendUnavailable, GatewayError

# vLLM and uvicorn close an idle connection after 5 s; leaving first means never writing into a closing one.
_KEEP_ALIVE_S = 3.0


class Peer:
    """Make it inside the running loop; `close()` releases the connections.

    `name` begins the constant texts of errors: an exception of the client library names addresses. An empty
    `api_key` sends none. `retry_after_s` is what a caller is told when the peer is down. `trace`: headers
    that every request takes along.
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
        self.name = name
        self.retry_after_s = retry_after_s
        self._base = url.rstrip("/")
        self._connect_timeout_s = connect_timeout_s
        self._max_answer_bytes = max_answer_bytes
        self._trace = trace
        key = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=max_connections, keepalive_timeout=_KEEP_ALIVE_S),
            headers={"content-type": "application/json", **key},
            skip_auto_headers=("user-agent", "accept-encoding"),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )

    async def close(self) -> None:
        await self._session.close()

    async def exchange(
        self, method: str, path: str, body: bytes | None, timeout_s: float
    ) -> tuple[int, bytes]:
        """Status and whole body of the answer. Raises BackendUnavailable, BackendTimeout, BackendError."""
        limit = aiohttp.ClientTimeout(total=timeout_s, sock_connect=self._connect_timeout_s)
        try:
            response = await self._session.request(
                method, self._base + path, data=body, headers=self._trace(), timeout=limit
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._not_answered(error) from None
        async with response:
            return response.status, await self._bounded(response)

    @asynccontextmanager
    async def stream(
        self, path: str, body: bytes, silence_s: float
    ) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
        """Status and body as it comes, cut anywhere; at most `silence_s` between two pieces. Leaving closes
        the connection, which a peer takes as the end of its work."""
        # No limit on the whole: a long answer is fine as long as pieces keep coming.
        limit = aiohttp.ClientTimeout(total=None, sock_connect=self._connect_timeout_s, sock_read=silence_s)
        try:
            response = await self._session.post(
                self._base + path, data=body, headers=self._trace(), timeout=limit
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._not_answered(error) from None
        try:
            yield response.status, self._pieces(response)
        finally:
            # Not release(): that would read a cancelled answer to its end.
            response.close()

    async def whole(self, pieces: AsyncIterator[bytes]) -> bytes:
        """The pieces together. Raises BackendError when they are more than any answer can be."""
        parts, size = [], 0
        async for part in pieces:
            size += len(part)
            if size > self._max_answer_bytes:
                raise BackendError(f"{self.name}'s answer is too large.")
            parts.append(part)
        return b"".join(parts)

    def unavailable(self, what: str) -> BackendUnavailable:
        """The peer said, or showed, that it cannot answer now."""
        return BackendUnavailable(f"{self.name} {what}.", retry_after=self.retry_after_s)

    async def _bounded(self, response: aiohttp.ClientResponse) -> bytes:
        try:
            return await self.whole(self._pieces(response))
        except BackendError:
            response.close()
            raise

    async def _pieces(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        try:
            async for piece in response.content.iter_any():
                yield piece
        except TimeoutError:
            raise BackendTimeout(f"{self.name} did not answer in time.") from None
        except (aiohttp.ClientError, OSError):
            raise BackendError(f"{self.name} broke off its answer.") from None

    def _not_answered(self, error: Exception) -> GatewayError:
        """Before the head of an answer: slow, or not there (a refused or closed connection)."""
        if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ConnectionTimeoutError):
            return BackendTimeout(f"{self.name} did not answer in time.")
        return self.unavailable("cannot be reached")
