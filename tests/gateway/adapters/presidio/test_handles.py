"""User names, and what only looks like one."""

import pytest

from tests.gateway.adapters.presidio.reading import said


@pytest.fixture(scope="module")
def recognizers() -> list[object]:
    from gateway.adapters.presidio import handles

    return [*handles.recognizers()]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("tg @i_am_lena, жду", "@i_am_lena"),
        ("моя телега вот: @lena99.", "@lena99"),
        ("https://t.me/lena_pilot", "t.me/lena_pilot"),
        ("vk.com/id12345", "vk.com/id12345"),
        ("https://vk.com/lena_pilot/", "vk.com/lena_pilot"),
        ("Он на vk.com/lena.pilot...", "vk.com/lena.pilot"),
        (r'{"tg": "https:\/\/t.me\/lena_pilot\/"}', r"t.me\/lena_pilot"),
        ("ник: lena_99", "lena_99"),
        ("Discord: neo#1234", "neo#1234"),
        ("my username is lena.pilot7", "lena.pilot7"),
        ("мой телеграм - lenusik", "lenusik"),
        ("Пишите мне, @lenapilot, до ночи", "@lenapilot"),
        ("Просила написать ей в @lenapilot.", "@lenapilot"),
        ("# tg: @i_am_lena", "@i_am_lena"),
    ],
)
def test_a_word_or_a_link_makes_a_user_name(recognizers: list[object], text: str, name: str) -> None:
    assert said(recognizers, text) == [("USERNAME", name)]


@pytest.mark.parametrize(
    "text",
    [
        "@property\ndef x(self): ...",
        "@media (max-width: 5px) and @login_required",
        "use the @cached_property decorator",
        "lena@mail.ru",
        "login: required, account: None, telegram bot",
        "https://t.me/joinchat/abc and https://vk.com/feed",
        "Fixed by @octocat in #12",
    ],
)
def test_decorators_mentions_and_words_stay(recognizers: list[object], text: str) -> None:
    assert said(recognizers, text) == []
