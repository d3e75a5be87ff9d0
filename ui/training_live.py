"""The trainings that are not over, redrawn by themselves until they are, and the log of one."""

import contextlib
from typing import Any

import streamlit as st

from ui import cells, frame
from ui.client import GatewayDown, Refused
from ui.runs import OPEN
from ui.words import Table, t

W: Table = {
    "queued": ("waits for a worker", "ожидает рабочего процесса"),
    "preparing": ("preparing", "подготовка"),
    "fitting": ("fitting", "обучение"),
    "evaluating": ("evaluating", "оценивание"),
    "exporting": ("exporting", "экспорт"),
    "registering": ("registering", "регистрация"),
    "over": ("over", "завершено"),
    "cancel": ("Cancel", "Отменить"),
    "cancelling": ("is being cancelled", "отменяется"),
    "log": ("Log", "Журнал"),
    "others": ("and {count} more", "и ещё {count}"),
    "succeeded": (
        "{model}: version {version} is trained, accuracy {accuracy}.",
        "{model}: версия {version} обучена, доля верных {accuracy}.",
    ),
    "failed": ("{model}: the training failed: {error}", "{model}: обучение не удалось: {error}"),
    "cancelled": ("{model}: the training is cancelled.", "{model}: обучение отменено."),
    "gone": ("The training was deleted.", "Обучение удалено."),
}

WATCHED = "training.watched"  # the id of the job that was started last
_POLL_S = 1.5
_MOST = 20
_SHOWN = 4
_PAGES = 20  # of a log, 100 lines each
_STAGES = frozenset(W) - {"cancel", "cancelling", "log", "others", "succeeded", "failed", "cancelled", "gone"}


def open_jobs() -> list[Any]:
    """Those that run, then those that wait."""
    gateway = frame.gateway()
    return [
        job
        for status in ("running", "queued")
        for job in gateway.get("/v1/training-jobs", status=status, limit=_MOST)["data"]
    ]


def watch(job: Any) -> None:
    """From now on it is this one whose end and log are told."""
    st.session_state[WATCHED] = job["id"]


def panel(jobs: list[Any]) -> None:
    """What runs; and how the watched one ended."""
    st.session_state["training.open"] = [job["id"] for job in jobs]
    if jobs:
        st.fragment(_live, run_every=_POLL_S)()
    elif watched := st.session_state.get(WATCHED):
        _ended(watched)


def _live() -> None:
    try:
        jobs = open_jobs()
    except (GatewayDown, Refused) as error:
        frame.show(error)
        return
    if [job["id"] for job in jobs] != st.session_state.get("training.open"):
        st.rerun()  # the rest of the page has news too
    with st.container(border=True):
        for job in jobs[:_SHOWN]:
            _one(job)
        if len(jobs) > _SHOWN:
            st.caption(t("others", W, count=len(jobs) - _SHOWN))
        followed = st.session_state.get(WATCHED)
        shown = next((job for job in jobs if job["id"] == followed), jobs[0])
        with st.expander(f"{t('log', W)}: {frame.plain(shown['model'])}", expanded=shown["id"] == followed):
            log(shown["id"])


def _one(job: Any) -> None:
    left, right = st.columns([5, 1], vertical_alignment="bottom")
    stage = job["stage"] if job["stage"] in _STAGES else "preparing"
    words = t("cancelling" if job["cancelling"] else stage, W)
    name = f"{job['model']}, {job['model_class']}, {job['dataset']}"
    left.progress(min(1.0, max(0.0, job["progress"])), text=f"{frame.plain(name)}: {words}")
    right.button(
        t("cancel", W),
        key=f"training.cancel.{job['id']}",
        disabled=job["cancelling"],
        on_click=_cancel,
        args=(job["id"],),
        width="stretch",
    )


def _cancel(job_id: str) -> None:
    # What it came to is seen in the very next answer.
    with contextlib.suppress(GatewayDown, Refused):
        frame.gateway().post(f"/v1/training-jobs/{job_id}:cancel", {})


def log(job_id: str) -> None:
    """The lines so far. Those that were read once are not asked for again."""
    kept = st.session_state.setdefault("training.log", {"of": "", "lines": []})
    if kept["of"] != job_id:
        kept.update(of=job_id, lines=[])
    lines: list[Any] = kept["lines"]
    try:
        for _ in range(_PAGES):
            after = lines[-1]["number"] if lines else 0
            told = frame.gateway().get(f"/v1/training-jobs/{job_id}/events", after=after)
            lines += told["data"]
            if not told["has_more"]:
                break
    except (GatewayDown, Refused) as error:
        frame.show(error)
        return
    zone = st.context.timezone
    text = "\n".join(f"{cells.when(line['at'], zone)[11:]}  {line['message']}" for line in lines)
    st.code(text or " ", language=None, height=180, wrap_lines=True)


def _ended(job_id: str) -> None:
    try:
        job = frame.gateway().get(f"/v1/training-jobs/{job_id}")
    except Refused as error:
        if error.code == "not_found":
            del st.session_state[WATCHED]
        else:
            frame.show(error)
        return
    except GatewayDown as error:
        frame.show(error)
        return
    model = frame.plain(job["model"])
    match job["status"]:
        case "succeeded":
            accuracy = frame.plain(f"{job['metrics'].get('accuracy', float('nan')):.4f}")
            words = t("succeeded", W, model=model, version=job["model_version"], accuracy=accuracy)
            st.success(words, icon=":material/check:")
        case "failed":
            words = t("failed", W, model=model, error=frame.plain((job["error"] or {}).get("message") or ""))
            st.error(words, icon=":material/error:")
        case "cancelled":
            st.info(t("cancelled", W, model=model), icon=":material/cancel:")
        case other if other in OPEN:
            st.rerun()  # it was queued between two looks
