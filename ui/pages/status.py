"""How the service is: what is up, what waits, what it promised, what it takes."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from ui import cells, frame
from ui.facts import facts
from ui.words import COMMON, Table, t

W: Table = {
    "updated": ("As it is now; looked at again every 10 s.", "Как есть сейчас; обновляется каждые 10 с."),
    "services": ("Services", "Сервисы"),
    "llm": ("Language model", "Языковая модель"),
    "embeddings": ("Embeddings service", "Сервис эмбеддингов"),
    "store": ("Store", "Хранилище"),
    "worker": ("Worker", "Рабочий процесс"),
    "masking": ("Masking", "Маскирование"),
    "up": ("up", "работает"),
    "down": ("down", "не отвечает"),
    "off": ("not in use", "не используется"),
    "since": ("since {when}", "с {when}"),
    "promises": ("Service-level objectives, the last hour", "Целевые показатели за последний час"),
    "classifier_p95": ("Classifiers: 95 % within", "Классификаторы: 95 % за"),
    "chat_p95": ("Chat: 95 % within", "Чат: 95 % за"),
    "good_answers": ("Good answers", "Хорошие ответы"),
    "availability": ("Availability", "Доступность"),
    "objective": ("Objective", "Цель"),
    "value": ("Seen", "Факт"),
    "requests": ("Requests", "Запросов"),
    "met": ("Met", "Выполнено"),
    "unknown": ("no requests yet", "запросов ещё не было"),
    "queues": ("What waits", "Очереди"),
    "batch_items": ("Batch items", "Элементы пакетов"),
    "training_jobs": ("Training jobs", "Задачи обучения"),
    "reviews": ("Grades to review", "Оценки на проверку"),
    "drift_runs": ("Drift runs", "Сравнения дрейфа"),
    "queue_unknown": ("The store does not answer: nobody knows.", "Хранилище не отвечает: неизвестно."),
    "in_flight": ("At the models now", "Сейчас у моделей"),
    "models": ("Models served", "Обслуживаемые модели"),
    "limits": ("Limits of your key and of this gateway", "Ограничения вашего ключа и шлюза"),
    "limit": ("Limit", "Ограничение"),
    "requests_per_minute": ("Requests a minute, your key", "Запросов в минуту по вашему ключу"),
    "max_in_flight": ("Requests at the models at once", "Запросов к моделям одновременно"),
    "max_body_bytes": ("A request's body, bytes", "Тело запроса, байт"),
    "max_message_chars": ("A message, characters", "Сообщение, символов"),
    "max_completion_tokens": ("An answer, tokens", "Ответ, токенов"),
    "max_instances": ("Instances of a prediction", "Объектов в одном предсказании"),
    "dataset_max_bytes": ("A data set, bytes", "Набор данных, байт"),
    "llm_timeout_s": ("An answer of the model, s", "Ответ модели, с"),
    "workers": ("Workers", "Рабочие процессы"),
    "version": ("Version", "Версия"),
    "masking_on": ("Personal data masked", "Персональные данные маскируются"),
    "detector": ("Injection detector", "Детектор инъекций"),
}
_EVERY_S = 10
_SIGNS = {
    "up": ":green[:material/check_circle:]",
    "down": ":red[:material/error:]",
    "off": ":gray[:material/remove:]",
}
_IN_SECONDS = frozenset({"classifier_p95", "chat_p95"})


def page() -> None:
    st.header(t("status"), anchor=False)
    st.fragment(_now, run_every=_EVERY_S)()


def _now() -> None:
    with frame.asking():
        told = frame.gateway().get("/v1/status")
    st.caption(t("updated", W))
    _services(told.get("services") or [])
    _promises(told.get("slo") or [])
    _queues(told)
    left, right = st.columns(2)
    with left:
        _limits(told.get("limits") or {})
    with right:
        _about(told)


def _services(services: Sequence[Mapping[str, Any]]) -> None:
    st.subheader(t("services", W))
    with st.container(horizontal=True, gap="medium"):
        for one in services:
            with st.container(border=True, width=210):
                sign = _SIGNS.get(one["state"], "")
                st.markdown(f"{sign} **{_named(one['name'])}**")
                since = cells.when(one["since"], st.context.timezone)
                st.caption(f"{_named(one['state'])}, {t('since', W, when=since)}")
                if one.get("detail"):
                    st.caption(frame.plain(str(one["detail"])))


def _promises(objectives: Sequence[Mapping[str, Any]]) -> None:
    st.subheader(t("promises", W))
    rows = [
        {
            t("objective", W): f"{_named(one['name'])} {_objective(one)}",
            t("value", W): _value(one),
            t("requests", W): one["total"],
            t("met", W): _yes(one["met"]),
        }
        for one in objectives
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True)


def _objective(one: Mapping[str, Any]) -> str:
    if one["name"] in _IN_SECONDS:
        return f"{one['objective']:g} s"
    return f">= {one['objective']:.1%}"


def _value(one: Mapping[str, Any]) -> str:
    if one["value"] is None:
        return "-"
    return f"{one['value']:.3f} s" if one["name"] in _IN_SECONDS else f"{one['value']:.2%}"


def _queues(told: Mapping[str, Any]) -> None:
    st.subheader(t("queues", W))
    queue = told.get("queue")
    if queue is None:
        frame.empty(t("queue_unknown", W), icon=":material/help:")
        queue = {}
    shown = {_named(name): str(count) for name, count in queue.items()}
    facts({t("in_flight", W): str(told.get("in_flight", "-")), **shown})


def _limits(limits: Mapping[str, Any]) -> None:
    st.subheader(t("limits", W))
    rows = [
        {t("limit", W): _named(name), t("value", W): f"{value:,}".replace(",", " ")}
        for name, value in limits.items()
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True)


def _about(told: Mapping[str, Any]) -> None:
    st.subheader(t("models", W))
    st.dataframe(pd.DataFrame({t("models", W): told.get("models") or []}), hide_index=True)
    training = told.get("training") or {}
    facts(
        {
            t("version", W): str(told.get("version", "-")),
            t("masking_on", W): _yes(bool(told.get("masking"))),
            t("detector", W): str(told.get("injection_detector") or "-"),
            t("workers", W): str(len(training.get("workers") or [])),
        }
    )


def _yes(kept: bool | None) -> str:
    return t("unknown", W) if kept is None else t("yes" if kept else "no", COMMON)


def _named(name: str) -> str:
    """In words where there are some: a newer gateway may know more."""
    return t(name, W) if name in W else name
