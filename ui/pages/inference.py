"""Inference: a model and its version, then a row, a file or a text to be predicted."""

from typing import Any

import pandas as pd
import streamlit as st

from ui import cells, frame
from ui.client import GatewayDown, Refused
from ui.facts import facts
from ui.picking import choose, tabs
from ui.predict_form import row_form, text_form
from ui.predict_table import table_form
from ui.words import Table, t

W: Table = {
    "none": (
        "No model predicts yet. Train one on the page Training.",
        "Моделей пока нет. Обучите первую на странице «Обучение».",
    ),
    "model": ("Model", "Модель"),
    "version": ("Version", "Версия"),
    "champion": ("champion", "основная"),
    "promote": ("Make it the champion", "Сделать основной"),
    "promote_help": (
        "The champion predicts wherever no version is named.",
        "Основная версия предсказывает везде, где версия не названа.",
    ),
    "class": ("Class", "Класс"),
    "data_set": ("Data set", "Набор данных"),
    "target": ("Target", "Цель"),
    "labels": ("Labels", "Метки"),
    "created": ("Trained", "Обучена"),
    "dvc": ("MD5 of DVC", "MD5 в DVC"),
    "commit": ("Git commit", "Коммит Git"),
    "hyper": ("Hyper-parameters", "Гиперпараметры"),
    "by_hand": ("registered by hand", "зарегистрирована вручную"),
    "versions": ("All versions: metrics and lineage", "Все версии: метрики и происхождение"),
    "run": ("Run in the registry", "Запуск в реестре"),
    "row": ("One row", "Одна строка"),
    "file": ("A CSV file", "Файл CSV"),
    "text_model": ("A classifier of texts; version {version}.", "Классификатор текстов; версия {version}."),
}

_FIRST = ("accuracy", "f1_macro", "roc_auc")
_SHOWN_HASH = 12
_MOST_LABELS = 8


def page() -> None:
    st.header(t("inference"), anchor=False)
    with frame.asking():
        listed = frame.gateway().get("/v1/models")["data"]
    classifiers = [one for one in listed if one.get("output") == "classification"]
    # Those that were trained here first: a text's length bounds the others alone.
    classifiers.sort(key=lambda one: ("max_model_len" in one, one["id"]))
    models = {one["id"]: one for one in classifiers}
    if not models:
        frame.empty(t("none", W))
        return
    left, right = st.columns(2)
    with left:
        model = choose(t("model", W), list(models), "keep.inference.model") or next(iter(models))
    with frame.asking():
        versions = _versions(model)
    if not versions:
        st.caption(t("text_model", W, version=frame.plain(str(models[model].get("version") or "-"))))
        text_form(model)
        return
    by_number = {one["version"]: one for one in versions}
    champion = next((one["version"] for one in versions if one["champion"]), versions[0]["version"])
    key = f"keep.inference.version.{model}"
    if st.session_state.get(key) not in by_number:
        st.session_state[key] = champion
    with right:
        chosen = choose(t("version", W), list(by_number), key, format_func=lambda one: _named(by_number[one]))
    version = by_number[chosen if chosen is not None else champion]
    _about(version)
    with st.expander(t("versions", W)):
        st.dataframe(_table(versions), hide_index=True, placeholder="")
    features = version["signature"]["features"]
    row, file = tabs({name: t(name, W) for name in ("row", "file")}, "inference.tab")
    with row:
        row_form(model, version["version"], features, _seen(version))
    with file:
        table_form(model, version["version"], features)


def _versions(model: str) -> list[Any]:
    """Newest first; none of a model that was not trained here."""
    try:
        found: list[Any] = frame.gateway().get(f"/v1/models/{model}/versions")["data"]
    except Refused as error:
        if error.code == "model_not_found":
            return []
        raise
    return found


def _named(version: Any) -> str:
    words = f"{version['version']}, {version['model_class'] or t('by_hand', W)}"
    return f"{words} ({t('champion', W)})" if version["champion"] else words


def _about(version: Any) -> None:
    lineage = version["lineage"]
    labels = [cells.said(one) for one in version["signature"]["labels"]]
    told = {
        "class": version["model_class"] or t("by_hand", W),
        "data_set": lineage["dataset"] if lineage else "-",
        "target": version["signature"]["target"],
        "labels": ", ".join(labels[:_MOST_LABELS]) + (", ..." if len(labels) > _MOST_LABELS else ""),
        "created": cells.when(version["created_at"], st.context.timezone),
    }
    metrics = version["metrics"]
    shown = {name: f"{metrics[name]:.4f}" for name in _FIRST if name in metrics}
    facts({**{t(name, W): value for name, value in told.items()}, **shown})
    if not version["champion"] and st.button(
        t("promote", W), help=t("promote_help", W), icon=":material/military_tech:"
    ):
        try:
            frame.gateway().post(f"/v1/models/{version['name']}:promote", {"version": version["version"]})
        except (GatewayDown, Refused) as error:
            frame.show(error)
        else:
            st.rerun()


def _table(versions: list[Any]) -> pd.DataFrame:
    zone = st.context.timezone
    lineages = [one["lineage"] or {} for one in versions]
    metrics = dict.fromkeys(name for one in versions for name in one["metrics"])
    return pd.DataFrame(
        {
            t("version", W): [one["version"] for one in versions],
            t("champion", W): [one["champion"] for one in versions],
            t("class", W): [one["model_class"] or "" for one in versions],
            **{name: [one["metrics"].get(name) for one in versions] for name in metrics},
            t("hyper", W): [
                ", ".join(
                    f"{name}={cells.said(value)}" for name, value in one.get("hyperparameters", {}).items()
                )
                for one in lineages
            ],
            t("data_set", W): [one.get("dataset", "") for one in lineages],
            t("dvc", W): [(one.get("dvc_hash") or "")[:_SHOWN_HASH] for one in lineages],
            t("commit", W): [(one.get("git_commit") or "")[:_SHOWN_HASH] for one in lineages],
            t("created", W): [cells.when(one["created_at"], zone) for one in versions],
            t("run", W): [one["run_url"] or "" for one in versions],
        }
    )


def _seen(version: Any) -> dict[str, Any]:
    """The columns that the version was trained on, with their statistics; without the right to see data sets,
    or when they are gone, nothing."""
    if not version["lineage"]:
        return {}
    name, _, number = version["lineage"]["dataset"].partition("@")
    kept = st.session_state.setdefault("inference.seen", {})
    key = f"{name}@{number}"
    if key not in kept:
        try:
            told = frame.gateway().get(f"/v1/datasets/{name}", version=number or None)
            kept[key] = {one["name"]: one for one in told["columns"]}
        except (GatewayDown, Refused):
            return {}  # the form does without
    seen: dict[str, Any] = kept[key]
    return seen
