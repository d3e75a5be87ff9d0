"""The guards of every request: who may enter, how many at once, what may leave."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gateway.domain import Caller, Masked, Quota, Role
from gateway.errors import Forbidden, Overloaded
from gateway.grading.placeholders import mask, new_nonce, settled
from gateway.ports import Analyzer, Keys, Limits


class Guards:
    def __init__(
        self, keys: Keys, limits: Limits, analyzer: Analyzer, *, mask_personal_data: bool, max_in_flight: int
    ) -> None:
        self._keys = keys
        self._limits = limits
        self._analyzer = analyzer
        self._max_in_flight = max_in_flight
        self._in_flight = 0
        self.masking = mask_personal_data

    def admit(self, key: bytes) -> tuple[Caller, Quota]:
        """Who is at the door, and one request taken from their rate. Raises Unauthenticated, RateLimited."""
        caller = self._keys.caller_for(key)
        return caller, self._limits.spend(caller)

    @contextmanager
    def place(self) -> Iterator[None]:
        """One of the bounded places at the models. Raises Overloaded when none is free."""
        if self._in_flight >= self._max_in_flight:
            raise Overloaded("Too many requests are being answered.", retry_after=1.0)
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1

    async def masked(self, prose: Sequence[str], programs: Sequence[str] = ()) -> Masked:
        """The texts, prose first, fit to leave. Raises MaskingUnavailable, and then nothing leaves."""
        texts = [*prose, *programs]
        if not self.masking:
            return Masked(tuple(texts), {})
        spans = await self._analyzer.analyze(prose) if prose else []
        if programs:
            spans = [*spans, *await self._analyzer.analyze(programs, code=True)]
        return settled(mask(texts, spans, new_nonce(texts), programs=len(programs)))

    @property
    def in_flight(self) -> int:
        """Requests at the models now."""
        return self._in_flight


def may_ask_models(caller: Caller) -> None:
    """Raises Forbidden for a key that may only read metrics."""
    if caller.role is Role.METRICS:
        raise Forbidden("This key may read metrics only.")
