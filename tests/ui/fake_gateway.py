"""A stand-in for the gateway's wire: answers what a test says, and remembers what it was asked."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

KEY = "people-key"


class Asked:
    def __init__(self, method: str, target: str, headers: Any, body: bytes) -> None:
        parts = urlsplit(target)
        self.method, self.path, self.query = method, parts.path, dict(parse_qsl(parts.query))
        self.headers, self.body = headers, body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]] | Callable[[Asked], Any]


class FakeGateway:
    """`answers[("GET", "/v1/models")] = 200, {...}`; what nobody said anything about is 404."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], Answer] = {}
        self.asked: list[Asked] = []
        self.url = ""

    def all_refuse(self, status: int, code: str, **headers: str) -> None:
        """From now on everything is refused in that way."""
        self.answers = {}
        self._otherwise = status, code, headers

    _otherwise: tuple[int, str, dict[str, str]] = (404, "not_found", {})

    def answer(self, asked: Asked) -> tuple[int, bytes, dict[str, str]]:
        self.asked.append(asked)
        found = self.answers.get((asked.method, asked.path))
        if callable(found):
            found = found(asked)
        if found is None and asked.path == "/-/healthz":
            return 200, b"{}", {}
        if found is None:
            status, code, headers = self._otherwise
            return status, json.dumps({"code": code, "message": "There is nothing."}).encode(), headers
        status, body, *rest = found
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return status, raw, rest[0] if rest else {}


def refusal(code: str, message: str, param: str | None = None) -> dict[str, Any]:
    """A refusal as the gateway words it outside OpenAI's own paths."""
    return {"code": code, "message": message, "details": [{"field": param}] if param else [], "trace_id": "t"}


@contextmanager
def served() -> Iterator[FakeGateway]:
    gateway = FakeGateway()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            status, raw, headers = gateway.answer(Asked(self.command, self.path, self.headers, body))
            self.send_response(status)
            for name, value in {"content-type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_DELETE = _do  # noqa: N815 - http.server's names

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """A client that went away is no news."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    gateway.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield gateway
    finally:
        server.shutdown()
        server.server_close()
