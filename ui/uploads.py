"""Which files the dashboard takes in, before a byte of them is read.

Streamlit takes them from any session, logged in or not, as many as are sent: four of 95 MB brought the
process from 250 to 633 MB, without a key.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import PurePosixPath

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit import runtime
from streamlit.runtime import Runtime

from ui.frame import KEY

_FORBIDDEN, _NO_LENGTH, _FULL = 403, 411, 507


class Uploads:
    """Around Streamlit's own routes, of which no other is asked with PUT. A session keeps `session_bytes`:
    older files of its own give way, for Streamlit keeps those that a page showed until the tab is closed.
    All sessions keep `all_bytes`, with what is on its way: beyond that a file is refused."""

    def __init__(self, app: ASGIApp, session_bytes: int, all_bytes: int) -> None:
        self._app = app
        self._session_bytes = session_bytes
        self._all_bytes = all_bytes
        self._coming: Counter[str] = Counter()  # bytes on their way, by session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "PUT":
            await self._app(scope, receive, send)
            return
        session = PurePosixPath(scope["path"]).parent.name  # /_stcore/upload_file/{session}/{file}
        size = dict(scope["headers"]).get(b"content-length", b"")
        if status := self._refusal(session, size):
            await PlainTextResponse("refused", status)(scope, receive, send)
            return
        self._coming[session] += int(size)
        try:
            await self._app(scope, receive, send)
        finally:
            self._coming[session] -= int(size)
            self._coming += Counter()  # without those of nothing

    def _refusal(self, session: str, size: bytes) -> int | None:
        """The status that says why the file is not taken. Makes room where it is."""
        served = runtime.get_instance()
        said = served.get_app_session(session)
        if said is None or KEY not in said.session_state:
            return _FORBIDDEN
        if not size.isdigit():
            return _NO_LENGTH
        room = self._session_bytes - self._coming[session] - int(size)
        if room < 0:
            return _FULL
        kept = _kept(served)
        own = kept.get(session, {})
        for file_id in list(own):
            if sum(own.values()) > room:
                served.uploaded_file_mgr.remove_file(session, file_id)
                del own[file_id]
        everything = sum(sum(files.values()) for files in kept.values()) + self._coming.total() + int(size)
        return _FULL if everything > self._all_bytes else None


def _kept(served: Runtime) -> Mapping[str, dict[str, int]]:
    """By session the lengths of its files, the oldest first."""
    storage = served.uploaded_file_mgr.file_storage
    return {
        session: {file.file_id: len(file.data) for file in list(files.values())}
        for session, files in list(storage.items())
    }
