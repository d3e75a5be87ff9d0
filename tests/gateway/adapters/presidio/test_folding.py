"""What hides a word from a pattern is folded away, and the way back covers all that was written."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.presidio.folding import fold


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Ивaнов", "Иванов"),  # a Latin "a"
        ("Jоhn", "John"),  # a Cyrillic «о»
        ("Αlice", "Alice"),  # a Greek alpha
        ("C++ный, GPU-шный", "C++ный, GPU-шный"),
        ("%D0%98%D0%B2%D0%B0%D0%BD%40mail.ru", "Иван@mail.ru"),
        (r"\u0418\u0432\x61\u{43d}", "Иван"),
        (r"\\ud835\\udc08van", "Ivan"),
        (r"тел.\n8921", "тел.\n8921"),
        ("&#1048;&#x432;an&commat;x", "Ивan@x"),
        ("%2540 &amp;#64;", "@ @"),
        ("и\u0306од Ива\u0301нов", "йод Иванов"),
        ("I\u0337v\u0337a\u0337n\u0337", "Ivan"),
        ("𝐈𝐯𝐚𝐧 Ⓘⓥⓐⓝ 🅸", "Ivan Ivan I"),
        ("ｌｅｎａ＠ｕｎｉ．ｒｕ", "lena@uni.ru"),
        ("٠١٢ ⁸⁹ 8\ufe0f\u20e3", "012 89 8"),
        ("le\u00adna\u200b@\u2060x\u202eru", "lena@xru"),
        ("8\u00a0921\u2009555\u201101", "8 921 555-01"),
        (r"8\u00a0921\u2028555 Ка\u00adре\u200bва\u202e", "8 921 555 Карева"),
        ("8%C2%A0921&nbsp;5&#8203;55%0A", "8 921 555\n"),
        (r"https:\/\/t.me\\/lena \f\blena", "https://t.me/lena \n\nlena"),
        (r"\u0000lena \ud83dlena \U00110000lena", "\ufffdlena \ufffdlena \ufffdlena"),
    ],
)
def test_a_disguise_is_read_as_what_it_shows(written: str, read: str) -> None:
    assert fold(written).text == read


@pytest.mark.parametrize(
    "text",
    ["", "x % y", "100%", r"\alpha \q", "a & b", "naïve café Żaneta", "№ 5…", "%FF%FE", "\ud800", "ёйЁЙ"],
)
def test_plain_texts_come_back_as_they_are(text: str) -> None:
    assert fold(text).text == text


def test_a_span_covers_whole_escapes_and_what_is_invisible_inside() -> None:
    text = "to %D0%98ва\u200bн\u0306&#1086;в!"
    folded = fold(text)
    start = folded.text.index("И")
    assert text[slice(*folded.original(start, start + 6))] == "%D0%98ва\u200bн\u0306&#1086;в"


@pytest.mark.parametrize(
    "blank", [r"\u00a0", r"\u200b", r"\\u00ad", r"\ud83d", "%C2%A0", "&nbsp;", r"\f", r"\/"]
)
def test_a_span_begins_behind_an_escape_and_never_inside(blank: str) -> None:
    text = f'"{blank}lena{blank}lena{blank}"'
    folded = fold(text)
    start, last = folded.text.index("lena"), folded.text.rindex("lena")
    assert text[slice(*folded.original(start, start + 4))] == "lena"
    assert text[slice(*folded.original(start, last + 4))] == f"lena{blank}lena"


pieces = st.sampled_from(
    [
        "%D0", "%98", "%40", "%", "\\u04", "18", "\\", "\\x41", "&#64;", "&amp;", "#64;", "&", "\u200b",
        "\u0301", "и", "\u0306", "a", "а", "ﬁ", "½", "𝐈", "_", ".py", "٣", "\ud83d", "\udc08", "ё", " ",
        "\n", "²", "—", "\\/", "\\f", "\\u00a0", "\\u00ad", "%C2", "%AD", "&nbsp;", "&shy;", "\\ud800",
    ]
)  # fmt: skip


@given(st.lists(st.one_of(pieces, st.text(max_size=3)), max_size=25).map("".join), st.data())
def test_every_range_leads_back_into_the_text_in_order_and_covers_its_parts(
    text: str, data: st.DataObject
) -> None:
    folded = fold(text)
    if not folded.text:
        return
    start = data.draw(st.integers(0, len(folded.text) - 1))
    end = data.draw(st.integers(start + 1, len(folded.text)))
    first, last = folded.original(start, end)
    assert 0 <= first < last <= len(text)
    parts = [folded.original(i, i + 1) for i in range(start, end)]
    assert (min(p[0] for p in parts), max(p[1] for p in parts)) == (first, last)
    assert [p[0] for p in parts] == sorted(p[0] for p in parts)


UNITS = [
    "a",
    "%",
    "%D0",
    "\\",
    "\\u0418",
    "&",
    "&#",
    "e\u0301",
    "\u0316\u0301",
    "а\u200b",
    "aа",
    "𝐈",
    "a_b.",
    "ﬁ",
]


@pytest.mark.parametrize("unit", UNITS)
def test_folding_takes_linear_time(unit: str) -> None:
    def seconds(length: int) -> float:
        text = (unit * length)[:length]
        started = time.process_time()
        fold(text)
        return time.process_time() - started

    assert min(seconds(100_000) / max(seconds(50_000), 0.02) for _ in range(3)) < 3


def test_emphasis_is_no_part_of_a_word_and_an_underscore_inside_one_is() -> None:
    assert fold("_8-903_ __a@b.ru__ Ivanov_Ivan.py").text == " 8-903    a@b.ru   Ivanov_Ivan.py"
