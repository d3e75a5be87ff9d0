"""vLLM's OpenAI server over one shared aiohttp session.

aiohttp and not httpx: on this path httpx cost five times the CPU and grew worse with concurrency.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

from gateway.domain import ServedModel
from gateway.errors import (
    BackendError,
    BackendTimeout,
    BackendUnavailable,
    ContextLengthExceeded,
    GatewayError,
    InvalidRequest,
)

RETRY_AFTER_S = 5.0
_MODEL_FRESH_S = 10.0  # how long an answer of /v1/models is believed
_MAX_ANSWER_BYTES = 16 << 20
# vLLM closes an idle connection after 5 s; leaving first means never writing into a closing one.
_KEEP_ALIVE_S = 3.0


class VLLM:
    """Implements ChatBackend. Make it inside the running loop; `close()` releases the connections."""

    def __init__(self, url: str, api_key: str, *, connect_timeout_s: float, max_connections: int) -> None:
        self._base = url.rstrip("/")
        self._chat = f"{self._base}/v1/chat/completions"
        self._connect_timeout_s = connect_timeout_s
        self._model: ServedModel | None = None
        self._model_until = 0.0
        self._model_lock = asyncio.Lock()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=max_connections, keepalive_timeout=_KEEP_ALIVE_S),
            headers={"authorization": f"Bearer {api_key}", "content-type": "application/json"},
            skip_auto_headers=("user-agent", "accept-encoding"),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )

    async def close(self) -> None:
        await self._session.close()

    async def served_model(self) -> ServedModel:
        if self._model is not None and time.monotonic() < self._model_until:
            return self._model
        async with self._model_lock:
            if self._model is None or time.monotonic() >= self._model_until:
                self._model = await self._ask_model()
                self._model_until = time.monotonic() + _MODEL_FRESH_S
            return self._model

    async def _ask_model(self) -> ServedModel:
        answer = orjson.loads(await self._exchange("GET", f"{self._base}/v1/models", None, 10.0))
        try:
            first = answer["data"][0]
            return ServedModel(name=str(first["id"]), context_window=int(first["max_model_len"]))
        except (KeyError, IndexError, TypeError, ValueError):
            raise BackendError("The model server lists no model.") from None

    async def complete(self, body: bytes, timeout_s: float) -> bytes:
        return await self._exchange("POST", self._chat, body, timeout_s)

    async def count_tokens(self, messages: Sequence[dict[str, Any]], timeout_s: float) -> int:
        model = await self.served_model()
        body = orjson.dumps({"model": model.name, "messages": list(messages)})
        answer = orjson.loads(await self._exchange("POST", f"{self._base}/tokenize", body, timeout_s))
        return int(answer["count"])

    async def _exchange(self, method: str, url: str, body: bytes | None, timeout_s: float) -> bytes:
        limit = aiohttp.ClientTimeout(total=timeout_s, sock_connect=self._connect_timeout_s)
        try:
            response = await self._session.request(method, url, data=body, timeout=limit)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _not_answered(error) from None
        async with response:
            content = await _bounded(response)
        if response.status != 200:
            raise _refusal(response.status, content)
        return content

    @asynccontextmanager
    async def stream(self, body: bytes, timeout_s: float) -> AsyncIterator[AsyncIterator[bytes]]:
        # No limit on the whole: a long answer is fine as long as events keep coming.
        limit = aiohttp.ClientTimeout(total=None, sock_connect=self._connect_timeout_s, sock_read=timeout_s)
        try:
            response = await self._session.post(self._chat, data=body, timeout=limit)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _not_answered(error) from None
        try:
            if response.status != 200:
                raise _refusal(response.status, await _bounded(response))
            yield _chunks(response)
        finally:
            # Not release(): that would read a cancelled answer to its end; closing makes vLLM abort it.
            response.close()


async def _chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.content.iter_any():
            yield chunk
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _broken_off(error) from None


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    """The whole answer, unless it is larger than any answer of ours can be."""
    parts, size = [], 0
    async for part in _chunks(response):
        size += len(part)
        if size > _MAX_ANSWER_BYTES:
            response.close()
            raise BackendError("The model server's answer is too large.")
        parts.append(part)
    return b"".join(parts)


# Constant texts: an exception of the client library names addresses.
def _not_answered(error: Exception) -> GatewayError:
    """Before the head of an answer: slow, or not there (a refused or closed connection)."""
    if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ConnectionTimeoutError):
        return BackendTimeout("The model server did not answer in time.")
    return BackendUnavailable("The model server cannot be reached.", retry_after=RETRY_AFTER_S)


def _broken_off(error: Exception) -> GatewayError:
    """After the head of an answer."""
    if isinstance(error, TimeoutError):
        return BackendTimeout("The model server did not answer in time.")
    return BackendError("The model server broke off its answer.")


def _refusal(status: int, content: bytes) -> GatewayError:
    """What a non-200 of the model server means for the caller. A 400 is about the caller's own request, so
    its explanation is handed on, to the caller only."""
    if status in (400, 422):
        said = _message(content)
        if "context length" in said or "max_model_len" in said or "maximum model length" in said:
            return ContextLengthExceeded(
                "The messages and the answer asked for do not fit the model's context window.",
                param="messages",
            )
        return InvalidRequest("The model server refused the request's parameters.", detail=said[:300] or None)
    if status in (429, 503):
        return BackendUnavailable("The model server is overloaded.", retry_after=RETRY_AFTER_S)
    return BackendError("The model server failed.")


def _message(content: bytes) -> str:
    try:
        return str(orjson.loads(content)["error"]["message"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ""
