"""Numbers of students: what stands after a word for them, and what a deployment says they look like."""

import re
from collections.abc import Sequence

from presidio_analyzer import EntityRecognizer, LocalRecognizer, Pattern, PatternRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from gateway.adapters.presidio.findings import found
from gateway.adapters.presidio.writing import LANGUAGE, SURE, near_digits

_LABEL = (
    r"(?<![^\W\d_])(?:студ(?:енческ\w{1,3})?\.? ?билет\w{0,2}|студак\w{0,2}"
    r"|студенческ(?=\w{1,3} ?(?:№|номер|:))\w{1,3}"
    r"|зач[её]тк\w{1,2}|зач[её]тн\w{2} книжк\w{1,2}|(?:таб(?:ельный|\.)|учётный|учетный) номер\w{0,2}"
    r"|student[ _-]?(?:id|number|no|num|card)|matric(?:ulation)?[ _-]?(?:number|no|num|id)?"
    r"|matrikel(?:nummer|nr)|enrol?lment (?:number|no)|(?:school|university|campus|college) id|index number)"
)
_BETWEEN = r"(?:\s?(?:(?:номер|number|no|num|is|это|#|№|n)(?![^\W\d_])\.?|[:.,#№=\"'—-])){0,4}\s{0,2}[\"']?"
_NUMBER = (
    r"(?=[\w/-]{0,9}\d[\w/-]{0,9}\d[\w/-]{0,9}\d)[A-ZА-ЯЁa-zа-яё]{0,5}[-/ ]?\d[\w/-]{1,18}(?<![/-])(?!\w)"
)
_LABELLED = re.compile(rf"{_LABEL}{_BETWEEN}(?P<number>{_NUMBER})", re.IGNORECASE)
_LONGEST_LABEL = 60  # characters, with what stands between it and the number's first digit


class StudentId(LocalRecognizer):
    """What stands after a word for such a number."""

    def __init__(self) -> None:
        super().__init__(["STUDENT_ID"], supported_language=LANGUAGE, name="StudentId")

    def load(self) -> None:
        """Nothing to load."""

    def analyze(
        self,
        text: str,
        entities: list[str],  # noqa: ARG002
        nlp_artifacts: NlpArtifacts | None = None,  # noqa: ARG002
    ) -> list[RecognizerResult]:
        return [
            found(self, "STUDENT_ID", *labelled.span("number"), SURE)
            for start, end in near_digits(text, _LONGEST_LABEL, 20)
            for labelled in _LABELLED.finditer(text, start, end)
        ]


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
