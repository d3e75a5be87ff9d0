"""A proxy on loopback that lies: it passes requests on to a gateway and changes what comes back."""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

# (path, status, body) of an answer -> status and body of the one that is told.
Change = Callable[[str, int, bytes], tuple[int, bytes]]
_HOP = {"connection", "content-length", "transfer-encoding", "date", "server"}


@contextmanager
def tampering(gateway: str, change: Change, *, port: int = 0) -> Iterator[str]:
    """Yields its base address."""
    there = urlsplit(gateway)

    class Liar(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            connection = http.client.HTTPConnection(there.hostname or "", there.port, timeout=30)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            status, told = change(self.path, answer.status, answer.read())
            self.send_response_only(status)
            for name, value in answer.getheaders():
                if name.lower() not in _HOP:
                    self.send_header(name, value)
            self.send_header("content-length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)
            connection.close()

        do_GET = do_POST = _pass_on  # noqa: N815 - named by the library

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Liar)
    server.daemon_threads = True
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        serving.join(10)
