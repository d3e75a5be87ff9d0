"""What every page shares: who asks, and what is shown while the gateway is asked, refuses or is down."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import streamlit as st
from streamlit.errors import StreamlitAPIException

from ui.client import Gateway, GatewayDown, Refused
from ui.settings import Settings, read_settings
from ui.words import REFUSALS, t

KEY = "key"  # of the session, where the user's API key lies
NOTICE = "notice"  # told once, on the login page
_UNAUTHENTICATED, _FORBIDDEN = 401, 403
_SHOWN = "shown"  # of the session: the keys of the widgets that the last run drew
_AGAIN = "again"  # of the session: how many buttons of that kind there were, for each needs a name of its own

T = TypeVar("T")


@st.cache_resource(show_spinner=False)
def settings() -> Settings:
    return read_settings()


def gateway() -> Gateway:
    """The gateway for whoever is logged in."""
    said = settings()
    return Gateway(said.gateway_url, st.session_state.get(KEY, ""), said.timeout_s)


@contextmanager
def keeping_choices() -> Iterator[None]:
    """Around a run: what was typed or chosen under a key that begins with `keep.` outlives a visit to another
    page, for Streamlit forgets widgets that a run did not show. Those that it did show are left alone: a value
    that is set here would overwrite what is being typed there while the run is on its way."""
    shown = st.session_state.get(_SHOWN, frozenset())
    for name in _kept():
        if name not in shown:
            st.session_state[name] = st.session_state[name]
    try:
        yield
    finally:
        st.session_state[_SHOWN] = frozenset(filter(_is_shown, _kept()))


def _kept() -> list[str]:
    return [str(name) for name in st.session_state if str(name).startswith("keep.")]


def _is_shown(name: str) -> bool:
    """Streamlit lets nobody set a widget's value once the widget is drawn. One that is not drawn has it set
    to what it was, and so is not forgotten."""
    try:
        st.session_state[name] = st.session_state[name]
    except StreamlitAPIException:
        return True
    return False


@contextmanager
def asking() -> Iterator[None]:
    """Around requests that the rest of the page needs: shows that it waits; what goes wrong is shown, and the
    page ends there."""
    try:
        with st.spinner(t("loading")):
            yield
    except (GatewayDown, Refused) as error:
        show(error)
        st.stop()


def asked(request: Callable[[], T]) -> T | None:
    """The answer to one request that the page can do without; what goes wrong is shown in its place."""
    try:
        with st.spinner(t("loading")):
            return request()
    except (GatewayDown, Refused) as error:
        show(error)
        return None


def show(error: GatewayDown | Refused) -> None:
    """What went wrong, in words, and what can be done."""
    if isinstance(error, GatewayDown):
        st.error(f"**{t('down')}** {t('down_help')}", icon=":material/cloud_off:")
        st.session_state[_AGAIN] = count = st.session_state.get(_AGAIN, 0) + 1
        st.button(t("again"), key=f"{_AGAIN}.{count}", icon=":material/refresh:")
    elif error.status == _UNAUTHENTICATED:
        _key_gone()
    elif error.status == _FORBIDDEN:
        st.warning(t("forbidden"), icon=":material/lock:")
    else:
        what = t(error.code, REFUSALS) if error.code in REFUSALS else t("refused")
        where = f" ({plain(error.param)})" if error.param else ""
        wait = (
            f" {t('wait', seconds=max(1.0, error.retry_after_s))}" if error.retry_after_s is not None else ""
        )
        told = f"**{what}**{where}: {plain(error.message)}{wait}"
        if wait:
            st.warning(told, icon=":material/hourglass_top:")
        else:
            st.error(told, icon=":material/error:")


def log_out() -> None:
    """Forgets the key and everything of the session but the language."""
    for name in list(st.session_state):
        if name != "keep.language":
            del st.session_state[name]
    st.rerun()


def _key_gone() -> None:
    """A key that ran out in the middle of work: what was typed waits for the next one, answers do not."""
    for name in list(st.session_state):
        if not str(name).startswith("keep."):
            del st.session_state[name]
    st.session_state[NOTICE] = "key_gone"
    st.rerun()


def empty(words: str, *, icon: str = ":material/inbox:") -> None:
    """There is nothing yet, and what makes there be something."""
    st.info(words, icon=icon)


def plain(text: str) -> str:
    """For widgets that render Markdown. The gateway's words may quote a caller's own: none of theirs is
    rendered, neither a mark nor an address that would become a link."""
    marks = "\\`*_{}[]()<>#+-=.!|~$:&@"
    return "".join(f"\\{char}" if char in marks else char for char in " ".join(text.split()))
