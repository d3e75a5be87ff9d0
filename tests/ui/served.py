"""`python -m ui` as it runs, and one browser tab's wire to it, without a browser."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetStates
from websockets.sync.client import ClientConnection, connect

ROOT = Path(__file__).resolve().parents[2]
_PATIENCE_S = 60


@contextmanager
def dashboard(gateway_url: str, log: Path, **settings: str) -> Iterator[str]:
    """Yields where it listens, once it does."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    with log.open("wb") as said:
        running = subprocess.Popen(
            [sys.executable, "-m", "ui"],
            cwd=ROOT,
            env={**os.environ, "UI_PORT": port, "GATEWAY_URL": gateway_url, **settings},
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        try:
            until = time.monotonic() + _PATIENCE_S
            while running.poll() is None and time.monotonic() < until:
                try:
                    assert read(f"http://127.0.0.1:{port}/_stcore/health") == b"ok"
                    break
                except (URLError, ConnectionError):
                    time.sleep(0.1)
            else:
                raise AssertionError(log.read_text())
            yield f"127.0.0.1:{port}"
        finally:
            running.terminate()
            running.wait(30)


def read(address: str) -> bytes:
    with urlopen(address, timeout=30) as answer:
        return bytes(answer.read())


@contextmanager
def opened(place: str, page: str = "") -> Iterator["Tab"]:
    with connect(f"ws://{place}/_stcore/stream", max_size=None) as socket:
        yield Tab(place, page, socket)


class Tab:
    """One session at the address of one page."""

    def __init__(self, place: str, page: str, socket: ClientConnection) -> None:
        self.place, self.session = place, ""
        self._page, self._socket = page, socket
        self._widgets = WidgetStates()
        self.began = self.run()

    def log_in(self, key: str) -> list[ForwardMsg]:
        [text] = [one.text_input.id for one in _drawn(self.began, "text_input")]
        self._widgets.widgets.add(id=text, string_value=key)
        return self.press("Log in", self.began)

    def press(self, label: str, seen: list[ForwardMsg]) -> list[ForwardMsg]:
        """A button of that run, which has the page drawn anew."""
        [button] = [one.button.id for one in _drawn(seen, "button") if one.button.label == label]
        self._widgets.widgets.add(id=button, trigger_value=True)
        self.run()
        del self._widgets.widgets[:]
        return self._until_over()

    def run(self) -> list[ForwardMsg]:
        """What is sent to the tab while the script runs once."""
        asked = BackMsg()
        asked.rerun_script.page_name = self._page
        asked.rerun_script.widget_states.CopyFrom(self._widgets)
        self._socket.send(asked.SerializeToString())
        return self._until_over()

    def put(self, name: str, content: bytes) -> int:
        """The status that a file is answered with."""
        body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
        body += content + b"\r\n--b--\r\n"
        with closing(http.client.HTTPConnection(self.place, timeout=30)) as wire:
            wire.request("GET", "/_stcore/health")
            answer = wire.getresponse()
            answer.read()
            cookie = (answer.headers["set-cookie"] or "").partition(";")[0]
            headers = {
                "content-type": "multipart/form-data; boundary=b",
                "cookie": cookie,
                "x-xsrftoken": cookie.partition("=")[2],
            }
            wire.request("PUT", f"/_stcore/upload_file/{self.session}/{name}", body, headers)
            return wire.getresponse().status

    def _until_over(self) -> list[ForwardMsg]:
        found = []
        while True:
            told = ForwardMsg.FromString(self._socket.recv(timeout=_PATIENCE_S))
            found.append(told)
            if told.WhichOneof("type") == "new_session":
                self.session = told.new_session.initialize.session_id or self.session
            if told.WhichOneof("type") == "script_finished":
                return found


def _drawn(told: list[ForwardMsg], kind: str) -> list[Any]:
    deltas = [one.delta for one in told if one.WhichOneof("type") == "delta"]
    elements = [one.new_element for one in deltas if one.WhichOneof("type") == "new_element"]
    return [one for one in elements if one.WhichOneof("type") == kind]
