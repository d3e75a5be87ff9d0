"""A row of facts: small names over values, that wraps where the screen is narrow."""

import html
from collections.abc import Mapping

import streamlit as st

_ROW = "display:flex;flex-wrap:wrap;gap:.4rem 2rem;margin:.1rem 0 .4rem"
_NAME = "font-size:.8rem;opacity:.65"
_VALUE = "font-size:1.05rem;font-weight:600;overflow-wrap:anywhere"


def facts(told: Mapping[str, str]) -> None:
    """Names and values are shown as they are."""
    st.html(facts_html(told))


def facts_html(told: Mapping[str, str]) -> str:
    cells = (
        f'<div><div style="{_NAME}">{html.escape(name)}</div>'
        f'<div style="{_VALUE}">{html.escape(value)}</div></div>'
        for name, value in told.items()
    )
    return f'<div style="{_ROW}">{"".join(cells)}</div>'
