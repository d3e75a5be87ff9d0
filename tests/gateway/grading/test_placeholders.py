import json
import re
import time
from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.domain import KEPT, Masked, Passage, Span
from gateway.grading.placeholders import mask, new_nonce, settled
from gateway.grading.unmasking import StreamUnmasker, unmask, unmask_quote

NONCE = "k3f9x"


def spans_of(text: str, *values: tuple[str, str]) -> list[Span]:
    return sorted(
        (Span(text.index(value), text.index(value) + len(value), kind) for value, kind in values),
        key=lambda span: span.start,
    )


def masked_texts(
    texts: Sequence[str], spans: Sequence[Sequence[Span]], nonce: str = NONCE, *, programs: int = 0
) -> Masked:
    """The last `programs` texts are programs."""
    prose = len(texts) - programs
    return mask([Passage(text, program=i >= prose) for i, text in enumerate(texts)], spans, nonce)


def one(text: str, *values: tuple[str, str], code: bool = False) -> tuple[str, dict[str, str]]:
    masked = masked_texts([text], [spans_of(text, *values)], programs=int(code))
    return masked.texts[0], dict(masked.originals)


def test_a_value_gives_way_to_its_kind_its_number_and_the_nonce() -> None:
    text, originals = one("I am Anna Smith, a@b.cd.", ("Anna Smith", "PERSON"), ("a@b.cd", "EMAIL"))
    assert text == "I am <PERSON_1_k3f9x>, <EMAIL_1_k3f9x>."
    assert originals == {"<PERSON_1_k3f9x>": "Anna Smith", "<EMAIL_1_k3f9x>": "a@b.cd"}


def test_two_messages_never_share_a_number_and_one_person_never_gets_two() -> None:
    texts = ["I am Anna.", "I am Boris.", "Anna and Boris"]
    spans = [spans_of(texts[0], ("Anna", "PERSON")), spans_of(texts[1], ("Boris", "PERSON")), []]
    masked = masked_texts(texts, spans)
    assert masked.texts == (
        "I am <PERSON_1_k3f9x>.",
        "I am <PERSON_2_k3f9x>.",
        "<PERSON_1_k3f9x> and <PERSON_2_k3f9x>",
    )


def test_a_mention_the_recogniser_missed_is_masked_too_before_and_after() -> None:
    text = "Павлов спросил. Меня зовут Павлов. Павлов!"
    spans = [[Span(27, 33, "PERSON")]]
    assert masked_texts([text], spans).texts[0].count("Павлов") == 0


def test_a_value_inside_a_longer_word_is_not_a_mention() -> None:
    text, _ = one("Anna met Annabel and Joanna.", ("Anna", "PERSON"))
    assert text == "<PERSON_1_k3f9x> met Annabel and Joanna."


def test_a_value_of_three_letters_is_masked_only_where_it_was_found() -> None:
    text, _ = one("Ann is an author. Ann!", ("Ann", "PERSON"))
    assert text == "<PERSON_1_k3f9x> is an author. Ann!"


def test_a_phone_that_begins_with_a_sign_is_found_again() -> None:
    text, _ = one("+7 903 123-45-67, once more +7 903 123-45-67.", ("+7 903 123-45-67", "PHONE"))
    assert text == "<PHONE_1_k3f9x>, once more <PHONE_1_k3f9x>."


def test_the_longer_of_two_known_values_is_taken() -> None:
    texts = ["Anna", "Anna Smith", "see Anna Smith and Anna"]
    spans = [[Span(0, 4, "PERSON")], [Span(0, 10, "PERSON")], []]
    assert masked_texts(texts, spans).texts[2] == "see <PERSON_2_k3f9x> and <PERSON_1_k3f9x>"


def test_beside_a_program_the_prose_is_masked_at_every_mention() -> None:
    texts = ["Alina wrote it. Ask Alina", "Alina = 1  # Alina"]
    spans = [[Span(0, 5, "PERSON")], [Span(13, 18, "PERSON")]]
    prose, program = masked_texts(texts, spans, programs=1).texts
    assert "Alina" not in prose
    assert program.startswith("Alina = 1")


def test_in_a_program_a_name_is_not_looked_for_among_identifiers() -> None:
    program = "# by Anna\nAnna = Smith()  # Anna Smith\nx = 'Anna Smith'"
    spans = [[Span(5, 9, "PERSON"), Span(28, 38, "PERSON")]]
    assert masked_texts([program], spans, programs=1).texts[0] == (
        "# by <PERSON_1_k3f9x>\nAnna = Smith()  # <PERSON_2_k3f9x>\nx = '<PERSON_2_k3f9x>'"
    )


def test_one_person_in_two_cases_gets_one_placeholder_and_comes_back_in_the_nominative() -> None:
    texts = ["Зачёт Иванову Петру.", "Иванов Пётр рад."]
    spans = [
        [Span(6, 19, "PERSON", identity="i1", base_form=False)],
        [Span(0, 11, "PERSON", identity="i1")],
    ]
    masked = masked_texts(texts, spans)
    assert masked.texts == ("Зачёт <PERSON_1_k3f9x>.", "<PERSON_1_k3f9x> рад.")
    assert masked.originals == {"<PERSON_1_k3f9x>": "Иванов Пётр"}


def test_a_quote_comes_back_in_the_form_in_which_it_stood() -> None:
    texts = ["Иванов Пётр считал. Я отдал Иванову Петру том."]
    spans = [[Span(0, 11, "PERSON", identity="i1"), Span(28, 41, "PERSON", identity="i1", base_form=False)]]
    masked = masked_texts(texts, spans)
    for quote in ("я отдал  <PERSON_1_k3f9x>", "<PERSON_1_k3f9x> том"):
        back = unmask_quote(quote, masked.texts[0], masked.words[0], masked.originals)
        assert back == quote.replace("<PERSON_1_k3f9x>", "Иванову Петру")
    made_up = unmask_quote("видел <PERSON_1_k3f9x>", masked.texts[0], masked.words[0], masked.originals)
    assert made_up == "видел Иванов Пётр"


def test_a_part_of_a_full_name_is_masked_in_another_text_but_not_where_it_is_a_common_word() -> None:
    span = Span(0, 13, "PERSON", parts=((0, 6), (7, 13)))
    masked = masked_texts(["Claire Branch", "Ask Claire", "a branch: Branch"], [[span], [], []])
    assert masked.texts[1:] == ("Ask <PERSON_2_k3f9x>", "a branch: Branch")
    assert masked.originals["<PERSON_2_k3f9x>"] == "Claire"


def test_a_name_across_two_content_parts_stands_in_the_first_of_them() -> None:
    passage = Passage("Я Иванов, аИванов", seams=(5, 11))
    masked = mask([passage], [[Span(2, 8, "PERSON"), Span(11, 17, "PERSON")]], NONCE)
    assert masked.texts == ("Я <PERSON_1_k3f9x>", ", а", "<PERSON_1_k3f9x>")
    assert [(span.start, span.end) for span in masked.spans[0]] == [(2, 8), (11, 17)]


def test_what_was_replaced_is_told_with_its_second_mentions() -> None:
    masked = masked_texts(["Anna, Anna"], [[Span(0, 4, "PERSON", 0.9, "Names")]])
    assert [(s.start, s.end, s.recogniser) for s in masked.spans[0]] == [(0, 4, "Names"), (6, 10, "Repeated")]
    assert masked.words == (("Anna", "Anna"),)


def test_json_stays_json_when_a_number_or_an_escaped_name_is_masked() -> None:
    document = '{"phone": 89215550173, "who": "\\u0410\\u043d\\u043d\\u0430", "n": [1, 2]}'
    name = document.index("\\u")
    spans = [Span(10, 21, "PHONE"), Span(name, name + 24, "PERSON")]
    masked = mask([Passage(document, json=True)], [spans], NONCE)
    assert json.loads(masked.texts[0]) == {"phone": "<PHONE_1_k3f9x>", "who": "<PERSON_1_k3f9x>", "n": [1, 2]}
    assert masked.originals["<PERSON_1_k3f9x>"] == "Анна"


def test_a_span_across_the_strings_of_a_document_is_cut_at_their_quotes() -> None:
    document = '["12 High Road","Ivan",-89031234567,"Leeds LS6","x"]'
    spans = [Span(2, 14, "ADDRESS"), Span(17, 51, "ADDRESS", identity="i")]
    masked = mask([Passage(document, json=True)], [spans], NONCE)
    sent = json.loads(masked.texts[0])
    assert [value.partition("_")[0] for value in sent] == ["<ADDRESS"] * 5
    assert unmask(masked.texts[0], masked.originals) == document.replace("-89031234567", '"89031234567"')


def test_a_full_name_is_found_again_in_lower_case_and_a_lone_word_is_not() -> None:
    spans = [[Span(0, 10, "PERSON", identity="a"), Span(15, 19, "PERSON", identity="w")], []]
    masked = masked_texts(["Anna Smith and Will", "anna smith will, ANNA SMITH"], spans)
    assert masked.texts[1] == "<PERSON_1_k3f9x> will, <PERSON_1_k3f9x>"


def test_what_a_deployment_allows_is_no_second_mention() -> None:
    spans = [[Span(0, 4, "PERSON"), Span(6, 19, KEPT)], []]
    masked = masked_texts(["Anna, Anna Karenina", "Anna"], spans)
    assert masked.texts == ("<PERSON_1_k3f9x>, Anna Karenina", "<PERSON_1_k3f9x>")
    assert [len(found) for found in masked.spans] == [1, 1]


@pytest.mark.parametrize(
    "quote", ["<person_1_k3f9x> помог <PERSON_2_k3f9x>", "1_k3f9x> помог <PERSON_2_k3f9x>"]
)
def test_a_quote_never_credits_another_person(quote: str) -> None:
    originals = {"<PERSON_1_k3f9x>": "Иван", "<PERSON_2_k3f9x>": "Пётр"}
    text = "<PERSON_1_k3f9x> помог <PERSON_2_k3f9x>."
    assert unmask_quote(quote, text, ["Иван", "Петру"], originals).endswith("помог Петру")


def test_when_nothing_was_found_the_texts_are_the_very_same() -> None:
    text = str(["nothing personal"])
    masked = masked_texts([text], [[]])
    assert masked.texts[0] is text
    assert masked.originals == {}


def test_a_nonce_is_new_and_stands_in_none_of_the_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    letters = iter("aaaaabbbbb")
    monkeypatch.setattr("gateway.grading.placeholders.secrets.choice", lambda _: next(letters))
    assert new_nonce(["harmless", "xx aaaaa xx"]) == "bbbbb"


def test_nonces_are_short_and_plain() -> None:
    assert re.fullmatch(r"[0-9a-z]{4,6}", new_nonce([]))


def test_what_a_student_wrote_like_a_placeholder_stays() -> None:
    originals = {"<PERSON_1_k3f9x>": "Anna"}
    text = "<PERSON_1> <PERSON_2_k3f9x> <PERSON_1_zzzzz> <PERSON_1_k3f9x>"
    assert unmask(text, originals) == "<PERSON_1> <PERSON_2_k3f9x> <PERSON_1_zzzzz> Anna"


def test_an_original_that_looks_like_a_placeholder_is_not_put_back_twice() -> None:
    originals = {"<PERSON_1_k3f9x>": "<PERSON_2_k3f9x>", "<PERSON_2_k3f9x>": "Boris"}
    assert unmask("<PERSON_1_k3f9x>", originals) == "<PERSON_2_k3f9x>"


def test_inside_json_a_value_is_escaped() -> None:
    originals = {"<PERSON_1_k3f9x>": 'An"na\\\n'}
    reply = '{"name": "<PERSON_1_k3f9x>"}'
    assert json.loads(unmask(reply, originals, json_escaped=True)) == {"name": 'An"na\\\n'}


def test_a_stream_holds_back_only_what_may_become_a_placeholder() -> None:
    stream = StreamUnmasker({"<PERSON_1_k3f9x>": "Anna"})
    assert stream.feed("a < b, <b>, <PER") == "a < b, <b>, "
    assert stream.feed("SONAL ") == "<PERSONAL "
    assert stream.feed("<PERSON_1_k3") == ""
    assert stream.feed("f9x> ok <") == "Anna ok "
    assert stream.flush() == "<"
    assert stream.flush() == ""


def test_a_stream_of_plain_deltas_costs_next_to_nothing() -> None:
    stream = StreamUnmasker({f"<PERSON_{i}_k3f9x>": "Anna" for i in range(50)})
    started = time.perf_counter()
    for _ in range(20_000):
        stream.feed(" token")
    assert (time.perf_counter() - started) / 20_000 < 10e-6  # 0.2 microseconds on a quiet machine


def test_thousands_of_values_in_a_long_text_take_less_than_two_seconds() -> None:
    numbers = [f"10.0.{i // 250}.{i % 250}" for i in range(15_000)]
    text = " ".join(numbers)
    spans, at = [], 0
    for number in numbers:
        spans.append(Span(at, at + len(number), "IP"))
        at += len(number) + 1
    started = time.perf_counter()
    masked = masked_texts([text, text], [spans, []])
    assert "10.0." not in "".join(masked.texts)
    assert time.perf_counter() - started < 2


# Small alphabets, so that values repeat, touch, contain each other and look like placeholders.
pieces = st.sampled_from(
    ["Anna", "An", "Anna Smith", "<", ">", "<PERSON_1_", "k3f9x", "_1", " ", "é", '"', "\\", "Я", "\n"]
)
texts = st.lists(pieces, max_size=12).map("".join)
any_text = st.one_of(texts, st.text(max_size=40))


@st.composite
def texts_with_spans(draw: st.DrawFn) -> tuple[list[str], list[list[Span]]]:
    found: list[list[Span]] = []
    drawn = draw(st.lists(any_text, min_size=1, max_size=4))
    for text in drawn:
        cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=6)))
        kinds = st.sampled_from(["PERSON", "EMAIL", "PHONE"])
        found.append([Span(a, b, draw(kinds)) for a, b in zip(cuts[::2], cuts[1::2], strict=False)])
    return drawn, found


@given(texts_with_spans())
def test_masking_and_unmasking_is_the_identity(case: tuple[list[str], list[list[Span]]]) -> None:
    originals_texts, spans = case
    masked = masked_texts(originals_texts, spans, new_nonce(originals_texts))
    assert [unmask(text, masked.originals) for text in masked.texts] == originals_texts


@given(texts_with_spans())
def test_what_was_found_is_not_in_the_masked_text(case: tuple[list[str], list[list[Span]]]) -> None:
    plain, spans = case
    nonce = new_nonce(plain)
    masked = masked_texts(plain, spans, nonce)
    for text, before, found in zip(masked.texts, plain, spans, strict=True):
        rest = re.sub(rf"<[A-Z]+_\d+_{nonce}>", "", text)
        assert len(rest) <= len(before) - sum(span.end - span.start for span in found)


@given(any_text, st.data())
def test_a_stream_equals_the_whole_at_every_split(middle: str, data: st.DataObject) -> None:
    originals = {"<PERSON_1_k3f9x>": "Anna", "<PERSON_12_k3f9x>": '<PERSON_1_k3f9x"', "<EMAIL_1_k3f9x>": ""}
    reply = "".join(
        data.draw(st.lists(st.sampled_from([middle, *originals, "<PERSON_1_k3f9x", "<<"]), max_size=5))
    )
    for escaped in (False, True):
        whole = unmask(reply, originals, json_escaped=escaped)
        for cut in range(len(reply) + 1):
            stream = StreamUnmasker(originals, json_escaped=escaped)
            assert stream.feed(reply[:cut]) + stream.feed(reply[cut:]) + stream.flush() == whole
        stream = StreamUnmasker(originals, json_escaped=escaped)
        assert "".join(map(stream.feed, reply)) + stream.flush() == whole


@given(any_text, st.data())
def test_a_stream_holds_back_less_than_one_placeholder(middle: str, data: st.DataObject) -> None:
    originals = {"<PERSON_1_k3f9x>": "Anna", "<DATE_OF_BIRTH_12_k3f9x>": "1 May"}
    pieces = st.sampled_from([middle, *originals, "<PERSON_1_k3f9x", "<DATE_OF", "<<", "a<b "])
    reply = "".join(data.draw(st.lists(pieces, max_size=6)))
    stream, said = StreamUnmasker(originals), ""
    longest = max(map(len, originals))
    for cut in range(1, len(reply) + 1):
        said += stream.feed(reply[cut - 1])
        held = next(n for n in range(cut + 1) if unmask(reply[: cut - n], originals) == said)
        assert held < longest
        tail = reply[cut - held : cut]
        assert held == 0 or any(one.startswith(tail) for one in originals)


@given(st.text(), any_text)
def test_unmasking_keeps_json_parseable(value: str, around: str) -> None:
    assume("k3f9x" not in around)
    reply = json.dumps({"comment": f"{around}<PERSON_1_k3f9x>{around}"}, ensure_ascii=False)
    unmasked = unmask(reply, {"<PERSON_1_k3f9x>": value}, json_escaped=True)
    assert json.loads(unmasked) == {"comment": f"{around}{value}{around}"}


def test_who_is_behind_a_placeholder_does_not_change_what_a_model_reads() -> None:
    masked = {
        name: settled(masked_texts([f"{name} says so."], [[Span(0, len(name), "PERSON")]], new_nonce([name])))
        for name in ("Anna", "Boris", "Anna")
    }
    assert masked["Anna"].texts == masked["Boris"].texts
    assert masked["Boris"].originals == {f"<PERSON_1_{masked['Boris'].nonce}>": "Boris"}


@given(st.text(max_size=60), st.integers(0, 60), st.integers(1, 8))
def test_a_settled_nonce_stands_nowhere_else_and_unmasks_exactly(text: str, start: int, length: int) -> None:
    assume(start < len(text))
    span = Span(start, min(start + length, len(text)), "PERSON")
    once, again = (settled(masked_texts([text], [[span]], new_nonce([text]))) for _ in range(2))
    assert once == again
    assert unmask(once.texts[0], once.originals) == text
    assert once.nonce not in text[: span.start] + text[span.end :]
