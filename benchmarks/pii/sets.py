"""Rows of the public sets with what is personal in them, each type under the name that we have for it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# A type that is not here (US_DRIVER_LICENSE) keeps its name: none of our kinds is meant for it.
OUR_KINDS = {
    "PER": "PERSON",
    "PHONE_NUMBER": "PHONE",
    "EMAIL_ADDRESS": "EMAIL",
    "CREDIT_CARD": "CARD",
    "IBAN_CODE": "IBAN",
    "IP_ADDRESS": "IP",
    "DOMAIN_NAME": "URL",
    "RU_PASSPORT": "PASSPORT",
    "RU_INN": "INN",
    "RU_SNILS": "SNILS",
    "STREET_ADDRESS": "ADDRESS",
    "ZIP_CODE": "ADDRESS",
    "BIRTH_DATE": "DATE_OF_BIRTH",
    "GPE": "LOCATION",
    "LOC": "LOCATION",
    "ORG": "ORGANIZATION",
    "DATE_TIME": "DATE",
}
ANSWERS = ("saf_en", "saf_de", "semeval2013_scientsbank", "mohler", "semeval2013_beetle")


@dataclass(frozen=True, slots=True)
class Value:
    """Personal data that people have marked: `text[start:end]`."""

    start: int
    end: int
    type: str  # the set's name for it
    kind: str  # ours


@dataclass(frozen=True, slots=True)
class Document:
    text: str = field(repr=False)
    group: str  # texts of one group (a template, a document, a question) are no independent evidence
    values: tuple[Value, ...] = ()
    innocent: bool = False  # written to look personal and not to be


def marked(file: Path) -> list[Document]:
    """Texts with spans: of a template's making, or each its own document."""
    return [
        Document(
            text=row["text"],
            group=str(row.get("template_id", row["id"])),
            values=_values(row.get("name_spans", row["spans"])),
            innocent=row.get("kind") == "hard_negative",
        )
        for row in _rows(file)
    ]


def answers(file: Path) -> list[Document]:
    """Students' answers: next to nothing in them is personal."""
    return [Document(row["answer"], row["question_id"]) for row in _rows(file)]


def programs(file: Path) -> list[Document]:
    return [Document(row["code"], str(row["question_id"])) for row in _rows(file)]


def files(data: Path, name: str, part: str) -> list[Path]:
    """The part's files; several where a set has several test parts. Raises SystemExit when there is none."""
    found = sorted((data / name).glob(f"{part}*.jsonl"))
    if not found:
        raise SystemExit(f"{data / name} has no {part} part")
    return found


def _rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line.strip()]


def _values(spans: list[Mapping[str, Any]]) -> tuple[Value, ...]:
    """Sorted; of two that overlap the longer one."""
    chosen: list[Value] = []
    for span in sorted(spans, key=lambda span: (span["start"] - span["end"], span["start"])):
        kind = OUR_KINDS.get(span["type"], span["type"])
        one = Value(span["start"], span["end"], span["type"], kind)
        if not any(one.start < other.end and other.start < one.end for other in chosen if other.kind == kind):
            chosen.append(one)
    return tuple(sorted(chosen, key=lambda value: value.start))
