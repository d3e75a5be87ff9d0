"""Request rates in this process's memory: a token bucket for each key."""

import time
from collections.abc import Callable

from gateway.domain import Caller, Quota
from gateway.errors import RateLimited


class MemoryRates:
    """Implements Limits. A bucket holds one minute's worth of requests and refills evenly; there are as many
    buckets as keys, so memory is bounded by the key file."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}  # key id -> (requests left, at which time)

    async def spend(self, caller: Caller) -> Quota:
        now = self._clock()
        limit = caller.requests_per_minute
        left, then = self._buckets.get(caller.key_id, (float(limit), now))
        left = min(float(limit), left + (now - then) * limit / 60)
        if left < 1:
            raise RateLimited("The key's request rate is used up.", retry_after=(1 - left) * 60 / limit)
        left -= 1
        self._buckets[caller.key_id] = (left, now)
        return Quota(limit, int(left), (limit - left) * 60 / limit)
