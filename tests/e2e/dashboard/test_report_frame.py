"""A report's page in the frame that the dashboard puts it in: it draws, and reaches nobody."""

import html
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, expect

from ui.markup import sandboxed

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

# What Streamlit 1.67 grants the frame of an `st.iframe`, which is around ours.
_GRANTED = (
    "allow-forms allow-modals allow-popups allow-popups-to-escape-sandbox allow-same-origin allow-scripts "
    "allow-downloads"
)
_HOSTILE = """<!doctype html><p id="drawn"></p><p id="tried"></p><a id="go" href="{url}/click">x</a><script>
document.getElementById("drawn").textContent = "scripts run";
const tried = () => document.getElementById("tried").textContent += "|";
fetch("{url}/fetch", {{mode: "no-cors"}}).then(tried, tried);
const image = new Image(); image.onload = image.onerror = tried; image.src = "{url}/image";
for (const link of ["stylesheet", "prefetch"]) {{
  const one = document.createElement("link"); one.rel = link; one.href = "{url}/" + link;
  one.onload = one.onerror = tried; document.head.append(one);
}}
navigator.sendBeacon("{url}/beacon");
window.open("{url}/popup");
try {{ top.location = "{url}/top"; }} catch {{ tried(); }}
const frame = document.createElement("iframe"); frame.src = "{url}/frame"; document.body.append(frame);
</script>"""


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """Somebody else's address, and what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<p>Log in again</p>")

        do_POST = do_GET  # noqa: N815 - http.server's name

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "leave", ["location = '{url}/leave'", "document.getElementById('go').click()", "REFRESH"]
)
def test_a_report_draws_and_reaches_nobody(
    chromium: Browser, elsewhere: tuple[str, list[str]], leave: str
) -> None:
    url, asked = elsewhere
    page = chromium.new_page()
    refused: list[str] = []
    page.on("console", lambda told: refused.append(told.text))
    framed = html.escape(sandboxed(_HOSTILE.format(url=url), 300), quote=True)
    page.set_content(f'<iframe sandbox="{_GRANTED}" srcdoc="{framed}"></iframe>')
    report = page.frame_locator("iframe").frame_locator("iframe")
    expect(report.locator("#drawn")).to_have_text("scripts run", timeout=30_000)
    expect(report.locator("#tried")).to_have_text("|||||", timeout=30_000)
    if leave == "REFRESH":
        script = f"document.head.innerHTML += '<meta http-equiv=refresh content=\"0;url={url}/refresh\">'"
    else:
        script = leave.format(url=url)
    with page.expect_event("console", lambda told: "frame-src" in told.text or "default-src" in told.text):
        report.locator("#go").evaluate(f"() => {{ setTimeout(() => {{ {script} }}, 0) }}")
    page.close()
    assert asked == []
