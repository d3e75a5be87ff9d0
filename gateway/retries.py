"""How often something may be asked once more: a share of what is asked, so that a server in trouble gets a
fifth more and not twice as much.

After Finagle's RetryBudget (https://finagle.github.io/blog/2016/02/08/retry-budgets) and "Exponential Backoff
And Jitter" (Brooker, AWS Architecture Blog, 2015; full jitter).
"""

import random
from collections.abc import Callable

_RESERVE = 2.0  # retries that a gateway may make before anybody has paid for them
_MOST = 100.0  # that can be saved up: a replica that falls takes a hundred calls with it and not thousands
_RESERVE_AGAIN_S = 10.0  # nothing asked for so long: the reserve is lent again
_PAUSE_S = 0.01, 0.1


class RetryBudget:
    """A token bucket. Each request pays in `share`, each retry takes one. The reserve is lent and the first
    requests pay it back, so of n requests at most max(2, share * n) are made twice; after ten seconds in
    which nothing was asked it is lent again. At a share of 0 nothing is tried again. Times are seconds of one
    monotonic clock."""

    def __init__(self, share: float, now: float, refused: Callable[[], None] = lambda: None) -> None:
        """`refused` is called whenever something is not tried again because the budget is spent."""
        self._share = share
        self._refused = refused
        self._balance = _RESERVE if share else 0.0
        self._owed = self._balance
        self._paid_at = now

    def pay(self, now: float) -> None:
        """A request is made."""
        if now > self._paid_at + _RESERVE_AGAIN_S and self._share and self._balance < _RESERVE:
            self._balance = self._owed = _RESERVE
        self._paid_at = now
        if self._owed > 0:
            self._owed -= self._share
        else:
            self._balance = min(_MOST, self._balance + self._share)

    def take(self) -> bool:
        """Whether there is one for a retry that is about to be made."""
        if self._balance < 1:
            self._refused()
            return False
        self._balance -= 1
        return True


def pause_s(chance: Callable[[], float] = random.random) -> float:
    """Before a retry: those that fell together do not come again together."""
    least, most = _PAUSE_S
    return least + (most - least) * chance()
