"""The dashboard's entry, run anew for each click: log in, then one page of seven.

It lies in a folder of its own, because Streamlit takes a folder `pages` beside its script for pages of its
own kind: the address of one, opened first, ran that file alone, without login and with nothing on it.
"""

import logging
import traceback
from collections.abc import Callable
from functools import partial

import streamlit as st

from ui import frame, login
from ui.pages import datasets, drift, grade, inference, review, status, training
from ui.style import CSS, ICON
from ui.words import choose_language, t

_PAGES: dict[str, list[tuple[str, str, Callable[[], None]]]] = {
    "people": [
        ("grade", ":material/grading:", grade.page),
        ("review", ":material/rate_review:", review.page),
    ],
    "models": [
        ("datasets", ":material/table:", datasets.page),
        ("training", ":material/model_training:", training.page),
        ("inference", ":material/online_prediction:", inference.page),
    ],
    "operations": [
        ("drift", ":material/monitoring:", drift.page),
        ("status", ":material/monitor_heart:", status.page),
    ],
}
_HOME = "grade"  # the first of them
log = logging.getLogger(__name__)


def main() -> None:
    st.set_page_config(page_title=t("title"), page_icon=ICON, layout="wide")
    frame.keep_choices()
    _page()


def _page() -> None:
    st.html(CSS)
    inside = bool(st.session_state.get(frame.KEY))
    # The same addresses before and after: whoever must log in first is then where they wanted to be.
    pages = {
        t(group): [
            st.Page(
                page if inside else login.page,
                title=t(name),
                icon=icon,
                url_path="" if name == _HOME else name,
                default=name == _HOME,
            )
            for name, icon, page in listed
        ]
        for group, listed in _PAGES.items()
    }
    # Streamlit serves the default page at `/` alone: its own name leads there.
    home = pages[t("people")][0]
    to_home = partial(st.switch_page, home) if inside else login.page
    pages[t("people")].append(st.Page(to_home, title=t(_HOME), url_path=_HOME, visibility="hidden"))
    chosen = st.navigation(pages, position="sidebar" if inside else "hidden")
    if inside:
        with st.sidebar:
            choose_language()
            if st.button(t("log_out"), icon=":material/logout:"):
                frame.log_out()
    try:
        chosen.run()
    except Exception as error:  # noqa: BLE001 - the door: its reader learns whose fault, the log where
        place = traceback.extract_tb(error.__traceback__)[-1]  # an error's own words may be a student's
        log.error("page failed: %s in %s:%s", type(error).__name__, place.filename, place.lineno)
        st.error(t("broken"), icon=":material/error:")


main()
