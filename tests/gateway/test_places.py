"""Who gets a place, and who does not."""

import pytest

from gateway.admission import FixedLimit
from gateway.domain import Caller, Priority, Role, Server
from gateway.errors import Overloaded, RateLimited
from gateway.places import Place, Room, Rooms

ANN, BOB, CAROL = (Caller(name, Role.GRADER, 60) for name in ("ann", "bob", "carol"))
TWO_AT_ONCE = Caller("dora", Role.GRADER, 60, max_parallel=2)


def rooms_of(most: int, batch_share: float = 0.5) -> Rooms:
    return Rooms({server: Room(FixedLimit(most), batch_share) for server in Server})


def taken(
    rooms: Rooms, caller: Caller, count: int, server: Server = Server.LLM, priority: Priority = Priority.LIVE
) -> list[Place]:
    return [rooms.place(caller, server, priority).__enter__() for _ in range(count)]


def test_a_full_server_takes_nobodys_place_at_another() -> None:
    rooms = rooms_of(4)
    taken(rooms, ANN, 4)
    with pytest.raises(Overloaded) as refusal:
        taken(rooms, ANN, 1)
    assert refusal.value.retry_after == 1.0
    taken(rooms, ANN, 4, Server.EMBEDDINGS)
    taken(rooms, ANN, 4, Server.HERE)
    assert rooms.in_flight == 12


def test_a_key_that_has_nothing_finds_a_place_up_to_a_tenth_over() -> None:
    rooms = rooms_of(10)
    taken(rooms, ANN, 10)
    (bobs,) = taken(rooms, BOB, 1)
    for caller in (ANN, BOB, CAROL):
        with pytest.raises(Overloaded):
            taken(rooms, caller, 1)
    bobs.__exit__(None, None, None)
    taken(rooms, CAROL, 1)


def test_batches_take_their_share_and_live_requests_the_rest() -> None:
    rooms = rooms_of(10, batch_share=0.3)
    taken(rooms, ANN, 3, priority=Priority.BATCH)
    with pytest.raises(Overloaded):
        taken(rooms, BOB, 1, priority=Priority.BATCH)
    taken(rooms, BOB, 7)
    # And over the limit nobody goes for a batch.
    with pytest.raises(Overloaded):
        taken(rooms_of(1), CAROL, 2, priority=Priority.BATCH)


def test_a_key_with_less_than_its_even_share_finds_places_beside_one_that_takes_all() -> None:
    room = Room(FixedLimit(20), 0.5)
    for _ in range(20):
        room.take("hog", Priority.LIVE)
    room.take("ann", Priority.LIVE)
    room.take("ann", Priority.LIVE)  # 2 of 10
    with pytest.raises(Overloaded):
        room.take("ann", Priority.LIVE)  # 22 of 20 are taken
    room.give_back("hog", Priority.LIVE)
    with pytest.raises(Overloaded):
        room.take("hog", Priority.LIVE)  # 19 of 10
    room.take("ann", Priority.LIVE)


def test_a_batch_has_one_place_at_least() -> None:
    taken(rooms_of(1, batch_share=0.1), ANN, 1, priority=Priority.BATCH)


def test_a_key_has_so_many_under_way_at_all_servers_together() -> None:
    rooms = rooms_of(10)
    first, _ = *taken(rooms, TWO_AT_ONCE, 1), *taken(rooms, TWO_AT_ONCE, 1, Server.HERE)
    with pytest.raises(RateLimited) as refusal:
        taken(rooms, TWO_AT_ONCE, 1, Server.EMBEDDINGS)
    assert refusal.value.retry_after == 1.0
    for _ in range(3):
        first.also(Server.EMBEDDINGS)  # the same request, where another grader stands in
        first.also(Server.LLM)
    assert (rooms[Server.EMBEDDINGS].in_flight, rooms[Server.LLM].in_flight) == (1, 1)
    first.__exit__(None, None, None)
    assert rooms.in_flight == 1
    taken(rooms, TWO_AT_ONCE, 1)


def test_a_server_that_has_no_place_left_for_a_request_leaves_it_those_that_it_has() -> None:
    rooms = rooms_of(1)
    (others,) = taken(rooms, ANN, 1, Server.EMBEDDINGS)
    taken(rooms, BOB, 1, Server.EMBEDDINGS)  # and the one over the limit
    with rooms.place(CAROL, Server.LLM, Priority.LIVE) as place:
        with pytest.raises(Overloaded):
            place.also(Server.EMBEDDINGS)
        assert rooms[Server.LLM].in_flight == 1
        others.__exit__(None, None, None)
        place.also(Server.EMBEDDINGS)
        assert rooms[Server.EMBEDDINGS].in_flight == 2
    assert (rooms[Server.EMBEDDINGS].in_flight, rooms[Server.LLM].in_flight) == (1, 0)


def test_what_was_refused_leaves_nothing_behind() -> None:
    rooms = rooms_of(1)
    with rooms.place(ANN, Server.LLM, Priority.LIVE):
        for _ in range(3):
            taken(rooms, BOB, 1)[0].__exit__(None, None, None)
            with rooms.place(CAROL, Server.LLM, Priority.LIVE), pytest.raises(Overloaded):
                taken(rooms, TWO_AT_ONCE, 1)
    taken(rooms, TWO_AT_ONCE, 1)
    assert rooms.in_flight == 1
    taken(rooms, TWO_AT_ONCE, 1, Server.HERE)
