"""Trainings beside each other: a table, charts of those that are picked, and what can be done with one."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import streamlit as st

from ui import cells, charts_of_models, frame, training_live
from ui.client import GatewayDown, Refused
from ui.facts import facts
from ui.picking import choose, pick_rows
from ui.runs import OPEN, differences, metrics_of, per_class, values_of
from ui.training_form import take_over
from ui.words import Table, t

W: Table = {
    "none": (
        "No training yet. Start one beside: what came of it stands here.",
        "Обучений пока не было. Начните первое рядом: результат появится здесь.",
    ),
    "model": ("Model", "Модель"),
    "all_models": ("all models", "все модели"),
    "status": ("Status", "Статус"),
    "queued": ("waits", "ожидает"),
    "running": ("runs", "идёт"),
    "succeeded": ("trained", "обучена"),
    "failed": ("failed", "не удалось"),
    "cancelled": ("cancelled", "отменено"),
    "version": ("Version", "Версия"),
    "class": ("Class", "Класс"),
    "data_set": ("Data set", "Набор данных"),
    "differ": ("Differing hyper-parameters", "Различия гиперпараметров"),
    "time": ("Time", "Время"),
    "created": ("Created", "Создано"),
    "pick": (
        "Tick runs to compare them; without a tick all of the table are compared.",
        "Отметьте запуски для сравнения; без отметок сравниваются все из таблицы.",
    ),
    "metric": ("Metric", "Метрика"),
    "per_class": ("F1 of each class", "F1 по классам"),
    "label": ("Class", "Класс"),
    "run": ("Run", "Запуск"),
    "no_metrics": (
        "None of these has metrics: they come with the end of a training.",
        "Метрик нет: они появляются в конце обучения.",
    ),
    "hyper": ("Hyper-parameters", "Гиперпараметры"),
    "target": ("Target", "Цель"),
    "features": ("Features", "Признаков"),
    "seed": ("Seed", "Начальное число"),
    "error": ("Error", "Ошибка"),
    "log": ("Log", "Журнал"),
    "delete": ("Delete the run", "Удалить запуск"),
    "delete_help": ("The model that came of it stays.", "Полученная модель остаётся."),
    "cancel": ("Cancel", "Отменить"),
    "again": ("Change and start again", "Изменить и запустить снова"),
    "retrain": ("Retrain {model} on the newest version", "Переобучить {model} на новейшей версии"),
    "retrain_help": (
        "As the version that predicts now was trained, on the newest version of its data set.",
        "Как обучена предсказывающая сейчас версия, на новейшей версии её набора данных.",
    ),
}

_PAGE = 100
_SHOWN = "training.shown"


def runs(classes: list[Any], *, to_form: Callable[[], None]) -> None:
    """`classes`: as the gateway lists them. `to_form`: shows the form of a new training."""
    schemas = {one["name"]: one["schema"] for one in classes}
    with frame.asking():
        jobs, more = _found()
    if not jobs:
        frame.empty(t("none", W))
        return
    models = sorted({job["model"] for job in jobs})
    model = None
    if len(models) > 1:
        options = ["", *models]
        model = choose(
            t("model", W), options, "keep.training.filter", format_func=lambda one: one or t("all_models", W)
        )
    shown = [job for job in jobs if not model or job["model"] == model]
    picked = pick_rows(
        _table(shown, _defaults(schemas)),
        [job["id"] for job in shown],
        "training.picked",
        many=True,
        placeholder="",
    )
    if more and st.button(t("more")):
        st.session_state[_SHOWN] = len(jobs) + _PAGE
        st.rerun()
    chosen = [job for job in shown if job["id"] in picked]
    if len(chosen) == 1:
        _one(chosen[0], schemas, to_form)
    else:
        st.caption(t("pick", W))
    _charts(chosen or shown)


def _defaults(schemas: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Of each class the hyper-parameters' defaults."""
    return {
        name: {field: told.get("default") for field, told in schema["properties"].items()}
        for name, schema in schemas.items()
    }


def _found() -> tuple[list[Any], bool]:
    found: list[Any] = []
    more = True
    while more and len(found) < st.session_state.get(_SHOWN, _PAGE):
        after = found[-1]["id"] if found else None
        told = frame.gateway().get("/v1/training-jobs", limit=_PAGE, after=after)
        found += told["data"]
        more = told["has_more"]
    return found, more


def _table(jobs: list[Any], defaults: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    zone = st.context.timezone
    metrics = metrics_of(jobs)
    return pd.DataFrame(
        {
            t("model", W): [job["model"] for job in jobs],
            t("version", W): pd.array([job["model_version"] for job in jobs], dtype="Int64"),
            t("status", W): [t(job["status"], W) for job in jobs],
            t("class", W): [job["model_class"] for job in jobs],
            t("differ", W): differences(jobs, defaults),
            **{name: [job["metrics"].get(name) for job in jobs] for name in metrics},
            t("data_set", W): [job["dataset"] for job in jobs],
            t("time", W): [cells.duration(job["started_at"], job["ended_at"]) for job in jobs],
            t("created", W): [cells.when(job["created_at"], zone) for job in jobs],
        }
    )


def _charts(jobs: list[Any]) -> None:
    metrics = metrics_of(jobs)
    if not metrics:
        st.caption(t("no_metrics", W))
        return
    left, right = st.columns(2)
    with left:
        metric = choose(t("metric", W), metrics, "keep.training.metric") or metrics[0]
        st.altair_chart(charts_of_models.metric(values_of(jobs, metric), t("run", W)))
    by_class = per_class(jobs)
    if by_class:
        with right:
            st.caption(t("per_class", W))
            st.altair_chart(charts_of_models.classes(by_class, t("label", W), t("run", W)))


def _one(job: Any, schemas: Mapping[str, Any], to_form: Callable[[], None]) -> None:
    """What one run was, how it went, and what can be done with it."""
    told = {
        "data_set": job["dataset"],
        "target": job["target"],
        "features": str(job["feature_count"]),
        "seed": str(job["seed"]),
        "hyper": ", ".join(f"{name}={cells.said(value)}" for name, value in job["hyperparameters"].items())
        or "-",
    }
    facts({t(name, W): value for name, value in told.items()})
    if job["error"]:
        st.error(frame.plain(f"{job['error']['code']}: {job['error']['message']}"), icon=":material/error:")
    model, row = frame.plain(job["model"]), st.container(horizontal=True)
    if row.button(t("retrain", W, model=model), help=t("retrain_help", W), icon=":material/replay:"):
        _retrain(job["model"])
    if job["model_class"] in schemas:
        row.button(
            t("again", W),
            icon=":material/edit:",
            on_click=_again,
            args=(job, schemas[job["model_class"]], to_form),
        )
    path = f"/v1/training-jobs/{job['id']}"
    if job["status"] in OPEN:
        if row.button(t("cancel", W), key="training.cancel_one") and _done("post", f"{path}:cancel"):
            st.rerun()
    elif row.button(t("delete", W), help=t("delete_help", W), icon=":material/delete:") and _done(
        "delete", path
    ):
        st.rerun()
    if st.toggle(t("log", W), key="training.show_log"):
        training_live.log(job["id"])


def _again(job: Any, schema: Mapping[str, Any], to_form: Callable[[], None]) -> None:
    take_over(job, schema)
    to_form()


def _done(how: str, path: str) -> bool:
    gateway = frame.gateway()
    try:
        if how == "delete":
            gateway.delete(path)
        else:
            gateway.post(path, {})
    except (GatewayDown, Refused) as error:
        frame.show(error)
        return False
    return True


def _retrain(model: str) -> None:
    try:
        job = frame.gateway().post(
            f"/v1/models/{model}:retrain", {}, headers={"Idempotency-Key": uuid.uuid4().hex}
        )
    except (GatewayDown, Refused) as error:
        frame.show(error)
        return
    training_live.watch(job)
    st.rerun()
