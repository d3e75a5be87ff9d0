"""Requests to the gateway of compose/, a few at once, while something is restarted, and what came back."""

import json
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any, Self

from scripts.run import DEMONSTRATION_KEY

URL = "http://127.0.0.1:38300"
AT_ONCE = 4
# What docs/errors.md lets a caller of a sound request see while a part of the deployment is away.
DOCUMENTED = {200, 502, 503, 504}
REFUSED = 0  # nobody listens, or the connection ended without an answer
QUESTIONS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "model": "model_identifier",
        "max_tokens": 8,
        "messages": [{"role": "user", "content": "Hello!"}],
    },
    "/v1/models/spam:predict": {"instances": ["You won a prize, call now!"]},
    "/v1/mask": {"text": "Меня зовут Анна Петрова, anna@example.org"},
    "/v1/models/will-pass:predict": {"instances": [{"minutes": 90, "attempts": 2, "language": "python"}]},
}


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Any


def ask(path: str, body: object = None, *, url: str = URL, timeout_s: float = 90.0) -> Answer:
    """Never raises for what a server or a connection does."""
    raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {DEMONSTRATION_KEY}", "Content-Type": "application/json"}
    if isinstance(body, bytes):
        headers["Content-Type"] = "text/csv"
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url + path, raw, headers), timeout=timeout_s
        ) as answer:
            return Answer(answer.status, json.load(answer))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read().decode())
    except (OSError, HTTPException):
        return Answer(REFUSED, None)


@dataclass(slots=True)
class Load:
    """AT_ONCE callers, each with one kind of question, one after the other, with a short breath."""

    seen: dict[str, Counter[int]] = field(default_factory=lambda: {path: Counter() for path in QUESTIONS})
    _over: threading.Event = field(default_factory=threading.Event)
    _callers: list[threading.Thread] = field(default_factory=list)

    def _call(self, path: str) -> None:
        while not self._over.is_set():
            self.seen[path][ask(path, QUESTIONS[path]).status] += 1
            self._over.wait(0.2)

    def __enter__(self) -> Self:
        self._callers = [threading.Thread(target=self._call, args=(path,)) for path in QUESTIONS]
        for caller in self._callers:
            caller.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._over.set()
        for caller in self._callers:
            caller.join()

    @property
    def statuses(self) -> set[int]:
        return {status for counter in self.seen.values() for status in counter}


def all_well(limit_s: float) -> dict[str, int]:
    """The statuses of one question of each kind, asked until all are 200 or the time is over."""
    until = time.monotonic() + limit_s
    while True:
        found = {path: ask(path, question).status for path, question in QUESTIONS.items()}
        if set(found.values()) == {200} or time.monotonic() > until:
            return found
        time.sleep(0.5)
