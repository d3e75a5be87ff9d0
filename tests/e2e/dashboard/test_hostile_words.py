"""Words that are made to be markup, in everything that a gateway may tell of students, models and rubrics: in
a real Chromium nothing of them runs, and nobody's address is asked. A stand-in for the gateway tells them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.dashboard.conftest import dashboard
from tests.e2e.dashboard.tab import Tab
from tests.ui.fake_gateway import FakeGateway, served

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

Open = Callable[..., Tab]

# Each would set window.hurt, or ask an address that is nobody's (RFC 6761).
_EACH = (
    "<script>window.hurt=1</script>",
    '"><img src="http://beacon.invalid/a" onerror="window.hurt=2">',
    "<svg/onload=window.hurt=3>",
    "</div></textarea></iframe><iframe srcdoc='<script>top.hurt=4</script>'></iframe>",
    "[link](javascript:window.hurt=5)",
    "![beacon](http://beacon.invalid/b)",
    "<a href='data:text/html,<script>opener.hurt=6</script>'>x</a>",
    "http://beacon.invalid/c",
    "<style>@import 'http://beacon.invalid/d';</style>",
    "<link rel=stylesheet href=http://beacon.invalid/e>",
    "<meta http-equiv=refresh content='0;url=http://beacon.invalid/f'>",
    "$\\href{javascript:window.hurt=7}{x}$ $$\\includegraphics{http://beacon.invalid/g}$$",
    ":material/error: :red[red] :shortcode: {{7*7}} ${7*7} %s {0}",
    '=HYPERLINK("http://beacon.invalid/h")',
    "\u202egnp.exe\u2066 \u200b\ufeff",
)
WORDS = " ".join(_EACH)
CRITERION = {"id": WORDS, "points": 7.5, "max_points": 10.0, "evidence": WORDS, "comment": WORDS}
GRADE: dict[str, Any] = {
    "id": "grade_a",
    "score": 7.5,
    "max_score": 10.0,
    "comments": WORDS,
    "details": {"criteria": [CRITERION]},
    "grader": WORDS,
    "version": WORDS,
    "versions": {"model": WORDS, "prompt": WORDS, "rubric": WORDS, "contract": "v1.1"},
    "confidence": 0.2,
    "needs_review": True,
    "review_reasons": ["low_confidence", WORDS],
    "partial": False,
    "label": WORDS,
    "usage": {"prompt_tokens": 5, "completion_tokens": 3},
    "cached": False,
    "task_type": "text",
    "correction": None,
}
AUDIT = {"submission": WORDS, "question": WORDS, "reference_answers": [WORDS], "language": None, "calls": []}
MASKED = {
    "masked": WORDS,
    "entities": [
        {
            "type": WORDS,
            "start": 0,
            "end": 8,
            "score": 1.0,
            "recogniser": WORDS,
            "placeholder": "<PERSON_1_ab3de>",
        }
    ],
}


@pytest.fixture
def told() -> Iterator[FakeGateway]:
    with served() as gateway:
        models = [{"id": WORDS, "output": "text"}, {"id": "grader-llm", "output": "grade"}]
        gateway.answers |= {
            ("GET", "/v1/models"): (200, {"data": [*models, {"id": "grader-auto", "output": "grade"}]}),
            ("GET", "/v1/rubrics"): (200, {"data": [{"id": WORDS}, {"id": "essay@1.0.0"}]}),
            ("POST", "/v1/mask"): (200, MASKED),
            ("POST", "/v1/models/grader-auto:predict"): (200, GRADE),
            ("GET", "/v1/reviews"): (200, {"data": [GRADE], "after": None}),
            ("GET", "/v1/grades/grade_a"): (200, {**GRADE, "audit": AUDIT}),
        }
        yield gateway


def test_words_that_are_markup_stay_words(told: FakeGateway, open_tab: Open, tmp_path: Path) -> None:
    with dashboard(tmp_path, told.url) as url:
        tab = open_tab(url)
        tab.type_in("Submission", WORDS)
        tab.type_in("Question", WORDS)
        tab.press("Grade")
        tab.page.get_by_test_id("stMetricValue").first.wait_for()
        _is_harmless(tab)
        tab.page.get_by_role("tab", name="What is masked").click()
        _is_harmless(tab)
        tab.page.get_by_role("tab", name="As a request").click()
        _is_harmless(tab)
        tab.visit("Review")
        tab.page.locator(".passage").first.wait_for()
        _is_harmless(tab)
        # What a gateway refuses may be quoted too.
        told.answers["POST", "/v1/models/grader-auto:predict"] = (
            400,
            {"code": WORDS, "message": WORDS, "details": [{"field": WORDS}], "trace_id": WORDS},
        )
        tab.visit("Grade")
        tab.press("Grade")
        tab.page.get_by_test_id("stAlert").first.wait_for()
        _is_harmless(tab)


def _is_harmless(tab: Tab) -> None:
    tab.still()
    page = tab.page
    assert page.evaluate("window.hurt") is None
    tags = "script[src*=beacon], img[src*=beacon], [onerror], [onload], iframe[srcdoc], [href*='beacon']"
    assert page.locator(tags).count() == 0
    assert page.locator("a[href^='javascript:' i], a[href^='data:' i]").count() == 0
    assert page.get_by_text("window.hurt=1").count() > 0  # it is there, as words
