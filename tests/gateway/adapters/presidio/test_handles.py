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
        ("https://www.instagram.com/lena_pilot/", "www.instagram.com/lena_pilot"),
        ("https://github.com/lenapilot/homework", "lenapilot"),
        ("git clone git@gitlab.com:lenapilot/hw.git", "lenapilot"),
        ("https://codeforces.com/profile/lena_p", "lena_p"),
        ("тг lenapilot", "lenapilot"),
        ("GitHub: lenapilot, почта ниже", "lenapilot"),
        ("login: lenapilot password: x", "lenapilot"),
        ("discord lena.pilot", "lena.pilot"),
        ("аська 123454321", "123454321"),
        ("@lenapilot, помоги с задачей", "@lenapilot"),
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
        "Username: must_be_8_chars, login=admin_1, user: test",
        "login must be unique",
        "GitHub: platform. Telegram: secure messenger",
        "в телеграме bot, на дискорде server",
        "https://github.com/numpy/numpy and https://github.com/features",
        "discord.py, telegram bot_token",
    ],
)
def test_decorators_mentions_and_words_stay(recognizers: list[object], text: str) -> None:
    assert said(recognizers, text) == []


def test_in_a_program_a_link_to_a_repository_needs_a_word(recognizers: list[object]) -> None:
    assert said(recognizers, 'import "github.com/lenapilot/lib"', program=True) == []
    assert said(recognizers, "# Выполнила: github.com/lenapilot/lib", program=True) == [
        ("USERNAME", "lenapilot")
    ]
