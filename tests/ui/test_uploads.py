"""What is taken in before anybody's page reads it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from tests.ui.fake_gateway import KEY, FakeGateway
from tests.ui.served import dashboard, opened, read
from ui import uploads

MB = 1 << 20


def test_only_who_is_logged_in_fills_the_memory_and_not_beyond_two_files(
    gateway: FakeGateway, tmp_path: Path
) -> None:
    gateway.answers["GET", "/v1/models"] = gateway.answers["GET", "/v1/rubrics"] = 200, {"data": []}
    content = b"a" * (MB - 1000)
    with dashboard(gateway.url, tmp_path / "log", UI_MAX_UPLOAD_MB="1") as place, opened(place) as tab:
        assert tab.put("one", content) == 403
        tab.log_in(KEY)
        assert [tab.put(str(number), content) for number in range(5)] == [204] * 5
        assert held(place) == 2 * len(content)
        stranger = tab.session
        tab.session = "another"
        assert tab.put("one", content) == 403
        tab.session = stranger
        assert tab.put("large", content + bytes(2000)) == 413


def test_logging_out_forgets_the_files_too(gateway: FakeGateway, tmp_path: Path) -> None:
    gateway.answers["GET", "/v1/models"] = gateway.answers["GET", "/v1/rubrics"] = 200, {"data": []}
    with dashboard(gateway.url, tmp_path / "log") as place, opened(place) as tab:
        inside = tab.log_in(KEY)
        assert tab.put("one", b"a student's words") == 204
        tab.press("Log out", inside)
        assert held(place) == 0
        assert tab.put("one", b"") == 403


def held(place: str) -> int:
    """Bytes of files in the process, as Streamlit counts them: once in 5 s."""
    lines = read(f"http://{place}/_stcore/metrics").decode().splitlines()
    return sum(int(float(line.split()[-1])) for line in lines if "UploadedFileManager" in line)


class House:
    """Streamlit's runtime with two sessions that are logged in, and one that is not."""

    def __init__(self) -> None:
        self.uploaded_file_mgr = MemoryUploadedFileManager("/upload")
        self._states: dict[str, dict[str, str]] = {"ann": {"key": "a"}, "bob": {"key": "b"}, "nobody": {}}

    def get_app_session(self, name: str) -> Any:
        return SimpleNamespace(session_state=self._states[name]) if name in self._states else None


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> House:
    made = House()
    monkeypatch.setattr(uploads.runtime, "get_instance", lambda: made)
    return made


class Sender:
    """Sends files through the bounds to what keeps them: `during` is what happens while one is on its way."""

    def __init__(self, house: House, session_bytes: int, all_bytes: int) -> None:
        self._house = house
        self._bounds = uploads.Uploads(self._keep, session_bytes, all_bytes)
        self.during: list[tuple[str, str, int]] = []
        self.answers: list[int] = []

    async def send(self, session: str, name: str, size: int | None) -> int:
        answers: list[int] = []

        async def answer(message: Any) -> None:
            if message["type"] == "http.response.start":
                answers.append(message["status"])

        async def receive() -> Any:
            raise AssertionError("the body is not to be read here")

        headers = [] if size is None else [(b"content-length", str(size).encode())]
        path = f"/_stcore/upload_file/{session}/{name}"
        scope = {"type": "http", "method": "PUT", "path": path, "headers": headers}
        await self._bounds(scope, receive, answer)
        return answers[0] if answers else 204

    async def _keep(self, scope: Any, *_: Any) -> None:
        session, name = scope["path"].split("/")[-2:]
        while self.during:
            self.answers.append(await self.send(*self.during.pop()))
        content = bytes(int(dict(scope["headers"])[b"content-length"]))
        self._house.uploaded_file_mgr.add_file(session, UploadedFileRec(name, name, "", content))


def kept(house: House) -> dict[str, list[str]]:
    return {session: list(files) for session, files in house.uploaded_file_mgr.file_storage.items() if files}


async def test_older_files_of_a_session_give_way_and_nobody_elses(house: House) -> None:
    sender = Sender(house, session_bytes=20, all_bytes=100)
    assert [await sender.send("bob", "b", 20)] == [204]
    assert [await sender.send("ann", name, 8) for name in "abc"] == [204] * 3
    assert kept(house) == {"bob": ["b"], "ann": ["b", "c"]}
    assert await sender.send("ann", "d", 21) == 507


async def test_all_sessions_together_have_a_bound_in_which_what_is_on_its_way_counts(house: House) -> None:
    sender = Sender(house, session_bytes=20, all_bytes=30)
    sender.during = [("bob", "b", 20)]
    assert await sender.send("ann", "a", 15) == 204
    assert sender.answers == [507]
    assert await sender.send("bob", "b", 15) == 204
    assert await sender.send("bob", "c", 1) == 507
    house.uploaded_file_mgr.remove_session_files("ann")
    assert await sender.send("bob", "c", 1) == 204


async def test_a_file_of_no_known_length_or_of_nobody_is_not_begun(house: House) -> None:
    sender = Sender(house, session_bytes=20, all_bytes=30)
    assert [await sender.send("ann", "a", None), await sender.send("ann", "a", -1)] == [411, 411]
    assert [await sender.send("nobody", "a", 1), await sender.send("stranger", "a", 1)] == [403, 403]
    assert kept(house) == {}
