"""One sorted list without overlaps out of what many recognisers said. Pure."""

import re
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gateway.domain import OPTIONAL_KINDS


class Finding(NamedTuple):
    """`text[start:end]` is of a kind. A tuple: texts have thousands, and they cross a pipe."""

    start: int
    end: int
    kind: str
    score: float = 1.0
    recogniser: str = ""


# A number whose check digits are right is that number, also where it looks like a phone. What a deployment
# listed by itself comes before everything.
_RANK = {
    "CUSTOM": 4,
    "CARD": 3,
    "IBAN": 3,
    "INN": 3,
    "SNILS": 3,
    "OMS": 3,
    "STUDENT_ID": 3,
    "PHONE": 1,
    "PERSON": 0,
}
_RANK |= dict.fromkeys(OPTIONAL_KINDS, -1)  # a date of birth is a date too
_OTHERS = 2

_SEVERAL_WORDS = re.compile(r"\w[ .]+\w")
_INITIALS_LAST = re.compile(r"\w [^\W\d_]\. ?[^\W\d_]\.\Z")


def resolve(text: str, findings: Iterable[Finding]) -> list[Finding]:
    """Overlapping findings of one kind become one; between kinds the checked one wins, then the longer.

    What a beaten finding covers beyond the winner stays a finding: nothing found is let go."""
    taken: list[Finding] = []
    for finding in sorted(_joined(text, findings), key=_weakness):
        cursor = finding.start
        for other_start, other_end in _claims(taken, finding.start, finding.end):
            _claim(text, taken, finding._replace(start=cursor, end=other_start), whole=False)
            cursor = other_end
        _claim(text, taken, finding._replace(start=cursor), whole=cursor == finding.start)
    return taken


def _weakness(finding: Finding) -> tuple[int, int, int, str]:
    return (
        -_RANK.get(finding.kind, _OTHERS),
        finding.start - finding.end,
        finding.start,
        finding.kind,
    )


def _claims(taken: list[Finding], start: int, end: int) -> list[tuple[int, int]]:
    """What is taken of `start..end`, in order."""
    index = bisect_left(taken, (start, start, ""))
    if index and taken[index - 1].end > start:
        index -= 1
    claims = []
    while index < len(taken) and taken[index].start < end:
        claims.append((taken[index].start, taken[index].end))
        index += 1
    return claims


def _claim(text: str, taken: list[Finding], finding: Finding, *, whole: bool) -> None:
    if not whole:
        finding = _rest(text, finding)
    if finding.start < finding.end:
        insort(taken, finding)


def _rest(text: str, finding: Finding) -> Finding:
    """What is left of a finding, without what is no word at its ends; empty when that is two signs or fewer,
    punctuation or the 8 before a number."""
    start, end = finding.start, finding.end
    while start < end and not text[start].isalnum():
        start += 1
    while start < end and not text[end - 1].isalnum():
        end -= 1
    return finding._replace(start=start, end=end if sum(map(str.isalnum, text[start:end])) > 2 else start)


def _joined(text: str, findings: Iterable[Finding]) -> list[Finding]:
    """Overlapping findings of one kind as their hull, by the surest of their recognisers."""
    joined: list[Finding] = []
    last: dict[str, int] = {}  # kind -> its last finding's index
    for finding in _apart(text, sorted(set(findings), key=_outer_first)):
        index = last.get(finding.kind)
        if index is not None and finding.start < joined[index].end:
            one = joined[index]
            surer = finding if finding.score > one.score else one
            joined[index] = surer._replace(start=one.start, end=max(one.end, finding.end))
        else:
            last[finding.kind] = len(joined)
            joined.append(finding)
    return joined


def _apart(text: str, findings: list[Finding]) -> list[Finding]:
    """Findings in order, those taken apart that hold two others of their kind side by side, each of several
    words: «Карева А. Ю. Зуев П. П.» is two people to the rules and one to a net. What they hold beyond those
    stays a finding. After two initials at its end a name is over: «Иванов И. И. Основы экономики»."""
    parted: list[Finding] = []
    for index, outer in enumerate(findings):
        inner = [*_side_by_side(text, findings, index)]
        if len(inner) == 1 and _INITIALS_LAST.search(text, inner[0].start, inner[0].end):
            parted.append(_rest(text, outer._replace(end=inner[0].start)))
        elif len(inner) < 2:
            parted.append(outer)
        else:
            cursor = outer.start
            for one in inner:
                parted.append(_rest(text, outer._replace(start=cursor, end=one.start)))
                cursor = one.end
            parted.append(_rest(text, outer._replace(start=cursor)))
    return sorted((one for one in parted if one.start < one.end), key=_outer_first)


def _outer_first(finding: Finding) -> tuple[int, int, Finding]:
    return finding.start, -finding.end, finding


def _side_by_side(text: str, findings: list[Finding], index: int) -> Iterator[Finding]:
    outer = findings[index]
    cursor = outer.start
    for position in range(index + 1, len(findings)):
        one = findings[position]
        if one.start >= outer.end:
            return
        if (
            one.kind == outer.kind == "PERSON"
            and cursor <= one.start
            and one.end <= outer.end
            and (one.start, one.end) != (outer.start, outer.end)
            and _SEVERAL_WORDS.search(text, one.start, one.end)
        ):
            yield one
            cursor = one.end
