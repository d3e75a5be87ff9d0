"""The real Presidio over sentences of our own. Persons and numbers are made up; check digits are right."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.adapters.presidio.overlaps import Finding, resolve
from tests.gateway.adapters.presidio.conftest import Find

PLANTED = [
    ("EMAIL", "pilot.lena@uni-x.ru", "Пишите на {} до пятницы."),
    ("EMAIL", "o'neil+hw2@mail.example.com", "Send it to {}, please."),
    ("EMAIL", "лена@почта.рф", "Моя почта: {}."),
    ("EMAIL", "root@build.local", "mail from {} failed"),
    ("PHONE", "+7 (921) 555-01-73", "Мой телефон {} для связи"),
    ("PHONE", "8-921-555-01-73", "звоните {}"),
    ("PHONE", "89215550173", "Вот {} и всё"),
    ("PHONE", "8 (4852) 55-01-73", "Кафедра: {}"),
    ("PHONE", "921-555-01-73", "моб. {}"),
    ("PHONE", "+44 20 7946 0958", "call me at {} tonight"),
    ("PHONE", "(415) 555-0137", "My number is {}."),
    ("PHONE", "415-555-0137", "They answer at {}"),
    ("PHONE", "4155550137", "Phone: {}"),
    ("CARD", "4111 1111 1111 1111", "Оплатил картой {} вчера"),
    ("CARD", "2200-1234-5678-9019", "карта МИР {}"),
    ("CARD", "5555555555554444", "charged {} twice"),
    ("CARD", "378282246310005", "my amex {}"),
    ("IBAN", "GB29 NWBK 6016 1331 9268 19", "Transfer to {} please"),
    ("IBAN", "DE89370400440532013000", "Счёт {} открыт"),
    ("IP", "203.0.113.77", "Зашёл с адреса {}."),
    ("IP", "2001:db8:85a3::8a2e:370:7334", "connected from {} at night"),
    ("PASSPORT", "45 08 № 123456", "Документ {} выдан ОВД"),
    ("PASSPORT", "4508 123456", "Мой паспорт {}."),
    ("PASSPORT", "серия 4508 номер 123456", "паспорт {}, выдан"),
    ("INN", "500100732259", "Справка на {} готова"),
    ("INN", "7707083893", "ИНН {}"),
    ("SNILS", "112-233-445 95", "Номер {} в анкете"),
    ("SNILS", "11223344595", "СНИЛС: {}"),
    ("URL", "postgres://lena:s3cret@db.example.com/marks", "DSN is {} there"),
    ("PERSON", "Ветлугина Раиса Павловна", "Работу выполнила {}, группа 12."),
    ("PERSON", "Раисе Ветлугиной", "Поставьте зачёт {} за работу."),
    ("PERSON", "Ветлугин Р. П.", "Подпись: {}"),
    ("PERSON", "Р.П. Ветлугиной", "Преподавателю {} от студентки"),
    ("PERSON", "Раиса", "Меня зовут {}, я из второй группы."),
    ("PERSON", "Claire Hobbins", "My name is {} and I am late."),
    ("PERSON", "Tarquin Quillfeather", "Author: {}"),
    ("PERSON", "Hobbins", "Ask Mrs. {} about it."),
    ("PERSON", "Claire J. Hobbins", "It was written with {} yesterday."),
    ("PERSON", "R. K. Hobbins", "a draft by {} is here"),
    ("PERSON", "Timofey Vetlugin", "Done together with {} from 2b."),
    ("PERSON", "claire hobbins", "hi, my name is {}"),
    ("PERSON", "CLAIRE HOBBINS", "ESSAY\n{}\n2024"),
    ("PERSON", "ВЕТЛУГИНА РАИСА ПАВЛОВНА", "КУРСОВАЯ РАБОТА\n{}\n2024"),
    ("PERSON", "Żaneta Quillfeather", "For {} it was easy."),
    ("PERSON", "Tarquin Quillfeather", "I asked {} about it."),
    ("PERSON", "Tarquin Quillfeather", "Then {} wrote the tests."),
    ("CARD", "4222222222222", "Paid by {} twice"),
    ("PERSON", "Anna-Maria Hobbins", "I asked {} first."),
    ("PHONE", "89215550173", "тел.{}"),
    ("PHONE", "415.555.0137", "(tel.{})"),
    ("INN", "7707083893", "ИНН{}"),
    ("CARD", "4111111111111111", '{{"card":"{}"}}'),
    ("IP", "2001:db8::8a2e:370:7334", "IP:{}"),
]


@pytest.mark.parametrize(("kind", "value", "sentence"), PLANTED)
def test_a_planted_value_is_found_whole_and_by_its_kind(
    found: Find, kind: str, value: str, sentence: str
) -> None:
    assert found(sentence.format(value)) == [(kind, value)]


RULES_ONLY = ["Раиса", "Ветлугин Р. П.", "Р.П. Ветлугиной", "Ветлугина Раиса Павловна", "Claire Hobbins"]


@pytest.mark.parametrize("name", RULES_ONLY)
def test_without_ner_the_rules_still_find_names(found_without_ner: Find, name: str) -> None:
    assert found_without_ner(f"Меня зовут {name}, вот мой ответ.") == [("PERSON", name)]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("INN", "Получилось 500100732250"),
        ("INN", "Ответ: 7707083894"),
        ("INN", "1234567890 операций и ещё 7707083893"),
        ("SNILS", "Номер 112-233-445 96"),
        ("SNILS", "11223344595 раз"),
        ("CARD", "Оплатил картой 4111 1111 1111 1112"),
        ("IBAN", "Transfer to GB29 NWBK 6016 1331 9268 18"),
    ],
)
def test_a_wrong_check_digit_or_a_missing_word_makes_no_such_number(
    found: Find, kind: str, text: str
) -> None:
    assert kind not in [found_kind for found_kind, _ in found(text)]


@pytest.mark.parametrize(
    "text",
    [
        "По второму закону Ньютона сила равна массе, умноженной на ускорение.",
        "Теорема Пифагора и формула Герона дают одно и то же.",
        "Алгоритм Дейкстры с кучей, дерево Фенвика, метод Гаусса и число Эйлера.",
        "Пушкин написал «Евгения Онегина», а Лермонтов — «Мцыри».",
        "А. С. Пушкин родился в 1799 году.",
        "Иван Грозный правил с 1533 по 1584 год, Гагарин полетел в 1961.",
        "Newton's second law, Dijkstra's algorithm and the Euler number.",
        "Isaac Newton and Albert Einstein changed physics; Shakespeare wrote Hamlet.",
        "The Turing machine halts. Will it? May be. In April we had Java and Ruby.",
        "Binary Search runs in O(log n); Big O is an upper bound. Hello World!",
        "sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "md5 d41d8cd98f00b204e9800998ecf8427e, uuid 123e4567-e89b-12d3-a456-426614174000",
        "Ответ: 123456789012 операций, то есть 1.2e11; 600851475143 делится на 71.",
        "a[1::2] + b[::-1], std::vector<int>, 127.0.0.1:8080, 12:30:45",
        "assert f(1000000007) == 998244353 and 3.14159265358979",
        "y = weights@self.bias + x@w.T",
        "0101 1010 0110 1111 — это двоичная запись",
        "GRANT SELECT ON marks; SELECT NAME FROM STUDENTS; MAX HEAP; ФГБОУ ВО МГУ",
        "Take point A. If B. The host L. Then C. In the network 10.0.0.0/8 and 192.168.255.255",
        "An event on Path A. Event B Event C; Max Distance, Hidden Terminal at node D. Therefore",
        "from 2019-01-01 to 2024-12-31, pages 100-200, 10 20 30 40 50 60 70",
    ],
)
def test_subject_matter_and_numbers_stay(found: Find, text: str) -> None:
    assert found(text) == []


def test_names_of_two_languages_stand_in_one_text(found: Find) -> None:
    assert found("Автор: Claire Hobbins, проверила Раиса Ветлугина, +7 921 555-01-73.") == [
        ("PERSON", "Claire Hobbins"),
        ("PERSON", "Раиса Ветлугина"),
        ("PHONE", "+7 921 555-01-73"),
    ]


def test_a_surname_alone_is_found_when_the_full_name_stands_elsewhere(found: Find) -> None:
    text = "Claire Hobbins wrote it. Then Hobbins left, and Claire came back."
    assert [value for _, value in found(text)] == ["Claire Hobbins", "Hobbins", "Claire"]


@pytest.mark.parametrize(
    "value",
    [
        "lena\u200b@uni-x.ru",
        "le\u00adna@uni\u00ad-x.ru",
        "ｌｅｎａ＠ｕｎｉ-ｘ.ｒｕ",
        "\u200e+7\u00a0921\u00a0555\u201101\u201173",
        "４１１１ １１１１ １１１１ １１１１",
    ],
)
def test_invisible_and_wide_characters_hide_nothing(found: Find, value: str) -> None:
    [(_, words)] = found(f"Контакт — {value} — вот.")
    assert words.strip("\u200e") == value.strip("\u200e")


def test_findings_are_sorted_and_never_overlap() -> None:
    text = "x" * 60
    found = [(0, 12, "PHONE"), (4, 16, "INN"), (10, 20, "EMAIL"), (30, 35, "PERSON"), (33, 40, "PERSON")]
    resolved = resolve(text, [Finding(*one) for one in found])
    assert [one[:3] for one in resolved] == [
        (0, 4, "PHONE"),
        (4, 16, "INN"),
        (16, 20, "EMAIL"),
        (30, 40, "PERSON"),
    ]


PROGRAM = '''
# Автор: Раиса Ветлугина, тел. +7 921 555-01-73
class Claire:  # by Claire Hobbins
    """Sends to pilot.lena@uni-x.ru. Written by Mrs. Hobbins."""
    Anna = Claire_Smith = 5 // 2

def ivan(Peter, Mary):
    return Peter @ Mary.T + "Ветлугин Р. П."
'''


def test_in_a_program_people_are_found_where_people_speak_and_identifiers_stay(found: Find) -> None:
    assert found(PROGRAM, code=True) == [
        ("PERSON", "Раиса Ветлугина"),
        ("PHONE", "+7 921 555-01-73"),
        ("PERSON", "Claire Hobbins"),
        ("EMAIL", "pilot.lena@uni-x.ru"),
        ("PERSON", "Hobbins"),
        ("PERSON", "Ветлугин Р. П."),
    ]


@pytest.mark.parametrize(
    "program",
    [
        "SELECT Mary.id -- by Claire Hobbins\nFROM Peter",
        "int i; i--; /* Claire\n * Hobbins: Claire Hobbins */ Mary m;",
        'String s = "by Claire Hobbins; // Peter Smith',
        "echo 'from Claire Hobbins' # sent",
        "const s = `Claire Hobbins ${Mary}`",
        "'''Claire Hobbins",
    ],
)
def test_comments_and_strings_of_many_languages_are_read(found: Find, program: str) -> None:
    values = [value for _, value in found(program, code=True)]
    assert "Claire Hobbins" in values
    assert "Peter" not in values


def test_broken_programs_raise_nothing(found: Find) -> None:
    for program in ('"""', "/*", "'", "`", "\\", '"\\', "#", "--", "/", "\x00'\"`"):
        assert found(program, code=True) == []


@pytest.mark.parametrize("text", ["", " ", "\n\n", "\ud800", "\x00", "ё", "💥" * 10])
def test_odd_texts_hold_nothing_and_raise_nothing(found: Find, text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "unit",
    [
        "7",
        "@",
        "a@",
        "a.",
        " ",
        "\n",
        "A",
        "Ж",
        "+7",
        "(",
        '"',
        "GB29",
        ":ab",
        "http://a:",
        "a\u200b",
        "\\",
        "/*",
        "o'",
    ],
)
def test_a_hostile_long_text_takes_no_more_than_linear_time(found: Find, unit: str) -> None:
    text = unit * (40_000 // len(unit))
    started = time.perf_counter()
    found(text)
    found(text, code=True)
    assert time.perf_counter() - started < 2


fragments = st.sampled_from(
    [value for _, value, _ in PLANTED]
    + [" ", "\n", "-", ".", "\u200b", "\u00ad", "И. ", "J. ", "Мы ", '"', "# ", "7", "@", "é"]
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(fragments, st.text(max_size=5)), max_size=12).map("".join), st.booleans())
def test_findings_of_any_text_are_in_order_apart_and_inside_it(found: Find, text: str, code: bool) -> None:
    found(text, code=code)  # the fixture asserts it


def test_a_value_across_a_window_edge_is_found_once_and_whole(found: Find) -> None:
    for padding in range(1_960, 2_010, 7):
        text = "слово " * (padding // 6) + "х" * (padding % 6) + " Раиса Ветлугина, 8 921 555-01-73, конец"
        assert found(text) == [("PERSON", "Раиса Ветлугина"), ("PHONE", "8 921 555-01-73")]


@pytest.mark.parametrize(
    ("program", "people"),
    [
        (r'print("Автор:\nИван Петров")', ["Иван Петров"]),
        (r'printf("hi\n"); printf("Студент: Иван Петров\n");', ["Иван Петров"]),
        (r's = "\u0022Иван Петров\u0022"', ["Иван Петров"]),
        ("names = ['Пётр Зуев', 'Денис Щербак']", ["Пётр Зуев", "Денис Щербак"]),
    ],
)
def test_an_escape_ends_no_literal_and_no_name_runs_across_two(
    found: Find, program: str, people: list[str]
) -> None:
    assert [words for kind, words in found(program, code=True) if kind == "PERSON"] == people


def test_what_a_deployment_lists_stays_or_goes_everywhere(found: Find) -> None:
    text = "Меня зовут Анна Карева. Я видела Анну Каренину, ST-123456, по теме Project Kestrel."
    assert found(text) == [
        ("PERSON", "Анна Карева"),
        ("STUDENT_ID", "ST-123456"),
        ("CUSTOM", "Project Kestrel"),
    ]


def test_a_hero_of_the_book_in_the_question_is_nobody_here(found: Find) -> None:
    answer = "Раскольников раскаялся. " * 120 + "Ему помогла Соня Мармеладова."
    assert found(answer, about="Почему раскаялся герой романа «Преступление и наказание»?") == []
