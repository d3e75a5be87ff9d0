"""Drift: how the live traffic of each model differs from its reference."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import streamlit as st

from ui import cells, frame
from ui.charts_of_drift import rows, trend
from ui.facts import facts
from ui.markup import sandboxed
from ui.picking import choose, pick_rows
from ui.words import COMMON, Table, t

W: Table = {
    "empty": (
        "Nothing noted yet. When models answer, what was measured of it is noted here, without texts.",
        "Пока ничего не записано. Когда модели начнут отвечать, здесь появятся измерения, без самих текстов.",
    ),
    "model": ("Model", "Модель"),
    "noted": ("Noted", "Записано"),
    "last": ("Last one", "Последняя запись"),
    "reference": ("Reference", "Эталон"),
    "kept": (
        "{rows} rows, {since} to {until}, kept by {who}",
        "{rows} строк, с {since} по {until}, сохранил {who}",
    ),
    "no_reference": (
        "No reference yet: keep a window of traffic that looked as it should; the rest is compared with it.",
        "Эталона ещё нет: сохраните период, когда всё было как надо, остальное сравнится с ним.",
    ),
    "verdict": ("Last comparison", "Последнее сравнение"),
    "drifted": ("Drifted", "Есть дрейф"),
    "steady": ("No drift", "Дрейфа нет"),
    "never": ("never compared", "ещё не сравнивали"),
    "queued": ("waits for a worker", "ждёт рабочего процесса"),
    "running": ("is being compared", "сравнивается"),
    "succeeded": ("compared", "сравнено"),
    "skipped": ("too few rows", "мало строк"),
    "failed": ("failed", "не удалось"),
    "keep": ("Keep a reference", "Сохранить эталон"),
    "compare": ("Compare with the reference", "Сравнить с эталоном"),
    "days": ("Of the last days", "За последние дни"),
    "keep_it": ("Keep", "Сохранить"),
    "kept_now": ("Kept: {rows} rows.", "Сохранено: {rows} строк."),
    "run": ("Run now", "Сравнить сейчас"),
    "hours": ("Traffic of the last hours", "Трафик за последние часы"),
    "asked": (
        "The comparison is queued; it shows here when it is over.",
        "Сравнение в очереди; результат появится здесь.",
    ),
    "trend": ("Scores over time; the dashed line is the threshold", "Показатели во времени; пунктир - порог"),
    "runs": ("Comparisons", "Сравнения"),
    "no_runs": ("Not compared yet.", "Ещё не сравнивалось."),
    "result": ("Result", "Итог"),
    "ended": ("Ended", "Завершено"),
    "state": ("State", "Состояние"),
    "by": ("Asked by", "Кто запросил"),
    "rows": ("Rows", "Строк"),
    "columns": ("Columns that drifted", "Столбцы с дрейфом"),
    "column": ("Column", "Столбец"),
    "method": ("Method", "Метод"),
    "measure": ("Distance", "Расстояние"),
    "threshold": ("Threshold", "Порог"),
    "text_length": ("Text length", "Длина текста"),
    "language": ("Language", "Язык"),
    "label": ("Label", "Метка"),
    "score": ("Score", "Балл"),
    "confidence": ("Confidence", "Уверенность"),
    "embedding": ("Meaning (embedding)", "Смысл (эмбеддинг)"),
    "report": ("Show Evidently's report", "Показать отчёт Evidently"),
    "download": ("Download the report", "Скачать отчёт"),
    "why": ("Why", "Причина"),
}
_TOLD = "drift.told"
_POLL_S = 2
_MOST_RUNS = 50
_REPORT_PX = 900
_OPEN = frozenset({"queued", "running"})


def page() -> None:
    st.header(t("drift"), anchor=False)
    with frame.asking():
        found = frame.gateway().get("/v1/drift")["data"]
    if not found:
        frame.empty(t("empty", W))
        return
    _models(found)
    names = [one["model"] for one in found]
    with st.container(width=340):
        name = choose(t("model", W), names, "keep.drift.model")
    chosen = next((one for one in found if one["model"] == name), found[0])
    _actions(chosen)
    _runs(chosen["model"])


def _models(found: Sequence[Mapping[str, Any]]) -> None:
    told = [
        {
            t("model", W): one["model"],
            t("verdict", W): _verdict(one["last_run"]),
            t("noted", W): one["rows"],
            t("last", W): _when(one["newest"]),
            t("reference", W): one["reference"]["rows"] if one["reference"] else None,
        }
        for one in found
    ]
    st.dataframe(pd.DataFrame(told), hide_index=True, placeholder="")


def _actions(model: Mapping[str, Any]) -> None:
    name, reference = model["model"], model["reference"]
    if reference:
        since, until = _when(reference["since"]), _when(reference["until"])
        told = {"rows": reference["rows"], "since": since, "until": until, "who": reference["created_by"]}
        facts({t("reference", W): t("kept", W, **told), t("verdict", W): _verdict(model["last_run"])})
    else:
        frame.empty(t("no_reference", W), icon=":material/flag:")
    left, right = st.columns(2)
    with left:
        _keep(name)
    with right:
        _run_now(name, can=reference is not None)
    if told_now := st.session_state.pop(_TOLD, None):
        st.toast(told_now, icon=":material/check:")


def _keep(model: str) -> None:
    st.session_state.setdefault("keep.drift.days", 7)
    with st.form("keep", border=True):
        st.markdown(f"**{t('keep', W)}**")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            days = st.number_input(t("days", W), 1, 366, key="keep.drift.days", width=200)
            sent = st.form_submit_button(t("keep_it", W), icon=":material/flag:")
    if sent:
        begin = datetime.now(UTC) - timedelta(days=int(days))
        body = {"model": model, "since": begin.isoformat()}
        if kept := frame.asked(lambda: frame.gateway().post("/v1/drift-references", body)):
            st.session_state[_TOLD] = t("kept_now", W, rows=kept["rows"])
            st.rerun()


def _run_now(model: str, *, can: bool) -> None:
    st.session_state.setdefault("keep.drift.hours", 24)
    with st.form("run", border=True):
        st.markdown(f"**{t('compare', W)}**")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            hours = st.number_input(t("hours", W), 1, 8784, key="keep.drift.hours", width=200)
            sent = st.form_submit_button(
                t("run", W), icon=":material/play_arrow:", type="primary", disabled=not can
            )
    if sent:
        body = {"model": model, "window_hours": float(hours)}
        if frame.asked(lambda: frame.gateway().post("/v1/drift-runs", body)):
            st.session_state[_TOLD] = t("asked", W)
            st.rerun()


def _runs(model: str) -> None:
    with frame.asking():
        found = frame.gateway().get("/v1/drift-runs", model=model, limit=_MOST_RUNS)["data"]
    st.subheader(t("runs", W))
    if not found:
        frame.empty(t("no_runs", W), icon=":material/compare:")
        return
    pending = [run for run in found if run["status"] in _OPEN]
    if pending:
        st.fragment(_wait, run_every=_POLL_S)(pending[0]["id"])
    charts = trend(found, _words())
    if charts:
        st.caption(t("trend", W))
        with st.container(horizontal=True):
            for chart in charts:
                with st.container(width=340):
                    st.altair_chart(chart, width="stretch")
    picked = pick_rows(
        _listed(found), [run["id"] for run in found], "drift.picked", many=False, placeholder=""
    )
    over = [run for run in found if run["status"] not in _OPEN]
    run = next((one for one in found if one["id"] in picked), over[0] if over else None)
    if run is not None:
        _run(run)


def _wait(run_id: str) -> None:
    """Until it is over; then the whole page is drawn anew."""
    run = frame.asked(lambda: frame.gateway().get(f"/v1/drift-runs/{run_id}"))
    if run is None:
        return
    if run["status"] not in _OPEN:
        st.rerun()
    st.info(f"{_when(run['created_at'])}: {t(run['status'], W)}", icon=":material/hourglass_top:")


def _listed(found: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    told = [
        {
            t("ended", W): _when(run["ended_at"] or run["created_at"]),
            t("result", W): _verdict(run),
            t("columns", W): ", ".join(_words()[one["column"]] for one in run["columns"] if one["drifted"]),
            t("rows", W): run["rows"],
            t("by", W): run["created_by"],
        }
        for run in found
    ]
    return pd.DataFrame(told)


def _run(run: Mapping[str, Any]) -> None:
    if run["error"]:
        st.warning(f"{t('why', W)}: {frame.plain(str(run['error']))}", icon=":material/info:")
    if run["columns"]:
        st.dataframe(rows(run["columns"], _words()), hide_index=True)
    if not run["has_report"]:
        return
    if not st.toggle(t("report", W), key="drift.report"):
        return
    html = frame.asked(lambda: frame.gateway().text(f"/v1/drift-runs/{run['id']}/report"))
    if html is None:
        return
    st.download_button(
        t("download", W),
        html,
        f"{run['id']}.html",
        "text/html",
        icon=":material/download:",
        key="drift.download",
    )
    st.iframe(sandboxed(html, _REPORT_PX), height=_REPORT_PX)


def _verdict(run: Mapping[str, Any] | None) -> str:
    if run is None:
        return t("never", W)
    if run["status"] != "succeeded":
        return t(run["status"], W)
    return t("drifted" if run["drifted"] else "steady", W)


def _words() -> dict[str, str]:
    """For chart and table, which know no language."""
    return {name: t(name, W) for name in W} | {name: t(name, COMMON) for name in ("yes", "no")}


def _when(epoch: float | None) -> str:
    return cells.when(epoch, st.context.timezone)
