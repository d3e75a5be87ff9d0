"""What every page shares: who asks, and what is shown while the gateway is asked, refuses or is down."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from ui.client import Gateway, GatewayDown, Refused
from ui.settings import Settings, read_settings
from ui.words import REFUSALS, language, t

KEY = "key"  # of the session, where the user's API key lies
NOTICE = "notice"  # told once, on the login page
_UNAUTHENTICATED, _FORBIDDEN = 401, 403
_SPOKEN = "spoken"  # of the session: the last run's language
_AGAIN = "again"  # of the session: how many buttons of that kind there were, for each needs a name of its own
# Where what comes next would make a link of it: https://github.github.com/gfm/#autolinks-extension-
_ADDRESS = re.compile(r"https?:(?=//)|www(?=\.)|\S(?=@)", re.IGNORECASE)
_WORD_JOINER = "\u2060"

T = TypeVar("T")


@st.cache_resource(show_spinner=False)
def settings() -> Settings:
    return read_settings()


def gateway() -> Gateway:
    """The gateway for whoever is logged in."""
    said = settings()
    return Gateway(said.gateway_url, st.session_state.get(KEY, ""), said.timeout_s)


def keep_choices() -> None:
    """Before a page is drawn. What was typed or chosen under a key that begins with `keep.` outlives a visit
    to another page, for each such widget says `persist_state="session"`. In another language they are set
    anew, since else a choice would keep its words; only then, for it would overwrite what is being typed."""
    if st.session_state.get(_SPOKEN, language()) != language():
        for name in list(st.session_state):
            if str(name).startswith("keep."):
                st.session_state[name] = st.session_state[name]
    st.session_state[_SPOKEN] = language()


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
    _forget_files()
    for name in list(st.session_state):
        if name != "keep.language":
            del st.session_state[name]
    st.rerun()


def _key_gone() -> None:
    """A key that ran out in the middle of work: what was typed waits for the next one, answers do not."""
    _forget_files()
    for name in list(st.session_state):
        if not str(name).startswith("keep."):
            del st.session_state[name]
    st.session_state[NOTICE] = "key_gone"
    st.rerun()


def _forget_files() -> None:
    """Streamlit keeps them until the tab is closed."""
    run = get_script_run_ctx()
    if run is not None:
        run.uploaded_file_mgr.remove_session_files(run.session_id)


def empty(words: str, *, icon: str = ":material/inbox:") -> None:
    """There is nothing yet, and what makes there be something."""
    st.info(words, icon=icon)


def plain(text: str) -> str:
    """For widgets that render Markdown. The gateway's words may quote a caller's own: none of theirs is
    rendered, neither a mark nor an address that would become a link. Addresses are looked for after the
    backslashes are gone, so they are broken by a sign that nobody sees."""
    marks = "\\`*_{}[]()<>#+-=.!|~$:&@"
    words = _ADDRESS.sub(lambda found: f"{found[0]}{_WORD_JOINER}", " ".join(text.split()))
    return "".join(f"\\{char}" if char in marks else char for char in words)
