"""The stand-in and the load against each other: a fault is seen as what it is, capacity is what was said."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chaos import asks
from chaos.board import Board, Field, Mode
from chaos.client import Ask, Client, End, Outcome
from chaos.load import Load, closed_loop
from chaos.processes import free_port
from chaos.upstream import Connection, Upstream

SLOTS, PROMPT_S, TOKEN_S = 4, 0.02, 0.002


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path / "board")


@pytest.fixture
async def client(board: Board) -> AsyncIterator[Client]:
    port = free_port()
    upstream = Upstream(board, SLOTS, PROMPT_S, TOKEN_S)
    listening = await asyncio.get_running_loop().create_server(
        lambda: Connection(upstream), "127.0.0.1", port
    )
    watching = asyncio.create_task(upstream.watch())
    client = Client(port)
    yield client
    client.close()
    watching.cancel()
    listening.close()
    for connection in list(upstream.connections):
        connection.reset()
    await asyncio.sleep(0.05)


def chat(*, stream: bool = False) -> Ask:
    return asks.chat(random.Random(1), stream=stream)


async def asked(client: Client, *, stream: bool = False) -> Outcome:
    async with asyncio.timeout(10):
        return await client.ask(chat(stream=stream))


async def test_no_more_are_answered_at_once_than_there_are_slots(client: Client, board: Board) -> None:
    most = SLOTS / (PROMPT_S + asks.TOKENS * TOKEN_S)

    rate = await closed_loop(client, chat(), 4 * SLOTS, 1.0)

    assert 0 < rate <= 1.02 * most
    assert board[Field.WAITING] == 0


async def test_a_caller_that_hangs_up_frees_its_slot(client: Client, board: Board) -> None:
    board[Field.MODE] = Mode.HANGS
    impatient = [asyncio.create_task(client.ask(chat())) for _ in range(SLOTS)]
    while board[Field.CHATS] < SLOTS:
        await asyncio.sleep(0.01)
    other = Client(client.port)
    board[Field.MODE] = Mode.RESET
    ended = await asyncio.gather(*impatient)
    board[Field.MODE] = Mode.WELL
    await asyncio.sleep(0.05)

    assert {one.how for one in ended} <= {End.CUT, End.NO_ANSWER}
    assert (await asked(other)).is_good
    other.close()


@pytest.mark.parametrize("stream", [False, True])
async def test_well_is_whole(client: Client, board: Board, stream: bool) -> None:
    outcome = await asked(client, stream=stream)

    assert outcome.is_good
    assert outcome.due <= outcome.first <= outcome.end
    assert board[Field.ANSWERED] == 1


@pytest.mark.parametrize(
    ("mode", "stream", "how"),
    [
        (Mode.RESET, False, End.NO_ANSWER),
        (Mode.NOT_HTTP, False, End.CUT),
        (Mode.HALF, False, End.CUT),
        (Mode.HALF, True, End.CUT),
    ],
)
async def test_a_fault_is_seen_as_what_it_is(
    client: Client, board: Board, mode: Mode, stream: bool, how: End
) -> None:
    board[Field.MODE] = mode

    assert (await asked(client, stream=stream)).how is how


async def test_a_busy_one_says_so(client: Client, board: Board) -> None:
    board[Field.MODE] = Mode.BUSY

    assert (await asked(client)).status == 503


async def test_a_silent_one_says_nothing_of_its_health_either(client: Client, board: Board) -> None:
    board[Field.MODE] = Mode.SILENT

    for ask in (chat(), asks.get("/health")):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await client.ask(ask)


async def test_who_is_not_there_is_told_from_who_does_not_answer() -> None:
    assert (await Client(free_port()).ask(chat())).how is End.NO_CONNECTION


async def test_a_verdict_fits_the_schema_that_was_asked_for(client: Client, board: Board) -> None:
    schema = {"properties": {"comment": {"type": "string"}, "level": {"type": "integer", "enum": [0, 1, 2]}}}
    body = {
        "messages": [],
        "response_format": {"type": "json_schema", "json_schema": {"name": "verdict", "schema": schema}},
    }

    status, answer = await client.body(asks.ask("grade", "POST", "/v1/chat/completions", body))

    assert status == 200
    assert b'\\"level\\": 2' in answer
    assert board[Field.GRADINGS] == 1


async def test_a_server_that_stops_is_felt_by_everybody_who_was_due_meanwhile(
    client: Client, board: Board
) -> None:
    """A client that waits for answers before it asks again would have sent one slow request."""
    load = Load(lambda _: asks.get("/v1/models"), 200.0, lambda: client)
    running = asyncio.create_task(load.run(1.0))
    while len(load.outcomes) < 20:
        await asyncio.sleep(0.01)
    loop = asyncio.get_running_loop()
    stopped = loop.time()
    # In one loop with the server: nothing is answered, and nothing is sent.
    until = stopped + 0.4
    while loop.time() < until:
        pass
    outcomes = await running

    felt = [one for one in outcomes if stopped <= one.due < until - 0.05]
    assert len(felt) > 30
    assert all(one.seconds >= until - one.due for one in felt)


def test_what_was_counted_outlives_who_counted(tmp_path: Path) -> None:
    Board(tmp_path / "board").add(Field.CHATS, 3)

    assert Board(tmp_path / "board")[Field.CHATS] == 3
