"""The rules alone and slovnet's NER alone, over sentences of our own. Persons are made up."""

import time

import pytest
from presidio_analyzer import LocalRecognizer

from gateway.adapters.presidio.findings import CITED
from gateway.adapters.presidio.russian_names import RussianNames
from gateway.adapters.presidio.slovnet_names import SlovnetNames


@pytest.fixture(scope="module")
def rules() -> RussianNames:
    return RussianNames()


@pytest.fixture(scope="module")
def ner() -> SlovnetNames:
    return SlovnetNames()


def people(text: str, *recognizers: LocalRecognizer, cited: bool = False) -> list[str]:
    """What is found, or what is found and flagged as cited; overlapping spans as their hull."""
    hulls: list[tuple[int, int]] = []
    for start, end in sorted(
        (one.start, one.end)
        for recognizer in recognizers
        for one in recognizer.analyze(text, [])
        if one.recognition_metadata[CITED] is cited
    ):
        if hulls and start < hulls[-1][1]:
            hulls[-1] = (hulls[-1][0], max(hulls[-1][1], end))
        else:
            hulls.append((start, end))
    return [text[start:end] for start, end in hulls]


BY_RULES = [
    "Так говорит [Автандил Квиллфезер] о задаче.",
    "[Ветлугина] считает, что ответ верен.",
    "[Марина] считает, что это так.",
    "Автор: [Квиллфезер Автандил]",
    "меня зовут [раиса ветлугина], я сдаю",
    "меня зовут [иван ветлугин] из второй группы",
    "Моя фамилия [Квиллфезер].",
    "Проверил [ВетлугинР.П.] вчера",
    "[Р.П.Ветлугин] сдал",
    "Сдал [Ветлугин Р.] вчера",
    "Файл [Ветлугина_Раиса]_ДЗ2.docx прилагаю",
    "Файл ДЗ2_[Ветлугин].pdf прилагаю",
    "фамилия;имя;балл\n[Квиллфезер];[Степан];5\n[Ветлугина];[Раиса];4",
    "| [Ветлугина] | [Раиса] | 5 |",
    "ФИО,балл\n[Ветлугина Раиса Павловна],5",
    '{"student": "[Ветлугина Раиса]", "score": 5}',
    '{"[Ветлугина Раиса]": 5}',
    '{"name": "[Раиса]", "surname": "[Квиллфезер]"}',
    "КУРСОВАЯ РАБОТА\n[ВЕТЛУГИНА РАИСА ПАВЛОВНА]\n2024",
    "Выполнил: [ВЕТЛУГИН Р.П.]",
    "Передайте [Ольге Сергеевне Мельник].",
    "Ответ дала [Анна-Мария Ветлугина-Цой].",
    "[Иван Заяц] сдал",
    "Задачу решал [Антуан де Квиллфезер].",
    "Преподавателю [Ветлугину]: прошу",
]


@pytest.mark.parametrize("marked", BY_RULES)
def test_the_rules_alone_find_a_name_with_its_exact_borders(rules: RussianNames, marked: str) -> None:
    names = [part.partition("]")[0] for part in marked.split("[")[1:]]
    assert people(marked.replace("[", "").replace("]", ""), rules) == names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Об этом Скотт Квиллфезер (Scott Quillfeather).", ["Скотт Квиллфезер", "Scott Quillfeather"]),
        ("Работу проверил доцент Ветлугин.", ["Ветлугин"]),
        ("Счёт открыли Мамин, Цветлугин и Ветлугина.", ["Мамин", "Цветлугин", "Ветлугина"]),
        ("Президент Украины Виктор Ветлугин выступил в Москве.", ["Виктор Ветлугин"]),
        ("Т. П. Залесский\nMy name is", ["Т. П. Залесский"]),
        ("Т. П. Залесский\u2028My name is", ["Т. П. Залесский"]),
        ("Автандил Ветлугин ушёл. Работа Автандила осталась.", ["Автандил Ветлугин", "Автандила"]),
    ],
)  # fmt: skip
def test_ner_finds_the_names_only(ner: SlovnetNames, text: str, names: list[str]) -> None:
    assert people(text, ner) == names


@pytest.mark.parametrize(
    "text",
    [
        "Роман Тургенева вышел в 1862 году.",
        "Слава труду, любовь и надежда, основы алгоритмов.",
        "Лев живёт в саванне, Владимир и Киров стоят на реках.",
        "Германия, Франция, Нидерланды",
        "Тема: Сортировка Слиянием. Класс Узел, класс Дерево.",
        "Задача А. Найти сумму. Б. Найти разность. Вариант И. Ответ",
        "файл тест_дерево_отрезков.py и Задача_Сортировка_2.docx",
    ],
)
def test_the_rules_let_words_be(rules: RussianNames, text: str) -> None:
    assert people(text, rules) == []


@pytest.mark.parametrize(
    "text",
    [
        "По второму закону Ньютона сила равна массе на ускорение.",
        "Иван Грозный и Пётр Первый правили Россией, Александр II отменил крепостное право.",
        "Иванов и Петров (2010) утверждают обратное; согласно Ветлугину (1999), это так.",
        "Л. С. Выготский писал, что обучение ведёт развитие.",
    ],
)
def test_who_is_subject_matter_is_flagged_and_not_dropped(
    rules: RussianNames, ner: SlovnetNames, text: str
) -> None:
    assert people(text, rules, ner) == []
    assert people(text, rules, ner, cited=True)


def test_who_introduces_himself_is_at_hand_whatever_the_lists_say(rules: RussianNames) -> None:
    assert people("Меня зовут Пушкин Александр.", rules) == ["Пушкин Александр"]


def test_the_rules_are_surer_than_ner_of_the_same_words(rules: RussianNames, ner: SlovnetNames) -> None:
    for text, name in (
        ("Работу сдала Раиса Ветлугина вчера.", "Раиса Ветлугина"),
        ("Так писал Исаак Ньютон давно.", "Исаак Ньютон"),
    ):
        scores = {
            one.score
            for recognizer in (rules, ner)
            for one in recognizer.analyze(text, [])
            if text[one.start : one.end] == name
        }
        assert len(scores) == 2


def test_a_word_is_read_wherever_the_pieces_are_cut(ner: SlovnetNames) -> None:
    for before in range(80, 110):
        text = "слово " * before + "сегодня Автандил Ветлугин пришёл на занятие " + "слово " * 30
        assert people(text, ner) == ["Автандил Ветлугин"], before


def test_ner_reads_no_sentence_without_a_telling_capital(
    ner: SlovnetNames, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    monkeypatch.setattr(
        ner, "_ner", type("Net", (), {"map": lambda _, texts: (read.append(t) for t in texts)})()
    )
    ner.analyze("Сначала сортируем список. Потом ищем середину.\nДалее повторяем. Это быстро.", [])
    assert read == []


@pytest.mark.parametrize(
    "unit", ["А", "Иван ", "И.", "Иван_", "Иванов;", "меня зовут ", "А-", "(Иванов, ", "Ж ", "_"]
)
def test_a_hostile_text_takes_linear_time(rules: RussianNames, ner: SlovnetNames, unit: str) -> None:
    text = (unit * 2_000)[:2_000]
    started = time.process_time()
    for recognizer in (rules, ner):
        recognizer.analyze(text, [])
    assert time.process_time() - started < 1


@pytest.mark.parametrize("text", ["", " ", "\n", "\ud800", "А\ud800", "Ё", "И.", "\x00Иван\x00", "Ъ" * 2_000])
def test_odd_texts_raise_nothing(rules: RussianNames, ner: SlovnetNames, text: str) -> None:
    for recognizer in (rules, ner):
        assert all(0 <= one.start < one.end <= len(text) for one in recognizer.analyze(text, []))
