"""A circuit breaker: when a server is left alone, and when it is asked again. Pure: whoever holds it says
what time it is and what became of calls.

After Nygard, Release It! (2007), chapter 5. Why it is ours and no library's: docs/decisions/0012.
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from gateway.errors import (
    BackendBusy,
    BackendError,
    BackendTimeout,
    BackendUnavailable,
    DeadlineExceeded,
    GatewayError,
    Overloaded,
)


class Standing(StrEnum):
    CLOSED = "closed"  # calls pass
    OPEN = "open"  # none does
    HALF_OPEN = "half_open"  # one does, and decides


class Outcome(StrEnum):
    """What a call says of its server."""

    WELL = "well"
    FAILED = "failed"
    BUSY = "busy"  # it refused: overloaded, and alive
    NOTHING = "nothing"  # the caller left, or waited less long than a server may take


def outcome_of(error: GatewayError) -> Outcome:
    """A refusal of the caller's own request is an answer like any other."""
    if isinstance(error, BackendBusy):
        return Outcome.BUSY
    if isinstance(error, BackendUnavailable | BackendTimeout | BackendError):
        return Outcome.FAILED
    if isinstance(error, DeadlineExceeded | Overloaded):
        return Outcome.NOTHING
    return Outcome.WELL


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    failures: int = 5  # in a row
    open_s: float = 1.0  # at first; twice as long each time it opens again within `window_s` of closing
    open_max_s: float = 5.0
    share: float = 0.5  # of the calls within `window_s`, when they are at least `least`
    least: int = 10
    window_s: float = 10.0
    refusals: int = 50  # in a row: a server that only refuses is left alone for a while too
    silent: int = 2  # probes in a row without an answer


@dataclass(frozen=True, slots=True)
class Passage:
    """Leave to make one call. What comes of it is told to the breaker with it."""

    epoch: int  # openings and closings before it; of a call from another one nothing is learnt any more
    trial: bool  # the one that passes a half-open breaker


# A call to a server that fails its calls fails soon, as a rule; one that lasts is an answer being written.
_PATIENCE_S = 0.5
_MOST_REMEMBERED = 1000  # outcomes within the window, and with them the memory: 100 bytes each


class Breaker:
    """Times are seconds of one monotonic clock. `chance` gives 0..1: servers that fell together are not asked
    again together."""

    def __init__(self, policy: BreakerPolicy, chance: Callable[[], float] = random.random) -> None:
        self._policy = policy
        self._chance = chance
        self._open = False
        self._epoch = 0
        self._until = 0.0  # while open: when one may pass
        self._away = False  # while open: the last probe found nobody
        self._trial_since: float | None = None  # while half open: the one is under way
        self._open_s = policy.open_s
        self._closed_at: float | None = None  # None: it was never open
        self._forget_calls()

    def _forget_calls(self) -> None:
        self._failures = 0  # in a row
        self._refusals = 0  # in a row
        self._silent = 0  # probes in a row
        self._seen: deque[tuple[float, bool]] = deque(maxlen=_MOST_REMEMBERED)  # when, and whether it failed
        self._seen_failed = 0

    def standing(self, now: float) -> Standing:
        if not self._open:
            return Standing.CLOSED
        return Standing.OPEN if self._away or now < self._until else Standing.HALF_OPEN

    @property
    def is_open(self) -> bool:
        """Or half open."""
        return self._open

    def passes(self, now: float) -> bool:
        """Whether a call may be made now."""
        return not self._open or (self.standing(now) is Standing.HALF_OPEN and self._trial_since is None)

    def begin(self, now: float) -> Passage | None:
        """Leave for a call, whose end must be told; None: it may not be made."""
        if not self._open:
            return Passage(self._epoch, trial=False)
        if not self.passes(now):
            return None
        self._trial_since = now
        return Passage(self._epoch, trial=True)

    def end(self, passage: Passage, outcome: Outcome, now: float) -> None:
        """The call is over. One that began before the breaker last opened or closed says nothing any more:
        after a fall late failures come by the dozen."""
        if passage.epoch != self._epoch:
            return
        if passage.trial:
            self._trial_since = None
            if outcome is Outcome.WELL:
                self._close(now)
            elif outcome is not Outcome.NOTHING:
                self._open_again(now)
            return
        if outcome is Outcome.NOTHING:
            return
        if outcome is Outcome.WELL:
            self._failures = self._refusals = self._silent = 0
        self._failures += outcome is Outcome.FAILED
        self._refusals += outcome is Outcome.BUSY
        row = self._failures >= self._policy.failures or self._refusals >= self._policy.refusals
        window = outcome is not Outcome.BUSY and self._too_many(outcome is Outcome.FAILED, now)
        if row or window:
            self._open_again(now)

    def probed(self, now: float, *, answered: bool) -> None:
        """A probe is over. Of a server that was away it closes the breaker at once; of one that answers
        probes and fails its calls, when the call that tries it lasts, or nobody wants to try."""
        if not self._open:
            self._silent = 0 if answered else self._silent + 1
            if self._silent >= self._policy.silent:
                self._open_again(now)
                self._away = True
        elif not answered:
            self._away = True
        elif self._away or now >= max(self._until, self._trial_since or 0.0) + _PATIENCE_S:
            self._close(now)
            # It answers probes, which says little of its calls: the first one that fails opens again.
            self._failures = self._policy.failures - 1

    def wait_s(self, now: float) -> float:
        """How long until somebody may pass, as far as that is known; 0 where somebody may."""
        return max(0.0, self._until - now) if self._open else 0.0

    def _too_many(self, failed: bool, now: float) -> bool:
        seen = self._seen
        if len(seen) == _MOST_REMEMBERED:
            self._seen_failed -= seen[0][1]
        seen.append((now, failed))
        self._seen_failed += failed
        while seen[0][0] <= now - self._policy.window_s:
            self._seen_failed -= seen.popleft()[1]
        return len(seen) >= self._policy.least and self._seen_failed >= self._policy.share * len(seen)

    def _open_again(self, now: float) -> None:
        """Within [1/2, 1] of the time that it is due."""
        policy = self._policy
        soon = self._open or (self._closed_at is not None and now < self._closed_at + policy.window_s)
        self._open_s = min(policy.open_max_s, self._open_s * 2) if soon else policy.open_s
        self._open, self._away, self._trial_since = True, False, None
        self._until = now + self._open_s * (0.5 + 0.5 * self._chance())
        self._epoch += 1

    def _close(self, now: float) -> None:
        self._open, self._away, self._trial_since = False, False, None
        self._closed_at = now
        self._epoch += 1
        self._forget_calls()
