"""What a model's traffic is compared with: references are kept, listed and deleted, comparisons asked for."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import streamlit as st

from ui import cells, frame
from ui.charts_of_drift import overlap_h
from ui.client import GatewayDown, Refused
from ui.picking import pick_rows
from ui.words import Table, t

W: Table = {
    "keep": ("Keep a reference", "Сохранить эталон"),
    "compare": ("Compare with the reference", "Сравнить с эталоном"),
    "days": ("Days of traffic", "Дней трафика"),
    "ago": ("Up to hours ago", "До, часов назад"),
    "keep_it": ("Keep", "Сохранить"),
    "kept_now": ("Kept: {rows} rows.", "Сохранено: {rows} строк."),
    "nothing_there": (
        "Nothing was noted in that time. Take more days, or an end fewer hours ago.",
        "За это время ничего не записано. Возьмите больше дней или более поздний конец.",
    ),
    "most": (
        "The model has as many references as it may have: delete one below first.",
        "У модели уже предельное число эталонов: сначала удалите один из них ниже.",
    ),
    "run": ("Run now", "Сравнить сейчас"),
    "hours": ("Traffic of the last hours", "Трафик за последние часы"),
    "asked": (
        "The comparison is queued; it shows here when it is over.",
        "Сравнение в очереди; результат появится здесь.",
    ),
    "overlap": (
        "{hours:g} of {window:g} hours lie in the reference: compared with themselves, they hide drift.",
        "{hours:g} из {window:g} ч входят в эталон: они сравниваются сами с собой и скрывают дрейф.",
    ),
    "references": ("References", "Эталоны"),
    "newest": (
        "The newest is what is compared with. Pick one to delete it.",
        "Сравнение идёт с самым новым. Чтобы удалить эталон, выберите его.",
    ),
    "from": ("From", "С"),
    "to": ("To", "По"),
    "rows": ("Rows", "Строк"),
    "by": ("Kept by", "Сохранил"),
    "made": ("Kept", "Сохранён"),
    "delete": ("Delete the reference", "Удалить эталон"),
    "sure": (
        "Its {rows} rows go for good. Comparisons that were made with it stay.",
        "Строк будет удалено навсегда: {rows}. Сделанные с ним сравнения останутся.",
    ),
    "delete_it": ("Delete", "Удалить"),
    "deleted": ("The reference is deleted.", "Эталон удалён."),
    "in_use": (
        "A comparison that is not over needs it: wait until it is.",
        "Он нужен сравнению, которое ещё не завершено: дождитесь его конца.",
    ),
}
TOLD = "drift.told"  # of the session: what was done, to be told after the page is drawn anew
_NOT_FOUND, _CONFLICT = 404, 409
_COMPARED_H = 24  # as the gateway's DRIFT_WINDOW_H
_LEAST_H = 0.1  # in common; less says nothing


def actions(model: str, references: Sequence[Mapping[str, Any]]) -> None:
    """The two forms, and the references: newest first."""
    st.session_state.setdefault("keep.drift.hours", _COMPARED_H)
    st.session_state.setdefault("keep.drift.ago", st.session_state["keep.drift.hours"])
    left, right = st.columns(2)
    with left:
        _keep(model)
    with right:
        _run_now(model, references[0] if references else None)
    if references:
        _list(references)


def _keep(model: str) -> None:
    st.session_state.setdefault("keep.drift.days", 7)
    with st.container(border=True):
        st.markdown(f"**{t('keep', W)}**")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            days = st.number_input(
                t("days", W), 1, 366, key="keep.drift.days", persist_state="session", width=120
            )
            ago = st.number_input(
                t("ago", W), 0, 8784, key="keep.drift.ago", persist_state="session", width=120
            )
            sent = st.button(t("keep_it", W), icon=":material/flag:")
    if not sent:
        return
    until = datetime.now(UTC) - timedelta(hours=int(ago))
    body = {"model": model, "since": (until - timedelta(days=int(days))).isoformat()}
    if ago:  # else its end is the gateway's own now
        body["until"] = until.isoformat()
    try:
        kept = frame.gateway().post("/v1/drift-references", body)
    except (GatewayDown, Refused) as error:
        _show(error, {_NOT_FOUND: "nothing_there", _CONFLICT: "most"})
        return
    _done(t("kept_now", W, rows=kept["rows"]))


def _run_now(model: str, reference: Mapping[str, Any] | None) -> None:
    with st.container(border=True):
        st.markdown(f"**{t('compare', W)}**")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            hours = st.number_input(
                t("hours", W), 1, 8784, key="keep.drift.hours", persist_state="session", width=200
            )
            sent = st.button(
                t("run", W), icon=":material/play_arrow:", type="primary", disabled=reference is None
            )
    if reference is not None:
        now = datetime.now(UTC).timestamp()
        warn_of_overlap(reference, now - hours * 3600, now)
    if sent:
        body = {"model": model, "window_hours": float(hours)}
        if frame.asked(lambda: frame.gateway().post("/v1/drift-runs", body)):
            _done(t("asked", W))


def warn_of_overlap(reference: Mapping[str, Any], since: float, until: float) -> None:
    """Where what is compared is in part the reference itself."""
    hours = overlap_h((reference["since"], reference["until"]), (since, until))
    if hours >= _LEAST_H:
        told = t("overlap", W, hours=round(hours, 1), window=round((until - since) / 3600, 1))
        st.warning(told, icon=":material/compare_arrows:")


def _list(references: Sequence[Mapping[str, Any]]) -> None:
    st.markdown(f"**{t('references', W)}**")
    st.caption(t("newest", W))
    told = [
        {
            t("from", W): _when(one["since"]),
            t("to", W): _when(one["until"]),
            t("rows", W): one["rows"],
            t("by", W): one["created_by"],
            t("made", W): _when(one["created_at"]),
        }
        for one in references
    ]
    ids = [one["id"] for one in references]
    picked = pick_rows(pd.DataFrame(told), ids, "drift.reference", many=False, placeholder="")
    one = next((one for one in references if one["id"] in picked), None)
    if one is not None:
        with st.popover(t("delete", W), icon=":material/delete:"):
            _delete(one)


def _delete(reference: Mapping[str, Any]) -> None:
    """What is seen when it was said that it should go; only the button in it deletes."""
    st.text(f"{_when(reference['since'])} - {_when(reference['until'])}")
    st.text(t("sure", W, rows=reference["rows"]))
    if not st.button(t("delete_it", W), type="primary", key="drift.delete"):
        return
    try:
        frame.gateway().delete(f"/v1/drift-references/{reference['id']}")
    except (GatewayDown, Refused) as error:
        _show(error, {_CONFLICT: "in_use"})
        return
    _done(t("deleted", W))


def _show(error: GatewayDown | Refused, words: Mapping[int, str]) -> None:
    """In the page's own words where it has some."""
    if isinstance(error, Refused) and error.status in words:
        st.warning(t(words[error.status], W), icon=":material/info:")
    else:
        frame.show(error)


def _done(told: str) -> None:
    st.session_state[TOLD] = told
    st.rerun()


def _when(epoch: float | None) -> str:
    return cells.when(epoch, st.context.timezone)
