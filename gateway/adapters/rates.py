"""Request and token rates by the library `limits`: sliding windows of a minute, in this process's memory or
in a Redis that several processes share.

Of each window a counter, weighted by its share of the last minute: counting one request and telling what is
left takes 13 microseconds. A log of the minute took 55 and an entry for each token; one counter that begins
anew took 8, and lets twice the rate through around its end.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, TypeVar

from limits.aio.storage import MemoryStorage

from gateway.domain import Caller, Quota
from gateway.errors import RateLimited
from gateway.tasks import ended

_MINUTE_S = 60
_LEFT_ALONE_S = 1.0
_REDIS_CONNECTIONS = 16

T = TypeVar("T")


class Windows(Protocol):
    """What is used of a storage of `limits`."""

    async def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Whether so much was free, and then it is taken."""

    async def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """What was taken in the window before, and its seconds left to count; the same of this one."""


@dataclass(frozen=True, slots=True)
class Window:
    """How much of a minute's worth is taken: what was taken in the window before counts by the share of it
    that the last 60 s still hold."""

    before: int
    before_s: float  # until nothing of it counts
    current: int
    current_s: float  # the same, 60 s after its end

    @property
    def taken(self) -> float:
        return self.before * self.before_s / _MINUTE_S + self.current

    @property
    def empty_in_s(self) -> float:
        """Until nothing is taken, where nobody asks."""
        return self.current_s if self.current else self.before_s if self.before else 0.0

    def free_in_s(self, amount: int, limit: int) -> float:
        """Until `amount` of `limit` is free, where nobody asks; a whole limit at most."""
        room = limit - min(amount, limit)
        over = self.taken - room
        if over <= 0:
            return 0.0
        if self.current <= room:
            return over * _MINUTE_S / self.before
        # Only when this window is the one before does what was taken in it fade.
        return max(0.0, self.current_s - _MINUTE_S * room / self.current)


class Rates:
    """Implements Limits over windows that are at hand, or over ones that may be away: then who asks is let
    in, which is counted, and they are left alone for a second."""

    def __init__(
        self,
        windows: Windows,
        *,
        timeout_s: float | None = None,
        errors: tuple[type[Exception], ...] = (),
        uncounted: Callable[[], None] = lambda: None,
        close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`timeout_s`, `errors`: after which and by which the windows are away; None: they never are.
        `uncounted` is called for every request that is let in so."""
        self._windows = windows
        self._timeout_s = timeout_s
        self._errors: tuple[type[Exception], ...] = (TimeoutError, OSError, *errors)
        self._uncounted = uncounted
        self._close = close
        self._away_until = 0.0
        self._token_limits: dict[str, int] = {}  # of the keys that have one, as they last asked
        self._owed: dict[str, int] = {}  # tokens by key that no window holds yet, a minute's worth at most
        self._paying: asyncio.Task[None] | None = None

    async def spend(self, caller: Caller) -> Quota | None:
        return await self._counted(lambda: self._spent(caller))

    async def charge(self, caller: Caller, tokens: int) -> None:
        limit = caller.tokens_per_minute
        if limit and tokens > 0:
            await self._counted(lambda: self._take("tokens", caller.key_id, limit, min(tokens, limit)))

    def settle(self, caller: Caller, tokens: int) -> None:
        key_id = caller.key_id
        limit = caller.tokens_per_minute or self._token_limits.get(key_id, 0)
        if not limit or tokens <= 0:
            return
        self._owed[key_id] = min(self._owed.get(key_id, 0) + tokens, limit)
        if self._paying is None or self._paying.done():
            self._paying = asyncio.create_task(self._pay_all(), name="token rates")

    async def close(self) -> None:
        if self._paying is not None:
            await ended(self._paying)
        if self._close is not None:
            await self._close()

    async def _counted(self, count: Callable[[], Awaitable[T]]) -> T | None:
        if self._timeout_s is None:
            return await count()
        if time.monotonic() < self._away_until:
            self._uncounted()
            return None
        try:
            async with asyncio.timeout(self._timeout_s):
                return await count()
        except self._errors:
            self._away_until = time.monotonic() + _LEFT_ALONE_S
            self._uncounted()
            return None

    async def _spent(self, caller: Caller) -> Quota:
        key_id, tokens_limit = caller.key_id, caller.tokens_per_minute
        tokens = await self._tokens(key_id, tokens_limit) if tokens_limit else None
        await self._take("requests", key_id, caller.requests_per_minute, 1)
        window = await self._window("requests", key_id)
        limit = caller.requests_per_minute
        remaining = max(0, int(limit - window.taken))
        if tokens is None:
            self._token_limits.pop(key_id, None)
            return Quota(limit, remaining, window.empty_in_s)
        left = max(0, int(tokens_limit - tokens.taken))
        return Quota(limit, remaining, window.empty_in_s, tokens_limit, left, tokens.empty_in_s)

    async def _tokens(self, key_id: str, limit: int) -> Window:
        """Raises RateLimited when there is none left, or when some are still owed."""
        self._token_limits[key_id] = limit
        await self._pay(key_id, limit)
        window = await self._window("tokens", key_id)
        if key_id in self._owed or limit - window.taken < 1:
            raise _used_up("tokens", window.free_in_s(self._owed.get(key_id, 1), limit))
        return window

    async def _take(self, what: str, key_id: str, limit: int, amount: int) -> None:
        """Raises RateLimited."""
        key = _key(what, key_id)
        if not await self._windows.acquire_sliding_window_entry(key, limit, _MINUTE_S, amount):
            window = await self._window(what, key_id)
            raise _used_up(what, window.free_in_s(amount, limit))

    async def _window(self, what: str, key_id: str) -> Window:
        return Window(*await self._windows.get_sliding_window(_key(what, key_id), _MINUTE_S))

    async def _pay_all(self) -> None:
        """Takes what is owed. What does not fit into its window stays owed, and keeps its key waiting."""
        for key_id in tuple(self._owed):
            limit = self._token_limits.get(key_id)
            if limit:
                await self._counted_quietly(key_id, limit)

    async def _counted_quietly(self, key_id: str, limit: int) -> None:
        async def pay() -> None:
            await self._pay(key_id, limit)

        await self._counted(pay)

    async def _pay(self, key_id: str, limit: int) -> None:
        owed = self._owed.pop(key_id, 0)
        if not owed:
            return
        paid = 0
        try:
            key = _key("tokens", key_id)
            taken = (await self._window("tokens", key_id)).taken
            most = min(owed, int(limit - taken))
            if most > 0 and await self._windows.acquire_sliding_window_entry(key, limit, _MINUTE_S, most):
                paid = most
        finally:
            rest = owed - paid + self._owed.pop(key_id, 0)  # more may have come meanwhile
            if rest > 0:
                self._owed[key_id] = min(rest, limit)


def memory_rates() -> Rates:
    """Of this process alone."""
    return Rates(MemoryStorage())


def redis_rates(url: str, timeout_s: float, uncounted: Callable[[], None]) -> Rates:
    """Of all processes that name the same Redis, at redis:// or rediss://. Make it inside the running
    loop."""
    # 0.1 s that a deployment without Redis need not wait for.
    from limits.aio.storage import RedisStorage  # noqa: PLC0415
    from redis.asyncio import BlockingConnectionPool  # noqa: PLC0415
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.exceptions import RedisError  # noqa: PLC0415

    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_REDIS_CONNECTIONS,
        timeout=timeout_s,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
    )
    # The library's types know no pool, its constructor does.
    pooled: dict[str, Any] = {"connection_pool": pool}
    windows = RedisStorage("async+redis://", implementation="redispy", key_prefix="gateway", **pooled)
    return Rates(
        windows, timeout_s=timeout_s, errors=(RedisError,), uncounted=uncounted, close=pool.disconnect
    )


@lru_cache(maxsize=4_096)
def _key(what: str, key_id: str) -> str:
    """A key's name is nobody's business who may look into Redis."""
    return f"{what}:{hashlib.sha256(key_id.encode()).hexdigest()[:32]}"


def _used_up(what: str, retry_after: float) -> RateLimited:
    words = "The key's request rate is used up." if what == "requests" else "The key's token rate is used up."
    return RateLimited(words, retry_after=max(retry_after, 0.001))
