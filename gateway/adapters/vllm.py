"""vLLM's OpenAI server, at one address. replicas.py makes one of several."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson

from gateway.adapters.fresh import Fresh
from gateway.adapters.http import Peer
from gateway.domain import ServedModel
from gateway.errors import BackendBusy, BackendError, ContextLengthExceeded, GatewayError, InvalidRequest
from gateway.grading.reply import parse_completion

_CHAT = "/v1/chat/completions"
_MODEL_FRESH_S = 10.0  # how long an answer of /v1/models is believed


class VLLM:
    """Implements ChatBackend. Make it inside the running loop; `close()` releases the connections."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        connect_timeout_s: float,
        max_connections: int,
        trace: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._peer = Peer(
            "The model server",
            url,
            api_key,
            connect_timeout_s=connect_timeout_s,
            max_connections=max_connections,
            max_answer_bytes=16 << 20,
            retry_after_s=5.0,
            trace=trace,
        )
        # Of its own, as a probe must not wait behind the calls that it asks about.
        self._prober = Peer(
            "The model server",
            url,
            "",
            connect_timeout_s=connect_timeout_s,
            max_connections=2,
            max_answer_bytes=1 << 16,
            retry_after_s=5.0,
        )
        self._model = Fresh(self._ask_model, _MODEL_FRESH_S)

    async def close(self) -> None:
        await self._prober.close()
        await self._peer.close()

    @property
    def heard_at(self) -> float:
        """By the loop's clock: when something last came on the connections of calls."""
        return self._peer.heard_at

    async def alive(self, timeout_s: float) -> None:
        """Returns when it says that it is well. vLLM's /health is 503 when its engine is dead; a server that
        has no such path answers 404, and lives."""
        status, _ = await self._prober.exchange("GET", "/health", None, timeout_s)
        if status >= 500:
            raise BackendError("The model server says that it is not well.")

    @property
    def known(self) -> ServedModel | None:
        """What it told it serves, if that was a moment ago."""
        return self._model.known

    def forget(self) -> None:
        """It may be another one now: what it told is not believed any more."""
        self._model.forget()

    async def served_model(self) -> ServedModel:
        return await self._model.get()

    async def _ask_model(self) -> ServedModel:
        content = await self._exchange("GET", "/v1/models", None, 10.0)
        try:
            first = orjson.loads(content)["data"][0]
            return ServedModel(name=str(first["id"]), context_window=int(first["max_model_len"]))
        except (KeyError, IndexError, TypeError, ValueError):
            raise BackendError("The model server lists no model.") from None

    async def complete(self, body: bytes, timeout_s: float) -> bytes:
        answer = await self._exchange("POST", _CHAT, body, timeout_s)
        # Parsed a second time later on (1 KB: 2 microseconds): only here a replica can be blamed for it.
        if not isinstance(parse_completion(answer).get("choices"), list):
            raise BackendError("The model server's answer is no completion.")
        return answer

    async def count_tokens(self, messages: Sequence[dict[str, Any]], timeout_s: float) -> int:
        model = await self.served_model()
        body = orjson.dumps({"model": model.name, "messages": list(messages)})
        content = await self._exchange("POST", "/tokenize", body, timeout_s)
        try:
            return int(orjson.loads(content)["count"])
        except (KeyError, TypeError, ValueError):
            raise BackendError("The model server counted no tokens.") from None

    @asynccontextmanager
    async def stream(self, body: bytes, timeout_s: float) -> AsyncIterator[AsyncIterator[bytes]]:
        async with self._peer.stream(_CHAT, body, timeout_s) as (status, pieces):
            if status != 200:
                raise self._refusal(status, await self._peer.whole(pieces))
            yield pieces

    async def _exchange(self, method: str, path: str, body: bytes | None, timeout_s: float) -> bytes:
        status, content = await self._peer.exchange(method, path, body, timeout_s)
        if status != 200:
            raise self._refusal(status, content)
        return content

    def _refusal(self, status: int, content: bytes) -> GatewayError:
        """What a non-200 means for the caller. A 400 is about the caller's own request, so its explanation is
        handed on, to the caller only."""
        if status in (400, 422):
            said = _message(content)
            if "context length" in said or "max_model_len" in said or "maximum model length" in said:
                return ContextLengthExceeded(
                    "The messages and the answer asked for do not fit the model's context window.",
                    param="messages",
                )
            return InvalidRequest(
                "The model server refused the request's parameters.", detail=said[:300] or None
            )
        if status in (429, 503):
            return BackendBusy("The model server is overloaded.", retry_after=self._peer.retry_after_s)
        return BackendError("The model server failed.")


def _message(content: bytes) -> str:
    try:
        return str(orjson.loads(content)["error"]["message"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ""
