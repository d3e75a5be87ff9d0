"""Sentences that people wrote, from the train parts under DATA_DIR: without names, with places for names."""

import csv
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.adapters.presidio.program_text import only_spoken
from gateway.adapters.presidio.tagger.pieces import pieces
from name_tagger.rows import UNSURE, Row, Span, joined, lines
from name_tagger.values import Part, Values

ANSWERS = {
    "saf_en": ("question", "answer", "feedback"),
    "mohler": ("question", "reference", "answer"),
    "semeval2013_scientsbank": ("question", "answer"),
    "semeval2013_beetle": ("question", "answer"),
    "stita": ("reference",),
    "saf_de": ("question", "answer"),
    "injection_detection": ("text",),
}
DIALOGUES = "bot_or_human_convai"
PROGRAMS = ("code_refactory", "code_menagerie")
_WORD = re.compile(r"[^\W\d_]+")
_INTRODUCTION = re.compile(
    r"(?i)\b(?:name(?:['’]?s| is)?|i['’]?m|i am|call me|called|hi|hello|hey|dear|this is|bye|thanks),? (\w+)"
)
_COMMON = 12  # times written small: a word
_SPACES = re.compile(r"[ \t\r]+")
_AUTHOR = re.compile(r"(?i)author|written by|copyright|created by|@\w")


def answers(
    data: Path, part: str, sets: Sequence[str] = tuple(ANSWERS), columns: Sequence[str] = ()
) -> Iterator[tuple[str, str]]:
    """Set and text, each text once; of the set's columns, or of `columns`."""
    seen: set[str] = set()
    for name in sets:
        for row in lines(data / name / f"{part}.jsonl"):
            if name == "injection_detection" and row.get("lang") != "en":
                continue
            for column in columns or ANSWERS[name]:
                text = str(row.get(column) or "").strip()
                if text and text not in seen:
                    seen.add(text)
                    yield name, text


def dialogues(data: Path, part: str) -> Iterator[str]:
    for row in lines(data / DIALOGUES / f"{part}.jsonl"):
        yield from (said for said in row["messages"] if len(said) > 8)


def programs(data: Path, part: str, sets: Sequence[str] = PROGRAMS) -> Iterator[str]:
    """Whole programs."""
    for name in sets:
        for row in lines(data / name / f"{part}.jsonl"):
            yield from [row["code"]] if "code" in row else row["files"].values()


def messages(data: Path, part: str) -> Iterator[str]:
    """Text messages of people, full of lower-case names that nobody labelled."""
    with (data / "sms_spam" / f"{part}.csv").open(encoding="utf-8", newline="") as file:
        yield from (row["text"] for row in csv.DictReader(file))


@dataclass(frozen=True, slots=True)
class Natural:
    """Rows without known names, and two choices of their texts in which no unsure word stands."""

    rows: list[Row]
    sentences: list[str]  # up to 120 characters
    about_people: list[str]  # in which somebody could be named
    small: frozenset[str]  # words that these texts write small and that no list of names has


def natural(data: Path, names: frozenset[str], draw: random.Random) -> Natural:
    """`names`: lower-case given names and surnames; a word of theirs that is hardly ever written small in
    these texts may be a person, so nothing is learnt from it."""
    texts = list(answers(data, "train")) + [(DIALOGUES, text) for text in dialogues(data, "train")]
    small = Counter(w for _, text in texts for w in _WORD.findall(text) if w.islower())
    seen: set[str] = set()
    rows: list[Row] = []
    for source, text in texts:
        for start, end in pieces(_SPACES.sub(" ", text)):
            piece = _SPACES.sub(" ", text)[start:end].strip()
            if piece not in seen:
                seen.add(piece)
                rows.append(Row(piece, _unsure(piece, source, names, small), False, source))
    spoken: list[Row] = []
    for program in programs(data, "train"):
        comments = [_SPACES.sub(" ", line).strip() for line in only_spoken(program).splitlines()]
        for start, end in pieces(whole := "\n".join(line for line in comments if line)):
            piece = whole[start:end].strip()
            if piece not in seen and not _AUTHOR.search(piece):
                seen.add(piece)
                spoken.append(Row(piece, _unsure(piece, "program", names, small), False, "program"))
    draw.shuffle(spoken)
    rows += spoken[:6000]
    draw.shuffle(rows)
    sure = [row.text for row in rows if not row.spans and row.source not in _NOT_SAID]
    sentences = [text for text in sure if 15 < len(text) <= 120]
    plain = frozenset(word for word, times in small.items() if times > 2 and word not in names)
    return Natural(rows, sentences, [text for text in sure if _SUBJECT.search(text)], plain)


_NOT_SAID = ("saf_de", "program", "injection_detection")


def _unsure(text: str, source: str, names: frozenset[str], small: Counter[str]) -> tuple[Span, ...]:
    found = set()
    if source == DIALOGUES:
        introduced = _INTRODUCTION.finditer(text)
        found = {
            match.span(1) for match in introduced if match[1].isalpha() and small[match[1].lower()] < _COMMON
        }
    for match in _WORD.finditer(text):
        word = match[0].lower()
        if word in names and small[word] < 3 and (match[0] != word or source == DIALOGUES) and len(word) > 2:
            found.add(match.span())
    return tuple((start, end, UNSURE) for start, end in sorted(found))


def spoilt(row: Row, plain: frozenset[str], draw: random.Random) -> Row:
    """The row as hasty people type it: plain words with a capital or in capitals, made-up abbreviations,
    letters lost or swapped. None of that makes a name. Rows with unsure words stay as they are."""
    if row.spans:
        return row
    share = draw.choice((0.05, 0.1, 0.3))

    def one(word: re.Match[str]) -> str:
        text = word[0]
        if draw.random() > share:
            return text
        change = draw.randrange(5)
        if change < 2 and text in plain:
            return text.capitalize() if change else text.upper()
        if change == 2 and len(text) < 6:
            return "".join(draw.choices("ABCDEFGHIKLMNOPRSTUVX", k=draw.randint(2, 5)))
        if change > 2 and len(text) > 3 and text.lower() in plain:
            at = draw.randrange(1, len(text) - 1)
            return text[:at] + (text[at + 1] + text[at] + text[at + 2 :] if change == 3 else text[at + 1 :])
        return text

    return Row(_WORD.sub(one, row.text), (), row.whole, row.source)


# Where a person could be the one spoken of: replaced by a name.
_SUBJECT = re.compile(
    r"""\b(?: [Hh]e | [Ss]he )\b (?=[ ][a-z])
      | \b(?: [Tt]he | [Aa] )[ ]
        (?: student | teacher | scientist | person | boy | girl | man | woman | user | author | friend )\b
      | \b(?: [Mm]y | [Yy]our )[ ]
        (?: friend | mom | mother | dad | father | brother | sister | wife | husband | boss | teacher
          | partner | son | daughter | cousin )\b
      | \b I \b (?=[ ]
        (?: would | could | should | had | will | can | said | thought | used | went | got | made | did | saw
          | learned | found | might | must | took | put | noticed )\b)
      | \b(?: [Ww]e | [Tt]hey | [Pp]eople | [Ss]omeone | [Ss]omebody | [Yy]ou )\b (?=[ ]
        (?: would | could | should | had | will | can | did | might | must | put | used | made | went
          | found )\b)
      | \b him \b | \b(?: [Hh]is | [Tt]heir | [Mm]y )\b (?=[ ][a-z])""",
    re.VERBOSE,
)


def with_names(text: str, values: Values, draw: random.Random) -> Row:
    """A sentence of `about_people` about one or two made-up ones."""
    places = [*_SUBJECT.finditer(text)]
    chosen = sorted(draw.sample(places, min(len(places), draw.choice((1, 1, 1, 2)))), key=lambda m: m.start())
    parts: list[Part] = []
    cursor = 0
    name = values.slot("PERSON")
    for place in chosen:
        parts.append((text[cursor : place.start()], None))
        if draw.random() < 0.4:
            name = values.slot(draw.choice(("PERSON", "PERSON", "FULL", "TITLED")))
        parts += name
        if place[0].lower() in ("his", "their", "my"):
            parts.append(("'s", None))
        cursor = place.end()
    parts.append((text[cursor:], None))
    made, spans = joined(parts)
    return Row(made, spans, False, "with names")


def addressed(text: str, values: Values, draw: random.Random) -> Row:
    """The sentence said to or by somebody."""
    name = values.slot(draw.choice(("FIRST", "FIRST", "PERSON", "TITLED")))
    first = text if draw.random() < 0.5 else text[0].lower() + text[1:]
    form = draw.randrange(6)
    parts: list[Part]
    if form == 0:
        parts = [*name, (f", {first}", None)]
    elif form == 1:
        parts = [(text.rstrip(".!? "), None), (", ", None), *name, (draw.choice((".", "!", "?", "")), None)]
    elif form == 2:
        parts = [
            *name,
            (draw.choice((": ", " - ", " said: ", " says that ", " thinks ", " said ", ": ")), None),
            (first, None),
        ]
    elif form == 3:
        parts = [(text, None), (draw.choice((" - ", "\n", "\n\n", " ", "\n- ")), None), *name]
    elif form == 4:
        parts = [
            (
                draw.choice(("Hi ", "hi ", "Hello ", "Dear ", "Thanks ", "OK ", "ok ", "Sorry ", "Well ")),
                None,
            ),
            *name,
        ]
        parts.append((draw.choice((", ", "! ", ",\n", ". ")) + first, None))
    else:
        parts = [
            (
                draw.choice(
                    (
                        "I asked ",
                        "Ask ",
                        "As ",
                        "I agree with ",
                        "According to ",
                        "With ",
                        "For ",
                        "Like ",
                        "By ",
                    )
                ),
                None,
            )
        ]
        parts += [*name, (draw.choice((", ", ". ", ": ", " and ", " because ")) + first, None)]
    made, spans = joined(parts)
    return Row(made, spans, False, "addressed")
