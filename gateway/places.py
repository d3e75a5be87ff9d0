"""Places at the servers: how many requests may be at each one at once, and who gets the next.

Each server has its own, so that a slow one takes nobody's place elsewhere. Taking one costs about a
microsecond, waits for nothing, and comes before everything that costs more.
"""

from collections import Counter
from collections.abc import Mapping
from types import TracebackType

from gateway.admission import FixedLimit, Limit
from gateway.domain import Caller, Priority, Server
from gateway.errors import Overloaded, RateLimited

_OVER = 0.1  # of the limit: room for a key with less than its even share where others have taken everything


class Room:
    """The places at one server."""

    __slots__ = ("_batch_share", "_by_key", "batches", "calls", "in_flight", "limit")

    def __init__(self, limit: Limit, batch_share: float) -> None:
        """`batch_share`: of the limit, those that batches may take."""
        self.limit = limit
        self._batch_share = batch_share
        self._by_key: Counter[str] = Counter()
        self.in_flight = 0
        self.batches = 0  # of them
        self.calls = 0  # of the server under way: a request may make none, or several

    @property
    def crowd(self) -> int:
        """Calls under way there, at least one. Not places: with masking as the bottleneck 138 were taken with
        hardly a call there, whose fast answers let the limit grow."""
        return max(self.calls, 1)

    def take(self, key_id: str, priority: Priority) -> None:
        """Raises Overloaded when there is no place for that key."""
        most = self.limit.now
        if priority is Priority.BATCH and self.batches >= max(1, int(most * self._batch_share)):
            raise _full()
        if self.in_flight >= most:
            held = self._by_key.get(key_id, 0)
            poor = not held or held < most // len(self._by_key)
            if priority is Priority.BATCH or not poor or self.in_flight >= most + max(1, int(most * _OVER)):
                raise _full()
        self.in_flight += 1
        self.batches += priority is Priority.BATCH
        self._by_key[key_id] += 1

    def give_back(self, key_id: str, priority: Priority) -> None:
        self.in_flight -= 1
        self.batches -= priority is Priority.BATCH
        if self._by_key[key_id] == 1:
            del self._by_key[key_id]
        else:
            self._by_key[key_id] -= 1


class Rooms:
    """Those of all servers."""

    def __init__(self, rooms: Mapping[Server, Room]) -> None:
        self._rooms = dict(rooms)
        self._by_key: Counter[str] = Counter()  # requests of keys that have a limit of their own

    @classmethod
    def of(cls, most: int) -> "Rooms":
        """As many places at every server, whatever comes of it."""
        return cls({server: Room(FixedLimit(most), 1.0) for server in Server})

    def __getitem__(self, server: Server) -> Room:
        return self._rooms[server]

    @property
    def in_flight(self) -> int:
        return sum(room.in_flight for room in self._rooms.values())

    def place(self, caller: Caller, server: Server, priority: Priority) -> "Place":
        """For a request, for as long as it is entered."""
        return Place(self, caller, server, priority)

    def begin(self, caller: Caller) -> None:
        """Raises RateLimited when the key has as many requests under way as it may."""
        if not caller.max_parallel:
            return
        if self._by_key[caller.key_id] >= caller.max_parallel:
            raise RateLimited("The key has as many requests under way as it may.", retry_after=1.0)
        self._by_key[caller.key_id] += 1

    def end(self, caller: Caller) -> None:
        if not caller.max_parallel:
            return
        if self._by_key[caller.key_id] == 1:
            del self._by_key[caller.key_id]
        else:
            self._by_key[caller.key_id] -= 1


class Place:
    """A request's, from entering to leaving: one at its server, and one at each that it also asks. Entering
    raises Overloaded and RateLimited."""

    __slots__ = ("_also", "_caller", "_priority", "_rooms", "_server")

    def __init__(self, rooms: Rooms, caller: Caller, server: Server, priority: Priority) -> None:
        self._rooms = rooms
        self._caller = caller
        self._server = server
        self._priority = priority
        self._also: tuple[Server, ...] = ()

    def also(self, server: Server) -> None:
        """One at that server too, where the request has none yet: however many of its parts go there, it is
        one request. Raises Overloaded."""
        if server is not self._server and server not in self._also:
            self._rooms[server].take(self._caller.key_id, self._priority)
            self._also = (*self._also, server)

    def __enter__(self) -> "Place":
        self._rooms.begin(self._caller)
        try:
            self._rooms[self._server].take(self._caller.key_id, self._priority)
        except Overloaded:
            self._rooms.end(self._caller)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in (self._server, *self._also):
            self._rooms[server].give_back(self._caller.key_id, self._priority)
        self._rooms.end(self._caller)


def _full() -> Overloaded:
    return Overloaded("Too many requests are being answered.", retry_after=1.0)
