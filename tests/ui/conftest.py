"""A page of the dashboard over a stand-in for the gateway."""

from collections.abc import Callable, Iterator

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.ui.fake_gateway import KEY, FakeGateway, served

Page = Callable[..., AppTest]


def told(shown: AppTest) -> str:
    """Every word on the page."""
    plain = (shown.markdown, shown.caption, shown.error, shown.warning, shown.info, shown.toast)
    parts = [str(one.value) for kind in plain for one in kind]
    parts += [frame.value.to_string() for frame in shown.dataframe]
    parts += [one.proto.body for one in shown.get("html")]
    return "\n".join(parts)


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGateway]:
    with served() as made:
        monkeypatch.setenv("GATEWAY_URL", made.url)
        st.cache_resource.clear()
        yield made


@pytest.fixture
def page(gateway: FakeGateway) -> Page:
    """Draws one page, for somebody who is logged in: `page("grade")`."""

    def draw(name: str, language: str = "en", **state: object) -> AppTest:
        script = f"from ui import frame\nfrom ui.pages import {name}\nframe.keep_choices()\n{name}.page()\n"
        drawn = AppTest.from_string(script, default_timeout=20)
        drawn.session_state["key"] = KEY
        drawn.session_state["keep.language"] = language
        for key, value in state.items():
            drawn.session_state[key] = value
        return drawn.run()

    return draw
