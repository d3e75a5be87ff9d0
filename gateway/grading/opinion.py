"""The embedding grader's word beside the model's."""

import math
from dataclasses import replace
from enum import StrEnum

from gateway.domain import Submission
from gateway.grading.prompt import parts_of
from gateway.grading.remarks import with_factual_comment
from gateway.grading.rubric import Judgement, total

_SUREST = 0.99  # a share of 0 or 1 has no log-odds
_PERCENT = 100


class SecondOpinion(StrEnum):
    OFF = "off"
    CHECK = "check"  # a large difference is for a person
    COMBINE = "combine"  # and the two shares become one


def expected_share(judgement: Judgement) -> float:
    """The share of the whole that a judgement expects: by the probabilities of the levels where they are
    known, by the levels otherwise, and without caps, which no likeness knows of."""
    return total(
        replace(judgement.rubric, constraints=()),
        [one.level / one.top_level if one.expected is None else one.expected for one in judgement.verdicts],
    )


def with_opinion(
    judgement: Judgement, other: Judgement, submission: Submission, mode: SecondOpinion, disagreement: float
) -> Judgement:
    """The judgement, saying so where the other one is further away than `disagreement` (a share of the
    maximum). To combine is for the default rubric's one criterion: the embedding grader compares wholes."""
    ours, theirs = expected_share(judgement), expected_share(other)
    if abs(ours - theirs) > disagreement:
        judgement = replace(judgement, reasons=(*judgement.reasons, "graders_disagree"))
    if mode is SecondOpinion.COMBINE and submission.rubric is None and len(judgement.verdicts) == 1:
        return _combined(judgement, other, submission, combined_share(ours, theirs))
    return judgement


def combined_share(one: float, other: float) -> float:
    """sigmoid of the mean of the two log-odds. Measured with the small local model: right or wrong of
    SciEntsBank (unseen answers, questions, domains) .731/.681/.703 alone, .731/.735/.730 so; of Beetle
    .791/.751 and .819/.758. 0 and 1 count as .01 and .99."""
    odds = (_log_odds(one) + _log_odds(other)) / 2
    return 1 / (1 + math.exp(-odds))


def _log_odds(share: float) -> float:
    share = min(max(share, 1 - _SUREST), _SUREST)
    return math.log(share / (1 - share))


def _combined(judgement: Judgement, other: Judgement, submission: Submission, share: float) -> Judgement:
    (verdict,) = judgement.verdicts
    changed = replace(verdict, level=round(share * _PERCENT), top_level=_PERCENT, expected=share)
    if not judgement.explained:
        changed = with_factual_comment(changed, parts_of(submission))
    model = f"{judgement.versions['model']} + {other.versions['model']}"
    return replace(judgement, verdicts=(changed,), versions={**judgement.versions, "model": model})
