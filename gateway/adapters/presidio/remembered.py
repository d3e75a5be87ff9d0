"""Passages that were analysed before: questions, references and earlier turns come again and again."""

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Sequence

from gateway.domain import MaskingPolicy, Passage, Span
from gateway.ports import Analyzer

_ALGORITHM = "sha256"


class Remembered:
    """An Analyzer over another one. It keeps where something was found, under an HMAC of the passage with a
    key of this process's own: never a word of it.

    `size`: spans and passages kept, together, about 300 bytes each; the longest unused ones go first.
    """

    def __init__(self, analyzer: Analyzer, size: int) -> None:
        self._analyzer = analyzer
        self._size = size
        self._key = secrets.token_bytes(32)
        self._kept: OrderedDict[bytes, tuple[Span, ...]] = OrderedDict()
        self._weight = 0

    async def analyze(self, passages: Sequence[Passage], policy: MaskingPolicy) -> list[list[Span]]:
        """See the port; only what is new is analysed."""
        keys = [self._key_of(passage, policy) for passage in passages]
        new = {key: passage for key, passage in zip(keys, passages, strict=True) if key not in self._kept}
        found = {key: self._recall(key) for key in keys if key not in new}
        if new:
            analyzed = await self._analyzer.analyze([*new.values()], policy)
            for key, spans in zip(new, analyzed, strict=True):
                found[key] = tuple(spans)
                self._keep(key, found[key])
        return [[*found[key]] for key in keys]

    def _key_of(self, passage: Passage, policy: MaskingPolicy) -> bytes:
        kinds = ",".join(sorted(policy.kinds))
        head = f"{kinds}|{policy.spare_cited}|{policy.language}|{passage.program}|{passage.seams}|"
        text = f"{head}{len(passage.about)}|{passage.about}{passage.text}"
        return hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), _ALGORITHM)

    def _recall(self, key: bytes) -> tuple[Span, ...]:
        self._kept.move_to_end(key)
        return self._kept[key]

    def _keep(self, key: bytes, spans: tuple[Span, ...]) -> None:
        if key in self._kept or len(spans) >= self._size:  # kept meanwhile by another request, or too much
            return
        self._kept[key] = spans
        self._weight += 1 + len(spans)
        while self._weight > self._size:
            _, dropped = self._kept.popitem(last=False)
            self._weight -= 1 + len(dropped)
