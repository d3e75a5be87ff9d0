"""A CSV file to be predicted: checked against the signature, sent in batches, shown and given back."""

import time
from collections import Counter
from typing import Any

import pandas as pd
import streamlit as st

from ui import cells, charts_of_models, frame
from ui.client import GatewayDown
from ui.row_run import RowRun
from ui.rows import MOST_BYTES, BadSheet, Sheet, missing_and_extra, read_sheet
from ui.words import Table, t

W: Table = {
    "file": ("CSV file with a header, UTF-8", "Файл CSV с заголовком, UTF-8"),
    "start": ("Predict {rows} rows", "Предсказать строк: {rows}"),
    "stop": ("Stop", "Остановить"),
    "go_on": ("Go on", "Продолжить"),
    "progress": ("{done} of {rows} rows", "{done} из {rows} строк"),
    "done": ("Rows predicted: {answered}.", "Предсказано строк: {answered}."),
    "failed": ("{failed} failed.", "С ошибкой: {failed}."),
    "left": ("{left} are left.", "Осталось: {left}."),
    "download": ("Download the result", "Скачать результат"),
    "missing": (
        "The file lacks these features, which will count as missing values: {names}",
        "В файле нет этих признаков, они будут считаться пропусками: {names}",
    ),
    "none_there": (
        "The file has none of the model's features: {names}",
        "В файле нет ни одного признака модели: {names}",
    ),
    "extra": ("Not sent to the model: {names}", "Модели не отправляется: {names}"),
    "no_value": ("no value of its type in {names}", "значение не того типа: {names}"),
    "row": ("Row", "Строка"),
    "error": ("Error", "Ошибка"),
    "failures": ("Rows that failed", "Строки с ошибкой"),
    "label": ("Label", "Метка"),
    "confidence": ("Confidence", "Уверенность"),
    "first": ("The first {count} rows; the file has all.", "Первые {count} строк; в файле все."),
    "counts": ("Rows of each label", "Строк с каждой меткой"),
    "too_large": ("The file is over 20 MB.", "Файл больше 20 МБ."),
    "too_many": ("The file has more than 100,000 rows.", "В файле больше 100 000 строк."),
    "not_utf8": ("The file is not UTF-8{line}.", "Файл не в UTF-8{line}."),
    "not_text": ("The file holds a NUL, so it is no text{line}.", "В файле есть NUL, это не текст{line}."),
    "no_header": ("The file has no header.", "В файле нет заголовка."),
    "no_rows": ("The file has a header and no row.", "В файле есть заголовок, но нет строк."),
    "twice": ("A column's name stands twice{line}.", "Имя столбца повторяется{line}."),
    "width": (
        "A row has another number of cells than the header{line}.",
        "В строке не столько ячеек, сколько в заголовке{line}.",
    ),
    "broken_quote": ("A quote is broken{line}.", "Нарушены кавычки{line}."),
    "line": (" (line {line})", " (строка {line})"),
}

_RUN = "inference.run"  # (of what, the run)
_SHOWN = 1_000
_MOST_FAILURES = 200
_MOST_NAMES = 20


def table_form(model: str, version: int, features: list[Any]) -> None:
    """A file, or the run of the last one."""
    file = st.file_uploader(t("file", W), type="csv", key="inference.file", max_upload_size=MOST_BYTES >> 20)
    about = f"{model}@{version}"
    kept = st.session_state.get(_RUN)
    run: RowRun | None = kept[1] if kept and kept[0] == about else None
    slot = st.empty()  # once the run has begun the button is gone at once: a second click would begin anew
    if file:
        sheet = _sheet(file)
        fresh = run is None or run.sheet is not sheet
        if sheet and fresh and _fits(sheet, features):
            words = t("start", W, rows=f"{len(sheet.rows):,}".replace(",", " "))
            slot.button(words, type="primary", on_click=_begin, args=(about, sheet, features))
        if fresh:
            return  # the last file's result is not this one's
    if run:
        slot.empty()
        _go(model, version, run)
        _told(run, about)


def _sheet(file: Any) -> Sheet | None:
    """Read once: each click draws the page anew."""
    kept = st.session_state.get("inference.sheet")
    if kept and kept[0] == file.file_id:
        read: Sheet | BadSheet = kept[1]
    else:
        try:
            read = read_sheet(file.getvalue())
        except BadSheet as error:
            read = error
        st.session_state["inference.sheet"] = file.file_id, read
    if isinstance(read, Sheet):
        return read
    line = t("line", W, line=read.line) if read.line else ""
    st.error(t(read.why, W, line=line), icon=":material/error:")
    return None


def _fits(sheet: Sheet, features: list[Any]) -> bool:
    missing, extra = missing_and_extra(sheet.header, features)
    if len(missing) == len(features):
        st.error(t("none_there", W, names=_names(missing)), icon=":material/error:")
        return False
    if missing:
        st.warning(t("missing", W, names=_names(missing)), icon=":material/warning:")
    if extra:
        st.caption(t("extra", W, names=_names(extra)))
    return True


def _names(names: list[str]) -> str:
    more = f" (+{len(names) - _MOST_NAMES})" if len(names) > _MOST_NAMES else ""
    return frame.plain(", ".join(names[:_MOST_NAMES])) + more


def _begin(about: str, sheet: Sheet, features: list[Any]) -> None:
    words = t("no_value", W, names="{}")
    run = RowRun(sheet, features, lambda wrong: words.format(", ".join(wrong)))
    st.session_state[_RUN] = about, run


def _stop(run: RowRun) -> None:
    run.stopped = True


def _go(model: str, version: int, run: RowRun) -> None:
    """To the end, or until somebody stops it: a click ends this script between two batches, and the next one
    finds in the session what was answered."""
    if not run.going:
        return
    rows = len(run.sheet.rows)
    bar = st.progress(run.at / rows)
    st.button(t("stop", W), icon=":material/stop:", on_click=_stop, args=(run,))
    gateway = frame.gateway()

    def ask(instances: list[dict[str, Any]]) -> list[Any]:
        told = gateway.post(f"/v1/models/{model}:predict", {"instances": instances, "version": version})
        predictions = told.get("predictions") if isinstance(told, dict) else None
        if not isinstance(predictions, list):
            raise GatewayDown
        return predictions

    while run.going:
        wait = run.step(ask)
        bar.progress(run.at / rows, text=t("progress", W, done=run.at, rows=rows))
        if wait:
            time.sleep(wait)  # the gateway said how long; this session's thread alone waits
    st.rerun()


def _told(run: RowRun, about: str) -> None:
    answered, failed, rows = len(run.answers), len(run.failed), len(run.sheet.rows)
    if run.fault:
        frame.show(run.fault)
    words = t("done", W, answered=answered)
    words += f" {t('failed', W, failed=failed)}" if failed else ""
    if run.over and not failed:
        st.success(words, icon=":material/check:")
    else:
        words += "" if run.over else f" {t('left', W, left=rows - run.at)}"
        st.warning(words, icon=":material/rule:")
    row = st.container(horizontal=True)
    if not run.over:
        row.button(t("go_on", W), icon=":material/play_arrow:", on_click=run.go_on)
    row.download_button(
        t("download", W),
        run.file(),
        file_name=f"{about.replace('@', '-')}-predictions.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
    )
    if failed:
        _failures(run)
    if not answered:
        return
    counted = Counter(cells.said(one["label"]) for one in run.answers.values()).most_common()
    st.caption(t("counts", W))
    st.altair_chart(charts_of_models.counts(counted, t("label", W)))
    places = sorted(run.answers)[:_SHOWN]
    if answered > _SHOWN:
        st.caption(t("first", W, count=_SHOWN))
    st.dataframe(_result(run, places), hide_index=True)


def _failures(run: RowRun) -> None:
    places = sorted(run.failed)[:_MOST_FAILURES]
    with st.expander(f"{t('failures', W)}: {len(run.failed)}", expanded=True):
        told = {
            t("row", W): [place + 1 for place in places],
            t("error", W): [run.failed[place] for place in places],
        }
        st.dataframe(pd.DataFrame(told), hide_index=True)


def _result(run: RowRun, places: list[int]) -> pd.DataFrame:
    """Ours first: the input may have many columns."""
    inputs = pd.DataFrame([run.sheet.rows[place] for place in places], columns=list(run.sheet.header))
    ours = {
        t("row", W): [place + 1 for place in places],
        t("label", W): [cells.said(run.answers[place]["label"]) for place in places],
        t("confidence", W): [run.answers[place]["confidence"] for place in places],
    }
    told = pd.DataFrame(ours)
    told.columns = [name if name not in inputs.columns else f"{name} *" for name in told.columns]
    return pd.concat([told, inputs], axis="columns")
