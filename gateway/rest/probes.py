"""What machines ask, on a port of its own and without a key: whether the process lives, whether it is ready,
and its metrics. Everything else is 404."""

from collections.abc import Awaitable, Callable

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from gateway.errors import GatewayError, MethodNotAllowed, NotFound
from gateway.rest.bodies import Receive
from gateway.rest.door import App, Scope, Send
from gateway.rest.errors import error_response

Answer = tuple[int, list[tuple[bytes, bytes]], bytes]  # status, headers, body


def probes(registry: CollectorRegistry, ready: Callable[[], Awaitable[None]]) -> App:
    """The application behind METRICS_PORT. `ready` raises what it lacks."""

    async def answer(path: str, method: str) -> Answer:
        if path not in ("/-/healthz", "/-/readyz", "/metrics"):
            raise NotFound("There is nothing at this path.")
        if method not in ("GET", "HEAD"):
            raise MethodNotAllowed("This path has other methods.")
        if path == "/metrics":
            return _answer(generate_latest(registry), CONTENT_TYPE_LATEST)
        if path == "/-/readyz":
            await ready()
        return _answer(orjson.dumps({"status": "ready" if path == "/-/readyz" else "ok"}), "application/json")

    async def app(scope: Scope, _: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        try:
            status, headers, body = await answer(path, method)
        except GatewayError as error:
            status, headers, body = error_response(error, method, path, "")
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def _answer(body: bytes, media_type: str) -> Answer:
    headers = [(b"content-type", media_type.encode()), (b"content-length", b"%d" % len(body))]
    return 200, headers, body
