"""Names in Cyrillic by rules (initials, patronymics, given names, introductions) and by slovnet's NER."""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from presidio_analyzer import LocalRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from gateway.adapters.presidio.english import Range, person
from gateway.adapters.presidio.lexicon import lexicon
from gateway.adapters.presidio.patterns import LANGUAGE

_TOKEN = re.compile(r"(?<!\w)(?:[А-ЯЁ][а-яё]++(?:-[А-ЯЁ][а-яё]++)?+(?!\w)|[А-ЯЁ]\.)")
_LONGEST_RUN = 6
_ROLE = re.compile(
    r"(?i)(?:преподавател|студент|учител|учени[кц]|профессор|доцент|автор|господин|госпож)\w*\s+"
)
_CAPITALISED = re.compile(r"[А-ЯЁ][а-яёА-ЯЁ]")
_CAPITAL = re.compile(r"[А-ЯЁ]")

_PATRONYMIC = re.compile(
    r"(?!(?:[Оо]сн|[Вв]ерх|[Дд]ух|[Цц]ерк))[А-ЯЁ][а-яё]+(?:[оеё]вич|[ьмткс]ич|[оеё]вн|[иь]?ничн)(?:а|у|ем|ом|е|ы|ой|ою)?"
)
_SHOUTED = re.compile(r"(?<!\w)[А-ЯЁ]{2,20}+(?:[ -][А-ЯЁ]{2,20}+){1,3}+(?!\w)")
_SURNAME = re.compile(
    r"[А-ЯЁ][а-яё]+(?:(?:[оеё]в|[иы]н)(?:а|у|ым|е|ой|ы|ых|ыми)?|[сц]к(?:ий|ая|ого|ому|им|ом|ой|ую)"
    r"|(?:енк|йк)о|(?:ук|юк|чик|ян|дзе|швили|ец|[оы]х|их)(?:а|у|ом|ем|е)?)(?:-[А-ЯЁ][а-яё]+)?"
)
_SURE_LEAD = re.compile(
    r"(?i)(?<!\w)(?:меня зовут|мо[её] имя|(?:ф\.? ?и\.? ?о\.?|автор(?:ы|ом)?|имя|фамилия"
    r"|выполнил[аи]?|подготовил[аи]?|сдал[аи]?|проверила?|студент(?:ка)?|учени(?:к|ца)|преподаватель"
    r"|учитель|руководитель|подпись)\s*[:—-]|с уважением,?)\s*"
)
_NOT_NAMES = frozenset(
    (
        "это",
        "так",
        "вот",
        "нет",
        "да",
        "для",
        "при",
        "как",
        "что",
        "где",
        "мой",
        "моя",
        "моё",
        "ваш",
        "ваша",
        "группа",
        "студент",
        "студентка",
        "преподаватель",
        "автор",
        "ответ",
        "решение",
        "задача",
    )
)


class RussianNames(LocalRecognizer):
    """What spelling alone gives away; cheap, and finds initials and oblique cases that NER misses."""

    def __init__(self) -> None:
        self._lexicon = lexicon()
        super().__init__(["PERSON"], supported_language=LANGUAGE, name="RussianNames")

    def load(self) -> None:
        """Nothing to load: the lists are small and cached."""

    def analyze(
        self,
        text: str,
        entities: list[str],  # noqa: ARG002
        nlp_artifacts: NlpArtifacts | None = None,  # noqa: ARG002
    ) -> list[RecognizerResult]:
        if not _CAPITAL.search(text):
            return []
        text = _SHOUTED.sub(lambda shouted: shouted[0].title(), text)  # «ИВАНОВ ИВАН» on a title page
        introduced = {match.end() for match in _SURE_LEAD.finditer(text)}
        return [
            person(self, start, end)
            for run in _runs(text)
            for start, end in self._people(text, run, run[0][0] in introduced)
        ]

    def _people(self, text: str, run: list[Range], introduced: bool) -> Iterator[Range]:
        words = [text[start:end] for start, end in run]
        if (
            introduced
            and words[0].lower() not in _NOT_NAMES
            and not (len(words) == 1 and _is_initial(words[0]))
        ):
            yield run[0][0], run[min(len(run), 3) - 1][1]
            return
        index = 0
        while index < len(run):
            first, last = self._person_around(words, index)
            if last > first:
                start, end = run[first][0], run[last - 1][1]
                if not self._lexicon.is_subject_matter(text, start, end):
                    yield start, end
            index = max(index + 1, last)

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
                and _SURNAME.fullmatch(words[before - 1])
            ):
                first = before - 1
            surname_follows = after < len(words) and first == before and _SURNAME.fullmatch(words[after])
            return first, after + bool(surname_follows)
        if index and self._are_given_and_surname(words[before], word):
            patronymic_follows = after < len(words) and _PATRONYMIC.fullmatch(words[after])
            return before, after + bool(patronymic_follows)
        return index, index

    def _with_initials(self, words: list[str], index: int) -> Range:
        """Two initials beside a word: «И. П. Морозовой», «Кузнецову И.А.»."""
        if index + 1 >= len(words) or not _is_initial(words[index + 1]):
            return index, index
        before = index and words[index - 1]
        after = words[index + 2] if index + 2 < len(words) else ""
        if before and _SURNAME.fullmatch(before) and not (after and _SURNAME.fullmatch(after)):
            return index - 1, index + 2
        if after and not _is_initial(after):
            return index, index + 3
        return (index - 1, index + 2) if before else (index, index)

    def _are_given_and_surname(self, one: str, other: str) -> bool:
        for given, surname in ((one, other), (other, one)):
            if (
                self._lexicon.is_given_ru(given)
                and _SURNAME.fullmatch(surname)
                and not self._lexicon.is_given_ru(surname)
            ):
                return True
        return False


def _is_initial(word: str) -> bool:
    return len(word) == 2 and word[1] == "."


def _runs(text: str) -> Iterator[list[Range]]:
    """Neighbouring capitalised words and initials, at most six together."""
    run: list[Range] = []
    for match in _TOKEN.finditer(text):
        gap = text[run[-1][1] : match.start()] if run else ""
        if run and (gap not in ("", " ") or len(run) == _LONGEST_RUN):
            yield run
            run = []
        run.append(match.span())
    if run:
        yield run


class SlovnetNames(LocalRecognizer):
    """slovnet's NER, persons only, over navec vectors; 206 MB in memory, about 10 ms per 1,000 characters."""

    def load(self) -> None:
        """Reads the files in natasha's wheel; natasha itself (with its old dependencies) is not imported."""
        from navec import Navec  # noqa: PLC0415 - a model of 26 MB, wanted only with names switched on
        from slovnet import NER  # noqa: PLC0415

        spec = find_spec("natasha")
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError("natasha")
        data = Path(spec.origin).parent / "data"
        ner = NER.load(data / "model" / "slovnet_ner_news_v1.tar")
        self._ner = ner.navec(Navec.load(data / "emb" / "navec_news_v1_1B_250K_300d_100q.tar"))

    def __init__(self) -> None:
        self._lexicon = lexicon()
        super().__init__(["PERSON"], supported_language=LANGUAGE, name="SlovnetNames")

    def analyze(
        self,
        text: str,
        entities: list[str],  # noqa: ARG002
        nlp_artifacts: NlpArtifacts | None = None,  # noqa: ARG002
    ) -> list[RecognizerResult]:
        if not _CAPITALISED.search(text):
            return []
        found = []
        for span in self._ner(text).spans:
            role = _ROLE.match(text, span.start, span.stop)
            start, end = role.end() if role else span.start, span.stop
            while end > start and not (text[end - 1].isalnum() or text[end - 1] == "."):
                end -= 1
            if span.type == "PER" and self._is_a_person(text, start, end):
                found.append(person(self, start, end))
        return found

    def _is_a_person(self, text: str, start: int, end: int) -> bool:
        if any(map(str.isdigit, text[start:end])):
            return False
        return not self._lexicon.is_subject_matter(text, start, end)
