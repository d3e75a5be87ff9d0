"""URLs with a password or a token, and where they end."""

import pytest

from tests.gateway.adapters.presidio.reading import said


@pytest.fixture(scope="module")
def recognizers() -> list[object]:
    from gateway.adapters.presidio.internet import Url

    return [Url()]


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("DSN postgres://u:p@db/x", "postgres://u:p@db/x"),
        ("get https://s3.x.com/f?v=1&X-Sig-Token=abc now", "https://s3.x.com/f?v=1&X-Sig-Token=abc"),
        ("https://x.com/a?token=abc&b=1", "https://x.com/a?token=abc&b=1"),
        (
            "https://b.aws.com/k?X-Amz-Date=2&X-Amz-Signature=abc&x-id=GetObject",
            "https://b.aws.com/k?X-Amz-Date=2&X-Amz-Signature=abc&x-id=GetObject",
        ),
        ("https://x.net/b?sv=1&sig=a%3D&se=2", "https://x.net/b?sv=1&sig=a%3D&se=2"),
        ("https://x.com/k?X-Amz-Credential=AK&n", "https://x.com/k?X-Amz-Credential=AK&n"),
        ("https://x.ru/#/back?flag&access_token=abc", "https://x.ru/#/back?flag&access_token=abc"),
        (r"""{"u": "he said \"https://u:p@ex.com/x\" ok"}""", "https://u:p@ex.com/x"),
        (r"""{"u": "\"https://ex.com/x?sig=1&b=2\""}""", "https://ex.com/x?sig=1&b=2"),
        (r"""{"u": "https:\/\/u:p@ex.com\/x"}""", r"https:\/\/u:p@ex.com\/x"),
        (r"https://u:p\w@ex.com/x", r"https://u:p\w@ex.com/x"),
        ("`https://u:p@ex.com/x`", "https://u:p@ex.com/x"),
        ("look at https://u:p@ex.com/a.b;c!.. Then", "https://u:p@ex.com/a.b;c"),
    ],
)
def test_a_url_with_a_secret_is_found_whole(recognizers: list[object], text: str, url: str) -> None:
    assert said(recognizers, text) == [("URL", url)]


@pytest.mark.parametrize(
    "text",
    [
        "https://x.com/f?page=2&sort=token",
        "https://x.com/f?config=1&design=2",
        "https://x.com/token=abc",
        "https://x.com/f?a=1 token=abc",
    ],
)
def test_any_other_url_stays(recognizers: list[object], text: str) -> None:
    assert said(recognizers, text) == []
