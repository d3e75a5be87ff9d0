"""Classifications: which label a model has chosen, how sure it was, and what that is worth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.domain import Submission, Verdict
from gateway.grading.remarks import labelled
from gateway.grading.reply import (
    Fault,
    Unusable,
    alternatives,
    content_of,
    read_object,
    tokens_of,
    written,
)
from gateway.grading.words import spoken_in


@dataclass(frozen=True, slots=True)
class Chosen:
    label: str
    confidence: float | None  # its probability among the labels allowed; None: not told


def read_label(choice: Mapping[str, Any], labels: Sequence[str]) -> Chosen | Unusable:
    data = read_object(choice, {"label": str})
    if isinstance(data, Unusable):
        return data
    label = data["label"]
    if label not in labels:
        return Unusable(Fault.UNKNOWN_LABEL)
    return Chosen(label, _probability(content_of(choice) or "", choice.get("logprobs"), label, labels))


def _probability(
    content: str, logprobs: Mapping[str, Any] | None, label: str, labels: Sequence[str]
) -> float | None:
    """p(label) among the labels allowed. Where labels part, a token decides between those that are still
    possible: the product, over the tokens that wrote the label, of the share that its continuations have of
    all continuations of possible labels. Mostly that is the first token's alone."""
    chosen = orjson.dumps(label)
    begin = content.encode().find(chosen, content.find(":"))
    every_label = [orjson.dumps(one) for one in labels]
    if begin < 0 or not logprobs:
        return None
    end, product, read = begin + len(chosen), 1.0, begin
    for start, token in tokens_of(logprobs):
        if start + len(written(token)) <= begin or start >= end:
            continue
        # A token may hold what stands before the label, the quotation mark for one.
        lead = content.encode()[start : max(start, begin)]
        before = chosen[: max(0, start - begin)]
        ours = every = 0.0
        for text, p in alternatives(token):
            if not text.startswith(lead):
                continue
            written_so_far = before + text[len(lead) :]
            if _possible(written_so_far, chosen):
                ours += p
            if any(_possible(written_so_far, one) for one in every_label):
                every += p
        if not ours:
            return None
        product *= ours / every
        read = start + len(written(token))
    return product if read >= end - 1 else None


def _possible(text: bytes, label: bytes) -> bool:
    """Whether a reply that began like `text` can go on to be, or has been, this label."""
    return label.startswith(text) or text.startswith(label)


def worth(submission: Submission, chosen: Chosen) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict on a label: all or nothing where it is known which ones are expected, nothing where not,
    and why a person should look then."""
    right = chosen.label in submission.references
    comment = labelled(chosen.label, spoken_in(submission))
    verdict = Verdict(int(right), 1, chosen.confidence, comment=comment)
    return verdict, () if submission.references else ("no_expected_label",)
