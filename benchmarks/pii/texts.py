"""Russian and English texts of our own to measure speed on: sentences drawn anew, so that no cache helps."""

import random
from collections.abc import Callable, Sequence

KB = 1_000  # characters

_ORDINARY = (
    "Sorting the list first costs O(n log n), after that every look-up is a binary search.",
    "Сначала отсортируем массив, потом для каждого запроса сделаем двоичный поиск.",
    "The plant cell has a wall and chloroplasts, the animal cell has neither of them.",
    "Растение на свету выделяет кислород, а ночью только дышит, поэтому опыт ставят днём.",
    "Newton's method needs a derivative, so for this function bisection is the safer choice.",
    "Закон Ома связывает силу тока, напряжение и сопротивление участка цепи.",
    "A stack gives back what came last, a queue gives back what came first.",
    "Герой романа уезжает в деревню, потому что столичная жизнь ему надоела.",
    "If the heater is switched off, the temperature falls more slowly the closer it is to 20 degrees.",
    "Война началась в 1812 году, и к декабрю армия перешла реку обратно.",
    "The lamp stays dark because the gap at terminal 4 leaves the circuit open.",
    "При нагревании газ расширяется: объём растёт, а давление в сосуде остаётся прежним.",
)
_SURNAMES = ("Ветлугин", "Подгорецкий", "Журавский", "Краснощёков", "Лебяжин")
_GIVEN = ("Раиса", "Тимофей", "Клавдия", "Глеб", "Зинаида")
_ENGLISH = ("Claire Hobbins", "Rupert Quillfeather", "Maud Tinsley", "Oscar Penhallow", "Faye Underwood")
_MAIL = ("pilot.lena@uni-x.ru", "quill@example.com", "m.tinsley@school.example", "gleb77@mail.example")


def _dense(draw: random.Random) -> str:
    digits = draw.randrange(10**6, 10**7)
    phone = f"+7 9{digits % 90 + 10} {digits % 900 + 100}-{digits % 80 + 10}-{digits % 70 + 11}"
    sentences = (
        f"Работу сдал {draw.choice(_GIVEN)} {draw.choice(_SURNAMES)}, почта {draw.choice(_MAIL)}.",
        f"My name is {draw.choice(_ENGLISH)}, call me at {phone}.",
        f"Мой телефон {phone}, паспорт 45 {digits % 90 + 10} {digits % 899_999 + 100_000}.",
        f"I worked with {draw.choice(_ENGLISH)} ({draw.choice(_MAIL)}) from 10.{digits % 255}.0.7.",
        f"СНИЛС 112-233-445 95, ИНН 500100732259, живу: ул. Садовая, д. {digits % 90 + 1}, кв. 8.",
        f"Card 4111 1111 1111 1111, see https://{draw.choice(('a', 'b'))}.example/u/{digits}.",
    )
    return draw.choice(sentences)


def ordinary(count: int, seed: int) -> list[str]:
    """Answers in which nothing is personal."""
    return _texts(count, seed, lambda draw: draw.choice(_ORDINARY))


def dense(count: int, seed: int) -> list[str]:
    """Something personal in every sentence."""
    return _texts(count, seed, _dense)


def _texts(count: int, seed: int, sentence: Callable[[random.Random], str]) -> list[str]:
    """Of a thousand characters each."""
    draw = random.Random(seed)
    texts = []
    for number in range(count):
        parts: list[str] = [f"{number}."]
        while sum(map(len, parts)) + len(parts) < KB:
            parts.append(sentence(draw))
        texts.append(" ".join(parts)[:KB])
    return texts


def in_pieces(text: str, size: int = 4) -> Sequence[str]:
    """As a model's tokens come."""
    return [text[start : start + size] for start in range(0, len(text), size)]
