"""A person's word on one grade: the form, and sending it, unless somebody else was quicker."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import streamlit as st

from ui import frame
from ui.graded import points
from ui.words import Table, t

W: Table = {
    "mode": ("Your word", "Ваше решение"),
    "stands": ("It stands", "Оценка верна"),
    "criteria": ("By criterion", "По критериям"),
    "total": ("Another total", "Другой итог"),
    "points_of": ("{id}, up to {most}", "{id}, до {most}"),
    "total_of": ("Total, up to {most}", "Итог, до {most}"),
    "comment": ("Comment, without personal data", "Комментарий без личных данных"),
    "save": ("Save, then the next one", "Сохранить и перейти к следующей"),
    "saved": ("Saved: {score} of {most}, after {was}.", "Сохранено: {score} из {most}, было {was}."),
    "stood": ("Saved: {score} of {most} stands.", "Сохранено: оценка {score} из {most} верна."),
    "meanwhile": (
        "{who} judged this grade meanwhile: {score} of {most}. Yours is not sent; the last one counts.",
        "Тем временем оценку проверили ({who}): {score} из {most}. Ваше не отправлено; в счёт последнее.",
    ),
    "their_comment": ("Comment: {words}", "Комментарий: {words}"),
    "anyway": ("Send mine nevertheless", "Всё равно отправить моё"),
    "leave": ("Leave theirs", "Оставить чужое"),
}
MODES = ("stands", "criteria", "total")
_HELD = "review.held"  # what is to be sent, and what became of it
_MODE = "keep.review.mode"


def form(grade: Mapping[str, Any]) -> None:
    """How the grade is judged; what is typed is kept for each grade until it is sent."""
    st.session_state.setdefault(_MODE, MODES[0])
    said = {name: t(name, W) for name in MODES}
    mode = st.segmented_control(
        t("mode", W), MODES, key=_MODE, persist_state="session", required=True, format_func=said.__getitem__
    )
    kept, listed = f"keep.review.{grade['id']}", grade["details"]["criteria"]
    if mode == "criteria":
        with st.container(horizontal=True):
            for one in listed:
                name = t("points_of", W, id=frame.plain(one["id"]), most=points(one["max_points"]))
                _number(name, one["points"], one["max_points"], f"{kept}.points.{one['id']}")
    elif mode == "total":
        name = t("total_of", W, most=points(grade["max_score"]))
        _number(name, grade["score"], grade["max_score"], f"{kept}.score")
    st.text_area(t("comment", W), key=f"{kept}.comment", persist_state="session", height=80, max_chars=2000)
    ids = [one["id"] for one in listed]
    st.button(
        t("save", W),
        type="primary",
        icon=":material/check:",
        on_click=_hold,
        args=(grade["id"], mode, ids),
    )


def send() -> str | None:
    """Sends what was decided in the last run; returns the grade's id when it is kept. First it is asked
    whether somebody else judged it meanwhile: the gateway keeps every word, and the last one counts."""
    held = st.session_state.get(_HELD)
    if held is None:
        return None
    if held["meanwhile"] and not held["anyway"]:
        _conflict(held)
        return None
    if held["judged"] is None and frame.asked(lambda: _sent(held)) is None:
        del st.session_state[_HELD]  # the form still has it
    elif judged := held["judged"]:
        _forget(held["id"])
        _tell(judged)
        return str(held["id"])
    else:
        _conflict(held)
    return None


def in_conflict() -> str | None:
    """The grade that somebody else judged meanwhile, as is said above the queue."""
    held = st.session_state.get(_HELD)
    return str(held["id"]) if held else None


def judgement(mode: str, given: Mapping[str, float], score: float | None, comment: str) -> dict[str, Any]:
    """The body for `POST /v1/reviews/{id}`."""
    body: dict[str, Any] = {}
    if mode == "criteria":
        body["criteria"] = [{"id": name, "points": value} for name, value in given.items()]
    elif mode == "total":
        body["score"] = score
    return body | ({"comment": comment.strip()} if comment.strip() else {})


def _sent(held: dict[str, Any]) -> dict[str, Any]:
    """What became of it is noted there at once: a click meanwhile runs the page anew."""
    gateway, name = frame.gateway(), quote(held["id"], safe="")
    if not held["anyway"]:
        held["meanwhile"] = gateway.get(f"/v1/grades/{name}")["correction"]
    if held["anyway"] or not held["meanwhile"]:
        held["judged"] = gateway.post(f"/v1/reviews/{name}", held["body"])
    return held


def _tell(judged: Mapping[str, Any]) -> None:
    given = judged["correction"]
    told = {"score": points(given["score"]), "most": points(given["max_score"])}
    if given["score"] == judged["score"]:
        st.toast(t("stood", W, **told), icon=":material/check:")
    else:
        st.toast(t("saved", W, **told, was=points(judged["score"])), icon=":material/check:")


def _conflict(held: dict[str, Any]) -> None:
    theirs = held["meanwhile"]
    told = {"score": points(theirs["score"]), "most": points(theirs["max_score"])}
    st.warning(t("meanwhile", W, who=frame.plain(theirs["created_by"]), **told), icon=":material/group:")
    if theirs["comment"]:
        st.text(t("their_comment", W, words=theirs["comment"]))
    with st.container(horizontal=True):
        st.button(t("anyway", W), on_click=held.update, kwargs={"anyway": True})
        st.button(t("leave", W), on_click=_forget, args=(held["id"],))


def _number(name: str, value: float, most: float, key: str) -> None:
    st.session_state.setdefault(key, float(value))
    step = 0.5 if most >= 5 else max(round(most / 10, 2), 0.01)
    st.number_input(
        name,
        min_value=0.0,
        max_value=float(most),
        step=step,
        key=key,
        persist_state="session",
        format="%g",
        width=180,
    )


def _hold(grade_id: str, mode: str, ids: list[str]) -> None:
    kept = f"keep.review.{grade_id}"
    given = {name: st.session_state[f"{kept}.points.{name}"] for name in ids if mode == "criteria"}
    score = st.session_state.get(f"{kept}.score")
    body = judgement(mode, given, score, st.session_state.get(f"{kept}.comment") or "")
    st.session_state[_HELD] = {
        "id": grade_id,
        "body": body,
        "anyway": False,
        "meanwhile": None,
        "judged": None,
    }


def _forget(grade_id: str) -> None:
    """What was typed about a grade that is judged."""
    st.session_state.pop(_HELD, None)
    for name in list(st.session_state):
        if str(name).startswith(f"keep.review.{grade_id}."):
            del st.session_state[name]
