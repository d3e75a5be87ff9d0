"""Answers with personal data of made-up students planted in them, in English and Russian sentences."""

import random
from dataclasses import dataclass, field

PLACES = ("before", "inside", "after")
LANGUAGES = ("en", "ru")
_ENGLISH = (
    ("Emily", "Carter"),
    ("Daniel", "Brooks"),
    ("Hannah", "Whitfield"),
    ("Oliver", "Grantham"),
    ("Sophie", "Marlowe"),
    ("Thomas", "Ashdown"),
    ("Rebecca", "Lindqvist"),
    ("Marcus", "Delaney"),
)
_RUSSIAN = (
    ("Анна", "Сергеевна", "Ковалёва"),
    ("Дмитрий", "Олегович", "Савельев"),
    ("Екатерина", "Игоревна", "Морозова"),
    ("Павел", "Андреевич", "Зимин"),
    ("Мария", "Викторовна", "Соболева"),
    ("Илья", "Романович", "Горшков"),
    ("Ольга", "Павловна", "Тихонова"),
    ("Никита", "Денисович", "Рыбаков"),
)
# A clause goes inside the answer, a sentence before or after it. {whole}: surname first, with the patronymic.
_SENTENCES = {
    ("before", "en"): ("My name is {full}, group {group}.", "I am {full} from group {group}, {mail}."),
    ("before", "ru"): ("Меня зовут {full}, группа {group}.", "Студент: {whole}, группа {group}, {mail}."),
    ("inside", "en"): (", as my friend {full} says,", " (I asked {full}, {mail})"),
    ("inside", "ru"): (", как говорит мой друг {full},", " (спросил: {full}, {mail})"),
    ("after", "en"): ("{full}, group {group}, {mail}", "Best regards, {full}, tel. {phone}"),
    ("after", "ru"): ("Работу выполнил(а) {whole}, группа {group}, {mail}", "{full}, тел. {phone}"),
}


@dataclass(frozen=True, slots=True)
class Planted:
    """An answer with a student in it."""

    text: str = field(repr=False)
    place: str
    language: str
    secrets: tuple[str, ...] = field(repr=False)  # that must not reach a model


def planted(answer: str, number: int, seed: int = 0) -> Planted:
    """The same for the same number and seed; six answers in a row have all six kinds."""
    place = PLACES[number % len(PLACES)]
    language = LANGUAGES[number // len(PLACES) % len(LANGUAGES)]
    draw = random.Random(f"{seed} {number}")
    first, *patronymic, last = draw.choice(_ENGLISH if language == "en" else _RUSSIAN)
    words = {
        "full": f"{first} {last}",
        "whole": " ".join((last, first, *patronymic)),
        "group": str(draw.randint(10, 499)),
        "mail": f"st{draw.randint(10_000, 99_999)}@students.example",
        "phone": f"+7 921 {draw.randint(100, 999)}-{draw.randint(10, 99)}-{draw.randint(10, 99)}",
    }
    sentence = draw.choice(_SENTENCES[place, language])
    secrets = [words[name] for name in ("mail", "phone") if f"{{{name}}}" in sentence]
    said = sentence.format(**words)
    return Planted(_put(answer, said, place), place, language, (last, *secrets))


def _put(answer: str, said: str, place: str) -> str:
    if place == "before":
        return f"{said} {answer}"
    if place == "after":
        return f"{answer}\n{said}"
    middle = answer.find(" ", len(answer) // 2)
    middle = middle if middle > 0 else len(answer)
    return f"{answer[:middle]}{said}{answer[middle:]}"
