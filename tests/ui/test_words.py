"""Every word of the dashboard in both languages."""

import importlib
import pkgutil
import re
import string
from collections.abc import Iterator, Mapping

import pytest

import ui

_SAME = {"LLM"}  # what is called so in both languages


def tables() -> Iterator[tuple[str, Mapping[str, tuple[str, str]]]]:
    """Each mapping of a name to two texts in each module but what Streamlit runs."""
    for module in pkgutil.walk_packages(ui.__path__, "ui."):
        if module.name.startswith(("ui.entry", "ui.__main__")):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, Mapping) and value and all(map(_is_pair, value.values())):
                yield f"{module.name}.{name}", value


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(isinstance(one, str) for one in value)


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


FOUND = dict(tables())


def test_the_pages_have_tables_of_words() -> None:
    assert {"ui.words.COMMON", "ui.words.REFUSALS", "ui.pages.review.W", "ui.graded.REASONS"} <= FOUND.keys()


@pytest.mark.parametrize("name", FOUND)
def test_a_table_is_whole_in_both_languages(name: str) -> None:
    for key, (english, russian) in FOUND[name].items():
        assert english.strip(), key
        assert russian.strip(), key
        assert fields(english) == fields(russian), key
        assert not re.search("[А-Яа-яЁё]", english), key
        if re.search(r"[a-z]{3}", re.sub(r"\{[^}]*\}", "", english)) and english not in _SAME:
            same_term = english == russian
            assert same_term or re.search("[А-Яа-яЁё]", russian), key
