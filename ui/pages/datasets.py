"""Data sets: look at what there is, upload a table, delete."""

from typing import Any

import pandas as pd
import streamlit as st

from ui import cells, frame, tables
from ui.client import GatewayDown, Refused
from ui.dataset_detail import TOLD, detail
from ui.picking import choose, pick, pick_rows
from ui.words import Table, t

W: Table = {
    "upload": ("Upload a table", "Загрузить таблицу"),
    "file": ("CSV, JSON or JSON lines, UTF-8", "CSV, JSON или JSON Lines, UTF-8"),
    "name": ("Name of the data set", "Имя набора данных"),
    "name_help": (
        "1 to 64 of a-z 0-9 . _ -; a name that exists gets a new version.",
        "От 1 до 64 знаков a-z 0-9 . _ -; у существующего имени появится новая версия.",
    ),
    "data_set": ("Data set", "Набор данных"),
    "target": ("Column to be predicted (may stay empty)", "Предсказываемый столбец (можно не указывать)"),
    "send": ("Upload", "Загрузить"),
    "made": ("Version {version} of {name} is uploaded.", "Версия {version} набора {name} загружена."),
    "same": ("Unchanged: version {version} of {name}.", "Без изменений: версия {version} набора {name}."),
    "line": ("Line {number} of the file:", "Строка {number} файла:"),
    "empty": (
        "No data set yet. Upload a table with a header: a training learns from it.",
        "Наборов данных пока нет. Загрузите таблицу с заголовком: на ней обучаются модели.",
    ),
    "newest": ("Version", "Версия"),
    "rows": ("Rows", "Строк"),
    "columns": ("Columns", "Столбцы"),
    "size": ("Size", "Размер"),
    "created": ("Created", "Создан"),
    "state": ("DVC", "DVC"),
    "accepted": ("waits for DVC", "ожидает DVC"),
    "versioned": ("under DVC", "под DVC"),
    "pushed": ("under DVC and at the remote", "под DVC и в удалённом хранилище"),
    "waiting": (
        "Not yet under DVC, nothing can be trained on them: {names}. The worker takes them within seconds.",
        "Ещё не под DVC, обучать на них нельзя: {names}. Рабочий процесс берёт их за секунды.",
    ),
}

_PAGE = 200  # data sets of a list, the most that the gateway tells at once
_INVALID = 422
_POLL_S = 3  # while something waits for DVC
_LOOKED_AT = 5  # of those that wait


def page() -> None:
    st.header(t("datasets"), anchor=False)
    with frame.asking():
        found = _all()
    with st.expander(t("upload", W), expanded=not found, icon=":material/upload:"):
        _upload()
    if told := st.session_state.get(TOLD):
        st.success(t("told", {"told": told}), icon=":material/check:")
    if not found:
        frame.empty(t("empty", W))
        return
    waiting = [one["name"] for one in found if one["dvc"]["state"] == "accepted"]
    if waiting:
        st.fragment(_wait, run_every=_POLL_S)(waiting)
    ids = [one["name"] for one in found]
    picked = pick_rows(_listed(found), ids, "datasets.picked", many=False)
    # Nothing picked: the one that came last, so that the page shows what a row is for.
    detail(picked[0] if picked else max(found, key=lambda one: one["created_at"])["name"])


def _all() -> list[Any]:
    shown = int(st.session_state.get("datasets.shown", _PAGE))
    found: list[Any] = []
    more = True
    while more and len(found) < shown:
        after = found[-1]["name"] if found else None
        told = frame.gateway().get("/v1/datasets", limit=_PAGE, after=after)
        found += told["data"]
        more = told["has_more"]
    if more and st.button(t("more")):
        st.session_state["datasets.shown"] = shown + _PAGE
        st.rerun()
    return found


def _listed(found: list[Any]) -> pd.DataFrame:
    zone = st.context.timezone
    return pd.DataFrame(
        {
            t("data_set", W): [one["name"] for one in found],
            t("newest", W): [one["version"] for one in found],
            t("rows", W): [one["rows"] for one in found],
            t("columns", W): [len(one["columns"]) for one in found],
            t("state", W): [t(one["dvc"]["state"], W) for one in found],
            t("size", W): [cells.size(one["bytes"]) for one in found],
            t("created", W): [cells.when(one["created_at"], zone) for one in found],
        }
    )


def _wait(names: list[str]) -> None:
    """Asks by itself until the worker has taken them, then the page is drawn anew."""
    st.info(t("waiting", W, names=", ".join(map(frame.plain, names))), icon=":material/hourglass_top:")
    try:
        for name in names[:_LOOKED_AT]:
            if frame.gateway().get(f"/v1/datasets/{name}")["dvc"]["state"] != "accepted":
                st.rerun()
    except GatewayDown:
        return  # the next look may find it; who does something on the page is told
    except Refused:
        st.rerun()  # deleted meanwhile, or the key is


@st.fragment
def _upload() -> None:
    """A fragment: what is typed here asks the gateway nothing."""
    file = st.file_uploader(t("file", W), type=list(tables.ENDINGS), key="datasets.file")
    left, right = st.columns(2)
    content = file.getvalue() if file else b""
    names = tables.columns_of(file.name, content) if file else []
    if file and st.session_state.get("datasets.last") != file.file_id:
        st.session_state["datasets.last"] = file.file_id
        suggested = st.session_state.get("datasets.suggested", "")
        st.session_state["datasets.suggested"] = tables.data_set_name(file.name)
        if st.session_state.get("keep.datasets.name", "") in ("", suggested):  # else it was typed
            st.session_state["keep.datasets.name"] = st.session_state["datasets.suggested"]
    with left:
        name = st.text_input(
            t("name", W),
            key="keep.datasets.name",
            persist_state="session",
            max_chars=64,
            help=t("name_help", W),
        )
    with right:
        target = choose(t("target", W), names, "keep.datasets.target", index=None, placeholder="-")
    if st.button(t("send", W), type="primary", disabled=not file) and file:
        _send(file.name, content, name.strip(), target)


def _send(file_name: str, content: bytes, name: str, target: str | None) -> None:
    st.session_state.pop(TOLD, None)
    try:
        with st.spinner(t("loading")):
            made, new = frame.gateway().upload(
                "/v1/datasets", content, tables.content_type(file_name), name=name, target=target
            )
    except Refused as error:
        frame.show(error)
        if error.status == _INVALID and (line := tables.line_named(error.message, content)):
            st.text(t("line", W, number=line[0]))
            st.code(line[1], language=None)
        return
    except GatewayDown as error:
        frame.show(error)
        return
    given = {"name": frame.plain(made["name"]), "version": made["version"]}
    english, russian = W["made" if new else "same"]
    st.session_state[TOLD] = english.format(**given), russian.format(**given)
    pick("datasets.picked", [made["name"]])
    st.session_state.pop("keep.datasets.version", None)
    st.rerun()
