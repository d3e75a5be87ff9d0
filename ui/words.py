"""English and Russian words of the dashboard. Each page has a table of its own; the common ones are here."""

from collections.abc import Mapping

import streamlit as st

LANGUAGES = {"en": "English", "ru": "Русский"}
_CHOICE = "keep.language"

Table = Mapping[str, tuple[str, str]]  # name -> (English, Russian)

COMMON: Table = {
    "title": ("Grading gateway", "Шлюз оценивания"),
    "language": ("Language", "Язык"),
    "grade": ("Grade", "Оценить"),
    "review": ("Review", "Проверка"),
    "datasets": ("Datasets", "Наборы данных"),
    "training": ("Training", "Обучение"),
    "inference": ("Inference", "Предсказание"),
    "drift": ("Drift", "Дрейф"),
    "status": ("Status", "Состояние"),
    "people": ("Grading", "Оценивание"),
    "models": ("Models", "Модели"),
    "operations": ("Operations", "Эксплуатация"),
    "key": ("API key", "Ключ API"),
    "key_help": (
        "Your own key. It stays in this session's memory and goes to the gateway only.",
        "Ваш собственный ключ. Он остаётся в памяти сессии и отправляется только шлюзу.",
    ),
    "log_in": ("Log in", "Войти"),
    "log_out": ("Log out", "Выйти"),
    "wrong_key": ("The gateway does not know this key.", "Шлюз не знает этого ключа."),
    "key_gone": (
        "The gateway no longer accepts your key. Log in again; what you typed is still there.",
        "Шлюз больше не принимает ваш ключ. Войдите снова: введённое сохранено.",
    ),
    "down": ("The gateway does not answer.", "Шлюз не отвечает."),
    "down_help": (
        "Nothing you typed is lost. Try again in a moment, then tell whoever runs the gateway.",
        "Введённое не потеряно. Повторите чуть позже, затем сообщите администратору шлюза.",
    ),
    "again": ("Try again", "Повторить"),
    "forbidden": (
        "Your key may not do this: it needs the role trainer or admin.",
        "Вашему ключу это не разрешено: нужна роль trainer или admin.",
    ),
    "no_entry": (
        "This key may read metrics only: it does not open the dashboard.",
        "Этот ключ даёт доступ только к метрикам и не открывает панель.",
    ),
    "broken": (
        "This page failed, which is our fault. The log of the dashboard names the place.",
        "Ошибка на странице: это наша вина. Место указано в журнале панели.",
    ),
    "wait": ("Try again in {seconds:.0f} s.", "Повторите через {seconds:.0f} с."),
    "refused": ("The gateway refused this", "Шлюз отклонил запрос"),
    "loading": ("Asking the gateway...", "Запрос к шлюзу..."),
    "refresh": ("Refresh", "Обновить"),
    "more": ("Show more", "Показать ещё"),
    "yes": ("yes", "да"),
    "no": ("no", "нет"),
    "none": ("none", "нет"),
}


REFUSALS: Table = {  # by the gateway's code
    "artifact_refused": ("The submission's address was refused", "Адрес работы отклонён"),
    "artifact_unavailable": ("The submission could not be fetched", "Не удалось получить работу"),
    "backend_error": ("The model's service failed", "Сбой сервиса модели"),
    "deadline_exceeded": ("The time for the request is over", "Время на запрос истекло"),
    "backend_timeout": ("The model took too long", "Модель не ответила вовремя"),
    "backend_unavailable": ("The model's service is down", "Сервис модели недоступен"),
    "conflict": ("This does not fit what is there", "Это противоречит уже имеющемуся"),
    "internal": ("The gateway failed", "Сбой шлюза"),
    "invalid_dataset": ("The data set cannot be used", "Набор данных непригоден"),
    "invalid_hyperparameters": ("A hyper-parameter is wrong", "Неверный гиперпараметр"),
    "invalid_request": ("Something in the request is wrong", "В запросе ошибка"),
    "masking_unavailable": (
        "Personal data cannot be masked now, so nothing was sent",
        "Сейчас нельзя скрыть личные данные, поэтому ничего не отправлено",
    ),
    "model_not_found": ("There is no such model", "Такой модели нет"),
    "model_unavailable": ("The model cannot be loaded", "Модель не загружается"),
    "not_found": ("There is no such thing", "Такого нет"),
    "overloaded": ("The gateway is busy", "Шлюз занят"),
    "payload_too_large": ("This is too large", "Слишком большой объём"),
    "rate_limited": ("Too many requests with this key", "Слишком много запросов с этим ключом"),
    "rate_limit_exceeded": ("Too many requests with this key", "Слишком много запросов с этим ключом"),
    "store_unavailable": ("The store does not answer", "Хранилище не отвечает"),
    "unusable_answer": (
        "The model's answer broke its contract, so no grade was made up",
        "Ответ модели не соответствует контракту, поэтому оценка не выставлена",
    ),
}


def language() -> str:
    """The user's choice; before there is one, what the browser prefers."""
    chosen = st.session_state.get(_CHOICE)
    if chosen in LANGUAGES:
        return str(chosen)
    return "ru" if (st.context.locale or "").lower().startswith("ru") else "en"


def choose_language() -> None:
    """A switch between the languages."""
    # Set, not only where there is none: beside the pages and on the login it is not the same widget.
    st.session_state[_CHOICE] = language()
    st.segmented_control(
        t("language"),
        list(LANGUAGES),
        key=_CHOICE,
        persist_state="session",
        format_func=LANGUAGES.__getitem__,
        required=True,
    )


def t(name: str, table: Table = COMMON, /, **given: object) -> str:
    """The words of that name, with what is given filled in."""
    english, russian = table[name]
    words = russian if language() == "ru" else english
    return words.format(**given) if given else words
