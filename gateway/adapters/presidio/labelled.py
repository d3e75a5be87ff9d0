"""Numbers of people right behind the word for them, whatever their check digits say: who mistypes one digit
of a number still tells whose it is. Also the documents that have no check digits and no writing of their own.

A Russian account of 20 digits is of kind IBAN, a driving licence of kind PASSPORT: they say the same.
"""

import re

from presidio_analyzer import LocalRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from gateway.adapters.presidio.findings import found
from gateway.adapters.presidio.writing import LANGUAGE, SURE, near_digits

_BETWEEN = (
    r"(?:\s?(?:(?:номер\w{0,2}|number|num|no|is|это|id)(?![^\W\d_])\.?|[:.,#№=|;\"'—-])){0,4}\s{0,2}[\"']?"
)
_CUT = r"[ .\t\r\n;|-]{0,2}"  # between groups of digits
_SIXTEEN = rf"(?:\d{{4}}{_CUT}){{3}}\d{{4}}"
# kind, the word, the number
_LABELS = (
    (
        "INN",
        r"(?:инн|inn)(?:\s(?:физ\.?\s?лица|организации|ип))?",
        rf"\d(?:{_CUT}\d){{9}}(?:(?:{_CUT}\d){{2}})?",
    ),
    ("SNILS", "снилс|snils", rf"\d(?:{_CUT}\d){{10}}"),
    ("OMS", r"(?:полис\w{0,2}(?:\sомс)?|омс|енп)", _SIXTEEN),
    (
        "CARD",
        r"(?:карт[аыуе]|карточк[аиуе]|card)(?:[\s_](?!is\b)[^\W\d_]{2,12}){0,2}",
        rf"{_SIXTEEN}|\d{{13,19}}",
    ),
    (
        "IBAN",
        r"(?:[рл]/сч?|(?:расч[её]тн|лицев)\w{2,3}\sсч[её]т\w{0,2}|сч[её]т\w{0,2}|account)",
        rf"(?:\d{{4}}{_CUT}){{4}}\d{{4}}|\d{{5}}{_CUT}\d{{3}}{_CUT}\d{_CUT}\d{{4}}{_CUT}\d{{7}}",
    ),
    (
        "US_SSN",
        r"(?:(?:my|his|her)\ssocial(?:\ssecurity)?|social\ssecurity|ssn)",
        r"\d{3}[ .-]?\d{2}[ .-]?\d{4}",
    ),
    ("PASSPORT", "passport", r"(?=(?:[a-z]{0,4}\d){4})[a-z\d]{6,9}"),
    (
        "PASSPORT",
        r"(?:водительск\w{2,3}\s(?:удостоверени\w{1,2}|прав\w{0,2})|driv(?:er'?s?|ing)\slicen[cs]e)",
        r"\d{2}\s?(?:\d{2}|[а-я]{2})\s?№?\s?\d{6}|(?=(?:[a-z]{0,4}\d){4})[a-z\d]{6,16}",
    ),
)
_LABELLED = re.compile(
    r"(?<![^\W\d_])(?=[исполкервismhpcad])(?:"
    + "|".join(
        rf"(?:{label})(?![^\W\d_]){_BETWEEN}(?P<{kind}_{index}>{number})"
        for index, (kind, label, number) in enumerate(_LABELS)
    )
    + r")(?![^\W_])(?![.-]\d)",
    re.IGNORECASE,
)
_KINDS = sorted({kind for kind, _, _ in _LABELS})
_LONGEST_LABEL, _LONGEST_NUMBER = 60, 32  # characters before the number's first digit; after it


class LabelledNumber(LocalRecognizer):
    """A word, at most four small signs or words, a number of the right length."""

    def __init__(self) -> None:
        super().__init__(_KINDS, supported_language=LANGUAGE, name="LabelledNumber")

    def load(self) -> None:
        """Nothing to load."""

    def analyze(
        self,
        text: str,
        entities: list[str],
        nlp_artifacts: NlpArtifacts | None = None,  # noqa: ARG002
    ) -> list[RecognizerResult]:
        results = []
        for start, end in near_digits(text, _LONGEST_LABEL, _LONGEST_NUMBER):
            for labelled in _LABELLED.finditer(text, start, end):
                group = labelled.lastgroup or ""
                kind = group.rpartition("_")[0]
                if not entities or kind in entities:
                    results.append(found(self, kind, *labelled.span(group), SURE))
        return results
