"""A submission is graded: what is masked in it, the grade with its evidence, the request to copy."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import streamlit as st

from ui import frame, graded
from ui.client import as_curl
from ui.grade_form import form
from ui.highlight import placeholders
from ui.markup import passage, sheet
from ui.submission import Typed, mask_request, request
from ui.words import Table, t

W: Table = {
    "nothing": (
        "Paste a submission and press Grade: points by criterion with their evidence will stand here.",
        "Вставьте работу и нажмите «Оценить»: здесь появятся баллы по критериям с цитатами.",
    ),
    "tab_grade": ("Grade", "Оценка"),
    "tab_mask": ("What is masked", "Что скрыто"),
    "tab_curl": ("As a request", "Запрос"),
    "masked": (
        "This is what leaves for a model if the submission comes alone.",
        "Это уходит к модели, если отправить одну работу.",
    ),
    "left_out": ("Masked before it reached a model: {kinds}.", "Скрыто до отправки модели: {kinds}."),
    "nothing_masked": ("No personal data was found.", "Личных данных не найдено."),
    "empty_mask": ("An empty submission has nothing to mask.", "В пустой работе нечего скрывать."),
    "kind": ("Kind", "Вид"),
    "values": ("Values", "Значений"),
    "mentions": ("Mentions", "Упоминаний"),
    "found_by": ("Found by", "Кем найдено"),
    "curl_help": ("Put your key into GATEWAY_KEY.", "Поместите свой ключ в GATEWAY_KEY."),
    "key_only_yours": ("Your key is not in it.", "В запросе вашего ключа нет."),
}
KINDS: Table = {  # docs/masking.md, "What is found"
    "ADDRESS": ("Address", "Адрес"),
    "AGE": ("Age", "Возраст"),
    "CARD": ("Payment card", "Банковская карта"),
    "CUSTOM": ("Your own list", "Ваш список"),
    "DATE": ("Date", "Дата"),
    "DATE_OF_BIRTH": ("Date of birth", "Дата рождения"),
    "EMAIL": ("E-mail", "Эл. почта"),
    "IBAN": ("Bank account", "Банковский счёт"),
    "INN": ("Tax number (INN)", "ИНН"),
    "IP": ("IP address", "IP-адрес"),
    "LOCATION": ("Place", "Место"),
    "NRP": ("Nationality, religion, politics", "Национальность, религия, политика"),
    "OMS": ("Health insurance (OMS)", "Полис ОМС"),
    "ORGANIZATION": ("Organisation", "Организация"),
    "PASSPORT": ("Passport or certificate", "Паспорт или свидетельство"),
    "PERSON": ("Person", "Человек"),
    "PHONE": ("Phone", "Телефон"),
    "SNILS": ("Pension insurance (SNILS)", "СНИЛС"),
    "STUDENT_ID": ("Student's number", "Номер студента"),
    "TITLE": ("Form of address", "Обращение"),
    "URL": ("Address with a secret", "Ссылка с секретом"),
    "USERNAME": ("User name", "Имя пользователя"),
    "US_SSN": ("US social security number", "Номер соцстрахования США"),
}
_RESULT = "grade.result"


def page() -> None:
    st.header(t("grade"), anchor=False)
    left, right = st.columns([5, 6], gap="large")
    with left:
        typed, pressed = form()
    with right:
        if pressed:
            _ask(typed, grade=pressed == "grade")
        result = st.session_state.get(_RESULT, {})
        if "mask" in result or "grade" in result:
            _show(result)
        elif not pressed:
            frame.empty(t("nothing", W), icon=":material/grading:")


def _ask(typed: Typed, *, grade: bool) -> None:
    """What is masked, and the grade; one is kept without the other where that one fails."""
    gateway, path, body = (
        frame.gateway(),
        f"/v1/models/{quote(typed.grader, safe='')}:predict",
        request(typed),
    )
    headers = {"cache-control": "no-cache"} if st.session_state.get("keep.grade.fresh") else {}
    # An answer is kept as it comes: a click meanwhile runs the page anew.
    st.session_state[_RESULT] = result = {"typed": typed, "path": path, "body": body}

    def ask(name: str, path: str, body: Any, headers: Mapping[str, str] | None = None) -> None:
        result[name] = gateway.post(path, body, headers=headers)

    if typed.submission:
        frame.asked(lambda: ask("mask", "/v1/mask", mask_request(typed)))
        if "mask" not in result and not gateway.is_up():
            return  # said once
    if grade:
        frame.asked(lambda: ask("grade", path, body, headers))


def _show(result: dict[str, Any]) -> None:
    grade = result.get("grade")
    names = [t("tab_grade", W)] if grade else []
    tabs = st.tabs([*names, t("tab_mask", W), t("tab_curl", W)])
    if grade:
        with tabs[0]:
            typed = result["typed"]
            graded.headline(grade)
            graded.criteria(grade)
            graded.submission(typed.submission, grade, code=typed.task == "code")
            if kinds := _kinds((result.get("mask") or {}).get("entities") or []):
                st.caption(t("left_out", W, kinds=frame.plain(kinds)))
            graded.origin(grade)
    with tabs[-2]:
        _masked(result)
    with tabs[-1]:
        st.caption(f"{t('curl_help', W)} {t('key_only_yours', W)}")
        st.code(
            as_curl(frame.settings().shown_url, result["path"], result["body"]),
            language="bash",
            wrap_lines=True,
        )


def _masked(result: dict[str, Any]) -> None:
    mask = result.get("mask")
    if mask is None:
        st.caption(t("empty_mask", W) if not result["typed"].submission else t("refused"))
        return
    if mask["entities"]:
        rows = [
            [_kind(kind), str(values), str(mentions), by]
            for kind, values, mentions, by in graded.mentions(mask["entities"])
        ]
        head = [t(name, W) for name in ("kind", "values", "mentions", "found_by")]
        st.html(sheet(head, rows, numbers={1, 2}))
    else:
        st.caption(t("nothing_masked", W))
    spans = placeholders(mask["masked"], [(one["type"], one["placeholder"]) for one in mask["entities"]])
    st.html(passage(mask["masked"], spans, css="masked", code=result["typed"].task == "code"))
    st.caption(t("masked", W))


def _kinds(entities: list[dict[str, Any]]) -> str:
    return ", ".join(_kind(kind) for kind, *_ in graded.mentions(entities))


def _kind(name: str) -> str:
    return t(name, KINDS) if name in KINDS else name
