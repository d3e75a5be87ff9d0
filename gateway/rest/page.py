"""What every FastAPI page needs: how it answers, who asks, and where the request's account is kept."""

from typing import Annotated, Any

import orjson
from fastapi import Depends, Query, Request, Response

from gateway.domain import Caller
from gateway.rest.observe import Exchange

VERSION = "0.1.0"


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


CallerOf = Annotated[Caller, Depends(_caller)]
ExchangeOf = Annotated[Exchange, Depends(exchange_of)]
Limit = Annotated[int, Query(ge=1, le=200)]
