"""How the service is: what is up, what waits, what it promised, what it takes."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from ui import cells, frame
from ui.client import GatewayDown, Refused
from ui.facts import facts
from ui.markup import sheet
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
    "is": ("Value", "Значение"),
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
    "model": ("Model", "Модель"),
    "champion": ("Version that predicts", "Предсказывает версия"),
    "drifted": ("Drift found: {names}", "Обнаружен дрейф: {names}"),
    "stores": ("What training needs", "Нужное обучению"),
    "not_known": ("nobody knows", "неизвестно"),
    "seconds": ("{count:g} s", "{count:g} с"),
    "database": ("store", "хранилище"),
    "datasets": ("data sets", "наборы данных"),
    "trained": ("weights", "веса моделей"),
    "registry": ("registry", "реестр"),
    "dataset_remote": ("DVC's remote", "удалённое хранилище DVC"),
    "limits": ("Limits of your key and of this gateway", "Ограничения вашего ключа и шлюза"),
    "limit": ("Limit", "Ограничение"),
    "requests_per_minute": ("Requests a minute, your key", "Запросов в минуту по вашему ключу"),
    "tokens_per_minute": ("Tokens a minute, your key; 0: any", "Токенов в минуту по вашему ключу; 0: любое"),
    "max_parallel": ("Requests at once, your key; 0: any", "Запросов одновременно по ключу; 0: любое"),
    "max_in_flight": ("Requests at the models at once", "Запросов к моделям одновременно"),
    "max_body_bytes": ("A request's body", "Тело запроса"),
    "max_message_chars": ("A message, characters", "Сообщение, символов"),
    "max_completion_tokens": ("An answer, tokens", "Ответ, токенов"),
    "max_instances": ("Instances of a prediction", "Объектов в одном предсказании"),
    "dataset_max_bytes": ("A data set", "Набор данных"),
    "llm_timeout_s": ("The model answers within", "Модель отвечает за"),
    "workers": ("Workers", "Рабочие процессы"),
    "engine": ("Trains with", "Обучает через"),
    "places": ("Trainings, of so many", "Обучений, из возможных"),
    "of": ("{running} of {capacity}", "{running} из {capacity}"),
    "no_workers": (
        "No worker reports: nothing is trained or compared until one is started.",
        "Ни один рабочий процесс не отвечает: без него нет ни обучения, ни сравнений.",
    ),
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
_STORES = {"models": "trained"}  # what is called otherwise here
_IN_SECONDS = frozenset({"classifier_p95", "chat_p95"})


def page() -> None:
    st.header(t("status"), anchor=False)
    st.fragment(_now, run_every=_EVERY_S)()


def _now() -> None:
    with frame.asking():
        told = frame.gateway().get("/v1/status")
    st.caption(t("updated", W))
    _alarms()
    _services(told.get("services") or [])
    _promises(told.get("slo") or [])
    _queues(told)
    left, right = st.columns(2)
    with left:
        _limits(told.get("limits") or {})
    with right:
        _models(told)
    _workers(told.get("training") or {})
    _about(told)


def _services(services: Sequence[Mapping[str, Any]]) -> None:
    st.markdown(f"**{t('services', W)}**")
    with st.container(horizontal=True, gap="small"):
        for one in services:
            with st.container(border=True, width=165):
                sign = _SIGNS.get(one["state"], "")
                st.markdown(f"{sign} **{_named(one['name'])}**")
                since = cells.when(one["since"], st.context.timezone)
                st.caption(f"{_named(one['state'])}, {t('since', W, when=since)}")
                if one.get("detail"):
                    st.caption(frame.plain(str(one["detail"])))


def _alarms() -> None:
    """Which models drifted, for those who may know; a key that may not has the rest of the page."""
    try:
        models = frame.gateway().get("/v1/drift")["data"]
    except (GatewayDown, Refused):
        return
    found = {one["model"]: one.get("last_finding") or one["last_run"] for one in models}
    names = [name for name, run in found.items() if run and run["drifted"]]
    if names:
        told = t("drifted", W, names=", ".join(map(frame.plain, names)))
        st.warning(told, icon=":material/monitoring:")


def _promises(objectives: Sequence[Mapping[str, Any]]) -> None:
    st.markdown(f"**{t('promises', W)}**")
    head = [t(name, W) for name in ("objective", "met", "value", "requests")]
    rows = [
        [f"{_named(one['name'])} {_objective(one)}", _yes(one["met"]), _value(one), str(one["total"])]
        for one in objectives
    ]
    st.html(sheet(head, rows, numbers={2, 3}))


def _objective(one: Mapping[str, Any]) -> str:
    if one["name"] in _IN_SECONDS:
        return t("seconds", W, count=one["objective"])
    return f">= {_share(one['objective'])}"


def _value(one: Mapping[str, Any]) -> str:
    if one["value"] is None:
        return "-"
    if one["name"] in _IN_SECONDS:
        return t("seconds", W, count=round(one["value"], 3))
    return _share(one["value"])


def _share(part: float) -> str:
    """99 %, 99.5 %: rounded down, so that 100 % is all."""
    return f"{math.floor(part * 10_000 + 1e-6) / 100:g} %"


def _queues(told: Mapping[str, Any]) -> None:
    st.markdown(f"**{t('queues', W)}**")
    queue = told.get("queue")
    if queue is None:
        frame.empty(t("queue_unknown", W), icon=":material/help:")
        queue = {}
    shown = {_named(name): str(count) for name, count in queue.items()}
    facts({t("in_flight", W): str(told.get("in_flight", "-")), **shown})


def _limits(limits: Mapping[str, Any]) -> None:
    st.markdown(f"**{t('limits', W)}**")
    rows = [[_named(name), _limit(name, value)] for name, value in limits.items()]
    st.html(sheet([t("limit", W), t("is", W)], rows, numbers={1}))


def _limit(name: str, value: float) -> str:
    """With its unit, which the name of a limit ends in."""
    if name.endswith("_bytes"):
        return cells.size(value)
    if name.endswith("_s"):
        return t("seconds", W, count=value)
    return f"{value:,.12g}".replace(",", " ")


def _models(told: Mapping[str, Any]) -> None:
    st.markdown(f"**{t('models', W)}**")
    champions = {one["name"]: one["version"] for one in (told.get("prediction") or {}).get("champions") or []}
    models = told.get("models") or []
    rows = {t("model", W): models, t("champion", W): [str(champions.get(one, "")) for one in models]}
    st.dataframe(pd.DataFrame(rows), hide_index=True, height=320)


def _workers(training: Mapping[str, Any]) -> None:
    st.markdown(f"**{t('workers', W)}**")
    workers = training.get("workers") or []
    if workers:
        head = [t(name, W) for name in ("worker", "engine", "places")]
        rows = [
            [
                str(one["id"]),
                str(one["engine"]),
                t("of", W, running=one["running"], capacity=one["capacity"]),
            ]
            for one in workers
        ]
        st.html(sheet(head, rows))
    else:
        frame.empty(t("no_workers", W), icon=":material/engineering:")
    stores = training.get("stores") or {}
    if stores:
        st.markdown(f"**{t('stores', W)}**")
        facts({_named(_STORES.get(name, name)): _state(state) for name, state in stores.items()})


def _about(told: Mapping[str, Any]) -> None:
    facts(
        {
            t("version", W): str(told.get("version", "-")),
            t("masking_on", W): _yes(bool(told.get("masking"))),
            t("detector", W): str(told.get("injection_detector") or "-"),
        }
    )


def _state(told: str) -> str:
    """Of a store: up, down, off, trouble in a worker's words, or unknown where no worker is there."""
    if told.startswith("unknown"):
        return t("not_known", W)
    return _named(told)


def _yes(kept: bool | None) -> str:
    return t("unknown", W) if kept is None else t("yes" if kept else "no", COMMON)


def _named(name: str) -> str:
    """In words where there are some: a newer gateway may know more."""
    return t(name, W) if name in W else name
