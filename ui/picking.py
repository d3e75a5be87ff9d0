"""Choices that outlive a visit to another page, and stay among what there is to choose from."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import pandas as pd
import streamlit as st

from ui.words import language

T = TypeVar("T")


def choose(label: str, options: Sequence[T], key: str, **named: Any) -> T | None:
    """A select box. What was chosen and is no longer there gives way to the first of what is, or to nothing
    where `index=None`."""
    free = named.get("accept_new_options", False)
    if key in st.session_state and st.session_state[key] not in options and not free:
        del st.session_state[key]
    if key in st.session_state:
        st.session_state[key] = st.session_state[key]  # else the browser keeps the words that it had then
    chosen: T | None = st.selectbox(label, options, key=key, persist_state="session", **named)
    return chosen


def pick_rows(rows: pd.DataFrame, ids: Sequence[str], key: str, *, many: bool, **named: Any) -> list[str]:
    """A table whose rows can be picked; returns the ids of those that are. Streamlit knows rows by their
    places: a table of other rows is another widget here, which begins with what was picked in the last."""
    turn = st.session_state.get(f"{key}.turn", 0)
    name = f"{key}.{turn}.{zlib.crc32(' '.join(ids).encode()):08x}"
    picked = set(st.session_state.get(key, ()))
    begin = [place for place, one in enumerate(ids) if one in picked]
    shown: Any = st.dataframe(
        rows,
        key=name,
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row" if many else "single-row",
        selection_default={"selection": {"rows": begin}},
        **named,
    )
    picked_ids = [ids[place] for place in shown["selection"]["rows"] if place < len(ids)]
    st.session_state[key] = picked_ids
    return picked_ids


def pick(key: str, ids: Sequence[str]) -> None:
    """Picks rows of the table of that key when it is next drawn."""
    st.session_state[key] = list(ids)
    st.session_state[f"{key}.turn"] = st.session_state.get(f"{key}.turn", 0) + 1


def tabs(names: Mapping[str, str], key: str) -> list[Any]:
    """Tabs, what they are called by our own names. The open one stays so in the other language, and when the
    reader comes back: Streamlit knows it by its words alone."""
    spoken = f"{key}.{language()}"
    if spoken not in st.session_state and st.session_state.get(key) in names:
        st.session_state[spoken] = names[st.session_state[key]]
    made: list[Any] = st.tabs(list(names.values()), key=spoken, on_change="rerun")
    for name, tab in zip(names, made, strict=True):
        if tab.open:
            st.session_state[key] = name
    return made


def open_tab(names: Mapping[str, str], name: str, key: str) -> None:
    """Before they are drawn."""
    st.session_state[key] = name
    st.session_state[f"{key}.{language()}"] = names[name]
