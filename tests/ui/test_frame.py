"""What every page shares: refusals and outages in words, what outlives them, the key that ran out."""

import re

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui.fake_gateway import KEY, FakeGateway, refusal
from ui.frame import plain

TWO_PARTS = """
import streamlit as st
from ui import frame
frame.keep_choices()
for path in ("/v1/a", "/v1/b"):
    frame.asked(lambda: frame.gateway().get(path))
st.text_input("Name", key="keep.test.name", persist_state="session")
with frame.asking():
    found = frame.gateway().get("/v1/c")
st.text(found["said"])
"""
TWO_PAGES = """
import streamlit as st
from ui import frame
frame.keep_choices()
if st.session_state.get("page", "one") == "one":
    st.text_input("Name", key="keep.test.name", persist_state="session")
    st.text_input("Place", key="keep.test.place", persist_state="session")
"""


def drawn(language: str = "en") -> AppTest:
    page = AppTest.from_string(TWO_PARTS, default_timeout=20)
    page.session_state["key"] = KEY
    page.session_state["keep.language"] = language
    return page.run()


def test_what_a_page_can_do_without_leaves_the_rest(gateway: FakeGateway) -> None:
    gateway.answers["GET", "/v1/a"] = (
        503,
        refusal("store_unavailable", "The store is down."),
        {"retry-after": "3"},
    )
    gateway.answers["GET", "/v1/b"] = 409, refusal("conflict", "Used *already*.", "name")
    gateway.answers["GET", "/v1/c"] = 200, {"said": "hello"}
    page = drawn()
    assert [one.value for one in page.warning] == [
        "**The store does not answer**: The store is down\\. Try again in 3 s."
    ]
    assert [one.value for one in page.error] == [
        "**This does not fit what is there** (name): Used \\*already\\*\\."
    ]
    assert page.text[0].value == "hello"
    assert not page.exception


def test_a_gateway_that_is_down_is_told_for_each_part_and_asked_again(
    gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    up = gateway.url
    gateway.answers["GET", "/v1/c"] = gateway.answers["GET", "/v1/a"] = gateway.answers["GET", "/v1/b"] = (
        502,
        b"<html>",
    )
    page = drawn()
    assert len(page.error) == 3  # a button of each has a name of its own
    assert not page.exception
    page.text_input[0].set_value("typed").run()
    gateway.answers["GET", "/v1/a"] = gateway.answers["GET", "/v1/b"] = 200, {}
    gateway.answers["GET", "/v1/c"] = 200, {"said": "back"}
    page.button[0].click().run()
    assert gateway.url == up
    assert (page.text[0].value, page.text_input[0].value) == ("back", "typed")
    assert not page.error


def test_refusals_speak_the_users_language_and_forbidden_says_what_is_needed(gateway: FakeGateway) -> None:
    gateway.answers["GET", "/v1/a"] = 403, refusal("forbidden", "No.")
    gateway.answers["GET", "/v1/b"] = 429, refusal("rate_limited", "Spent."), {"retry-after": "0.2"}
    page = drawn("ru")
    assert "trainer" in page.warning[0].value
    assert page.warning[1].value == "**Слишком много запросов с этим ключом**: Spent\\. Повторите через 1 с."


def test_a_key_that_ran_out_leaves_what_was_typed_and_nothing_else(gateway: FakeGateway) -> None:
    gateway.answers["GET", "/v1/c"] = 200, {"said": "hello"}
    page = drawn()
    page.text_input[0].set_value("typed").run()
    page.session_state["grade.result"] = {"grade": "of a student"}
    gateway.all_refuse(401, "unauthenticated")
    page.run()
    assert page.session_state["keep.test.name"] == "typed"
    assert page.session_state["notice"] == "key_gone"
    assert "key" not in page.session_state
    assert "grade.result" not in page.session_state


def test_what_was_typed_is_back_after_other_pages(gateway: FakeGateway) -> None:
    page = AppTest.from_string(TWO_PAGES, default_timeout=20).run()
    page.text_input(key="keep.test.name").set_value("typed").run()
    page.session_state["page"] = "two"
    page.run().run()
    page.session_state["page"] = "one"
    page.run()
    back = page.text_input(key="keep.test.name")
    assert back.value == "typed"
    assert back.proto.set_value  # a field that is drawn anew is told what stands in it
    assert page.run().text_input(key="keep.test.name").value == "typed"


def test_what_was_forgotten_on_purpose_does_not_come_back(gateway: FakeGateway) -> None:
    page = AppTest.from_string(TWO_PAGES, default_timeout=20).run()
    page.text_input(key="keep.test.name").set_value("typed").run()
    page.session_state["page"] = "two"
    page.run()
    del page.session_state["keep.test.name"]
    page.run()
    page.session_state["page"] = "one"
    assert page.run().text_input(key="keep.test.name").value == ""


def test_a_run_that_is_on_its_way_overwrites_nothing_that_is_being_typed(gateway: FakeGateway) -> None:
    page = AppTest.from_string(TWO_PAGES, default_timeout=20).run()
    page.text_input(key="keep.test.name").set_value("typed").run()
    assert page.text_input(key="keep.test.name").value == "typed"
    assert not page.text_input(key="keep.test.place").proto.set_value


@pytest.mark.parametrize(
    "hostile",
    [
        "**b** _i_ `c` ~~s~~",
        "[x](javascript:alert(1))",
        "<script>",
        ":red[x] :smile: $a$",
        "www.a.example a@b.example",
        "(http://a.example/b HTTPS://a.example)",
    ],
)
def test_plain_words_render_as_they_are(hostile: str) -> None:
    shown = plain(hostile)
    assert shown.replace("\\", "").replace("\u2060", "") == hostile
    # Markdown looks for addresses in what is left when the backslashes are gone.
    assert not re.search(r"(?i)https?://|www\.|[-.\w+]@", shown.replace("\\", ""))
    for mark in "*_`~[]()<>:$.@":
        assert shown.count(mark) == shown.count(f"\\{mark}")


def test_plain_words_stay_on_one_line() -> None:
    assert plain("a\n# b\n\n===") == "a \\# b \\=\\=\\="
