"""The dashboard from its door on: who comes in, what stays of them, and that it starts."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui.fake_gateway import KEY, FakeGateway, refusal, served
from tests.ui.served import ROOT, dashboard, opened, read

APP = ROOT / "ui/entry/app.py"
NETWORK = {
    "aiohttp",
    "asyncio",
    "ftplib",
    "http",
    "httpcore",
    "httpx",
    "requests",
    "smtplib",
    "socket",
    "ssl",
    "urllib3",
}


def door() -> AppTest:
    return AppTest.from_file(APP, default_timeout=30).run()


def logged_in(gateway: FakeGateway, models: object = None) -> AppTest:
    gateway.answers["GET", "/v1/models"] = 200, models or {"data": []}
    gateway.answers["GET", "/v1/rubrics"] = 200, {"data": []}
    page = door()
    page.text_input[0].set_value(f"  {KEY} ")
    return page.button[0].click().run()


def test_a_known_key_opens_the_first_page_and_stays_out_of_sight(gateway: FakeGateway) -> None:
    page = logged_in(gateway)
    assert page.header[0].value == "Grade"
    assert gateway.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert not page.exception
    assert all(KEY not in str(element.proto) for element in page.main)
    assert not page.query_params


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (401, "invalid_api_key", "does not know this key"),
        (403, "forbidden", "metrics only"),
        (503, "overloaded", "is busy"),
    ],
)
def test_another_key_stays_outside(gateway: FakeGateway, status: int, code: str, told: str) -> None:
    gateway.answers["GET", "/v1/models"] = status, refusal(code, "No.")
    page = door()
    page.text_input[0].set_value("x")
    page.button[0].click().run()
    assert told in page.error[0].value
    assert "key" not in page.session_state


def test_what_can_be_no_key_is_not_even_sent(gateway: FakeGateway) -> None:
    for typed in ("", "ключ", "a\nb"):
        page = door()
        page.text_input[0].set_value(typed)
        page.button[0].click().run()
        assert "does not know" in page.error[0].value
    assert not gateway.asked


def test_a_gateway_that_is_down_says_so_at_the_door(gateway: FakeGateway) -> None:
    gateway.answers["GET", "/v1/models"] = 502, b"<html>"
    page = door()
    page.text_input[0].set_value("x")
    page.button[0].click().run()
    assert "does not answer" in page.error[0].value


def test_logging_out_forgets_the_key_and_all_that_was_typed(gateway: FakeGateway) -> None:
    page = logged_in(gateway)
    page.text_area[0].set_value("a student's words").run()
    page.segmented_control(key="keep.language").set_value("ru").run()
    next(one for one in page.button if one.label == "Выйти").click().run()
    assert page.session_state["keep.language"] == "ru"
    assert "keep.grade.submission" not in page.session_state
    assert "key" not in page.session_state
    assert page.text_input[0].label == "Ключ API"


def test_another_language_keeps_what_was_typed_and_chosen(gateway: FakeGateway) -> None:
    page = logged_in(gateway)
    page.text_area[0].set_value("words")
    page.selectbox(key="keep.grade.language.text").select("ru").run()
    page.segmented_control(key="keep.language").set_value("ru").run()
    assert page.header[0].value == "Оценить"
    assert page.text_area[0].value == "words"
    assert page.selectbox(key="keep.grade.language.text").value == "ru"


def test_a_page_that_fails_shows_no_word_of_the_failure_and_logs_its_place(
    gateway: FakeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    page = logged_in(gateway, {"data": [{"output": "grade", "name": "Anna Kareva"}]})
    assert "This page failed" in page.error[0].value
    assert not page.exception
    assert "KeyError" in caplog.text
    assert "Kareva" not in caplog.text


def test_nothing_but_the_client_speaks_over_a_network() -> None:
    found: dict[str, set[str]] = {}
    for file in sorted((ROOT / "ui").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if spoken := [one for one in names if one.split(".")[0] in NETWORK or one == "urllib.request"]:
                found.setdefault(file.relative_to(ROOT).as_posix(), set()).update(spoken)
    assert found == {"ui/client.py": {"http.cookiejar", "httpx"}}


def test_no_folder_of_pages_lies_beside_what_streamlit_runs() -> None:
    """It would run each file there by itself, at the file's address and without login."""
    assert not (APP.parent / "pages").exists()


@pytest.mark.parametrize(("name", "value"), [("GATEWAY_URL", "gateway:38300"), ("UI_PORT", "many")])
def test_a_wrong_setting_is_one_sentence_that_names_it(name: str, value: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "ui"],
        cwd=ROOT,
        env={**os.environ, name: value},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"setting {name} must")
    assert ran.stderr.count("\n") == 1


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the dashboard of a gateway with nothing in it listens."""
    with served() as gateway:
        gateway.answers["GET", "/v1/models"] = gateway.answers["GET", "/v1/rubrics"] = 200, {"data": []}
        with dashboard(gateway.url, tmp_path_factory.mktemp("ui") / "log") as place:
            yield place


def test_the_dashboard_starts_and_serves_on_loopback(place: str) -> None:
    assert place.startswith("127.0.0.1:")
    assert b"<title>" in read(f"http://{place}/review")


@pytest.mark.parametrize("page", ["", "grade", "review", "status"])
def test_each_page_has_an_address_that_works_before_and_after_the_login(place: str, page: str) -> None:
    with opened(place, page) as tab:
        told = [*tab.began, *tab.log_in(KEY), *tab.run()]
    assert not [one for one in told if one.WhichOneof("type") == "page_not_found"]


def test_another_address_is_none(place: str) -> None:
    with opened(place, "nowhere") as tab:
        assert [one for one in tab.began if one.WhichOneof("type") == "page_not_found"]


def test_what_is_kept_is_so_by_each_widget() -> None:
    """Streamlit forgets the value of any other when its page is left."""
    inputs = {
        "checkbox", "multiselect", "number_input", "pills", "radio", "segmented_control", "selectbox",
        "slider", "text_area", "text_input", "toggle",
    }  # fmt: skip
    found, forgotten = 0, []
    for file in sorted((ROOT / "ui").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            said = {one.arg: ast.unparse(one.value) for one in node.keywords}
            if node.func.attr not in inputs or "key" not in said:
                continue
            kept = not said["key"].startswith("'") or said["key"].startswith("'keep.")
            found += kept
            if kept and said.get("persist_state") != "'session'":
                forgotten.append(f"{file.name}:{node.lineno}")
    assert found > 20
    assert forgotten == []
