"""What every FastAPI page needs: how it answers, who asks, and where the request's account is kept."""

import hashlib
from typing import Annotated, Any

import orjson
from fastapi import Depends, Query, Request, Response

from gateway.domain import Caller
from gateway.errors import InvalidRequest
from gateway.records import Once
from gateway.rest.observe import Exchange

VERSION = "0.1.0"
_LONGEST_KEY = 255


class Json(Response):
    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


def exchange_of(request: Request) -> Exchange:
    exchange: Exchange = request.scope["state"]["exchange"]
    return exchange


def _caller(request: Request) -> Caller:
    caller = exchange_of(request).caller
    assert caller is not None  # noqa: S101 - the door admits before it calls
    return caller


def once_of(request: Request, what: str, body: bytes) -> Once | None:
    """The wish to be answered once, by `Idempotency-Key`; `what` is asked with `body`. Raises
    InvalidRequest."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= _LONGEST_KEY:
        raise InvalidRequest(
            f"'Idempotency-Key' must have 1 to {_LONGEST_KEY} characters.", param="Idempotency-Key"
        )
    # The key too is a caller's own text: only its hash is kept.
    return Once(
        hashlib.sha256(key.encode()).hexdigest(), hashlib.sha256(what.encode() + b"\0" + body).hexdigest()
    )


CallerOf = Annotated[Caller, Depends(_caller)]
ExchangeOf = Annotated[Exchange, Depends(exchange_of)]
Limit = Annotated[int, Query(ge=1, le=200)]
