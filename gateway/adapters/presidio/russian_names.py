"""Names in Cyrillic by rules: initials, patronymics, given names, introductions, fields, cells, file names.

Over 250 lines: one rule after the other, with the words each goes by.
"""

import re
from collections.abc import Iterator

from presidio_analyzer import RecognizerResult

from gateway.adapters.presidio.citations import person
from gateway.adapters.presidio.findings import found
from gateway.adapters.presidio.lexicon import lexicon
from gateway.adapters.presidio.morphology import morphology
from gateway.adapters.presidio.patterns import LANGUAGE, SURE
from gateway.adapters.presidio.reading import TextRecognizer

Range = tuple[int, int]

_CYRILLIC = re.compile(r"[А-ЯЁа-яё]")
_NAME = r"[А-ЯЁ][а-яё]++(?:-[А-ЯЁ][а-яё]++)?+"
# «ИвановИ.И.», «ИвановИван»: a name may end where another capital begins.
_TOKEN = re.compile(rf"(?<![A-Za-zА-ЯЁ0-9-]){_NAME}(?![a-z])|(?:(?<!\w)|(?<=[а-яё]))[А-ЯЁ]\.")
_BETWEEN = re.compile(r"[ ]?|[ ](?:де|фон|ван|бин|бен|ибн|эль|аль|ди|да|дель|ла)[ ]")
_LONGEST_RUN = 6

# One character to one, so that offsets stay: «Иванов_Иван_ДЗ2.docx».
_JOINT = re.compile(r"(?<=[А-ЯЁа-яё0-9])_|_(?=[А-ЯЁ])")
_SHOUTED = re.compile(  # «ИВАНОВ ИВАН» on a title page, «ИВАНОВ И.И.»
    r"(?<![\w.])(?:[А-ЯЁ]{2,20}+(?:[ -][А-ЯЁ]{2,20}+){1,3}+(?!\w)|[А-ЯЁ]{3,20}+(?=[ ]?[А-ЯЁ]\.)"
    r"|[А-ЯЁ]\.[ ]?[А-ЯЁ]\.[ ]?[А-ЯЁ]{3,20}+(?!\w)|(?<=[:=][ ])[А-ЯЁ]{3,20}+(?!\w))"
)

_PATRONYMIC = re.compile(
    r"(?!(?:[Оо]сн|[Вв]ерх|[Дд]ух|[Цц]ерк))[А-ЯЁ][а-яё]+(?:[оеё]вич|[ьмткс]ич|[оеё]вн|[иь]?ничн)(?:а|у|ем|ом|е|ы|ой|ою)?"
)
_SURNAME = re.compile(
    r"[А-ЯЁ][а-яё]+(?:(?:[оеё]в|[иы]н)(?:а|у|ым|е|ой|ы|ых|ыми)?|[сц]к(?:ий|ая|ого|ому|им|ом|ой|ую)"
    r"|(?:енк|йк)о|(?:ук|юк|чик|ян|дзе|швили|ец|[оы]х|их)(?:а|у|ом|ем|е)?)(?:-[А-ЯЁ][а-яё]+)?"
)
# After these a name stands whatever the word is.
_SURE_LEAD = re.compile(
    r"(?i)(?<!\w)(?:меня зовут|зовут меня|мо[её] имя|моя фамилия|[\"']?(?:ф\.? ?и\.? ?о\.?|фамилия"
    r"|фамилия,? имя|отчество|surname|last_?name|full_?name|fio)[\"']?[ ]*[:=|-][ ]*[\"']?"
    r"|(?:автор(?:ы|ом)?|имя|выполнил[аи]?|подготовил[аи]?|сдал[аи]?|проверила?|студент(?:ка)?|учени(?:к|ца)|преподаватель|учитель|руководитель|подпись|исполнитель)"
    r"[ ]*[:-]|с уважением,?)\s*"
)
# After these, and beside these, what looks like a name is one.
_LIKELY_LEAD = re.compile(
    r"(?i)(?<!\w)(?:[\"'](?:name|first_?name|student|author|user|имя|студент|ученик|автор|учитель|преподаватель)[\"']"
    r"[ ]*[:=][ ]*[\"']|(?:студент(?:ка|у|ке|а|ки|ом|кой)?|преподавател[ьяюе]м?|учени(?:к|ца|ку|це|ка|цы)"
    r"|однокурсни(?:к|ца)|одногруппни(?:к|ца)|товарищ[ау]?|господин[ау]?|госпож[аеи]|староста"
    r"|профессор[ау]?|доцент[ау]?)[ ])"
)
_SAYS = (
    r"(?:говорит|сказала?|считает|пишет|написала?|думает|ответила?|спросила?|спрашивает|сделала?|решила?|сдала?|сдает"
    r"|сдаёт|предложила?|предлагает|утверждает|отмечает|просит|помогла?|объяснила?|объясняет|прислала?|отправила?"
    r"|выполнила?|проверила?|поставила?|заметила?|полагает|добавила?|рассказала?|получила?|списала?|пришла?)"
)
_SAYS_BEFORE = re.compile(rf"(?i)(?<!\w){_SAYS}[ ]$")
_SAYS_AFTER = re.compile(rf"(?i)[ ](?:(?:не|уже|тоже|также)[ ])?{_SAYS}(?!\w)")
_LOWER_LEAD = re.compile(
    r"(?i)(?<!\w)(?:меня зовут|зовут меня|мо[её] имя)[ ]+([а-яё-]{2,20})(?:[ ]([а-яё-]{3,20}))?"
    r"(?:[ ]([а-яё-]{3,20}))?(?!\w)"
)
_CELL = re.compile(rf"(?m)(?:^|(?<=[,;|\t]))[ \"']*({_NAME})[ \"']*(?=[,;|\t\n]|$)")
_FILE_NAME = re.compile(r"(?<![\w.-])(?=[\w.-]{0,100}_)[\w.-]*[А-ЯЁа-яё][\w.-]*+")
_PIECE = re.compile(r"(?<![^_.-])[А-ЯЁ][а-яё]{3,}+(?![^_.-])")
_NOT_NAMES = frozenset((
    "это", "так", "вот", "нет", "да", "для", "при", "как", "что", "где", "мой", "моя", "моё", "ваш", "ваша",
    "группа", "студент", "студентка", "преподаватель", "автор", "ответ", "решение", "задача", "работа",
    "вариант",
))  # fmt: skip


class RussianNames(TextRecognizer):
    """What spelling and a dictionary give away: also initials and oblique cases that NER misses."""

    def __init__(self) -> None:
        self._lexicon = lexicon()
        self._morphology = morphology()
        super().__init__(["PERSON"], supported_language=LANGUAGE, name="RussianNames")

    def read(self, text: str) -> list[RecognizerResult]:
        if not _CYRILLIC.search(text):
            return []
        people = [*self._in_file_names(text)]
        text = _SHOUTED.sub(lambda shouted: shouted[0].title(), _JOINT.sub(" ", text))
        sure = {match.end() for match in _SURE_LEAD.finditer(text)}
        likely = {match.end() for match in _LIKELY_LEAD.finditer(text)}
        introduced = [*self._in_lower_case(text)]
        people.extend(self._in_cells(text))
        for run in _runs(text):
            if run[0][0] in sure and self._may_be_a_name(text, run):
                introduced.append((run[0][0], run[min(len(run), 3) - 1][1]))
            else:
                people.extend(self._people(text, run, likely))
        return [
            *(found(self, "PERSON", start, end, SURE, introduced=True) for start, end in introduced),
            *(person(self, text, start, end) for start, end in people),
        ]

    def _may_be_a_name(self, text: str, run: list[Range]) -> bool:
        first = text[slice(*run[0])]
        return first.lower() not in _NOT_NAMES and not (len(run) == 1 and _is_initial(first))

    def _people(self, text: str, run: list[Range], likely: set[int]) -> Iterator[Range]:
        words = [text[start:end] for start, end in run]
        index = free = 0  # before `free` the words are taken: nobody shares one with the next
        alone: list[int] = []
        while index < len(run):
            first, last = self._person_around(words[free:], index - free)
            if last > first:
                yield run[free + first][0], run[free + last - 1][1]
                alone.extend(range(free, free + first))
                index = free = free + last
            else:
                index += 1
        for index in (*alone, *range(free, len(run))):
            first, last = self._alone(text, run, words, index, run[index][0] in likely)
            if last > first:
                yield run[first][0], run[last - 1][1]

    def _person_around(self, words: list[str], index: int) -> Range:
        """The words `first..last` of a person that shows itself at `index`; an empty range when none does."""
        word = words[index]
        before, after = index - 1, index + 1
        if _is_initial(word):
            return self._with_initials(words, index)
        if index and not _is_initial(words[before]) and _PATRONYMIC.fullmatch(word):
            first = before
            if (
                before
                and not self._lexicon.is_given_ru(words[before - 1])
                and self._is_like_a_surname(words[before - 1])
            ):
                first = before - 1
            surname_follows = first == before and after < len(words) and self._follows(word, words[after])
            return first, after + bool(surname_follows)
        if after < len(words) and _PATRONYMIC.fullmatch(words[after]):
            return index, index  # the patronymic's turn
        if index and self._are_given_and_surname(words[before], word):
            patronymic_follows = after < len(words) and _PATRONYMIC.fullmatch(words[after])
            return before, after + bool(patronymic_follows)
        return index, index

    def _is_called(self, given: str, noun: str) -> bool:
        """«Иван Заяц»; of «Скульптор Георгий» only the second is a name."""
        return self._is_only_given(given) and "noun" in self._kinds(noun)

    def _follows(self, patronymic: str, word: str) -> bool:
        """«Ольге Сергеевне Мельник»"""
        if self._is_like_a_surname(word):
            return True
        agree = self._morphology.are_given_and_surname(patronymic.lower(), word.lower())
        return agree and "noun" in self._kinds(word)

    def _with_initials(self, words: list[str], index: int) -> Range:
        """Initials beside a word: «И. П. Морозовой», «Кузнецову И.А.»; one alone only beside a surname."""
        before = words[index - 1] if index else ""
        count = 2 if index + 1 < len(words) and _is_initial(words[index + 1]) else 1
        after = words[index + count] if index + count < len(words) else ""
        surname_before = bool(before) and self._is_surname(before, count)
        surname_after = bool(after) and not _is_initial(after) and self._is_surname(after, count)
        if surname_before and not surname_after:
            return index - 1, index + count
        if after and not _is_initial(after) and (count == 2 or surname_after):
            return index, index + count + 1
        if count == 2 and before and not _is_initial(before):
            return index - 1, index + count
        return index, index

    def _is_surname(self, word: str, initials: int) -> bool:
        """Beside two initials a surname's ending is enough; beside one the dictionary must agree."""
        if not _SURNAME.fullmatch(word) and "Surn" not in self._kinds(word):
            return False
        return initials > 1 or "Surn" in self._kinds(word) or not self._kinds(word)

    def _are_given_and_surname(self, one: str, other: str) -> bool:
        for given, surname in ((one, other), (other, one)):
            if (
                self._is_given(given)
                and not self._lexicon.is_given_ru(surname)
                and (self._is_like_a_surname(surname) or (given == one and self._is_called(given, surname)))
                and self._morphology.are_given_and_surname(given.lower(), surname.lower())
            ):
                return True
        return False

    def _alone(self, text: str, run: list[Range], words: list[str], index: int, introduced: bool) -> Range:
        """One word that is a name only, or looks like one where a person is spoken of."""
        word = words[index]
        nothing = index, index
        if _is_initial(word) or word.lower() in _NOT_NAMES:
            return nothing
        if _is_before_a_patronymic(words, index):
            return nothing
        kinds = self._kinds(word)
        if self._is_only_given(word):
            following = run[index + 1][1] if index + 1 < len(run) else 0
            is_famous = following and self._lexicon.is_subject_matter(text, run[index][0], following)
            return index, index + 1 + bool(is_famous)  # «Иван Грозный»
        start, end = run[index]
        beside = (
            introduced or _SAYS_AFTER.match(text, end) or _SAYS_BEFORE.search(text, max(0, start - 14), start)
        )
        if beside and ((kinds and kinds <= {"Name", "Surn"}) or (not kinds and _SURNAME.fullmatch(word))):
            return index, index + 1
        return nothing

    def _in_lower_case(self, text: str) -> Iterator[Range]:
        """«меня зовут иван петров»; with capitals the rules above see it."""
        for match in _LOWER_LEAD.finditer(text):
            if not match[1].islower() or not self._is_given(match[1]):
                continue
            last = 1
            while last < 3 and match[last + 1] and self._goes_on(match[last + 1]):
                last += 1
            yield match.start(1), match.end(last)

    def _goes_on(self, word: str) -> bool:
        kinds = self._kinds(word)
        return not kinds or bool(kinds & {"Surn", "Patr", "Name"})

    def _in_file_names(self, text: str) -> Iterator[Range]:
        """«ДЗ1_Ветлугин.pdf»; a full name there is found as anywhere."""
        for file in _FILE_NAME.finditer(text):
            for piece in _PIECE.finditer(text, *file.span()):
                kinds = self._kinds(piece[0])
                if (kinds and kinds <= {"Surn", "Name"}) or (not kinds and _SURNAME.fullmatch(piece[0])):
                    yield piece.span()

    def _in_cells(self, text: str) -> Iterator[Range]:
        """«Квиллфезер;Степан;5»: a given name and what may be a surname in neighbouring cells, each alone."""
        last: re.Match[str] | None = None
        for cell in _CELL.finditer(text):
            if last is not None and cell.start() - last.end() == 1 and text[last.end()] != "\n":
                pair = last[1], cell[1]
                if any(map(self._is_only_given, pair)) and all(
                    self._is_given(word) or self._is_like_a_surname(word) for word in pair
                ):
                    yield last.span(1)
                    yield cell.span(1)
            last = cell

    def _kinds(self, word: str) -> frozenset[str]:
        return self._morphology.kinds(word.lower())

    def _is_given(self, word: str) -> bool:
        return self._lexicon.is_given_ru(word) or "Name" in self._kinds(word)

    def _is_only_given(self, word: str) -> bool:
        """A common given name and no other word: not «Роман», «Германии»."""
        kinds = self._kinds(word)
        return self._lexicon.is_given_ru(word) and bool(kinds) and kinds <= {"Name", "Surn", "Patr"}

    def _is_like_a_surname(self, word: str) -> bool:
        """By its ending, by the dictionary, or because no dictionary knows it."""
        kinds = self._kinds(word)
        if kinds and kinds <= {"Geox", "Orgn"}:
            return False
        return (
            bool(_SURNAME.fullmatch(word))
            or "Surn" in kinds
            or (not kinds and len(word) > 3 and "-" not in word)
        )


def _is_before_a_patronymic(words: list[str], index: int) -> bool:
    return index + 1 < len(words) and bool(_PATRONYMIC.fullmatch(words[index + 1]))


def _is_initial(word: str) -> bool:
    return len(word) == 2 and word[1] == "."


def _runs(text: str) -> Iterator[list[Range]]:
    """Neighbouring capitalised words and initials, at most six together."""
    run: list[Range] = []
    for match in _TOKEN.finditer(text):
        if run and (len(run) == _LONGEST_RUN or not _BETWEEN.fullmatch(text, run[-1][1], match.start())):
            yield run
            run = []
        run.append(match.span())
    if run:
        yield run
