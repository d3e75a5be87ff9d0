"""The examiner: a masked submission in, a grade out. What needs no model is decided here, a grader judges the
rest, and beside it go the watch over words to the grader and the second opinion."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.domain import Grade, Submission
from gateway.embedding_grader import EmbeddingGrader, no_classifier
from gateway.errors import GatewayError, ModelNotFound
from gateway.grader import Grader
from gateway.grading import remarks, rubric
from gateway.grading.injection import without
from gateway.grading.marks import is_blank
from gateway.grading.measure import rubric_for
from gateway.grading.opinion import SecondOpinion, with_opinion
from gateway.grading.outcomes import Outcome, decided, off_topic, outcome_of
from gateway.grading.routing import GRADER_EMBEDDING
from gateway.grading.rubric import Judgement
from gateway.grading.words import spoken_in
from gateway.ports import Embedder
from gateway.tasks import together
from gateway.watch import Sighting, Watch, aside

RULES = "2"  # of the code that decides a grade beside the models: another number wherever it changes one

REASONS = (  # for a review, in the order in which they are told
    "rubric_not_used",
    "criterion_as_reference",
    "low_confidence",
    "nothing_to_compare_with",
    "submission_or_task_cut",
    "answer_repaired",
    "evidence_not_in_submission",
    "samples_disagree",
    "code_not_understood",
    "no_expected_label",
    "question_copied",
    "off_topic_suspected",
    "injection_suspected",
    "injection_score_jump",
    "guard_unavailable",
    "graders_disagree",
)


@dataclass(frozen=True, slots=True)
class ExaminerPolicy:
    second_opinion: SecondOpinion = SecondOpinion.CHECK
    disagreement: float = 0.5  # shares of the maximum further apart are for a person
    jump: float = 0.2  # share of the maximum that words to the grader may earn before they earn nothing
    watch: bool = True  # False: words to the grader are neither looked for nor taken out
    watch_timeout_s: float = 5.0


class Examiner:
    def __init__(
        self,
        graders: Mapping[str, Grader | EmbeddingGrader],
        embedder: Embedder | None,
        policy: ExaminerPolicy,
    ) -> None:
        self._graders = graders
        self._policy = policy
        self._watch = Watch(embedder, policy.watch_timeout_s)

    async def identity(self, submission: Submission, grader: str) -> Mapping[str, str]:
        """Everything that decides the grade besides the submission. Raises what grade() would raise before
        its first question to a model."""
        common = {"grader": grader, "rules": RULES, "rubric": rubric_for(submission, grader).id}
        if await self._outcome(submission, grader):
            return common
        chosen = await self._chosen(submission, grader)
        own = await chosen.identity(submission)
        return {
            **common,
            **own,
            "detector": await self.detector(),
            "second_opinion": await self._opinion_identity(submission, chosen),
        }

    async def detector(self) -> str:
        """What watches over words to the grader: a classifier's name and version; `none`, only code does;
        `unavailable`, it cannot be asked now; or `off`."""
        return await self._watch.detector() if self._policy.watch else "off"

    async def grade(self, submission: Submission, grader: str) -> Grade:
        """Grades a submission that holds no personal data any more. Raises ModelNotFound for a grader that is
        not there, InvalidRequest for what it cannot grade, and its server's errors."""
        outcome = await self._outcome(submission, grader)
        if outcome:
            return rubric.grade(submission, decided(outcome, rubric_for(submission, grader), grader))
        chosen = await self._chosen(submission, grader)
        if not rubric.for_model(rubric_for(submission, grader)):
            return await chosen.grade(submission)  # by test results alone: no model reads a word of it
        async with together() as group:
            judging = group.create_task(self._judged(submission, chosen))
            looking = group.create_task(self._look(submission))
        judgement = await self._guarded(submission, chosen, judging.result(), looking.result())
        if await aside(submission.text, lambda: off_topic(submission)):
            judgement = _with_reasons(judgement, "off_topic_suspected")
        return rubric.grade(submission, replace(judgement, reasons=_in_order(judgement.reasons)))

    async def _look(self, submission: Submission) -> Sighting:
        return await self._watch.look(submission) if self._policy.watch else Sighting(None)

    # Who judges

    async def _outcome(self, submission: Submission, grader: str) -> Outcome | None:
        if grader not in self._graders:
            raise ModelNotFound("There is no model of that name.", param="name")
        return await aside(submission.text, lambda: outcome_of(submission))

    async def _chosen(self, submission: Submission, grader: str) -> Grader | EmbeddingGrader:
        """The grader of that name. A model that follows no instructions cannot classify: a served classifier
        does, where one knows the labels."""
        chosen = self._graders[grader]
        if submission.task_type != "classification" or not isinstance(chosen, Grader):
            return chosen
        if await chosen.follows_instructions():
            return chosen
        if GRADER_EMBEDDING not in self._graders:
            raise no_classifier()
        return self._graders[GRADER_EMBEDDING]

    async def _judged(self, submission: Submission, chosen: Grader | EmbeddingGrader) -> Judgement:
        """The grader's judgement, with the second opinion where there is one."""
        adviser = self._adviser(submission, chosen)
        if adviser is None:
            return await chosen.judged(submission)
        async with together() as group:
            judging = group.create_task(chosen.judged(submission))
            advising = group.create_task(self._advice(submission, adviser))
        judgement, advice = judging.result(), advising.result()
        if advice is None:
            return replace(judgement, makeshift=True)
        policy = self._policy
        advised = with_opinion(judgement, advice, submission, policy.second_opinion, policy.disagreement)
        calls = tuple(replace(call, criterion="second_opinion") for call in advice.calls)
        return replace(advised, calls=(*advised.calls, *calls))

    def _adviser(self, submission: Submission, chosen: Grader | EmbeddingGrader) -> EmbeddingGrader | None:
        """Who is asked beside the model about a text with references."""
        adviser = self._graders.get(GRADER_EMBEDDING)
        compared = submission.task_type == "text" and submission.references
        if self._policy.second_opinion is SecondOpinion.OFF or not compared:
            return None
        return adviser if isinstance(chosen, Grader) and isinstance(adviser, EmbeddingGrader) else None

    async def _advice(self, submission: Submission, adviser: EmbeddingGrader) -> Judgement | None:
        """A second opinion that cannot be had is none: it never fails a grade."""
        try:
            return await adviser.judged(_bare(submission))
        except GatewayError:
            return None

    async def _opinion_identity(self, submission: Submission, chosen: Grader | EmbeddingGrader) -> str:
        adviser = self._adviser(submission, chosen)
        if adviser is None:
            return SecondOpinion.OFF
        try:
            model = (await adviser.identity(_bare(submission)))["model"]
        except GatewayError:
            return SecondOpinion.OFF
        return f"{self._policy.second_opinion} {self._policy.disagreement} {model}"

    # Words to the grader

    async def _guarded(
        self,
        submission: Submission,
        chosen: Grader | EmbeddingGrader,
        judgement: Judgement,
        sighting: Sighting,
    ) -> Judgement:
        """The judgement; or, where its words to the grader have earned a submission more than the policy's
        jump, that of the submission without them. A label has no such share: a person is told, and that is
        all."""
        judgement = _with_reasons(judgement, *sighting.reasons)
        if "guard_unavailable" in sighting.reasons:
            judgement = replace(judgement, makeshift=True)
        found = sighting.alarm
        if found is None:
            return judgement
        judgement = replace(judgement, calls=(*judgement.calls, *sighting.calls))
        rest = replace(submission, text=without(submission.text, found))
        if submission.task_type == "classification" or rest.text == submission.text.strip():
            return judgement
        if not found.marked and is_blank(rest.text):
            return judgement  # a classifier's word alone takes nobody's whole answer away: a person decides
        second = await self._rest_judged(rest, chosen, judgement)
        usage, calls = judgement.usage + second.usage, (*judgement.calls, *second.calls)
        if _share(judgement) - _share(second) > self._policy.jump:
            reasons = (*judgement.reasons, *second.reasons, "injection_score_jump")
            judgement = replace(
                second,
                reasons=reasons,
                partial=judgement.partial or second.partial,
                makeshift=judgement.makeshift or second.makeshift,
            )
        return replace(judgement, usage=usage, calls=calls)

    async def _rest_judged(
        self, rest: Submission, chosen: Grader | EmbeddingGrader, judgement: Judgement
    ) -> Judgement:
        outcome = await aside(rest.text, lambda: outcome_of(rest))
        if outcome is None:
            return await self._judged(rest, chosen)
        nothing = replace(outcome, remark=remarks.only_orders(spoken_in(rest)), confidence=None)
        zero = decided(nothing, judgement.rubric, judgement.grader)
        return replace(zero, verdicts=rubric.with_test_verdicts(zero.verdicts, judgement))


def _bare(submission: Submission) -> Submission:
    """As the second opinion sees it: the whole and its references."""
    return replace(submission, rubric=None, tests=None)


def _share(judgement: Judgement) -> float:
    return rubric.total(judgement.rubric, rubric.shares(judgement.verdicts))


def _with_reasons(judgement: Judgement, *reasons: str) -> Judgement:
    return replace(judgement, reasons=(*judgement.reasons, *reasons))


def _in_order(reasons: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(reason for reason in REASONS if reason in reasons)
