"""The guards of every request: who may enter, how many at once, what may leave."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from gateway.chat.texts import passage_of
from gateway.domain import (
    Caller,
    Language,
    Masked,
    MaskingPolicy,
    Passage,
    Quota,
    Role,
    Server,
    Span,
    Usage,
)
from gateway.errors import Forbidden
from gateway.grading.placeholders import mask, new_nonce, settled
from gateway.places import Place, Rooms
from gateway.ports import Analyzer, Keys, Limits
from gateway.urgency import urgency

# Characters. Replacing takes up to 0.3 ms per 1,000, if each sentence holds a name; more goes off the loop.
_LONG = 10_000
# Bytes, or characters where they are at hand: more than a token has in English (4.5) or Russian (6 bytes),
# for what is charged before an answer is not given back.
_SIZE_OF_TOKEN = 6


class Guards:
    def __init__(
        self,
        keys: Keys,
        limits: Limits,
        analyzer: Analyzer,
        policies: Mapping[str, MaskingPolicy],
        *,
        mask_personal_data: bool,
        rooms: Rooms,
    ) -> None:
        """`policies`: one for each of domain.MASKED_TASKS."""
        self._keys = keys
        self._limits = limits
        self._analyzer = analyzer
        self._policies = policies
        self._rooms = rooms
        self.masking = mask_personal_data

    def known(self, key: bytes) -> Caller:
        """Who is at the door. Raises Unauthenticated."""
        return self._keys.caller_for(key)

    async def admit(self, caller: Caller) -> Quota | None:
        """Takes one request from their rate; None: it cannot be counted now. Raises RateLimited."""
        return await self._limits.spend(caller)

    def place(self, caller: Caller, server: Server) -> Place:
        """One of the bounded places at a server, for as long as it is entered. Entering raises Overloaded
        when none is free, RateLimited when the key has as many requests under way as it may."""
        return self._rooms.place(caller, server, urgency().priority)

    async def charge(self, caller: Caller, size: int) -> int:
        """Takes what a request of that size will use at least from its caller's tokens, and tells how many.
        Raises RateLimited."""
        if not caller.tokens_per_minute:
            return 0
        tokens = 1 + size // _SIZE_OF_TOKEN
        await self._limits.charge(caller, tokens)
        return tokens

    def settle(self, caller: Caller, charged: int, usage: Usage) -> None:
        """Takes what an answer has used beyond what was charged. The answer is its caller's in any case."""
        self._limits.settle(caller, usage.prompt_tokens + usage.completion_tokens - charged)

    async def close(self) -> None:
        await self._limits.close()

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
        return self._rooms.in_flight

    @property
    def places(self) -> Mapping[Server, tuple[int, int]]:
        """By server: requests that are there, and how many may be now."""
        return {server: (self._rooms[server].in_flight, self._rooms[server].limit.now) for server in Server}


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
