"""The embeddings service, at one address: vectors by OpenAI's protocol, its heads by KServe's V1."""

import base64
import binascii
import sys
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson

from gateway.adapters import predictions
from gateway.adapters.fresh import Fresh
from gateway.adapters.http import Peer
from gateway.domain import Classification, Comparison, Estimate, Output, ServedModel
from gateway.errors import (
    BackendBusy,
    BackendError,
    ContextLengthExceeded,
    DeadlineExceeded,
    GatewayError,
    InvalidRequest,
)

_MODELS_FRESH_S = 10.0  # how long an answer of /v1/models is believed
_MODELS_TIMEOUT_S = 10.0


class Embeddings:
    """Implements Embedder. Make it inside the running loop; `close()` releases the connections."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        connect_timeout_s: float,
        max_connections: int,
        trace: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """An empty `api_key` sends none: the service asks for none on loopback."""
        self._peer = Peer(
            "The embeddings service",
            url,
            api_key,
            connect_timeout_s=connect_timeout_s,
            max_connections=max_connections,
            max_answer_bytes=64 << 20,  # 2,048 vectors of 4,096 numbers in base64 are 43 MB
            retry_after_s=1.0,
            trace=trace,
        )
        # Of its own, as a probe must not wait behind the calls that it asks about.
        self._prober = Peer(
            "The embeddings service",
            url,
            "",
            connect_timeout_s=connect_timeout_s,
            max_connections=2,
            max_answer_bytes=1 << 16,
            retry_after_s=1.0,
        )
        self._models = Fresh(self._ask_models, _MODELS_FRESH_S)

    async def close(self) -> None:
        await self._prober.close()
        await self._peer.close()

    @property
    def heard_at(self) -> float:
        """By the loop's clock: when something last came on the connections of calls."""
        return self._peer.heard_at

    async def alive(self, timeout_s: float) -> None:
        """Returns when it answers."""
        status, _ = await self._prober.exchange("GET", "/-/healthz", None, timeout_s)
        if status >= 500:
            raise BackendError("The embeddings service says that it is not well.")

    @property
    def known(self) -> list[ServedModel] | None:
        """What it told it serves, if that was a moment ago."""
        return self._models.known

    def forget(self) -> None:
        """It may be another one now: what it told is not believed any more."""
        self._models.forget()

    async def embed(
        self, texts: Sequence[str], timeout_s: float, model: ServedModel | None = None
    ) -> tuple[list[list[float]], int]:
        """A unit vector for each text, in order, and the tokens that were read; without a model, by the
        service's first encoder. Raises BackendUnavailable (down, or shedding load), BackendTimeout,
        BackendError, ContextLengthExceeded (a text is too long), InvalidRequest (an empty text, too many)."""
        name = model.name if model else await self._first_encoder()
        # base64: less than half the bytes of decimal numbers, and exact.
        asked = {"model": name, "input": list(texts), "encoding_format": "base64"}
        content = await self._exchange("POST", "/v1/embeddings", orjson.dumps(asked), timeout_s)
        try:
            answer = orjson.loads(content)
            vectors = [_vector(one["embedding"]) for one in answer["data"]]
            tokens = int(answer["usage"]["prompt_tokens"])
        except (KeyError, TypeError, ValueError):
            raise BackendError("The embeddings service's answer is not what its protocol says.") from None
        if len(vectors) != len(texts):
            raise BackendError("The embeddings service answered another number of texts.")
        return vectors, tokens

    async def classify(
        self, model: ServedModel, texts: Sequence[str], timeout_s: float
    ) -> tuple[Classification, ...]:
        """A classification for each text, in order. Raises as embed() does."""
        content = await self._predict(model, list(texts), timeout_s)
        return predictions.read_classifications(content, model.labels, len(texts))

    async def estimate(
        self, model: ServedModel, comparisons: Sequence[Comparison], timeout_s: float
    ) -> tuple[Estimate, ...]:
        """What each submission is worth by its references, in order. Raises as embed() does."""
        asked = [
            {
                "submission": one.submission,
                "reference_answers": list(one.references),
                **({"question": one.question} if one.question else {}),
            }
            for one in comparisons
        ]
        content = await self._predict(model, asked, timeout_s)
        return predictions.read_estimates(content, model.labels, len(comparisons))

    async def models(self) -> list[ServedModel]:
        """Everything the service serves, at least one model; `context_window` is a text's bound in tokens."""
        return await self._models.get()

    async def _first_encoder(self) -> str:
        for model in await self.models():
            if model.output is Output.EMBEDDING:
                return model.name
        raise BackendError("The embeddings service lists no encoder.")

    async def _ask_models(self) -> list[ServedModel]:
        content = await self._exchange("GET", "/v1/models", None, _MODELS_TIMEOUT_S)
        found = predictions.read_models(content)
        if not found:
            raise BackendError("The embeddings service lists no model.")
        return found

    async def _predict(self, model: ServedModel, instances: list[Any], timeout_s: float) -> bytes:
        path = f"/v1/models/{quote(model.name, safe='')}:predict"
        body = orjson.dumps({"instances": instances})
        return await self._exchange("POST", path, body, timeout_s, param="instances")

    async def _exchange(
        self, method: str, path: str, body: bytes | None, timeout_s: float, *, param: str = "input"
    ) -> bytes:
        status, content = await self._peer.exchange(method, path, body, timeout_s)
        if status != 200:
            raise self._refusal(status, content, param)
        return content

    def _refusal(self, status: int, content: bytes, param: str) -> GatewayError:
        """What a non-200 of the service means for the caller. A 400 is about the caller's own texts, so its
        explanation, which quotes none of them, is handed on."""
        if status in (429, 503):
            return BackendBusy("The embeddings service is overloaded.", retry_after=self._peer.retry_after_s)
        if status == 504:  # it was told until when the caller waits
            return DeadlineExceeded("The time that the caller gave is over.")
        if status in (400, 413):
            told = _told(content)
            detail = str(told.get("message", ""))[:300] or None
            if told.get("code") == "context_length_exceeded":
                return ContextLengthExceeded("A text is too long for the model.", param=param, detail=detail)
            return InvalidRequest("The embeddings service refused the texts.", param=param, detail=detail)
        return BackendError("The embeddings service failed.")


def _vector(encoded: str) -> list[float]:
    """Little-endian float32 in base64. Raises ValueError."""
    try:
        numbers = array("f", base64.b64decode(encoded, validate=True))
    except binascii.Error:
        raise ValueError from None
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()


def _told(content: bytes) -> dict[str, Any]:
    """OpenAI's error object, or KServe's text as one."""
    try:
        told = orjson.loads(content)["error"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return {}
    if isinstance(told, str):
        return {"message": told}
    return told if isinstance(told, dict) else {}
