"""Random texts with random findings; every mention knows whose it is. A case is made of a seed alone."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise

from gateway.domain import Passage, Span

# What stands between mentions; no word of it is a form of any value.
_INNOCENT = (
    "the list is sorted first and then searched, so it takes less time; сначала идёт сортировка, потом поиск "
    "и ответ, поэтому времени меньше; x < y && y > z [0] {1} \\n \"quoted\" 'too'"
)
WORDS = tuple(_INNOCENT.split())
# What a student may write that looks like a placeholder, or like the beginning of one.
_ALIKE = (
    "<PERSON_1>|<PERSON_1_abcde>|<PERSON_|<PHONE_2_k3f9x|<DATE_OF_BIRTH_1_00000>|<|<<|<P|<PERSON_01_|"
    "< PERSON_1 >|&lt;PERSON_1&gt;|<person_1_abcde>|<PERSON_1_ABCDE>|\\u003cPERSON_1"
)
LOOKALIKES = tuple(_ALIKE.split("|"))
# Surname, given name and patronymic in the nominative and three other cases. The genitive of a man's surname
# is the nominative of his sister's.
_CASES = (
    ("Ветлугин Глеб Ильич", "Ветлугина Глеба Ильича", "Ветлугину Глебу Ильичу", "Ветлугиным Глебом Ильичом"),
    (
        "Ветлугина Раиса Ильинична",
        "Ветлугиной Раисы Ильиничны",
        "Ветлугиной Раисе Ильиничне",
        "Ветлугину Раису Ильиничну",
    ),
    (
        "Ветлугин Пётр Саввич",
        "Ветлугина Петра Саввича",
        "Ветлугину Петру Саввичу",
        "Ветлугиным Петром Саввичем",
    ),
    (
        "Журавский Тимофей Львович",
        "Журавского Тимофея Львовича",
        "Журавскому Тимофею Львовичу",
        "Журавским Тимофеем Львовичем",
    ),
    (
        "Журавская Клавдия Львовна",
        "Журавской Клавдии Львовны",
        "Журавской Клавдии Львовне",
        "Журавскую Клавдию Львовну",
    ),
    (
        "Лебяжин Роман Глебович",
        "Лебяжина Романа Глебовича",
        "Лебяжину Роману Глебовичу",
        "Лебяжиным Романом Глебовичем",
    ),
)
_ENGLISH = (
    "Claire Hobbins",
    "Rupert Hobbins",
    "Oscar Penhallow",
    "Faye O'Connel",
    "Maud Tinsley-Hobbins",
    "Hobbins Rupert",
)
_ORDERS = ((0, 1, 2), (1, 0), (0, 1), (1, 2, 0), (1, 2), (0,))  # of surname, given name, patronymic
# Numbers that lie within each other, or are one number written in several ways (the first tells which).
_NUMBERS = (
    ("PHONE", ("+7 921 555-01-73", "8 (921) 555-01-73", "89215550173", "+79215550173")),
    ("PHONE", ("555-01-73", "5550173")),
    ("PHONE", ("+7 921 555-01-7", "8921555017")),
    ("INN", ("500100732259",)),
    ("CARD", ("4111 1111 1111 1111", "4111111111111111")),
    ("PASSPORT", ("4111 111111", "41 11 111111")),
    ("SNILS", ("112-233-445 95", "11223344595")),
    ("EMAIL", ("quill@example.com",)),
    ("EMAIL", ("claire.quill@example.com", "Claire.Quill@example.com")),
    ("URL", ("https://quill:secret@example.com/a?b=<c>", "https://quill:secret@example.com/a?b=%3Cc%3E")),
    ("IP", ("10.0.0.1",)),
    ("IP", ("10.0.0.12",)),
    ("DATE_OF_BIRTH", ("12.03.2001", "12 марта 2001 г.")),
    ("STUDENT_ID", ("st123456",)),
    ("ADDRESS", ('ул. Садовая, д. 5, "Заря"', "ул. Садовая, 5")),
    ("CUSTOM", ("C:\\users\\quill",)),
    ("CUSTOM", ("<PERSON_2_abcde>",)),
    ("CUSTOM", ("line one\nline two\t\u2028end",)),
)


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write one value."""

    owner: str
    words: str
    kind: str
    identity: str = ""
    base: bool = True
    parts: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Mention:
    """A stretch of the text: a form, or words that are nobody's."""

    words: str
    form: Form | None = None
    found: bool = False  # given as a finding


@dataclass(frozen=True, slots=True)
class Case:
    seed: int
    passages: tuple[Passage, ...] = field(repr=False)
    mentions: tuple[tuple[Mention, ...], ...] = field(repr=False)  # of each passage
    spans: tuple[tuple[Span, ...], ...] = field(repr=False)
    forms: tuple[Form, ...] = field(repr=False)  # of everybody and everything, mentioned or not


def case(seed: int) -> Case:
    draw = random.Random(seed)
    forms = [*_people(draw), *_numbers(draw)]
    documents = [draw.random() < 0.15 for _ in range(draw.choice((1, 1, 2, 3)))]
    written = [[*(_json if json_ else _stretches)(draw, forms)] for json_ in documents]
    mentions = _decidable(written)
    passages, spans = [], []
    for is_json, stretches in zip(documents, mentions, strict=True):
        text = "".join(one.words for one in stretches)
        seams = () if is_json else {draw.randrange(1, len(text)) for _ in range(draw.choice((0, 0, 0, 1, 2)))}
        program = not is_json and draw.random() < 0.1
        passages.append(Passage(text, program=program, json=is_json, seams=tuple(sorted(seams))))
        spans.append(tuple(_spans(stretches)))
    return Case(seed, tuple(passages), mentions, tuple(spans), tuple(forms))


def _people(draw: random.Random) -> Iterator[Form]:
    some = draw.sample(range(len(_CASES)), draw.randint(1, 4))
    for number in some:
        for order in _ORDERS:
            for case_number, full in enumerate(_CASES[number]):
                names = full.split()
                words = " ".join(names[part] for part in order)
                edges = list(accumulate((len(names[part]) + 1 for part in order), initial=0))
                parts = tuple((start, end - 1) for start, end in pairwise(edges))
                yield Form(
                    f"person {number}",
                    words,
                    "PERSON",
                    f"p{number}",
                    case_number == 0,
                    parts if len(order) > 1 else (),
                )
    for number in draw.sample(range(len(_ENGLISH)), draw.randint(0, 4)):
        words = _ENGLISH[number]
        identity = draw.choice(("", f"e{number}"))
        yield Form(f"english {number}", words, "PERSON", identity)


def _numbers(draw: random.Random) -> Iterator[Form]:
    for number in draw.sample(range(len(_NUMBERS)), draw.randint(2, 9)):
        kind, ways = _NUMBERS[number]
        for words in ways:
            yield Form(f"number {number}", words, kind, f"n{number}" if len(ways) > 1 else "")
    for number in range(draw.choice((0, 0, 0, 12))):  # that a first is no beginning of an eleventh
        yield Form(f"mail {number}", f"m{number}@example.com", "EMAIL")


def _stretches(draw: random.Random, forms: Sequence[Form]) -> Iterator[Mention]:
    for _ in range(draw.randint(2, 14)):
        yield Mention(_innocent(draw))
        if draw.random() < 0.15:
            yield Mention(draw.choice(LOOKALIKES) + " ")
        form = draw.choice(forms)
        yield Mention(form.words, form, draw.random() < 0.7)
        yield Mention(draw.choice((" ", ", ", ". ", "\n", ") ")))


def _json(draw: random.Random, forms: Sequence[Form]) -> Iterator[Mention]:
    """A JSON document with mentions in its strings, and numbers that are no strings."""
    yield Mention('{"said": "')
    for _ in range(draw.randint(1, 6)):
        yield Mention(_escaped(_innocent(draw)))
        form = draw.choice(forms)
        yield Mention(_escaped(form.words), form, draw.random() < 0.7)
        yield Mention(", ")
    yield Mention('"')
    numbers = [form for form in forms if form.words.isdecimal()]
    if numbers and draw.random() < 0.7:
        form = draw.choice(numbers)
        yield Mention(', "number": ')
        yield Mention(form.words, form, found=True)
    yield Mention("}")


def _innocent(draw: random.Random) -> str:
    return " ".join((*draw.choices(WORDS, k=draw.randint(1, 4)), ""))


def _escaped(words: str) -> str:
    return json.dumps(words, ensure_ascii=False)[1:-1]


def _decidable(written: Sequence[Sequence[Mention]]) -> tuple[tuple[Mention, ...], ...]:
    """The same, with those overlooked mentions found whose words were found as somebody else's: words alone
    cannot tell whose they are."""
    mentions = [[*stretches] for stretches in written]
    while True:
        found = {(one.words, one.form.owner) for some in mentions for one in some if one.form and one.found}
        doubtful = [
            (some, number)
            for some in mentions
            for number, one in enumerate(some)
            if one.form and not one.found
            if any(words in one.words and owner != one.form.owner for words, owner in found)
        ]
        if not doubtful:
            return tuple(map(tuple, mentions))
        for some, number in doubtful:
            some[number] = replace(some[number], found=True)


def _spans(stretches: Sequence[Mention]) -> Iterator[Span]:
    start = 0
    for one in stretches:
        end = start + len(one.words)
        if one.found and one.form is not None:
            form = one.form
            parts = tuple((start + first, start + last) for first, last in form.parts)
            yield Span(start, end, form.kind, 0.9, "Random", form.identity, form.base, parts)
        start = end
