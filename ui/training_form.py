"""The form of a new training. A fragment: what is chosen or typed here asks the gateway nothing, but for the
columns of a data set."""

import time
import uuid
from collections.abc import Mapping
from typing import Any

import streamlit as st

from ui import frame, training_live
from ui.client import GatewayDown, Refused
from ui.hyper_form import fault, hyper_form, set_values
from ui.picking import choose
from ui.runs import versions_to_train_on
from ui.words import Table, t

W: Table = {
    "class": ("Model class", "Класс моделей"),
    "data_set": ("Data set", "Набор данных"),
    "version": ("Version", "Версия"),
    "newest": ("{version}, the newest", "{version}, новейшая"),
    "target": ("Target", "Цель"),
    "features": ("Features", "Признаки"),
    "all": ("every usable column", "все пригодные столбцы"),
    "model": ("Model name", "Имя модели"),
    "model_help": (
        "1 to 64 of a-z 0-9 . _ -. The model is served under it; a name that exists gets a new version.",
        "От 1 до 64 знаков a-z 0-9 . _ -. Под ним модель отвечает; у существующей появится новая версия.",
    ),
    "no_name": ("the model needs a name", "модели нужно имя"),
    "share": ("Share held out for the metrics", "Доля для проверки"),
    "seed": ("Seed", "Начальное число"),
    "promote": ("Predict with it once it is trained", "Сразу предсказывать этой моделью"),
    "start": ("Start the training", "Начать обучение"),
    "no_data": (
        "There is no data set to train on. Upload one on the page Datasets.",
        "Обучать не на чем. Загрузите набор на странице «Наборы данных».",
    ),
    "none_ready": (
        "No version of this data set is under DVC yet, so it cannot be trained on. The worker takes it soon.",
        "Ни одна версия набора ещё не под DVC, обучать на нём нельзя. Рабочий процесс скоро её примет.",
    ),
    "waiting": (
        "Not yet under DVC, so not to choose: {versions}.",
        "Ещё не под DVC, выбрать нельзя: {versions}.",
    ),
    "look": ("Look again", "Проверить снова"),
}

_FIELDS = frozenset(
    {"model", "model_class", "dataset", "target", "features", "test_share", "seed", "promote"}
)
_HYPER = "hyperparameters"
_REFUSED = "training.refused"  # (the field, the words) of the last refusal
_ONCE = "training.once"  # (the request, its Idempotency-Key): sent twice it is one training
_LOOK_S = 10.0  # how long what the gateway said of a data set is believed
_PAGE = 200


def form(classes: list[Any]) -> None:
    """`classes`: as the gateway lists them."""
    with frame.asking():
        listed = frame.gateway().get("/v1/datasets", limit=_PAGE)["data"]
    if not listed:
        frame.empty(t("no_data", W))
        return
    _form(classes, listed)


@st.fragment
def _form(classes: list[Any], listed: list[Any]) -> None:
    refused = dict([st.session_state[_REFUSED]]) if _REFUSED in st.session_state else {}
    by_name = {one["name"]: one for one in classes}
    left, right = st.columns(2)
    with left:
        chosen = choose(
            t("class", W), list(by_name), "keep.training.class", format_func=lambda one: by_name[one]["title"]
        )
        _field_fault(refused, "model_class")
    model_class = by_name[chosen or next(iter(by_name))]
    with right:
        model = st.text_input(
            t("model", W),
            key="keep.training.model",
            persist_state="session",
            max_chars=64,
            help=t("model_help", W),
        )
        _field_fault(refused, "model")
    told = _data(listed, refused)
    hyper = hyper_form(model_class["name"], model_class["schema"], _of_hyper(refused))
    if _HYPER in refused:
        fault(refused[_HYPER])
    rest = _rest(refused)
    # Not for want of a name: what is being typed arrives with the very click.
    ready = told is not None and hyper is not None
    if st.button(t("start", W), type="primary", disabled=not ready, icon=":material/play_arrow:") and told:
        given = {_HYPER: hyper} if hyper else {}
        _start({"model": model.strip(), "model_class": model_class["name"], **told, **given, **rest})


def _data(listed: list[Any], refused: Mapping[str, str]) -> dict[str, Any] | None:
    """Data set, target and features; None while there is no version to train on."""
    names = [one["name"] for one in listed]
    first, second = st.columns([3, 1])
    with first:
        name = choose(t("data_set", W), names, "keep.training.data_set") or names[0]
        _field_fault(refused, "dataset")
    found = frame.asked(lambda: _looked_up(name))
    if found is None:
        return None
    ready, waiting = versions_to_train_on(found)
    if waiting and ready:
        st.caption(t("waiting", W, versions=", ".join(f"{name}@{one}" for one in waiting)))
    if not ready:
        st.info(t("none_ready", W), icon=":material/hourglass_top:")
        st.button(t("look", W), icon=":material/refresh:", on_click=_forget)
        return None
    with second:
        version = choose(
            t("version", W),
            ready,
            f"keep.training.version.{name}",
            format_func=lambda one: (
                t("newest", W, version=one) if one == found["versions"][0]["version"] else str(one)
            ),
        )
    shown = found if version == found["version"] else frame.asked(lambda: _looked_up(name, version))
    if shown is None:
        return None
    return {"dataset": f"{name}@{version}", **_columns(name, shown, refused)}


def _columns(name: str, found: Any, refused: Mapping[str, str]) -> dict[str, Any]:
    columns = [one["name"] for one in found["columns"]]
    key = f"keep.training.target.{name}"
    if key not in st.session_state and found["target"] in columns:
        st.session_state[key] = found["target"]
    first, second = st.columns(2)
    with first:
        target = choose(t("target", W), columns, key)
        _field_fault(refused, "target")
    features = [one for one in columns if one != target]
    key = f"keep.training.features.{name}"
    if key in st.session_state:
        st.session_state[key] = [one for one in st.session_state[key] if one in features]
    with second:
        picked = st.multiselect(
            t("features", W), features, key=key, persist_state="session", placeholder=t("all", W)
        )
        _field_fault(refused, "features")
    return {"target": target, **({"features": picked} if picked else {})}


def _rest(refused: Mapping[str, str]) -> dict[str, Any]:
    first, second, third = st.columns(3, vertical_alignment="bottom")
    with first:
        st.session_state.setdefault("keep.training.share", 0.2)
        share = st.slider(
            t("share", W), 0.05, 0.5, step=0.05, key="keep.training.share", persist_state="session"
        )
        _field_fault(refused, "test_share")
    with second:
        st.session_state.setdefault("keep.training.seed", 0)
        seed = st.number_input(
            t("seed", W), 0, 2**31 - 1, step=1, key="keep.training.seed", persist_state="session"
        )
        _field_fault(refused, "seed")
    with third:
        st.session_state.setdefault("keep.training.promote", True)
        promote = st.toggle(t("promote", W), key="keep.training.promote", persist_state="session")
    return {"test_share": round(share, 2), "seed": seed, "promote": promote}


def _looked_up(name: str, version: int | None = None) -> Any:
    """The data set, as it was told moments ago: each choice in the form draws it anew."""
    kept = st.session_state.setdefault("training.data_sets", {})
    key = f"{name}@{version}"
    if key not in kept or time.monotonic() - kept[key][0] > _LOOK_S:
        kept[key] = time.monotonic(), frame.gateway().get(f"/v1/datasets/{name}", version=version)
    return kept[key][1]


def _forget() -> None:
    st.session_state.pop("training.data_sets", None)


def _start(body: dict[str, Any]) -> None:
    st.session_state.pop(_REFUSED, None)
    if not body["model"]:
        st.session_state[_REFUSED] = "model", t("no_name", W)
        st.rerun()
    _forget()
    kept = st.session_state.get(_ONCE)
    once = kept[1] if kept and kept[0] == body else uuid.uuid4().hex
    st.session_state[_ONCE] = body, once
    try:
        with st.spinner(t("loading")):
            job = frame.gateway().post("/v1/training-jobs", body, headers={"Idempotency-Key": once})
    except Refused as error:
        del st.session_state[_ONCE]
        field = error.param or ""
        if field in _FIELDS or field.split(".")[0] == _HYPER:
            st.session_state[_REFUSED] = field, error.message
            st.rerun()
        frame.show(error)
        return
    except GatewayDown as error:
        frame.show(error)  # it may have begun: the same again, with the same key, is the same training
        return
    del st.session_state[_ONCE]
    training_live.watch(job)
    st.rerun()


def take_over(job: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Fills the form with what that job was asked, to be changed and started again."""
    name, _, version = str(job["dataset"]).partition("@")
    st.session_state.update(
        {
            "keep.training.class": job["model_class"],
            "keep.training.model": job["model"],
            "keep.training.data_set": name,
            f"keep.training.version.{name}": int(version),
            f"keep.training.target.{name}": job["target"],
            "keep.training.share": job["test_share"],
            "keep.training.seed": job["seed"],
            "keep.training.promote": job["promote"],
        }
    )
    st.session_state.pop(f"keep.training.features.{name}", None)  # lists of jobs do not name them
    st.session_state.pop(_REFUSED, None)
    set_values(job["model_class"], schema, job["hyperparameters"])


def _of_hyper(refused: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix(f"{_HYPER}."): words
        for name, words in refused.items()
        if name.startswith(f"{_HYPER}.")
    }


def _field_fault(refused: Mapping[str, str], name: str) -> None:
    if name in refused:
        fault(refused[name])
