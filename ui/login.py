"""The login page: a key that the gateway knows. It is kept in the session's memory, never in an address."""

import streamlit as st

from ui.client import Gateway, GatewayDown, Refused
from ui.frame import KEY, NOTICE, settings, show
from ui.words import choose_language, t

_UNAUTHENTICATED, _FORBIDDEN = 401, 403


def page() -> None:
    _, middle, _ = st.columns([1, 2, 1])
    with middle:
        st.title(t("title"))
        choose_language()
        if notice := st.session_state.pop(NOTICE, None):
            st.info(t(notice))
        with st.form("login", border=True):
            key = st.text_input(t("key"), type="password", help=t("key_help"), autocomplete="off")
            sent = st.form_submit_button(t("log_in"), type="primary", width="stretch")
        if sent:
            _try(key.strip())


def _try(key: str) -> None:
    said = settings()
    try:
        if not key.isascii() or not key.isprintable() or not key:
            st.error(t("wrong_key"))
            return
        Gateway(said.gateway_url, key, said.timeout_s).get("/v1/models")
    except Refused as error:
        if error.status == _UNAUTHENTICATED:
            st.error(t("wrong_key"))
        elif error.status == _FORBIDDEN:
            st.error(t("no_entry"))
        else:
            show(error)
        return
    except GatewayDown as error:
        show(error)
        return
    st.session_state[KEY] = key
    st.rerun()
