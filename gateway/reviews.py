"""People behind the graders: what waits for one, what they said, and how well graders agree with them."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from gateway.domain import Caller, Rubric
from gateway.errors import Forbidden, InvalidRequest, NotFound
from gateway.grading.agreement import Agreement, Pair, agreement
from gateway.grading.rubric import WITH_TESTS, rescored, total, with_tests, without_tests
from gateway.ports import Grades, Ledger, Reviews
from gateway.records import Correction, GradeQuery, GradeRecord, Judged, Judgement
from gateway.rubrics import RubricBook, asked_of

_MOST_JUDGED = 10_000  # the newest; agreement is about the graders of now
_PAGE = 500


@dataclass(frozen=True, slots=True)
class GraderAgreement:
    """How one grader's grades under one rubric agree with people's."""

    rubric: str  # name@version
    grader: str
    model: str
    agreement: Agreement


class ReviewDesk:
    def __init__(self, grades: Grades, reviews: Reviews, ledger: Ledger, rubrics: RubricBook) -> None:
        self._grades = grades
        self._reviews = reviews
        self._ledger = ledger
        self._rubrics = rubrics

    async def grade(self, caller: Caller, grade_id: str) -> Judged | GradeRecord:
        """A grade, with a person's last word where there is one. Raises NotFound, also for a grade of another
        key that the caller may not see."""
        record = await self._grades.get(grade_id)
        if not caller.oversees and record.key_id != caller.key_id:
            raise NotFound("There is no grade of that id.", param="id")
        corrections = await self._reviews.corrections(grade_id)
        return Judged(record, corrections[-1]) if corrections else record

    async def grades(self, caller: Caller, query: GradeQuery) -> list[GradeRecord]:
        """A page of the grades that the caller may see, newest first."""
        return await self._grades.find(_own(caller, query))

    async def queue(self, caller: Caller, query: GradeQuery) -> tuple[list[GradeRecord], str | None]:
        """The newest that wait for a person, the most doubtful first; and the `after` of the next page, which
        goes by time."""
        waiting = await self._grades.find(_own(caller, replace(query, waiting=True)))
        oldest = waiting[-1].id if len(waiting) == query.limit else None
        return sorted(waiting, key=lambda record: record.grade.confidence or 0.0), oldest

    async def correct(self, caller: Caller, grade_id: str, judgement: Judgement) -> Judged:
        """Keeps a person's word on a grade; the grade itself stays. Raises NotFound, InvalidRequest."""
        seen = await self.grade(caller, grade_id)
        record = seen.record if isinstance(seen, Judged) else seen
        correction = Correction(
            grade_id=record.id,
            created_at=datetime.now(UTC),
            key_id=caller.key_id,
            score=_judged_score(record, judgement),
            max_score=record.grade.max_score,
            points=judgement.points,
            comment=judgement.comment,
        )
        await self._reviews.correct(correction)
        return Judged(record, correction)

    async def agreement(self, caller: Caller, query: GradeQuery) -> list[GraderAgreement]:
        """By rubric, grader and model: the newest judged grades against people's last word."""
        if not caller.oversees:
            query = replace(query, key_id=caller.key_id)
        groups: dict[tuple[str, str, str], list[Pair]] = {}
        for judged in await self._judged(query):
            grade, correction = judged.record.grade, judged.correction
            pair = Pair(
                grade.score / grade.max_score,
                correction.score / correction.max_score,
                judged.record.submission.question or judged.record.id,
            )
            what = (grade.versions["rubric"], grade.grader, grade.versions["model"])
            groups.setdefault(what, []).append(pair)
        # A thread: a thousand resamples of thousands of pairs take longer than the event loop may wait.
        return await asyncio.to_thread(_agreements, groups)

    async def overall(self) -> list[GraderAgreement]:
        """As agreement(), of everybody's grades, for the metrics: without intervals, for which whole records
        would have to be read."""
        groups: dict[tuple[str, str, str], list[Pair]] = {}
        for mark in await self._reviews.marks(_MOST_JUDGED):
            what = (mark.rubric, mark.grader, mark.model)
            groups.setdefault(what, []).append(Pair(mark.machine, mark.human))
        return await asyncio.to_thread(_agreements, groups, resamples=0)

    async def _judged(self, query: GradeQuery) -> Sequence[Judged]:
        found: list[Judged] = []
        while len(found) < _MOST_JUDGED:
            page = await self._reviews.judged(replace(query, limit=_PAGE))
            found += page
            if len(page) < _PAGE:
                break
            query = replace(query, after=page[-1].record.id)
        return found

    async def rescore(self, caller: Caller, rubric_id: str, onto_id: str) -> tuple[int, int]:
        """Adds up the grades by one version of a rubric anew by another one, without asking a model; each
        result is a grade of its own. Returns how many there were and how many got another score. Raises
        Forbidden, NotFound, and InvalidRequest when the versions ask for different things."""
        if not caller.oversees:
            raise Forbidden("Grades are re-scored with a key of the role admin or trainer.")
        old = (await self._rubrics.get(rubric_id)).rubric
        new = (await self._rubrics.get(onto_id)).rubric
        if old.name != new.name or old.id == new.id:
            raise InvalidRequest("Both must be versions of one rubric, and not the same.", param="from")
        if asked_of(old) != asked_of(new):
            raise InvalidRequest("The versions have different criteria: grade anew.", param="from")
        count = changed = 0
        # Where a submission came with test results its rubric had one criterion more.
        for version in (old.id, f"{old.id}{WITH_TESTS}"):
            query = GradeQuery(rubric=version, limit=_PAGE)
            while page := await self._grades.find(query):
                for record in page:
                    # A request's own rubric may have that name too.
                    if record.rescored or without_tests(record.rubric) != old:
                        continue
                    again = await self._ledger.keep(_rescored(record, new))
                    count += 1
                    changed += again.grade.score != record.grade.score
                query = replace(query, after=page[-1].id)
        return count, changed


def _agreements(
    groups: Mapping[tuple[str, str, str], Sequence[Pair]], resamples: int = 1000
) -> list[GraderAgreement]:
    return [
        GraderAgreement(*what, agreement(pairs, resamples=resamples))
        for what, pairs in sorted(groups.items())
    ]


def _rescored(record: GradeRecord, rubric: Rubric) -> GradeRecord:
    """Its id follows from what it is, so that doing it twice makes no second grade."""
    if record.rubric.version.endswith(WITH_TESTS):
        rubric = with_tests(rubric, record.submission)
    named = f"{record.id} {rubric.id}".encode()
    return replace(
        record,
        id=f"grade_{hashlib.sha256(named).hexdigest()[:32]}",
        key=hashlib.sha256(f"{record.key} {rubric.id}".encode()).hexdigest(),
        created_at=datetime.now(UTC),
        rubric=rubric,
        grade=rescored(record.grade, record.rubric, rubric, record.grade.max_score),
        ms=0.0,
        based_on=record.id,
        rescored=True,
    )


def _judged_score(record: GradeRecord, judgement: Judgement) -> float:
    """The total that a person gave, or that code adds up from their points. Raises InvalidRequest naming what
    does not fit the grade."""
    grade = record.grade
    if judgement.points and judgement.score is not None:
        raise InvalidRequest("Give 'criteria' or 'score': the total of criteria is added up.", param="score")
    if judgement.score is not None:
        if not 0 <= judgement.score <= grade.max_score:
            raise InvalidRequest("'score' must be within 0 and the grade's max_score.", param="score")
        return judgement.score
    if not judgement.points:
        return grade.score
    most = {criterion.id: criterion.max_points for criterion in grade.criteria}
    if judgement.points.keys() != most.keys():
        raise InvalidRequest("'criteria' must name each criterion of the grade once.", param="criteria")
    if any(not 0 <= judgement.points[name] <= most[name] for name in most):
        raise InvalidRequest("'points' must be within 0 and the criterion's max_points.", param="criteria")
    # Points that round to nothing are worth nothing.
    shares = [judgement.points[name] / most[name] if most[name] else 0.0 for name in most]
    return round(total(record.rubric, shares) * grade.max_score, 2)


def _own(caller: Caller, query: GradeQuery) -> GradeQuery:
    return query if caller.oversees else replace(query, key_id=caller.key_id)
