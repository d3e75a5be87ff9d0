"""Requests and what is planted in them.

All kinds of personal data stand in the prose of the main texts; every other place has an e-mail address of
its own, so that what is found later tells where it came from.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.leaks.canaries import PROSE, Canary, word

ESSAY = "\n".join(said.label for said in PROSE)
CHAT = "/v1/chat/completions"
GRADE = "/v1/models/grader-llm:predict"
# As docs/store.md says: keys of the platform's own, labels, stored rubrics.
KEPT = frozenset({"store", "overseers", "the caller, later"})
LABELS = KEPT | {"model server"}
RUBRICS = KEPT | {"strangers"}


@dataclass(frozen=True, slots=True)
class Ask:
    """One request and the status that shows that it went where it was meant to go."""

    label: str
    method: str
    target: str | bytes
    body: bytes
    status: int
    headers: tuple[bytes, ...] = ()
    key: str = "one"  # of Gateway.keys, or the key itself


@dataclass(slots=True)
class Traffic:
    """The requests, in order, and what was planted in them."""

    asks: list[Ask] = field(default_factory=list)
    canaries: list[Canary] = field(default_factory=lambda: [*PROSE])
    may_be_in: dict[str, frozenset[str]] = field(default_factory=dict)  # label -> places

    def planted(self, where: str, may_be_in: frozenset[str] = frozenset()) -> str:
        """An address that nobody else writes, for this one place."""
        piece = word(len(self.canaries))
        self.canaries.append(Canary(where, (piece,)))
        self.may_be_in[where] = may_be_in
        return f"{piece}@example.org"

    def named(self, where: str, piece: str) -> str:
        """For a place that takes no address."""
        self.canaries.append(Canary(where, (piece,)))
        return piece

    def post(
        self, label: str, target: str, body: Any, status: int = 200, *headers: bytes, **more: str
    ) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        self.asks.append(Ask(label, "POST", target, raw, status, headers, **more))

    def get(self, label: str, target: str | bytes, status: int = 200, *headers: bytes) -> None:
        self.asks.append(Ask(label, "GET", target, b"", status, headers))


def plain(method: str, target: str | bytes, key: str, body: bytes = b"", *headers: bytes) -> bytes:
    """A request as bytes; nothing is checked or encoded, as a careless client would not."""
    said = target.encode() if isinstance(target, str) else target
    head = [
        method.encode() + b" " + said + b" HTTP/1.1",
        b"host: gateway",
        b"connection: close",
        b"authorization: Bearer " + key.encode(),
        b"content-length: %d" % len(body),
        *headers,
    ]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def bytes_of(ask: Ask, keys: Mapping[str, str]) -> bytes:
    return plain(ask.method, ask.target, keys.get(ask.key, ask.key), ask.body, *ask.headers)


def said(content: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "tiny", "messages": [{"role": "user", "content": content}], **fields}


def submission(traffic: Traffic, of: str, **fields: Any) -> dict[str, Any]:
    planted = traffic.planted
    return {
        "submission": f"{ESSAY}\n{planted(f'submission of {of}')}",
        "question": f"Проверь работу Вержбицкой. {planted(f'question of {of}')}",
        "reference_answers": [f"Rosalind Ashworth said: oxygen. {planted(f'reference of {of}')}"],
        "student_id": planted(f"student_id of {of}", KEPT),
        "submission_id": planted(f"submission_id of {of}", KEPT),
        "metadata": {
            "max_score": 10,
            "who": planted(f"metadata of {of}"),
            "tests": {"passed": 1, "total": 1, "results": [{"name": planted("test's name"), "passed": True}]},
        },
        **fields,
    }
