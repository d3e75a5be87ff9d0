"""Each page as it looks on a screen and on a telephone. After the walks, so that there is something on it."""

from collections.abc import Callable

import pytest

from tests.e2e.dashboard.conftest import House
from tests.e2e.dashboard.tab import Tab

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PAGES = {
    "en": ("Grade", "Review", "Datasets", "Training", "Inference", "Drift", "Status"),
    "ru": ("Оценить", "Проверка", "Наборы данных", "Обучение", "Предсказание", "Дрейф", "Состояние"),
}


@pytest.mark.parametrize(("width", "language"), [(1280, "en"), (390, "en"), (390, "ru")])
def test_no_page_is_wider_than_its_screen(
    house: House, open_tab: Callable[..., Tab], width: int, language: str
) -> None:
    tab = open_tab(house.url, width=width, language={"en": "en-US", "ru": "ru-RU"}[language])
    wide = {}
    for english, name in zip(PAGES["en"], PAGES[language], strict=True):
        tab.visit(name)
        tab.picture(f"{english.lower()}_{width}_{language}")
        wide[name] = tab.overflow()
    assert {name: by for name, by in wide.items() if by > 0} == {}
