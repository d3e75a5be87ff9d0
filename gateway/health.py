"""Which of the services behind the gateway are up, as they were last seen."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from gateway.errors import GatewayError

log = logging.getLogger(__name__)

WITHIN_S = 2.0  # a service that has not answered by then is down


class State(StrEnum):
    UP = "up"
    DOWN = "down"
    OFF = "off"  # this deployment has none


@dataclass(frozen=True, slots=True)
class Service:
    name: str
    state: State
    detail: str | None  # why it is so, in constant words
    since: float  # epoch; when this process first saw it so


@dataclass(frozen=True, slots=True)
class ReplicaSeen:
    """One of several servers that do the same, as calls and probes found it."""

    replica: int  # its place in the list of addresses
    state: State
    since: float  # epoch


Seen = tuple[State, str | None]  # and why
Look = Callable[[], Awaitable[Seen]]  # raises GatewayError for what is down
SEEN_UP: Seen = State.UP, None


class Health:
    def __init__(self, looks: Mapping[str, Look]) -> None:
        """`looks`: by the service's name, in the order in which they are told."""
        self._looks = looks
        self._seen: dict[str, Service] = {}

    async def look(self, name: str) -> bool:
        """Whether that service is up, within two seconds."""
        try:
            async with asyncio.timeout(WITHIN_S):
                state, detail = await self._looks[name]()
        except TimeoutError:
            state, detail = State.DOWN, f"It did not answer within {WITHIN_S:.0f} s."
        except GatewayError as error:
            state, detail = State.DOWN, error.message
        known = self._seen.get(name)
        since = known.since if known and known.state is state else time.time()
        if known and known.state is not state:
            level = logging.WARNING if state is State.DOWN else logging.INFO
            log.log(level, "%s is %s%s", name, state.value, f": {detail}" if detail else "")
        self._seen[name] = Service(name, state, detail, since)
        return state is State.UP

    def all(self) -> list[Service]:
        """Those that were looked at."""
        return [self._seen[name] for name in self._looks if name in self._seen]
