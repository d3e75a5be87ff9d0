"""Several replies to the same question, made one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.domain import Verdict
from gateway.grading.reply import Unusable

MOST_SPREAD = 0.25  # of the levels' range; beyond it the replies disagree


@dataclass(frozen=True, slots=True)
class Consensus:
    verdict: Verdict
    disagree: bool  # the best and the worst level are more than MOST_SPREAD of the range apart


def consensus(replies: Sequence[Verdict | Unusable]) -> Consensus | Unusable:
    """The median verdict, the lower one of two in the middle. Fewer than half of the replies usable are none.

    Its confidence is the mean of two: the share of the replies on its level, and the probability with which
    they gave that level, where it is told. Its expected share is the mean of theirs. Words and quote are of
    the first reply on that level.
    """
    usable = [one for one in replies if isinstance(one, Verdict)]
    if 2 * len(usable) < len(replies) or not usable:
        return next(one for one in replies if isinstance(one, Unusable))
    if len(replies) == 1:
        return Consensus(usable[0], disagree=False)
    levels = sorted(one.level for one in usable)
    level = levels[(len(levels) - 1) // 2]
    agreeing = [one for one in usable if one.level == level]
    agreed = len(agreeing) / len(usable)
    told = [one.confidence for one in agreeing if one.confidence is not None]
    top = agreeing[0].top_level
    expected = [one.level / top if one.expected is None else one.expected for one in usable]
    verdict = replace(
        agreeing[0],
        confidence=(agreed + sum(told) / len(told)) / 2 if told else agreed,
        expected=sum(expected) / len(expected),
    )
    return Consensus(verdict, (levels[-1] - levels[0]) / top > MOST_SPREAD)
