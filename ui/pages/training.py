"""Training: start one, watch those that run, compare what came of them."""

import streamlit as st

from ui import frame, training_form, training_live, training_runs
from ui.picking import open_tab, tabs
from ui.words import Table, t

W: Table = {
    "new": ("New training", "Новое обучение"),
    "runs": ("Runs", "Запуски"),
}

_TAB = "training.tab"


def page() -> None:
    st.header(t("training"), anchor=False)
    with frame.asking():
        classes = frame.gateway().get("/v1/model-classes")["data"]
        open_jobs = training_live.open_jobs()
    training_live.panel(open_jobs)
    new, runs = tabs(_names(), _TAB)
    if new.open:
        with new:
            training_form.form(classes)
    if runs.open:
        with runs:
            training_runs.runs(classes, to_form=_to_form)


def _names() -> dict[str, str]:
    return {name: t(name, W) for name in W}


def _to_form() -> None:
    open_tab(_names(), "new", _TAB)
