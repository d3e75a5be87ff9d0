"""The widgets of hyper-parameters: a form and a JSON editor, one of them the truth at a time."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from ui.frame import plain
from ui.hyper import (
    Field,
    Range,
    constant_words,
    differing,
    faults,
    fields,
    read_json,
    wanted,
)
from ui.hyper_state import NUMBERS, fill, first_of, is_switch, kind_of, options, value_of
from ui.picking import choose
from ui.words import Table, t

W: Table = {
    "form": ("Form", "Форма"),
    "json": ("JSON", "JSON"),
    "as": ("Hyper-parameters", "Гиперпараметры"),
    "json_label": (
        "Hyper-parameters that differ from the defaults, as a JSON object",
        "Гиперпараметры, отличные от значений по умолчанию, объектом JSON",
    ),
    "no_json": ("This is no JSON object.", "Это не объект JSON."),
    "not_in_form": (
        "The form cannot show this JSON. Mend what is marked first.",
        "Форма не может показать этот JSON. Сначала исправьте отмеченное.",
    ),
    "takes": ("What each takes", "Допустимые значения"),
    "name": ("Name", "Имя"),
    "default": ("Default", "По умолчанию"),
    "defaults": ("Back to the defaults", "Вернуть по умолчанию"),
    "a_whole": ("a whole number...", "целое число..."),
    "a_number": ("a number...", "число..."),
    "wanted": ("must be {what}", "нужно: {what}"),
    "unknown": ("the class has no such hyper-parameter", "у этого класса нет такого гиперпараметра"),
    "whole": ("a whole number", "целое число"),
    "number": ("a number", "число"),
    "from": ("from {bound}", "от {bound}"),
    "above": ("above {bound}", "больше {bound}"),
    "to": ("to {bound}", "до {bound}"),
    "below": ("below {bound}", "меньше {bound}"),
    "or": ("or", "или"),
    "null": ("none", "нет"),
    "true": ("yes", "да"),
    "false": ("no", "нет"),
}

_COLUMNS = 3


def hyper_form(
    model_class: str, schema: Mapping[str, Any], refused: Mapping[str, str]
) -> dict[str, Any] | None:
    """What is to be sent; None while it cannot be. `refused`: what the gateway said, by the name."""
    key = f"keep.training.hyper.{model_class}"
    known = fields(schema)
    mode, unshown = f"{key}.mode", f"training.unshown.{model_class}"
    st.session_state.setdefault(mode, "form")
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        st.segmented_control(
            t("as", W),
            ["form", "json"],
            key=mode,
            persist_state="session",
            required=True,
            format_func=lambda one: t(one, W),
            on_change=_switch,
            args=(key, known, schema, unshown),
        )
    if st.session_state.pop(unshown, False):
        st.warning(t("not_in_form", W), icon=":material/data_object:")
    if st.session_state[mode] == "json":
        values = _editor(key)
    else:
        values = differing(known, {field.name: value_of(st.session_state, key, field) for field in known})
    if values is None:
        return None
    own = faults(schema, values, _word)
    wrong = {**refused, **own}
    if st.session_state[mode] == "json":
        for name, text in wrong.items():
            fault(f"{name}: {text}")
        _reference(known)
    else:
        _fields(key, known, wrong)
    with right:
        st.button(
            t("defaults", W),
            icon=":material/restart_alt:",
            disabled=not values,
            on_click=_reset,
            args=(key, known),
            width="stretch",
        )
    return None if own else values


def set_values(model_class: str, schema: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Fills the form, as a run to be repeated has it. Before the widgets are drawn."""
    key = f"keep.training.hyper.{model_class}"
    known = fields(schema)
    fill(st.session_state, key, known, values)
    st.session_state[f"{key}.json"] = _text(values)


def _word(name: str, **given: object) -> str:
    return t(name, W, **given)


def _switch(key: str, known: Sequence[Field], schema: Mapping[str, Any], unshown: str) -> None:
    """What the one said becomes what the other says."""
    if st.session_state[f"{key}.mode"] == "json":
        values = differing(known, {field.name: value_of(st.session_state, key, field) for field in known})
        st.session_state[f"{key}.json"] = _text(values)
        return
    said = read_json(st.session_state.get(f"{key}.json", ""))
    if said is None or _outside(known, schema, said):
        st.session_state[f"{key}.mode"] = "json"
        st.session_state[unshown] = True
        return
    fill(st.session_state, key, known, said)


def _outside(known: Sequence[Field], schema: Mapping[str, Any], said: Mapping[str, Any]) -> bool:
    """Whether something is there that no widget can hold. Rules between several are
    mended in the form."""
    names = {field.name: field for field in known}
    alone = {name: value for name, value in schema.items() if name != "allOf"}
    return bool(said.keys() - names.keys() or faults(alone, said, _word))


def _reset(key: str, known: Sequence[Field]) -> None:
    fill(st.session_state, key, known, {})
    st.session_state[f"{key}.json"] = _text({})


def _text(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False)


def _editor(key: str) -> dict[str, Any] | None:
    st.session_state.setdefault(f"{key}.json", _text({}))
    text = st.text_area(t("json_label", W), key=f"{key}.json", persist_state="session", height=220)
    said = read_json(text)
    if said is None:
        fault(t("no_json", W))
    return said


def _reference(known: Sequence[Field]) -> None:
    with st.expander(t("takes", W)):
        told = {
            "name": [field.name for field in known],
            "takes": [wanted(field, _word) for field in known],
            "default": [json.dumps(field.default) for field in known],
        }
        st.dataframe({t(name, W): values for name, values in told.items()}, hide_index=True)


def _fields(key: str, known: Sequence[Field], wrong: Mapping[str, str]) -> None:
    for start in range(0, len(known), _COLUMNS):
        for place, field in zip(st.columns(_COLUMNS), known[start : start + _COLUMNS], strict=False):
            with place:
                _draw(key, field)
                if field.name in wrong:
                    fault(wrong[field.name])


def fault(text: str) -> None:
    """What is wrong with the field above, in the gateway's words or ours."""
    st.markdown(f":red[:material/error: {plain(text)}]")


def _draw(key: str, field: Field) -> None:
    name, help_ = f"{key}.{field.name}", plain(field.description)
    label = plain(field.name)
    st.session_state.setdefault(f"{name}.kind", kind_of(field, field.default))
    if is_switch(field):
        st.toggle(label, key=f"{name}.kind", persist_state="session", help=help_)
        return
    kinds = options(field)
    kind: str | None = kinds[0]
    if len(kinds) > 1:
        kind = choose(label, kinds, f"{name}.kind", format_func=_option_words(field), help=help_)
    if kind is None or not kind.startswith(NUMBERS):
        return
    place = int(kind.removeprefix(NUMBERS))
    beside = len(kinds) > 1
    _number(label, f"{name}.{place}", field, field.ranges[place], help_, beside=beside)


def _number(label: str, key: str, field: Field, of: Range, help_: str, *, beside: bool) -> None:
    """`beside`: under a choice that has the label already."""
    st.session_state.setdefault(key, first_of(field, of))
    kind = int if of.whole else float
    st.number_input(
        label,
        min_value=None if of.low is None else kind(of.low),
        max_value=None if of.high is None else kind(of.high),
        step=1 if of.whole else _step(st.session_state[key]),
        format="%d" if of.whole else "%g",
        key=key,
        persist_state="session",
        help=None if beside else help_,
        label_visibility="collapsed" if beside else "visible",
    )


def _step(value: float) -> float:
    """A tenth of what stands there: ranges go over many powers of ten."""
    return 10.0 ** (math.floor(math.log10(abs(value))) - 1) if value else 0.01


def _option_words(field: Field) -> Callable[[str], str]:
    def words(option: str) -> str:
        if option.startswith(NUMBERS):
            of = field.ranges[int(option.removeprefix(NUMBERS))]
            return t("a_whole" if of.whole else "a_number", W)
        return constant_words(json.loads(option), _word)

    return words
