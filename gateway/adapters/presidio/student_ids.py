"""Numbers of students: what stands after a word for them, and what a deployment says they look like."""

import re
from collections.abc import Iterator, Sequence

from presidio_analyzer import EntityRecognizer, Pattern, PatternRecognizer, RecognizerResult

from gateway.adapters.presidio.findings import found
from gateway.adapters.presidio.reading import TextRecognizer
from gateway.adapters.presidio.writing import LANGUAGE, LIKELY, SURE, near_digits

_LABEL = (
    r"(?<![^\W\d_])(?=[сзтулшsmeciurn])(?:студ(?:енческ\w{1,3})?\.? ?билет\w{0,2}|студак\w{0,2}"
    r"|студенческ(?=\w{1,3} ?(?:№|номер|:)|(?:ий|ого) [A-ZА-Я]{0,3}\d{5})\w{1,3}"
    r"|личн\w{2,3} номер\w{0,2} (?:студент|обучающ|учащ)\w{0,5}|шифр\w{0,2} студент\w{0,2}"
    r"|зач[её]тк\w{1,2}|зач[её]тн\w{2} книжк\w{1,2}|(?:таб(?:ельный|\.)|учётный|учетный) номер\w{0,2}"
    r"|student[ _-]?(?:id|number|no|num|card|[#№])|matric(?:ulation)?[ _-]?(?:number|no|num|id)?"
    r"|matrikel(?:nummer|nr)|enrol?lment (?:number|no)|(?:school|university|campus|college) id"
    r"|index number|(?:candidate|registration|roll) ?(?:number|no|num|#)|reg\. ?no|net ?id"
    # "Uni: ab1234", of letters and digits: the word alone names a university.
    r"|(?:uni|upi)(?=\s?[:=]\s?[A-Z]{2,5}\d))(?![^\W\d_])"
)
_BETWEEN = r"(?:\s?(?:(?:номер|number|no|num|is|это|#|№|n)(?![^\W\d_])\.?|[:.,#№=\"'—-])){0,4}\s{0,2}[\"']?"
_NUMBER = (
    r"(?=[\w/-]{0,9}\d[\w/-]{0,9}\d[\w/-]{0,9}\d)[A-ZА-ЯЁa-zа-яё]{0,5}[-/ ]?\d[\w/-]{1,18}(?<![/-])(?!\w)"
)
# "Roll no. 7": a class is counted from one; "roll number 6" is thrown with a die.
_PLACE_IN_CLASS = r"(?<![^\W\d_])roll (?:no\.?:?|number ?:|#) ?(?P<place>\d{1,3})(?![\w.,-]\d|\w)"
# In capitals where a clause begins or after "my": "order ID 20231145" is an order's.
_ID = re.compile(
    r"(?:(?:\A|[\n\t(\[,;.|/—-])\s{0,3}|(?<!\w)(?i:my|his|her|your|our)\s)(?:SID|ID|CWID|PUID|EMPLID)(?!\w)"
    r"\s?(?:(?:no|number|is)\b\.?|[:#№=])?\s{0,2}(?P<number>[A-Za-z]{0,3}\d{6,12})(?![\w-])"
)
_LABELLED = re.compile(rf"{_PLACE_IN_CLASS}|{_LABEL}{_BETWEEN}(?P<number>{_NUMBER})", re.IGNORECASE)
_LONGEST_LABEL = 60  # characters, with what stands between it and the number's first digit


class StudentId(TextRecognizer):
    """What stands after a word for such a number."""

    def __init__(self) -> None:
        super().__init__(["STUDENT_ID"], supported_language=LANGUAGE, name="StudentId")

    def read(self, text: str) -> list[RecognizerResult]:
        return [
            found(self, "STUDENT_ID", first, last, score)
            for start, end in near_digits(text, _LONGEST_LABEL, 20)
            for first, last, score in _in_stretch(text, start, end)
        ]


def _in_stretch(text: str, start: int, end: int) -> Iterator[tuple[int, int, float]]:
    for labelled in _LABELLED.finditer(text, start, end):
        yield *labelled.span("place" if labelled["place"] else "number"), SURE
    if "ID" in text:
        for named in _ID.finditer(text, start, end):  # only likely: in a program it may be anything's
            yield *named.span("number"), LIKELY


def recognizers(own: Sequence[str] = ()) -> list[EntityRecognizer]:
    """`own` are a deployment's regular expressions; how long they take is its own affair, within the time a
    worker has for a text."""
    if not own:
        return [StudentId()]
    deployed = PatternRecognizer(
        "STUDENT_ID",
        name="OwnStudentId",
        supported_language=LANGUAGE,
        patterns=[Pattern(f"own {number}", pattern, SURE) for number, pattern in enumerate(own, 1)],
        global_regex_flags=re.MULTILINE,
    )
    return [StudentId(), deployed]
