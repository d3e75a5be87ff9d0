"""E-mails, cards, IBANs, IPs, phones and US numbers, each by its recogniser alone."""

import json

import pytest

from tests.gateway.adapters.presidio.reading import Said, said, slowing, spans_said


def _all() -> list[object]:
    from gateway.adapters.presidio import addresses, births, handles, patterns, russian, student_ids

    return [
        *patterns.recognizers(), *russian.recognizers(), *addresses.recognizers(), *births.recognizers(),
        *handles.recognizers(), *student_ids.recognizers(),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def recognizers() -> list[object]:
    from gateway.adapters.presidio import patterns

    return [*patterns.recognizers()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://x.ru/a?email=lena%40mail.ru&n=1", [("EMAIL", "lena%40mail.ru")]),
        ("open resume-lena@mail.ru.pdf", [("EMAIL", "resume-lena@mail.ru")]),
        ("lena (at) mail [dot] ru", [("EMAIL", "lena (at) mail [dot] ru")]),
        ("пишите lena собака mail точка ru", [("EMAIL", "lena собака mail точка ru")]),
        ("пишите lena @ mail.ru", [("EMAIL", "lena @ mail.ru")]),
        ("y = a @ b.T + x @ self.w", []),
        ("see lena@mail.ru.", [("EMAIL", "lena@mail.ru")]),
        ("weights@self.bias + a@b.T", []),
        ("from 203.0.113.77:8080", [("IP", "203.0.113.77")]),
        ("section 1.2.3.4, net 10.0.0.0/8, a[1::2], 12:30:45", []),
        ("IP:2001:db8::8a2e:370:7334.", [("IP", "2001:db8::8a2e:370:7334")]),
        ("::ffff:192.0.2.33 came", [("IP", "::ffff:192.0.2.33")]),
        ("to be68 5390 0754 7034 please", [("IBAN", "be68 5390 0754 7034")]),
        ("to GB29 NWBK 6016 1331 9268 19 tomorrow", [("IBAN", "GB29 NWBK 6016 1331 9268 19")]),
        ("to GB29 NWBK 6016 1331 9268 18 tomorrow", []),
        ("SSN: 514-69-0360", [("US_SSN", "514-69-0360")]),
        ("ssn 514690360", [("US_SSN", "514690360")]),
        ("514690360 steps, 666-12-3456", []),
    ],
)
def test_what_people_have_on_the_network_and_in_the_bank(
    recognizers: list[object], text: str, expected: Said
) -> None:
    assert said(recognizers, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4111 1111 1111 1111", [("CARD", "4111 1111 1111 1111")]),
        ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", [("CARD", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1")]),
        ("4111 1111 1111 1111 12/27", [("CARD", "4111 1111 1111 1111")]),
        ("card 4111_1111/11 11-1111", [("CARD", "4111_1111/11 11-1111")]),
        ("с карты: 4111_1111_1111_1111", [("CARD", "4111_1111_1111_1111")]),
        ("4111.1111.1111.1111", [("CARD", "4111.1111.1111.1111")]),
        ("4111 1111 1111 1112", []),
        ("2018 2019 2020 2025", []),  # years that pass Luhn
        ("card 501875921204", [("CARD", "501875921204")]),
        ("501875921204 steps", []),
        ("полис ОМС 4111 1111 1111 1111", []),
        ("полис не нужен, карта 4111 1111 1111 1111", [("CARD", "4111 1111 1111 1111")]),
    ],
)
def test_a_card_passes_luhn_and_is_no_policy(recognizers: list[object], text: str, expected: Said) -> None:
    assert [one for one in said(recognizers, text) if one[0] == "CARD"] == expected


@pytest.mark.parametrize(
    "phone",
    [
        "+7 (921) 555-01-73",
        "8 921 55 50 173",
        "8 9 2 1 5 5 5 0 1 7 3",
        "8.921.555.01.73",
        "89215550173",
        "(4852) 55-01-73",
        "+44 20 7946 0958",
        "(415) 555-0137 ext. 12",
        "1-415-555-0137",
        "+1-604-696-5272x565",
    ],
)
def test_a_phone_is_found_by_its_writing(recognizers: list[object], phone: str) -> None:
    assert said(recognizers, f"Вот {phone}, пока.") == [("PHONE", phone)]


@pytest.mark.parametrize(
    "text",
    ["x = a +1000000 - b", "a + 7000000000", "8 0 2 1 5 5 5 0 1 7 3", "8 9 10 11 12 13", "79123456789012"],
)
def test_a_number_that_no_plan_has_is_no_phone(recognizers: list[object], text: str) -> None:
    assert said(recognizers, text) == []


def test_in_a_program_a_likely_number_needs_a_word(recognizers: list[object]) -> None:
    program = "limit = 415-555-0137\n\n" + "#" * 80 + '\nserver = "203.0.113.77"\n' + "#" * 80
    assert said(recognizers, program, program=True) == [("IP", "203.0.113.77")]
    assert said(recognizers, 'phone = "415-555-0137"', program=True) == [("PHONE", "415-555-0137")]
    assert said(recognizers, 'x = "4111111111111111"', program=True) == [("CARD", "4111111111111111")]


PERSONAL = [
    "lena@mail.ru", "https://u:p@ex.com/x", "https:\\/\\/x.ru\\/a?token=abc&b=1", "t.me/lena_pilot",
    "tg: @i_am_lena", "8 921 555-01-73", "+44 20 7946 0958", "4111 1111 1111 1111", "203.0.113.77",
    "GB29 NWBK 6016 1331 9268 19", "ул. Ленина, д. 5, кв. 12", "221B Baker Street", "родился 06.05.2003",
    "студенческий билет 1234567", "СНИЛС 112-233-445 95",
]  # fmt: skip
AROUND = ['"', "\\", "\n", "\b", "\f", "\0", "\u00a0", "\u00ad", "\u200b", "\u2028", "\ud83d", "«", "/", " "]


@pytest.mark.parametrize("value", PERSONAL)
def test_json_stays_json_around_what_is_taken_out_of_it(value: str) -> None:
    recognizers = _all()
    for around in AROUND:
        for text in (around + value + around, f"a {around}{value}{around} b"):
            written = json.dumps({"said": text})
            for document in (written, json.dumps(text, ensure_ascii=False), json.dumps(written)):
                masked = document
                for start, end in reversed(spans_said(recognizers, document)):
                    masked = f"{masked[:start]}[X]{masked[end:]}"
                assert "[X]" in masked or around in "\\/"  # there some values are another thing
                json.loads(masked)


HOSTILE = [
    "a", "1", "1 ", "@", "a@b.", "http://a:", "http://a?b=c&", "aa://b?", "aa://x#token",
    "aa://a?sig", "aa://b:c@.", "aa://b?sig=.", "((((", "+7 ", "8 9", "GB29 ", ":ab", "::",
    "1.1.", "ул. ", "ул. А. ", "г. Аб ", "д. 5, ", "Ab ", "12 Ab ", "Rue Ab ", "Apt 1 ", "born ",
    "born on 5 May ", "1.1.2001 ", "tg @", "tg: ", "is a1 ", "student id ", "зачётка 1", "серия 45", "4 1 ",
    "адрес ", "address Ab ", "\n", "тг a", "github: a-", "github.com/", "git@a.", "icq 1", "ID 1",
    "roll no 1", "uni: ab1", "я 2001 ", "born A ",
]  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE)
def test_no_recogniser_takes_more_than_linear_time(unit: str) -> None:
    for recognizer in _all():
        # A pause of the machine is no slowness: one of three runs is enough.
        assert any(slowing(recognizer, unit) < 3 for _ in range(3)), recognizer
