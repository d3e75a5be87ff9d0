"""One sorted list without overlaps out of what many recognisers said. Pure."""

from bisect import bisect_left, insort
from collections.abc import Iterable

Finding = tuple[int, int, str]  # start, end, kind

# A number whose check digits are right is that number, also where it looks like a phone.
_RANK = {"CARD": 3, "IBAN": 3, "INN": 3, "SNILS": 3, "PHONE": 1, "PERSON": 0}
_OTHERS = 2


def resolve(text: str, findings: Iterable[Finding]) -> list[Finding]:
    """Overlapping findings of one kind become one; between kinds the checked one wins, then the longer.

    What a beaten finding covers beyond the winner stays a finding: nothing found is let go."""
    taken: list[Finding] = []
    for start, end, kind in sorted(_joined(findings), key=_weakness):
        cursor = start
        for other_start, other_end in _claims(taken, start, end):
            _claim(text, taken, (cursor, other_start, kind), whole=False)
            cursor = other_end
        _claim(text, taken, (cursor, end, kind), whole=cursor == start)
    return taken


def _weakness(finding: Finding) -> tuple[int, int, int, str]:
    start, end, kind = finding
    return -_RANK.get(kind, _OTHERS), start - end, start, kind


def _claims(taken: list[Finding], start: int, end: int) -> list[tuple[int, int]]:
    """What is taken of `start..end`, in order."""
    index = bisect_left(taken, (start, start, ""))
    if index and taken[index - 1][1] > start:
        index -= 1
    claims = []
    while index < len(taken) and taken[index][0] < end:
        claims.append(taken[index][:2])
        index += 1
    return claims


def _claim(text: str, taken: list[Finding], finding: Finding, *, whole: bool) -> None:
    start, end, kind = finding
    if not whole:  # a rest of two signs is punctuation or the 8 before a number, not personal data
        while start < end and not text[start].isalnum():
            start += 1
        while start < end and not text[end - 1].isalnum():
            end -= 1
        if sum(map(str.isalnum, text[start:end])) < 3:
            return
    if start < end:
        insort(taken, (start, end, kind))


def _joined(findings: Iterable[Finding]) -> list[Finding]:
    """Overlapping findings of one kind as their hull."""
    joined: list[Finding] = []
    last: dict[str, int] = {}  # kind -> its last finding's index
    for start, end, kind in sorted(set(findings)):
        index = last.get(kind)
        if index is not None and start < joined[index][1]:
            joined[index] = (joined[index][0], max(joined[index][1], end), kind)
        else:
            last[kind] = len(joined)
            joined.append((start, end, kind))
    return joined
