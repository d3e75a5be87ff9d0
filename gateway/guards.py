"""The guards of every request: who may enter, how many at once, what may leave."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from gateway.chat.texts import passage_of
from gateway.domain import Caller, Language, Masked, MaskingPolicy, Passage, Quota, Role, Span
from gateway.errors import Forbidden, Overloaded
from gateway.grading.placeholders import mask, new_nonce, settled
from gateway.ports import Analyzer, Keys, Limits

# Characters. Replacing takes up to 0.3 ms per 1,000, if each sentence holds a name; more goes off the loop.
_LONG = 10_000


class Guards:
    def __init__(
        self,
        keys: Keys,
        limits: Limits,
        analyzer: Analyzer,
        policies: Mapping[str, MaskingPolicy],
        *,
        mask_personal_data: bool,
        max_in_flight: int,
    ) -> None:
        """`policies`: one for each of domain.MASKED_TASKS."""
        self._keys = keys
        self._limits = limits
        self._analyzer = analyzer
        self._policies = policies
        self._max_in_flight = max_in_flight
        self._in_flight = 0
        self.masking = mask_personal_data

    def known(self, key: bytes) -> Caller:
        """Who is at the door. Raises Unauthenticated."""
        return self._keys.caller_for(key)

    async def admit(self, caller: Caller) -> Quota:
        """Takes one request from their rate. Raises RateLimited."""
        return await self._limits.spend(caller)

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

    async def masked(self, passages: Sequence[Passage], task: str) -> Masked:
        """The passages, fit to leave by the policy of `task`. Raises MaskingUnavailable, and then nothing
        leaves."""
        if not self.masking:
            return mask(passages, [()] * len(passages), "")
        return await self._masked(passages, self._policies[task])

    async def explained(self, text: str, task: str, language: Language | None = None) -> Masked:
        """What would be masked in a text of that task alone, whether masking is on or off. Raises as
        masked()."""
        passage = passage_of([text]) if task == "chat" else Passage(text, program=task == "code")
        return await self._masked([passage], replace(self._policies[task], language=language))

    async def _masked(self, passages: Sequence[Passage], policy: MaskingPolicy) -> Masked:
        spans = await self._analyzer.analyze(passages, policy)
        if sum(len(passage.text) for passage in passages) > _LONG:
            return await asyncio.to_thread(_replaced, passages, spans)
        return _replaced(passages, spans)

    @property
    def in_flight(self) -> int:
        """Requests at the models now."""
        return self._in_flight


def _replaced(passages: Sequence[Passage], spans: Sequence[Sequence[Span]]) -> Masked:
    return settled(mask(passages, spans, new_nonce([passage.text for passage in passages])))


def may_train(caller: Caller) -> None:
    """Raises Forbidden for a key that may not manage data sets and models."""
    if not caller.oversees:
        raise Forbidden("This needs a key of the role trainer or admin.")


def may_read_metrics(caller: Caller) -> None:
    """Raises Forbidden for a key that may not: they tell of everybody, what drift and reviews tell too."""
    if not caller.oversees and caller.role is not Role.METRICS:
        raise Forbidden("This needs a key of the role metrics, trainer or admin.")


def may_ask_models(caller: Caller) -> None:
    """Raises Forbidden for a key that may only read metrics."""
    if caller.role is Role.METRICS:
        raise Forbidden("This key may read metrics only.")
