"""One sorted list without overlaps out of what many recognisers said. Pure."""

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import NamedTuple


class Finding(NamedTuple):
    """`text[start:end]` is of a kind. A tuple: texts have thousands, and they cross a pipe."""

    start: int
    end: int
    kind: str
    score: float = 1.0
    recogniser: str = ""


# A number whose check digits are right is that number, also where it looks like a phone. What a deployment
# listed by itself comes before everything.
_RANK = {"CUSTOM": 4, "CARD": 3, "IBAN": 3, "INN": 3, "SNILS": 3, "OMS": 3, "PHONE": 1, "PERSON": 0}
_OTHERS = 2


def resolve(text: str, findings: Iterable[Finding]) -> list[Finding]:
    """Overlapping findings of one kind become one; between kinds the checked one wins, then the longer.

    What a beaten finding covers beyond the winner stays a finding: nothing found is let go."""
    taken: list[Finding] = []
    for finding in sorted(_joined(findings), key=_weakness):
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
    start, end = finding.start, finding.end
    if not whole:  # a rest of two signs is punctuation or the 8 before a number, not personal data
        while start < end and not text[start].isalnum():
            start += 1
        while start < end and not text[end - 1].isalnum():
            end -= 1
        if sum(map(str.isalnum, text[start:end])) < 3:
            return
    if start < end:
        insort(taken, finding._replace(start=start, end=end))


def _joined(findings: Iterable[Finding]) -> list[Finding]:
    """Overlapping findings of one kind as their hull, by the surest of their recognisers."""
    joined: list[Finding] = []
    last: dict[str, int] = {}  # kind -> its last finding's index
    for finding in sorted(set(findings)):
        index = last.get(finding.kind)
        if index is not None and finding.start < joined[index].end:
            one = joined[index]
            surer = finding if finding.score > one.score else one
            joined[index] = surer._replace(start=one.start, end=max(one.end, finding.end))
        else:
            last[finding.kind] = len(joined)
            joined.append(finding)
    return joined
