"""What is known of a payment when it is made: 15 features, named as in the handbook's transformed data.

A window of w days ends with the payment itself and takes it in: (t - w, t]. A terminal's frauds are known
seven days late, so its windows end there: (t - 7 - w, t - 7]. A terminal without payments in a window has
risk 0."""

import numpy as np
from numpy.typing import NDArray

from fraud.simulator import DAY, START, Integers, Payments, Reals

WINDOWS = (1, 7, 30)  # days
DELAY = 7  # days until a fraud is known
FIRST_WHOLE_DAY = DELAY + max(WINDOWS)  # before it windows reach back to before the world began
FEATURES = (
    "TX_AMOUNT",
    "TX_DURING_WEEKEND",
    "TX_DURING_NIGHT",
    *(f"CUSTOMER_ID_{what}_{w}DAY_WINDOW" for w in WINDOWS for what in ("NB_TX", "AVG_AMOUNT")),
    *(f"TERMINAL_ID_{what}_{w}DAY_WINDOW" for w in WINDOWS for what in ("NB_TX", "RISK")),
)
_NIGHT_ENDS = 6  # the hour that is still night
_SATURDAY = 5


def features(payments: Payments) -> NDArray[np.float32]:
    """[n, 15], as the models take them."""
    hour = payments.seconds % DAY // 3600
    weekday = (payments.day + START.weekday()) % 7
    columns = [payments.amount, weekday >= _SATURDAY, hour <= _NIGHT_ENDS]
    for days in WINDOWS:
        count, total = _window(payments.customer, payments.seconds, payments.amount, days, delay=0)
        columns += [count, total / count]
    for days in WINDOWS:
        count, frauds = _window(payments.terminal, payments.seconds, payments.fraud, days, delay=DELAY)
        columns += [count, frauds / np.maximum(count, 1)]
    return np.column_stack(columns).astype(np.float32)


def _window(
    owner: Integers, seconds: Integers, value: Reals | Integers, days: int, *, delay: int
) -> tuple[Integers, Reals]:
    """How many of its owner's payments, and the sum of their values, in (t - delay - days, t - delay].

    One line of numbers holds all owners one behind the other, so far apart that no window reaches the one
    before: two binary searches a payment, no loop."""
    apart = int(seconds.max()) + (delay + days + 1) * DAY
    place = owner * apart + seconds
    order = np.argsort(place, kind="stable")
    places = place[order]
    sums = np.concatenate([[0.0], np.cumsum(value[order], dtype=np.float64)])
    end = places - delay * DAY
    low = np.searchsorted(places, end - days * DAY, side="right")
    high = np.searchsorted(places, end, side="right")
    count, total = np.empty_like(place), np.empty(len(place))
    count[order], total[order] = high - low, sums[high] - sums[low]
    return count, total
