"""What the users of every profile have in common: the key, one way to ask, the verdict at the end.

Read by Locust in a process of its own, which gevent has patched: nothing else imports this module.
"""

import json
import logging
import os
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from locust import FastHttpUser, User, events, task
from locust.argument_parser import LocustArgumentParser
from locust.contrib.fasthttp import ResponseContextManager
from locust.env import Environment
from locust.runners import WorkerRunner
from locust.stats import StatsEntry

from tests.load.payloads import Writer, chat
from tests.load.slo import Row, judged, read_slo, table
from tests.load.target import Target, learned

OK = range(200, 300)
CHAT = "/v1/chat/completions"
_SHED = (429, 503)


class InTurn(User):
    """Does `turns` in their order, for ever, each user beginning one further: Locust's dice could leave a row
    unasked in a run of seconds."""

    abstract = True
    turns: ClassVar[Sequence[Callable[[Any], None]]]
    _begun: ClassVar[dict[str, int]] = {}  # users of each class so far

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        name = type(self).__name__
        self._turn = self._begun[name] = self._begun.get(name, -1) + 1

    @task
    def next_turn(self) -> None:
        turn = self.turns[self._turn % len(self.turns)]
        self._turn += 1
        turn(self)


class Asking(InTurn, FastHttpUser):
    """A caller with the key of the environment's AUTH_TOKEN."""

    abstract = True
    sheds = False  # True: a refusal under load that says when to come back is a row of its own, and no error

    def __init__(self, environment: Environment) -> None:
        # A hang is an error of the request, not of the run: it ends before Locust would kill its user.
        self.network_timeout = self.connection_timeout = environment.parsed_options.patience
        super().__init__(environment)
        self.write = Writer()
        self.target: Target = environment.target  # type: ignore[attr-defined]
        self.key = {"authorization": f"Bearer {os.environ['AUTH_TOKEN']}"}

    def ask(
        self,
        name: str,
        path: str,
        body: Any = None,
        *,
        good: Container[int] = OK,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """One request of the row `name`; bytes go as they are, anything else as JSON. Only a status in `good`
        is no error. `headers`: in the place of the key's."""
        with self._asked(name, path, body, method, headers, stream=False) as answer:
            self._judge(name, answer, good)

    def chat(self, name: str, messages: list[dict[str, Any]] | None = None) -> None:
        self.ask(name, CHAT, chat(self.target.chat_model, messages or self.write.message()))

    def stream(self, name: str) -> None:
        """A streamed chat: whole when its last event came, and another row of the time to its first byte."""
        body = chat(self.target.chat_model, self.write.message(), stream=True)
        began = time.perf_counter()
        with self._asked(name, CHAT, body, "POST", None, stream=True) as answer:
            if answer.status_code not in OK:
                self._judge(name, answer, OK)
                return
            pieces = answer.iter_content(1, decode_content=False)
            text = next(pieces, b"")
            first_ms = (time.perf_counter() - began) * 1000
            text += b"".join(answer.iter_content(1 << 16, decode_content=False))
            answer.request_meta["response_time"] = (time.perf_counter() - began) * 1000
            answer.request_meta["response_length"] = len(text)
            if text.rstrip().endswith(b"data: [DONE]") and b'"error"' not in text:
                answer.success()
            else:
                answer.failure("the stream broke")
        self.environment.events.request.fire(
            request_type="SSE",
            name=f"{name}: first byte",
            response_time=first_ms,
            response_length=0,
            exception=None,
            context={},
        )

    @contextmanager
    def _asked(
        self,
        name: str,
        path: str,
        body: Any,
        method: str,
        headers: Mapping[str, str] | None,
        *,
        stream: bool,
    ) -> Iterator[ResponseContextManager]:
        raw = body if isinstance(body, bytes | None) else json.dumps(body, ensure_ascii=False).encode()
        sent = {"content-type": "application/json", **(self.key if headers is None else headers)}
        with self.client.request(
            method, path, name=name, data=raw, headers=sent, catch_response=True, stream=stream
        ) as answer:
            yield answer

    def _judge(self, name: str, answer: ResponseContextManager, good: Container[int]) -> None:
        status = answer.status_code
        if status in good:
            answer.success()
        elif self.sheds and status in _SHED and answer.headers.get("retry-after"):
            answer.request_meta["name"] = f"{name}: shed"
            answer.success()
        elif status:
            answer.failure(f"{status} {_code(answer)}")
        # Without a status it failed already, for the reason that the client gave.


def _code(answer: ResponseContextManager) -> str:
    """Our word for what went wrong, on either of the error shapes; nothing else of the answer."""
    try:
        body = json.loads(answer.content)
        return str(body.get("error", body)["code"])
    except (ValueError, TypeError, AttributeError, KeyError):
        return "without a code"


# Locust finds what is below by these decorators when it has loaded a profile.


@events.init_command_line_parser.add_listener
def _options(parser: LocustArgumentParser) -> None:
    parser.add_argument("--slo", help="the file of objectives")
    parser.add_argument("--rpc", help="HOST:PORT of the gRPC door")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds, then a request has failed")


@events.init.add_listener
def _learn(environment: Environment, **_: Any) -> None:
    environment.target = learned(environment.host, os.environ["AUTH_TOKEN"])  # type: ignore[attr-defined]


@events.quitting.add_listener
def _decide(environment: Environment, **_: Any) -> None:
    """Exit code 1 where an objective was missed. The table stands in the place of Locust's own three."""
    if isinstance(environment.runner, WorkerRunner):
        return
    options = environment.parsed_options
    total = environment.stats.total
    seconds = (total.last_request_timestamp or 0.0) - total.start_time
    rows = [_row(entry, seconds) for _, entry in sorted(environment.stats.entries.items())]
    verdicts = judged(read_slo(Path(options.slo), options.profile), rows)
    missed = any(one.faults for one in verdicts)
    environment.process_exit_code = 1 if missed else 0
    logging.getLogger("locust.stats_logger").setLevel(logging.WARNING)
    errors = [f"{one.occurrences} x {one.name}: {one.error}" for one in environment.stats.errors.values()]
    word = "MISSED" if missed else "KEPT"
    print("\n".join([table(verdicts), *errors, f"{word}: {options.profile} by {options.slo}"]))  # noqa: T201


def _row(entry: StatsEntry, seconds: float) -> Row:
    """Locust rounds times above 100 ms to two figures."""
    p50, p95 = (entry.get_response_time_percentile(share) for share in (0.5, 0.95))
    return Row(entry.name, entry.num_requests, entry.num_failures, p50, p95, seconds)
