"""One data set: what the checks found, its first rows and versions, and its deletion."""

from typing import Any

import pandas as pd
import streamlit as st

from ui import cells, charts_of_models, frame
from ui.client import GatewayDown, Refused
from ui.facts import facts
from ui.picking import choose
from ui.words import Table, t

W: Table = {
    "version": ("Version", "Версия"),
    "versions": ("Versions", "Версии"),
    "rows": ("Rows", "Строк"),
    "columns": ("Columns", "Столбцы"),
    "duplicates": ("Repeated rows", "Повторы строк"),
    "size": ("Size", "Размер"),
    "created": ("Created", "Создан"),
    "state": ("DVC", "DVC"),
    "hash": ("MD5 of DVC", "MD5 в DVC"),
    "accepted": ("waits for DVC", "ожидает DVC"),
    "versioned": ("under DVC", "под DVC"),
    "pushed": ("under DVC and at the remote", "под DVC и в удалённом хранилище"),
    "dvc_error": ("DVC, attempt {attempts}: {error}", "DVC, попытка {attempts}: {error}"),
    "no_warnings": ("The checks found nothing odd.", "Проверки не нашли ничего странного."),
    "warnings": ("What the checks noticed", "Что заметили проверки"),
    "preview": ("First rows", "Первые строки"),
    "target": ("Target", "Цель"),
    "no_target": ("not named", "не указана"),
    "type": ("Type", "Тип"),
    "missing": ("Missing", "Пропуски"),
    "distinct": ("Distinct", "Различных"),
    "minimum": ("Minimum", "Минимум"),
    "maximum": ("Maximum", "Максимум"),
    "mean": ("Mean", "Среднее"),
    "deviation": ("Deviation", "Отклонение"),
    "top": ("Most frequent", "Самые частые"),
    "column": ("Column", "Столбец"),
    "class": ("Class", "Класс"),
    "classes": ("Rows of each class of the target", "Строк в каждом классе цели"),
    "delete": ("Delete", "Удалить"),
    "delete_title": ("Delete a data set", "Удаление набора данных"),
    "delete_one": ("Version {version} only", "Только версию {version}"),
    "delete_all": ("All versions", "Все версии"),
    "delete_why": (
        "It is gone at once and for good, from DVC and its remote too.",
        "Удаляется сразу и навсегда, также из DVC и удалённого хранилища.",
    ),
    "delete_type": ("Type the name: {name}", "Введите имя: {name}"),
    "delete_typed": ("This is not the name.", "Это не то имя."),
    "deleted": ("{name} is deleted.", "{name}: удалено."),
    "needed": (
        "A training that is not over needs it: wait for the training or cancel it.",
        "Он нужен незаконченному обучению: дождитесь его или отмените.",
    ),
}

TOLD = "datasets.told"  # what the last upload or deletion came to, in both languages
_CONFLICT = 409
_TOP = 5  # most frequent values in a cell
_SHOWN_HASH = 12


def detail(name: str) -> None:
    """The version that is chosen, the newest at first."""
    chosen = st.session_state.get("keep.datasets.version")
    version = chosen[1] if chosen and chosen[0] == name else None
    with frame.asking():
        found = _asked(name, version)
    st.subheader(frame.plain(name), divider="gray")
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        # The name is in the option: another data set's version is none of these.
        options = [(name, one["version"]) for one in found["versions"]]
        if chosen not in options:
            st.session_state["keep.datasets.version"] = (name, found["version"])
        choose(
            t("version", W), options, "keep.datasets.version", format_func=_version_words(found["versions"])
        )
    with right:
        if st.button(t("delete", W), icon=":material/delete:", width="stretch"):
            st.dialog(t("delete_title", W))(_delete)(name, found["version"], len(found["versions"]))
    _facts(found)
    columns, preview, versions = st.tabs([t("columns", W), t("preview", W), t("versions", W)])
    with columns:
        st.dataframe(_columns(found["columns"]), hide_index=True, placeholder="")
    with preview:
        st.dataframe(_preview(found), hide_index=True)
    with versions:
        st.dataframe(_versions(found["versions"]), hide_index=True)


def _asked(name: str, version: int | None) -> Any:
    """The newest where that version was deleted meanwhile."""
    try:
        return frame.gateway().get(f"/v1/datasets/{name}", version=version)
    except Refused as error:
        if version is None or error.code != "not_found":
            raise
        return frame.gateway().get(f"/v1/datasets/{name}")


def _version_words(versions: list[Any]) -> Any:
    zone = st.context.timezone
    told = {
        one[
            "version"
        ]: f"{one['version']} - {cells.when(one['created_at'], zone)} - {t(one['dvc']['state'], W)}"
        for one in versions
    }
    return lambda option: told.get(option[1], str(option[1]))


def _facts(found: Any) -> None:
    dvc = found["dvc"]
    told = {
        "rows": f"{found['rows']:,}".replace(",", " "),
        "columns": str(len(found["columns"])),
        "duplicates": str(found["duplicate_rows"]),
        "size": f"{cells.size(found['bytes'])}, {found['format']}",
        "target": found["target"] or t("no_target", W),
        "state": t(dvc["state"], W),
        "hash": dvc["hash"] or "-",
    }
    facts({t(name, W): value for name, value in told.items()})
    if dvc["error"]:
        words = t("dvc_error", W, attempts=dvc["attempts"], error=frame.plain(dvc["error"]))
        st.warning(words, icon=":material/sync_problem:")
    left, right = st.columns(2)
    with left:
        if found["warnings"]:
            listed = "\n".join(f"- {frame.plain(one)}" for one in found["warnings"])
            st.warning(f"**{t('warnings', W)}**\n{listed}", icon=":material/warning:")
        else:
            st.caption(t("no_warnings", W))
    target = next((one for one in found["columns"] if one["name"] == found["target"]), None)
    if target and target["top"]:
        with right:
            counts = [(cells.said(value), count) for value, count in target["top"]]
            st.caption(t("classes", W))
            st.altair_chart(charts_of_models.counts(counts, t("class", W)))


def _columns(columns: list[Any]) -> pd.DataFrame:
    told = {
        "column": [one["name"] for one in columns],
        "type": [one["type"] for one in columns],
        "missing": [one["missing"] for one in columns],
        "distinct": [one["distinct"] for one in columns],
        **{key: [one[key] for one in columns] for key in ("minimum", "maximum", "mean", "deviation")},
        "top": [", ".join(f"{cells.said(v)} ({n})" for v, n in one["top"][:_TOP]) for one in columns],
    }
    table = pd.DataFrame({t(key, W): values for key, values in told.items()})
    return table.dropna(axis="columns", how="all")  # a table of texts has no minimum


def _preview(found: Any) -> pd.DataFrame:
    names = [one["name"] for one in found["columns"]]
    rows = [["" if cell is None else cells.said(cell) for cell in row] for row in found["preview"]]
    return pd.DataFrame(rows, columns=names[: len(rows[0])] if rows else names)


def _versions(versions: list[Any]) -> pd.DataFrame:
    zone = st.context.timezone
    return pd.DataFrame(
        {
            t("version", W): [one["version"] for one in versions],
            t("rows", W): [one["rows"] for one in versions],
            t("state", W): [t(one["dvc"]["state"], W) for one in versions],
            t("hash", W): [one["dvc"]["hash"] or "" for one in versions],
            "SHA-256": [one["sha256"][:_SHOWN_HASH] for one in versions],
            t("created", W): [cells.when(one["created_at"], zone) for one in versions],
        }
    )


def _delete(name: str, version: int, versions: int) -> None:
    """The dialog: nothing goes without the name being typed."""
    st.text(t("delete_why", W))
    one, what = t("delete_one", W, version=version), ""
    if versions > 1:
        what = st.radio(t("versions", W), [one, t("delete_all", W)], label_visibility="collapsed")
    typed = st.text_input(t("delete_type", W, name=frame.plain(name)))
    # Not disabled for want of the name: what is being typed arrives with the very click.
    if not st.button(t("delete", W), type="primary", key="datasets.delete"):
        return
    if typed.strip() != name:
        st.error(t("delete_typed", W), icon=":material/error:")
        return
    try:
        frame.gateway().delete(f"/v1/datasets/{name}", version=version if what == one else None)
    except Refused as error:
        if error.status == _CONFLICT:
            st.error(t("needed", W), icon=":material/lock_clock:")
        else:
            frame.show(error)
        return
    except GatewayDown as error:
        frame.show(error)
        return
    st.session_state.pop("keep.datasets.version", None)
    gone = frame.plain(name if what != one else f"{name}@{version}")
    english, russian = W["deleted"]
    st.session_state[TOLD] = english.format(name=gone), russian.format(name=gone)
    st.rerun()
