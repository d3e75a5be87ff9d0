"""The messages that a grader model gets, and the form that its reply is forced into.

Three kinds of prompt (prompts/), all with one question a call (one criterion at a time graded .773 against
.720 for two at once in a trial): `grade-full` asks a general model for evidence, a comment and a level 0..4;
`grade-compact` is for models with a window under 2048 tokens, such as the local model that is trained on
exactly these lines, and asks for a level 0..2 only; `label` asks for one of the labels of a classification.

Rubric first and submission last, so that the common beginning is cached. The submission is one JSON string on
one line: no quote, line or turn in it can end it.
"""

import json
from dataclasses import dataclass, field
from hashlib import blake2s
from typing import Any

from gateway.domain import Criterion, Language, Rubric, Submission
from gateway.grading.marks import TURN
from gateway.grading.templates import PromptFile, prompt_file

COMPACT_WINDOW = 2048  # tokens; below this the compact prompt is used
TEMPLATE_TOKENS = 48  # what a chat template adds around two messages, at most

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a prompt is filled with, masked already."""

    question: str = field(repr=False)
    reference: str = field(repr=False)
    submission: str = field(repr=False)
    code: bool = False


@dataclass(frozen=True, slots=True)
class Profile:
    """One way of asking. `reply_tokens` bounds the answer; they and `repair_tokens`, what repair() adds at
    most, are kept free in the window."""

    kind: str
    version: str
    top_level: int
    reply_tokens: int
    repair_tokens: int
    explains: bool

    @property
    def file(self) -> PromptFile:
        return prompt_file(self.kind, self.version)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How replies are drawn: without a temperature the likeliest one."""

    seed: int
    temperature: float = 0.0
    n: int = 1


FULL = {
    Language.ENGLISH: Profile("grade-full", "grade-full-en@2", 4, 512, 48, explains=True),
    Language.RUSSIAN: Profile("grade-full", "grade-full-ru@2", 4, 640, 96, explains=True),
}
COMPACT = Profile("grade-compact", "grade-compact@1", 2, 16, 40, explains=False)  # it knows no Russian one
LABEL = {
    Language.ENGLISH: Profile("label", "label-en@1", 0, 192, 48, explains=False),
    Language.RUSSIAN: Profile("label", "label-ru@1", 0, 192, 96, explains=False),
}


def profile_for(context_window: int, language: Language) -> Profile:
    """The prompt for a model with this many tokens of context."""
    return COMPACT if context_window < COMPACT_WINDOW else FULL[language]


def parts_of(submission: Submission, *, references: bool = True) -> Parts:
    """The submission's texts with chat-template marks taken apart."""
    return Parts(
        question=_inert(submission.question or ""),
        reference=_inert(" | ".join(submission.references)) if references else "",
        submission=_inert(submission.text),
        code=submission.task_type == "code",
    )


def _inert(text: str) -> str:
    return TURN.sub(lambda match: match.group() + " ", text)


def messages(
    parts: Parts, rubric: Rubric, shown: tuple[Criterion, ...], asked: Criterion, profile: Profile
) -> list[Message]:
    """The chat messages that ask for one criterion of those that are `shown`."""
    said = profile.file.said
    if not profile.explains:
        lines = [
            said("task", task=_one_line(parts.question)) if parts.question else "",
            said("reference", reference=_one_line(parts.reference or asked.description)),
            said("submission", submission=_one_line(parts.submission)),
        ]
        return _turns(profile, [line for line in lines if line], "\n")
    weights = sum(criterion.weight for criterion in rubric.criteria)
    criteria = "\n".join(
        f"- {one.id} ({100 * one.weight / weights:.0f} %): {_one_line(one.description)}" for one in shown
    )
    blocks = [
        said("rubric", criteria=criteria),
        said("notes", notes=rubric.grading_notes) if rubric.grading_notes else "",
        said("criterion", id=asked.id, description=asked.description),
        said("task", task=parts.question) if parts.question else "",
        said("reference", reference=parts.reference) if parts.reference else "",
        said("program") if parts.code else "",
        _enclosed(parts.submission, profile),
    ]
    return _turns(profile, [block for block in blocks if block], "\n\n")


def label_messages(parts: Parts, labels: tuple[str, ...], profile: Profile) -> list[Message]:
    """The chat messages that ask for one of the labels."""
    said = profile.file.said
    blocks = [
        said("labels", labels="\n".join(f"- {_quoted(label)}" for label in labels)),
        said("task", task=parts.question) if parts.question else "",
        _enclosed(parts.submission, profile),
    ]
    return _turns(profile, [block for block in blocks if block], "\n\n")


def _turns(profile: Profile, blocks: list[str], between: str) -> list[Message]:
    return [
        {"role": "system", "content": profile.file.said("system")},
        {"role": "user", "content": between.join(blocks)},
    ]


def _one_line(text: str) -> str:
    """The compact prompt's parts are lines, so a part may not hold one of its own."""
    return " ".join(text.split())


def _enclosed(submission: str, profile: Profile) -> str:
    return profile.file.said("submission", mark=mark_of(submission), submission=_quoted(submission))


def mark_of(submission: str) -> str:
    """The word around a submission. Nobody can write it inside: it is a hash of all that is inside. The same
    submission has the same one, and so the same grade."""
    mark = blake2s(submission.encode(errors="replace"), digest_size=8).hexdigest()
    return mark if mark not in submission else mark_of(submission + mark)


def _quoted(text: str) -> str:
    """The text as a JSON string on one line. JSON leaves three of Unicode's line ends as they are."""
    quoted = json.dumps(text, ensure_ascii=False)
    for end in ("\x85", "\u2028", "\u2029"):
        quoted = quoted.replace(end, f"\\u{ord(end):04x}")
    return quoted


def repair(asked: list[Message], fault: str, profile: Profile) -> list[Message]:
    """The one further question after an unusable reply. The reply itself is not repeated: a broken text in
    the context tends to be continued."""
    last = asked[-1]
    return [
        *asked[:-1],
        {**last, "content": f"{last['content']}\n\n{profile.file.said('repair', fault=fault)}"},
    ]


def reply_schema(profile: Profile, labels: tuple[str, ...] = ()) -> dict[str, Any]:
    """JSON Schema of a reply, which the model server enforces while generating."""
    properties: dict[str, Any] = {}
    if profile.explains:
        properties["evidence"] = {"type": "string", "maxLength": 300}
        properties["comment"] = {"type": "string", "maxLength": 600}
    if labels:
        properties["label"] = {"type": "string", "enum": list(labels)}
    else:
        properties["level"] = {"type": "integer", "enum": list(range(profile.top_level + 1))}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def completion_request(
    asked: list[Message], profile: Profile, schema: dict[str, Any], model: str, sampling: Sampling
) -> dict[str, Any]:
    """The chat completion that asks for `sampling.n` replies."""
    return {
        "model": model,
        "messages": asked,
        "temperature": sampling.temperature,
        "seed": sampling.seed,
        **({"n": sampling.n} if sampling.n > 1 else {}),
        "max_tokens": profile.reply_tokens,
        "logprobs": True,
        "top_logprobs": 10,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "verdict", "strict": True, "schema": schema},
        },
    }
