"""People behind the graders: what waits for one, their word on it, and how well graders agree with people."""

from typing import Any
from urllib.parse import quote

import streamlit as st

from ui import agreement_view, frame, graded, judging
from ui.client import Refused
from ui.highlight import quoted
from ui.markup import passage
from ui.picking import choose
from ui.words import Table, t

W: Table = {
    "view": ("What to show", "Что показать"),
    "queue": ("Waiting", "Ждут проверки"),
    "agreement": ("Agreement", "Согласие"),
    "grader": ("Grader", "Оценщик"),
    "rubric": ("Rubric", "Рубрика"),
    "all": ("All", "Все"),
    "waiting": ("The most doubtful first", "Сначала самые сомнительные"),
    "nothing": (
        "No grade waits for a person. Grades that a grader is unsure of come here by themselves.",
        "Ни одна оценка не ждёт человека. Сомнительные оценки появляются здесь сами.",
    ),
    "older": ("Older ones", "Более ранние"),
    "newest": ("Back to the newest", "К самым новым"),
    "vanished": (
        "The grade you looked at waits no longer: somebody judged it.",
        "Оценка, которую вы смотрели, больше не ждёт: её проверил другой человек.",
    ),
    "task": ("Question and reference answers", "Вопрос и эталонные ответы"),
    "question": ("Question", "Вопрос"),
    "reference": ("Reference answer", "Эталонный ответ"),
    "no_task": ("Neither was given.", "Не заданы."),
    "masked": ("The submission, masked", "Работа без личных данных"),
    "no_text": (
        "The text is shown to keys of the role trainer or admin. These are the quotes and comments.",
        "Текст виден ключам с ролью trainer или admin. Здесь цитаты и комментарии.",
    ),
}
GRADERS = ("", "grader-llm", "grader-embedding")
_CHOSEN, _LATER, _WHERE, _AFTER = "keep.review.chosen", "review.later", "review.where", "review.after"
_SEEN, _NO_AUDIT, _READ = "review.rubrics", "review.no_audit", "review.read"


def page() -> None:
    st.header(t("review"), anchor=False)
    st.session_state.setdefault("keep.review.view", "queue")
    views, all_of = {name: t(name, W) for name in ("queue", "agreement")}, t("all", W)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        view = st.segmented_control(
            t("view", W),
            list(views),
            key="keep.review.view",
            persist_state="session",
            required=True,
            format_func=views.__getitem__,
        )
        with st.container(width=220):
            grader = choose(
                t("grader", W), GRADERS, "keep.review.grader", format_func=lambda name: name or all_of
            )
        with st.container(width=260):
            rubric = choose(
                t("rubric", W),
                _rubrics(),
                "keep.review.rubric",
                format_func=lambda name: name or all_of,
                accept_new_options=True,
            )
    query = {"grader": grader or None, "rubric": (rubric or "").strip() or None}
    if view == "agreement":
        agreement_view.view(query)
    else:
        _queue(query)


def _queue(query: dict[str, str | None]) -> None:
    kept = judging.send()
    where = (query["grader"], query["rubric"], st.session_state.get(_AFTER))
    if (before := st.session_state.get(_WHERE)) and before[:2] != where[:2]:
        st.session_state.pop(_AFTER, None)
    after = st.session_state.get(_AFTER)
    with frame.asking():
        found = frame.gateway().get("/v1/reviews", after=after, **query)
    waiting = found["data"]
    st.session_state[_SEEN] = st.session_state.get(_SEEN, set()) | {
        one["versions"]["rubric"] for one in waiting
    }
    chosen = st.session_state.get(_CHOSEN)
    known = (kept, judging.in_conflict(), *(one["id"] for one in waiting))
    if chosen and chosen not in known and before == where:
        st.info(t("vanished", W), icon=":material/group:")
    st.session_state[_WHERE] = (*where[:2], after)
    if not waiting:
        frame.empty(t("nothing", W), icon=":material/task_alt:")
        _turn(after, None)
        return
    left, right = st.columns([4, 11], gap="large")
    with left:
        grade_id = _listed(waiting)
        _turn(after, found["after"])
    with right:
        _detail(grade_id)


def _listed(waiting: list[dict[str, Any]]) -> str:
    """The list, its first open; after one that was judged comes the one that stood below it."""
    ids = [one["id"] for one in waiting]
    if (chosen := st.session_state.get(_CHOSEN)) not in ids:
        later = st.session_state.get(_LATER, []) if chosen else []
        st.session_state[_CHOSEN] = next((one for one in later if one in ids), ids[0])
    told = {one["id"]: _headline(one) for one in waiting}
    with st.container(key="review_list"):
        chosen = st.radio(
            t("waiting", W),
            ids,
            key=_CHOSEN,
            persist_state="session",
            format_func=told.__getitem__,
            captions=[frame.plain(f"{one['grader']}, {one['versions']['rubric']}") for one in waiting],
        )
    st.session_state[_LATER] = ids[ids.index(chosen) + 1 :]
    return str(chosen)


def _turn(after: str | None, older: str | None) -> None:
    """To another page of the queue."""
    with st.container(horizontal=True):
        if after:
            st.button(t("newest", W), icon=":material/first_page:", on_click=_go, args=(None,))
        if older:
            st.button(t("older", W), icon=":material/chevron_right:", on_click=_go, args=(older,))


def _go(after: str | None) -> None:
    st.session_state[_AFTER] = after


def _detail(grade_id: str) -> None:
    with frame.asking():
        grade = _read(grade_id)
    graded.headline(grade)
    if audit := grade.get("audit"):
        quotes = [(one["id"], one["evidence"]) for one in grade["details"]["criteria"]]
        st.markdown(f"**{t('masked', W)}**")
        st.html(
            passage(
                audit["submission"], quoted(audit["submission"], quotes), code=grade["task_type"] == "code"
            )
        )
        with st.expander(t("task", W)):
            _task(audit)
    else:
        st.caption(t("no_text", W))
    graded.criteria(grade)
    judging.form(grade)
    graded.origin(grade)


def _read(grade_id: str) -> dict[str, Any]:
    """The grade, with what was asked where the key may see that. It never changes: it is asked for once."""
    if st.session_state.get(_READ, {}).get("id") != grade_id:
        st.session_state[_READ] = _asked(grade_id)
    known: dict[str, Any] = st.session_state[_READ]
    return known


def _asked(grade_id: str) -> dict[str, Any]:
    gateway, path = frame.gateway(), f"/v1/grades/{quote(grade_id, safe='')}"
    if not st.session_state.get(_NO_AUDIT):
        try:
            found: dict[str, Any] = gateway.get(path, audit="true")
        except Refused as error:
            if error.code != "forbidden":
                raise
            st.session_state[_NO_AUDIT] = True
        else:
            return found
    bare: dict[str, Any] = gateway.get(path)
    return bare


def _task(audit: dict[str, Any]) -> None:
    texts = [(t("question", W), audit["question"])]
    texts += [(t("reference", W), one) for one in audit["reference_answers"]]
    told = [(name, text) for name, text in texts if text]
    for name, text in told:
        st.caption(name)
        st.html(passage(text))
    if not told:
        st.caption(t("no_task", W))


def _rubrics() -> list[str]:
    """To filter by: those that are stored, and those that grades on the pages so far had."""
    found = frame.asked(lambda: frame.gateway().get("/v1/rubrics", limit=200))
    stored = [one["id"] for one in found["data"]] if found else []
    return ["", *sorted({*stored, *st.session_state.get(_SEEN, ())})]


def _headline(grade: dict[str, Any]) -> str:
    share = graded.percent(grade["confidence"])
    return frame.plain(f"{graded.points(grade['score'])} / {graded.points(grade['max_score'])}, {share}")
