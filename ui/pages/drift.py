"""Drift: how the live traffic of each model differs from its reference."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from ui import cells, drift_reference, frame
from ui.charts_of_drift import rows, trend
from ui.drift_reference import TOLD, warn_of_overlap
from ui.facts import facts
from ui.markup import closed, sandboxed
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
    "verdict": ("Last result", "Последний итог"),
    "since_then": ("Comparison after it", "Сравнение после него"),
    "drifted": ("Drifted", "Есть дрейф"),
    "steady": ("No drift", "Дрейфа нет"),
    "never": ("never compared", "ещё не сравнивали"),
    "queued": ("waits for a worker", "ждёт рабочего процесса"),
    "running": ("is being compared", "сравнивается"),
    "succeeded": ("compared", "сравнено"),
    "skipped": ("too few rows", "мало строк"),
    "failed": ("failed", "не удалось"),
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
_POLL_S = 2
_MOST_RUNS = 50
_MOST_REFERENCES = 20  # of a model
_REPORT_PX, _CHART_PX = 900, 284  # three charts in a row
_MOST_SHOWN, _ROW_PX = 6, 35  # of the models' table: what drifted stands under it
_OPEN = frozenset({"queued", "running"})


def page() -> None:
    st.header(t("drift"), anchor=False)
    with frame.asking():
        found = frame.gateway().get("/v1/drift")["data"]
    if not found:
        frame.empty(t("empty", W))
        return
    found = sorted(found, key=lambda one: not _has_drifted(one))  # by name otherwise
    _models(found)
    names = [one["model"] for one in found]
    with st.container(width=340):
        name = choose(t("model", W), names, "keep.drift.model")
    model = next((one for one in found if one["model"] == name), found[0])
    _facts(model)
    asked = frame.asked(
        lambda: frame.gateway().get("/v1/drift-references", model=model["model"], limit=_MOST_REFERENCES)
    )
    references = asked["data"] if asked else []
    _runs(model, references)
    drift_reference.actions(model["model"], references)
    if told := st.session_state.pop(TOLD, None):
        st.toast(told, icon=":material/check:")


def _models(found: Sequence[Mapping[str, Any]]) -> None:
    told = [
        {
            t("model", W): one["model"],
            t("verdict", W): _verdict(_finding(one)),
            t("noted", W): one["rows"],
            t("last", W): _when(one["newest"]),
            t("reference", W): one["reference"]["rows"] if one["reference"] else None,
        }
        for one in found
    ]
    height = (min(len(told), _MOST_SHOWN) + 1) * _ROW_PX + 3
    st.dataframe(pd.DataFrame(told), hide_index=True, placeholder="", height=height)


def _facts(model: Mapping[str, Any]) -> None:
    finding, last, reference = _finding(model), model["last_run"], model["reference"]
    told = {t("verdict", W): _verdict(finding)}
    if finding is not None and last["id"] != finding["id"]:
        told[t("since_then", W)] = _verdict(last)
    if reference:
        since, until = _when(reference["since"]), _when(reference["until"])
        kept = {"rows": reference["rows"], "since": since, "until": until, "who": reference["created_by"]}
        told[t("reference", W)] = t("kept", W, **kept)
    facts(told)
    if not reference:
        frame.empty(t("no_reference", W), icon=":material/flag:")


def _runs(model: Mapping[str, Any], references: Sequence[Mapping[str, Any]]) -> None:
    with frame.asking():
        found = frame.gateway().get("/v1/drift-runs", model=model["model"], limit=_MOST_RUNS)["data"]
    if not found:
        if model["reference"]:
            frame.empty(t("no_runs", W), icon=":material/compare:")
        return
    pending = [run for run in found if run["status"] in _OPEN]
    if pending:
        st.fragment(_wait, run_every=_POLL_S)(pending[0]["id"])
    charts = trend(found, _words(), st.context.timezone)
    if charts:
        st.caption(t("trend", W))
        with st.container(horizontal=True):
            for chart in charts:
                with st.container(width=_CHART_PX):
                    st.altair_chart(chart, width="stretch")
    st.markdown(f"**{t('runs', W)}**")
    picked = pick_rows(
        _listed(found), [run["id"] for run in found], "drift.picked", many=False, placeholder=""
    )
    over = [run for run in found if run["status"] not in _OPEN]
    over.sort(key=lambda run: run["status"] != "succeeded")  # what was found rather than why nothing was
    run = next((one for one in found if one["id"] in picked), over[0] if over else None)
    if run is not None:
        _run(run, next((one for one in references if one["id"] == run["reference_id"]), None))


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


def _run(run: Mapping[str, Any], reference: Mapping[str, Any] | None) -> None:
    if run["error"]:
        st.warning(f"{t('why', W)}: {frame.plain(str(run['error']))}", icon=":material/info:")
    if reference is not None:
        warn_of_overlap(reference, run["since"], run["until"])
    if run["columns"]:
        st.dataframe(rows(run["columns"], _words()), hide_index=True)
    if not run["has_report"]:
        return
    if not st.toggle(t("report", W), key="drift.report"):
        return
    html = frame.asked(lambda: frame.gateway().text(f"/v1/drift-runs/{run['id']}/report"))
    if html is None:
        return
    name, icon = f"{run['id']}.html", ":material/download:"
    st.download_button(t("download", W), closed(html), name, "text/html", icon=icon, key="drift.download")
    st.iframe(sandboxed(html, _REPORT_PX), height=_REPORT_PX)


def _finding(model: Mapping[str, Any]) -> Any:
    """The newest comparison that came to a result: one that failed after it takes nothing back. An older
    gateway tells the last alone."""
    return model.get("last_finding") or model["last_run"]


def _has_drifted(model: Mapping[str, Any]) -> bool:
    finding = _finding(model)
    return bool(finding and finding["drifted"])


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
