"""The dashboard in a real Chromium over the real stack, with a worker and Evidently's own service.

The folder's name comes before its neighbours': the last of them stop the model server and the gateway.
"""

import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.e2e.conftest import API_KEY, ROOT, Stack, end, free_port
from tests.e2e.dashboard.tab import Tab

# Streamlit closes its menu after a choice where this is what asks.
_PHONE = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 "
    "Mobile Safari/537.36"
)
_PHONE_PX = 640
_TABS = pytest.StashKey[list[Tab]]()
PATIENCE_S = 240.0  # two busy cores
# No sandbox: CI's users may not make one. The rest keeps Chromium from asking its maker anything.
_FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
          "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage")  # fmt: skip


@dataclass(frozen=True)
class House:
    """What serves the dashboard."""

    url: str
    stack: Stack
    evidently: str


@contextmanager
def running(
    folder: Path, environment: str, module: str, *arguments: str, **settings: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """A process of ours in its own environment, which is ended with all that it began."""
    with (folder / f"{module}{len(list(folder.glob('*.log')))}.log").open("wb") as log:
        process = subprocess.Popen(
            [ROOT / environment / "bin/python", "-m", module, *arguments], cwd=ROOT,
            env={**os.environ, "DO_NOT_TRACK": "1", **settings}, stdout=log, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        end(process)


@contextmanager
def dashboard(folder: Path, gateway_url: str) -> Iterator[str]:
    """The dashboard of a gateway; yields its address."""
    port = free_port()
    with running(folder, ".venv-ui", "ui", GATEWAY_URL=gateway_url, UI_PORT=str(port)):
        url = f"http://127.0.0.1:{port}"
        until(lambda: answers(f"{url}/_stcore/health"), "the dashboard")
        yield url


@pytest.fixture(scope="package")
def house(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    port = free_port()
    evidently = f"http://127.0.0.1:{port}"
    workers = {
        **stack.settings,
        "TRAINING_DIR": str(folder / "scratch"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        "MLFLOW_ARTIFACTS": str(folder / "mlruns"),
        "DRIFT_EVERY_S": "0",
        "EVIDENTLY_URL": evidently,
    }
    shown = ("ui", "--workspace", str(folder / "evidently"), "--host", "127.0.0.1", "--port", str(port))
    with ExitStack() as processes:
        processes.enter_context(running(folder, ".venv-worker", "evidently.cli", *shown))
        processes.enter_context(running(folder, ".venv-worker", "gateway", "worker", **workers))
        url = processes.enter_context(dashboard(folder, stack.url))
        yield House(url, stack, evidently)


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        told = "no Chromium here: install Debian's package `chromium`, or name one in CHROMIUM"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(told)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(_FLAGS))
        yield browser
        browser.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A walk that failed leaves a picture of where it stood."""
    report = yield
    if report.when == "call" and report.failed:
        for tab in item.stash.get(_TABS, []):
            tab.picture(f"failed_{item.name}", still=False)
    return report


@pytest.fixture
def open_tab(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[..., Tab]]:
    """Opens an address in a browser that has no past. In the end each tab must have kept the rules."""
    with ExitStack() as contexts:
        tabs: list[Tab] = []
        request.node.stash[_TABS] = tabs

        def opened(url: str, *, width: int = 1280, key: str = API_KEY, language: str = "en-US") -> Tab:
            phone = width < _PHONE_PX
            context = chromium.new_context(
                viewport={"width": width, "height": 900}, locale=language, timezone_id="Europe/Berlin",
                has_touch=phone, user_agent=_PHONE if phone else None,
            )  # fmt: skip
            contexts.callback(context.close)
            tabs.append(Tab(context.new_page(), url))
            tabs[-1].log_in(key)
            if key == API_KEY:
                tabs[-1].stands_on("Grade" if language.startswith("en") else "Оценить")
            return tabs[-1]

        yield opened
        for tab in tabs:
            tab.check()


def answers(url: str, key: str = "") -> bool:
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {key}"} if key else {})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not come within {PATIENCE_S:.0f} s")
        time.sleep(0.1)
