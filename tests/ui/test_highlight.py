"""Quotes and placeholders as marks in a text that stays what it was."""

import html
import re

from ui.highlight import Span, marked, placeholders, quoted
from ui.markup import passage, sheet


def stripped(markup: str) -> str:
    return html.unescape(re.sub(r"</?mark[^>]*>", "", markup))


def test_a_quote_is_found_where_it_stands_first_in_code_points() -> None:
    text = "Привет 😀, мир. Привет ещё раз."
    assert quoted(text, [("CR1", "Привет"), ("CR2", "мир")]) == [Span(0, 6, "CR1"), Span(10, 13, "CR2")]


def test_a_quote_may_differ_in_white_space_and_case_and_hold_marks_of_patterns() -> None:
    text = "It costs (about)\n  5.00$ a *year*."
    [span] = quoted(text, [("CR1", "COSTS (about) 5.00$")])
    assert text[span.start : span.end] == "costs (about)\n  5.00$"


def test_a_quote_that_is_not_in_the_text_or_empty_marks_nothing() -> None:
    assert quoted("Some text.", [("CR1", "other"), ("CR2", ""), ("CR3", " \n")]) == []


def test_overlapping_quotes_are_cut_and_each_is_named_where_it_ends() -> None:
    markup = marked("abcdef", [Span(0, 4, "CR1"), Span(2, 6, "CR2")])
    assert markup == (
        '<mark title="CR1">ab</mark><mark class="many" title="CR1 CR2" data-by="CR1">cd</mark>'
        '<mark title="CR2" data-by="CR2">ef</mark>'
    )


def test_equal_and_nested_quotes_leave_the_text_as_it_was() -> None:
    text = 'a <b onclick="x">& é😀'
    spans = [Span(0, len(text), "A"), Span(0, len(text), "B"), Span(2, 5, "C"), Span(5, 5, "D")]
    assert stripped(marked(text, spans)) == text


def test_markup_in_the_text_and_in_a_name_stays_text() -> None:
    text = "<script>alert(1)</script>"
    markup = marked(text, [Span(0, 8, '"><script>')])
    assert "<script" not in markup
    assert stripped(markup) == text


def test_a_nul_becomes_a_sign_that_html_can_hold() -> None:
    assert passage("a\0b") == '<div class="passage" tabindex="0">a\u2400b</div>'


def test_only_our_own_placeholders_are_marked_each_time_they_stand() -> None:
    masked = "<PERSON_1> <PERSON_1_ab3de> и <EMAIL_1_ab3de>, <PERSON_1_ab3de>"
    spans = placeholders(masked, [("PERSON", "<PERSON_1_ab3de>"), ("EMAIL", "<EMAIL_1_ab3de>")])
    assert [masked[one.start : one.end] for one in spans] == [
        "<PERSON_1_ab3de>",
        "<EMAIL_1_ab3de>",
        "<PERSON_1_ab3de>",
    ]
    assert placeholders(masked, []) == []


def test_many_placeholders_of_a_long_text_are_marked_at_once() -> None:
    known = [("PERSON", f"<PERSON_{n}_ab3de>") for n in range(5000)]
    masked = " ".join(placeholder for _, placeholder in known)
    assert marked(masked, placeholders(masked, known), css="masked").count("<mark") == len(known)


def test_a_table_wraps_lines_and_escapes_cells_and_heads() -> None:
    markup = sheet(["<i>"], [["<b>\n&"]], numbers={0})
    assert '<th class="number">&lt;i&gt;</th>' in markup
    assert '<td class="number">&lt;b&gt;<br>&amp;</td>' in markup
