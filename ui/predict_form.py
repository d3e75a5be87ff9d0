"""One row or one text to be predicted, by a form."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from ui import cells, charts_of_models, frame
from ui.client import GatewayDown, Refused
from ui.facts import facts
from ui.picking import choose
from ui.words import Table, t

W: Table = {
    "predict": ("Predict", "Предсказать"),
    "empty_is_missing": (
        "What stays empty is a missing value.",
        "Незаполненное считается пропуском.",
    ),
    "first_only": (
        "The first {count} of {all} features are shown, the others count as missing. A CSV may have all.",
        "Показаны первые {count} из {all} признаков, остальные считаются пропусками. В CSV могут быть все.",
    ),
    "nothing": ("Fill in one field at least.", "Заполните хотя бы одно поле."),
    "seen": ("in training: {low} to {high}", "при обучении: от {low} до {high}"),
    "label": ("Label", "Метка"),
    "confidence": ("Confidence", "Уверенность"),
    "probabilities": ("Probabilities", "Вероятности"),
    "text": ("Text", "Текст"),
    "review": ("Doubtful: a person should look", "Сомнительно: нужен взгляд человека"),
    "version": ("Version", "Версия"),
    "no_text": ("Type a text first.", "Сначала введите текст."),
}

_MOST_FIELDS = 60
_COLUMNS = 3
_LONGEST_OPTION = 80
_ANSWER = "inference.answer"  # (of what, the answer)


@st.fragment
def row_form(model: str, version: int, features: list[Any], seen: Mapping[str, Any]) -> None:
    """A field for each feature. `seen`: the columns' statistics of the data that was trained on, if known. A
    fragment: what is typed asks the gateway nothing. No `st.form`: that loses it when the page is left."""
    shown = features[:_MOST_FIELDS]
    with st.container(border=True):
        values: dict[str, Any] = {}
        for start in range(0, len(shown), _COLUMNS):
            for place, one in zip(st.columns(_COLUMNS), shown[start : start + _COLUMNS], strict=False):
                with place:
                    values[one["name"]] = _field(model, one, seen.get(one["name"]))
        sent = st.button(t("predict", W), type="primary", icon=":material/online_prediction:")
    if len(features) > len(shown):
        st.caption(t("first_only", W, count=len(shown), all=len(features)))
    else:
        st.caption(t("empty_is_missing", W))
    about = f"{model}@{version}"
    if sent:
        given = {name: value for name, value in values.items() if value not in (None, "")}
        if given:
            _ask(model, {"instances": [given], "version": version}, about)
        else:
            st.warning(t("nothing", W))
    _answer(about)


@st.fragment
def text_form(model: str) -> None:
    """For classifiers of texts."""
    with st.container(border=True):
        text = st.text_area(
            t("text", W), key="keep.inference.text", persist_state="session", height=160, max_chars=20_000
        )
        sent = st.button(t("predict", W), type="primary", icon=":material/online_prediction:")
    if sent:
        if text.strip():
            _ask(model, {"instances": [{"text": text}]}, model)
        else:
            st.warning(t("no_text", W))
    _answer(model)


def _field(model: str, feature: Mapping[str, str], seen: Mapping[str, Any] | None) -> Any:
    """A widget by the feature's type. Its state is of the type too: another version may have another."""
    label, key = frame.plain(feature["name"]), f"keep.inference.{model}.{feature['type']}.{feature['name']}"
    match feature["type"]:
        case "integer":
            most = 2**53 - 1
            return st.number_input(
                label, -most, most, None, 1, key=key, persist_state="session", placeholder=_range(seen)
            )
        case "number":
            return st.number_input(
                label,
                value=None,
                format="%g",
                step=None,
                key=key,
                persist_state="session",
                placeholder=_range(seen),
            )
        case "boolean":
            chosen = choose(label, ["true", "false"], key, index=None, placeholder="", format_func=_yes_or_no)
            return None if chosen is None else chosen == "true"
    known = [str(value) for value, _ in (seen or {}).get("top", []) if value is not None]
    if not known:
        return st.text_input(label, key=key, persist_state="session")
    return choose(label, known, key, index=None, placeholder="", accept_new_options=True, format_func=_cut)


def _yes_or_no(text: str) -> str:
    return t("yes") if text == "true" else t("no")


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_OPTION else f"{text[:_LONGEST_OPTION]}..."


def _range(seen: Mapping[str, Any] | None) -> str:
    if not seen or seen.get("minimum") is None:
        return ""
    return t("seen", W, low=f"{seen['minimum']:g}", high=f"{seen['maximum']:g}")


def _ask(model: str, body: Any, about: str) -> None:
    st.session_state.pop(_ANSWER, None)
    try:
        with st.spinner(t("loading")):
            told = frame.gateway().post(f"/v1/models/{model}:predict", body)
    except (GatewayDown, Refused) as error:
        frame.show(error)
        return
    st.session_state[_ANSWER] = about, told


def _answer(about: str) -> None:
    """The last answer, where it is of this model."""
    kept = st.session_state.get(_ANSWER)
    if not kept or kept[0] != about:
        return
    told = kept[1]["predictions"][0]
    version = kept[1].get("model_version")
    with st.container(border=True):
        left, right = st.columns([1, 2])
        with left:
            told_facts = {"label": cells.said(told["label"]), "confidence": f"{told['confidence']:.3f}"}
            if version:
                told_facts["version"] = str(version)
            facts({t(name, W): value for name, value in told_facts.items()})
            if told.get("needs_review"):
                st.caption(f":material/flag: {t('review', W)}")
        with right:
            st.altair_chart(charts_of_models.probabilities(told["probabilities"], t("label", W)))
