"""One tab of a browser, as somebody uses it: by labels and words, waiting for what they wait for."""

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Locator, Page, Request, expect

from tests.e2e.conftest import API_KEY, ROOT

PATIENCE_MS = 240_000  # of an answer: two busy cores
# Streamlit's page scrolls in here; the document itself never does.
_MAIN = "document.querySelector('[data-testid=stMain]')"


class Tab:
    """What the page asked, said and stored is checked at the end."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self._host = urlsplit(url).netloc
        self._asked: list[str] = []
        self._complaints: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("request", self._request)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self._complaints.append(str(error)))
        page.goto(url)

    def log_in(self, key: str) -> None:
        field = self.page.get_by_label("API key", exact=True).or_(
            self.page.get_by_label("Ключ API", exact=True)
        )
        field.fill(key)
        field.press("Enter")

    def visit(self, name: str) -> None:
        """By the menu, as a click keeps the session; on a narrow screen it is behind a button."""
        behind = self.page.get_by_test_id("stExpandSidebarButton")
        if narrow := behind.is_visible():
            behind.click()
        self.page.get_by_role("link", name=name, exact=True).click()
        self.stands_on(name)
        if narrow:
            behind.wait_for()  # the menu goes away by itself

    def stands_on(self, name: str) -> None:
        """Until the page of that name is drawn."""
        expect(self.page.get_by_role("heading", name=name, exact=True)).to_be_visible(timeout=PATIENCE_MS)
        self.still()

    def still(self) -> None:
        """Until the script of the page has ended."""
        self.page.locator("[data-test-script-state=notRunning]").wait_for()
        expect(self.page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=PATIENCE_MS)

    def type_in(self, label: str, text: str) -> None:
        """As typed and left: Streamlit takes a text when its field is left."""
        field = self.page.get_by_label(label, exact=True)
        field.fill(text)
        field.blur()
        self.still()

    def choose(self, label: str, option: str) -> None:
        self.page.get_by_role("combobox", name=label).click()
        self.page.get_by_role("option", name=option, exact=True).click()
        self.still()

    def upload(self, file: Path) -> None:
        zone = self.page.get_by_test_id("stFileUploaderDropzone").filter(visible=True)
        expect(zone).to_be_visible(timeout=PATIENCE_MS)
        self.still()
        with self.page.expect_file_chooser() as chooser:
            zone.locator("button").first.click()
        chooser.value.set_files(file)
        self.sees(file.name)

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=re.compile(rf"(^|\s){re.escape(name)}$")).click()

    def sees(self, words: str) -> Locator:
        """The words stand on the page, or come."""
        found = self.page.get_by_text(words).filter(visible=True).first
        expect(found).to_be_visible(timeout=PATIENCE_MS)
        return found

    def sees_no(self, words: str) -> None:
        """Not, or no longer."""
        expect(self.page.get_by_text(words)).to_have_count(0, timeout=PATIENCE_MS)

    def picture(self, name: str, *, still: bool = True) -> Path:
        folder = Path(os.environ.get("SCREENSHOTS") or ROOT / "state/screenshots")
        folder.mkdir(parents=True, exist_ok=True)
        if still:
            self.still()
        size = self.page.viewport_size or {"width": 1280, "height": 900}
        tall = self.page.evaluate(f"{_MAIN}.scrollHeight")
        self.page.set_viewport_size({"width": size["width"], "height": max(size["height"], tall)})
        path = folder / f"{name}.png"
        self.page.screenshot(path=path, animations="disabled")
        self.page.set_viewport_size(size)
        return path

    def overflow(self) -> int:
        """By how many pixels the page is wider than the screen."""
        return int(
            self.page.evaluate(
                "Math.max(document.documentElement.scrollWidth - window.innerWidth, "
                f"{_MAIN}.scrollWidth - {_MAIN}.clientWidth)"
            )
        )

    def check(self) -> None:
        assert self._complaints == []
        assert [url for url in self._asked if urlsplit(url).netloc != self._host] == []
        assert [url for url in [*self._asked, self.page.url] if API_KEY in url] == []
        kept = self.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
        assert API_KEY not in kept

    def _request(self, request: Request) -> None:
        if not request.url.startswith(("data:", "blob:", "about:")):
            self._asked.append(request.url)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._complaints.append(message.text)
