"""The comparison as a page: one file, everything escaped, nothing fetched."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

from gateway.golden.cases import load
from gateway.golden.comparison import compare
from gateway.golden.report import html, table
from gateway.golden.runs import Run
from tests.gateway.golden import pseudo
from tests.gateway.golden.pseudo import SET, pseudo_run

CASES = load(SET)
HOSTILE = "</pre><script>alert(1)</script><img src=x onerror=alert(2)> & \"'{{ 7 * 7 }}"


class Tags(HTMLParser):
    """The tags and attributes of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def page(cases: Any, a: Run, b: Run) -> str:
    return html(cases, a, b, compare(cases, a, b, resamples=50), 0.02)


def test_the_page_escapes_whatever_it_is_given() -> None:
    case = replace(
        CASES[0],
        id=f"{HOSTILE}/{HOSTILE}",
        request={**CASES[0].request, "submission": HOSTILE, "question": HOSTILE},
        why=HOSTILE,
    )
    cases = (case, *CASES[1:])
    good, bad = pseudo_run(cases, 1), pseudo_run(cases, 2, lambda *_: "timeout")
    hostile = replace(
        bad, grader=HOSTILE, gateway=HOSTILE, versions={"model": [HOSTILE], "prompt": [HOSTILE]}
    )
    outcomes = [replace(one, error=HOSTILE) for one in hostile.outcomes]
    written = page(cases, good, replace(hostile, outcomes=outcomes))
    found = Tags(written)
    assert "script" not in found.tags
    assert "img" not in found.tags
    assert not {"onerror", "src"} & set(found.attributes)
    assert HOSTILE in found.text
    assert "49" not in re.findall(r"'(\d+)", found.text)


def test_the_page_needs_nothing_from_anywhere() -> None:
    written = page(CASES, pseudo_run(CASES, 1), pseudo_run(CASES, 2, pseudo.stern))
    # What a browser would load by itself; addresses in the cases' own texts are only text.
    assert not {"link", "script", "img", "iframe", "base"} & set(Tags(written).tags)
    assert not {"src", "href", "style"} & set(Tags(written).attributes)
    assert "url(" not in written.split("</style>")[0]
    assert "@import" not in written
    assert "default-src 'none'" in written
    assert 'name="viewport"' in written
    assert "prefers-color-scheme: dark" in written


def test_the_page_and_the_table_say_what_was_decided() -> None:
    good, bad = pseudo_run(CASES, 1), pseudo_run(CASES, 2, pseudo.gullible)
    comparison = compare(CASES, good, bad, resamples=200)
    text, written = table(comparison), Tags(html(CASES, good, bad, comparison, 0.02)).text
    for reason in comparison.regressions:
        assert reason in text
        assert reason in written
    assert "newly over-scored: home-nat/the-dean-demands" in text
    assert "home-nat/the-dean-demands" in written
    assert table(compare(CASES, good, good, resamples=50)).endswith("no worse\n")
    assert "None." in page(CASES, good, good), "no case changed"


def test_runs_without_a_common_mark_have_a_page_too() -> None:
    nothing = pseudo_run(CASES[:3], 1, lambda *_: "timeout")
    assert "no worse" in page(CASES[:3], nothing, nothing)
    assert "no worse" in table(compare(CASES[:3], nothing, nothing, resamples=5))
