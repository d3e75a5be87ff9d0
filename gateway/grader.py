"""The LLM grader: a masked submission in, a judgement out, one question to the model for each criterion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.domain import Criterion, Grade, Rubric, ServedModel, Submission, Usage, Verdict
from gateway.errors import InvalidRequest
from gateway.grading import labels, prompt, reply, rubric
from gateway.grading.prompt import Profile
from gateway.grading.remarks import with_factual_comment
from gateway.grading.reply import Unusable
from gateway.grading.routing import GRADER_LLM
from gateway.grading.rubric import Judgement
from gateway.grading.samples import Consensus, consensus
from gateway.grading.words import spoken_in
from gateway.ports import ChatBackend
from gateway.questions import Answer, Choice, Question, Questioner, Replies
from gateway.tasks import all_of


@dataclass(frozen=True, slots=True)
class GraderPolicy:
    timeout_s: float = 60.0  # for each call of the model
    review_below_confidence: float = 0.6
    seed: int = 0
    concurrency: int = 16  # model calls at once
    samples: int = 1  # replies for each criterion, drawn with seeds from `seed` on


@dataclass(frozen=True, slots=True)
class _Checked:
    """A verdict whose quote was looked up, and what a person should know about it."""

    verdict: Verdict
    answer: Answer[Consensus]
    cut: bool
    misquoted: bool


class Grader:
    def __init__(self, backend: ChatBackend, policy: GraderPolicy, replies: Replies | None = None) -> None:
        self._backend = backend
        self._policy = policy
        self._questioner = Questioner(
            backend, replies, timeout_s=policy.timeout_s, seed=policy.seed, concurrency=policy.concurrency
        )

    async def identity(self, submission: Submission) -> Mapping[str, str]:
        """What decides a grade besides the submission. Raises as judged() does."""
        used = rubric.rubric_of(submission)
        if not rubric.for_model(used):
            return {**rubric.NO_MODEL, "rubric": used.id}
        model = await self._backend.served_model()
        return {
            "model": model.name,
            "window": str(model.context_window),  # cuts differ by it
            "prompt": _profile(submission, model).version,
            "rubric": used.id,
            "samples": str(self._policy.samples),
            "seed": str(self._policy.seed),
            "review_below": str(self._policy.review_below_confidence),
        }

    async def follows_instructions(self) -> bool:
        """Whether the model can be told to choose a label: one with the compact prompt knows that prompt
        only."""
        return (await self._backend.served_model()).context_window >= prompt.COMPACT_WINDOW

    async def grade(self, submission: Submission) -> Grade:
        return rubric.grade(submission, await self.judged(submission))

    async def judged(self, submission: Submission) -> Judgement:
        """Judges a submission that holds no personal data any more. Raises UnusableAnswer,
        ContextLengthExceeded, InvalidRequest and the model server's errors."""
        used = rubric.rubric_of(submission)
        by_tests = rubric.by_tests_alone(submission, used, GRADER_LLM)
        if by_tests:
            return by_tests
        model = await self._backend.served_model()
        profile = _profile(submission, model)
        if submission.task_type == "classification":
            return await self._classified(submission, model, profile)
        found = await all_of(
            [
                self._checked(submission, used, criterion, profile, model)
                for criterion in rubric.for_model(used)
            ]
        )
        return Judgement(
            GRADER_LLM,
            used,
            rubric.complete(used, [one.verdict for one in found], submission),
            {"model": model.name, "prompt": profile.version},
            reasons=self._review_reasons(submission, found),
            partial=any(one.cut or one.answer.repaired for one in found),
            usage=sum((one.answer.usage for one in found), Usage()),
            explained=profile.explains,
            calls=tuple(call for one in found for call in one.answer.calls),
        )

    async def _checked(
        self,
        submission: Submission,
        used: Rubric,
        criterion: Criterion,
        profile: Profile,
        model: ServedModel,
    ) -> _Checked:
        shown = rubric.for_model(used)
        question = Question(
            criterion.id,
            profile,
            model,
            prompt.reply_schema(profile),
            lambda parts: prompt.messages(parts, used, shown, criterion, profile),
            culprit="rubric",
        )

        def read(choices: Sequence[Choice]) -> Consensus | Unusable:
            return consensus([reply.read_verdict(choice, profile) for choice in choices])

        parts = prompt.parts_of(submission)
        answer = await self._questioner.ask(question, parts, read, samples=self._policy.samples)
        verdict, misquoted = reply.with_checked_evidence(
            answer.value.verdict, parts.submission, parts.question
        )
        if not profile.explains:
            verdict = with_factual_comment(verdict, answer.parts)
        return _Checked(verdict, answer, answer.parts != parts, misquoted)

    async def _classified(self, submission: Submission, model: ServedModel, profile: Profile) -> Judgement:
        question = Question(
            rubric.LABEL.criteria[0].id,
            profile,
            model,
            prompt.reply_schema(profile, submission.labels),
            lambda parts: prompt.label_messages(parts, submission.labels, profile),
            culprit="labels",
        )

        def read(choices: Sequence[Choice]) -> labels.Chosen | Unusable:
            return labels.read_label(choices[0], submission.labels)

        parts = prompt.parts_of(submission, references=False)
        answer = await self._questioner.ask(question, parts, read)
        chosen = answer.value
        decided, unknown = labels.worth(submission, chosen)
        was_cut = answer.parts != parts
        reasons = {
            "rubric_not_used": submission.rubric is not None,
            "low_confidence": self._unsure(chosen.confidence),
            "submission_or_task_cut": was_cut,
            "answer_repaired": answer.repaired,
        }
        return Judgement(
            GRADER_LLM,
            rubric.LABEL,
            (decided,),
            {"model": model.name, "prompt": profile.version},
            reasons=(*(reason for reason, holds in reasons.items() if holds), *unknown),
            partial=was_cut or answer.repaired,
            usage=answer.usage,
            label=chosen.label,
            calls=answer.calls,
        )

    def _review_reasons(self, submission: Submission, found: Sequence[_Checked]) -> tuple[str, ...]:
        something = submission.references or submission.rubric or submission.tests
        reasons = {
            "low_confidence": any(self._unsure(one.verdict.confidence) for one in found),
            "nothing_to_compare_with": not something,
            "submission_or_task_cut": any(one.cut for one in found),
            "answer_repaired": any(one.answer.repaired for one in found),
            "evidence_not_in_submission": any(one.misquoted for one in found),
            "samples_disagree": any(one.answer.value.disagree for one in found),
        }
        return tuple(reason for reason, holds in reasons.items() if holds)

    def _unsure(self, confidence: float | None) -> bool:
        """A confidence that is not told is none."""
        return (confidence or 0.0) < self._policy.review_below_confidence


def _profile(submission: Submission, model: ServedModel) -> Profile:
    language = spoken_in(submission)
    if submission.task_type != "classification":
        return prompt.profile_for(model.context_window, language)
    if model.context_window < prompt.COMPACT_WINDOW:
        raise InvalidRequest("The served model is too small to choose among 'labels'.", param="labels")
    return prompt.LABEL[language]
