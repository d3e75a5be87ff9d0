"""Observations are kept as they were measured, read back evenly, and deleted a few at a time."""

import math
import sqlite3
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import BigInteger, cast, func, insert, select, text

from gateway.adapters.database import traffic as module
from gateway.adapters.database.database import Database
from gateway.adapters.database.drift import DatabaseDrift
from gateway.adapters.database.drift_tables import traffic
from gateway.adapters.database.retention import counts
from gateway.adapters.database.traffic import DatabaseTraffic, halves
from gateway.drift.facts import Observation, Sighting, Window
from gateway.drift.recorder import Recorder, TrafficPace
from gateway.errors import NotFound, StoreUnavailable
from tests.gateway.adapters.database.drift_facts import DAY, NOON, at, noted, reference

BARE = Observation(NOON, "churn", "3", None, None, None, None, None, None)
WHOLE = Observation(at(1), "spam", "v7", 140, "ru", "спам", 0.1, 0.9999, (0.5, -0.25, 0.0, 1.0))


@pytest.fixture
def log(database: Database) -> DatabaseTraffic:
    return DatabaseTraffic(database)


async def test_an_observation_comes_back_as_it_was(log: DatabaseTraffic) -> None:
    await log.add([WHOLE, BARE])
    await log.add([])
    assert await log.read("spam", DAY, 10) == (1, [WHOLE])
    assert await log.read("churn", DAY, 10) == (1, [BARE])
    assert await log.read("nobody", DAY, 10) == (0, [])


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=500).filter(lambda vector: math.hypot(*vector) > 0.01))
def test_of_a_unit_vector_hardly_anything_is_lost(vector: list[float]) -> None:
    length = math.hypot(*vector)
    unit = [number / length for number in vector]
    packed = halves(unit)
    assert len(packed) == 2 * len(unit)
    again = module._numbers(packed)
    assert all(abs(one - other) <= 0.00025 for one, other in zip(unit, again, strict=True))
    assert abs(sum(one * other for one, other in zip(unit, again, strict=True)) - 1) < 0.001


async def test_a_window_begins_with_its_first_moment_and_ends_before_its_last(log: DatabaseTraffic) -> None:
    every = [replace(WHOLE, at=at(minute)) for minute in (3, 0, 1, 2)]
    await log.add(every)
    there, found = await log.read("spam", Window(at(1), at(3)), 10)
    assert there == 2
    assert [one.at for one in found] == [at(1), at(2)]


async def test_of_many_as_many_as_wanted_are_read_evenly_and_the_same_ones_each_time(
    database: Database, log: DatabaseTraffic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ASKED", 7)
    await noted(database, "spam", range(600))
    await noted(database, "other", range(600))
    there, found = await log.read("spam", DAY, 50)
    assert there == 600
    assert [one.at for one in found] == [at(minute) for minute in range(0, 600, 12)]
    assert await log.read("spam", DAY, 50) == (there, found)
    there, every = await log.read("spam", DAY, 600)
    assert there == len(every) == 600


async def test_a_reference_keeps_its_observations_when_the_live_ones_are_pruned(
    database: Database, log: DatabaseTraffic
) -> None:
    every = [replace(WHOLE, at=at(minute)) for minute in range(5)]
    await log.add(every)
    kept = await DatabaseDrift(database).keep(reference("spam"), 100)
    assert await log.read_reference(kept.id) == every
    assert await log.read("spam", DAY, 100) == (5, every)
    assert await log.prune(at(3)) == 3
    assert await log.read("spam", DAY, 100) == (2, every[3:])
    assert await log.read_reference(kept.id) == every


async def test_a_reference_that_is_not_there_is_not_found(log: DatabaseTraffic) -> None:
    with pytest.raises(NotFound):
        await log.read_reference("ref_nobody")


async def test_pruning_goes_on_until_all_that_is_older_is_gone(
    database: Database, log: DatabaseTraffic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BATCH", 10)
    await noted(database, "spam", range(35))
    assert await log.prune(at(33)) == 33
    assert await log.prune(at(33)) == 0
    assert (await counts(database))["traffic"] == 2


async def test_numbers_go_on_beyond_32_bits(database: Database, log: DatabaseTraffic) -> None:
    def late(connection: object) -> None:
        values = {"number": 2**31 - 1, "at": NOON, "model": "spam", "version": "1"}
        connection.execute(insert(traffic), values)  # type: ignore[attr-defined]
        if database.engine == "postgresql":
            name = text("SELECT setval(pg_get_serial_sequence('traffic', 'number'), 2147483647)")
            connection.execute(name)  # type: ignore[attr-defined]

    await database.write(late)
    await log.add([WHOLE])
    highest = select(func.max(cast(traffic.c.number, BigInteger)))
    assert await database.read(lambda connection: connection.scalar(highest)) == 2**31


async def test_a_store_that_is_closed_takes_nothing(address: str) -> None:
    with pytest.raises(StoreUnavailable):
        await DatabaseTraffic(Database(address)).add([WHOLE])


async def test_nothing_of_a_text_is_in_the_file(tmp_path: Path) -> None:
    """Its bytes, and those of its log: neither the words nor a part of them, in any encoding."""
    database = Database(f"sqlite:///{tmp_path}/gateway.db")
    await database.start()
    recorder = Recorder(
        DatabaseTraffic(database), None, TrafficPace(10.0, 10.0, window_s=3_600.0), lambda _, __: None
    )
    secret = "Zanzibar, ветряная мельница"
    recorder.saw(Sighting("grader-llm", "tiny", secret, label="a-label-that-is-kept", score=0.5))
    await recorder.close()
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())  # noqa: ASYNC240 - a test alone
    assert b"a-label-that-is-kept" in kept
    for word in secret.split():
        for encoding in ("utf-8", "utf-16-le", "cp1251"):
            assert word.encode(encoding, "replace") not in kept
    await database.close()
    with sqlite3.connect(tmp_path / "gateway.db") as connection:
        (row,) = connection.execute("SELECT text_length, language, embedding FROM traffic").fetchall()
    connection.close()
    assert row == (len(secret), "ru", None)


async def test_ten_years_are_no_window_of_its_own(log: DatabaseTraffic) -> None:
    await log.add([WHOLE])
    wide = Window(NOON - timedelta(days=3_650), NOON + timedelta(days=3_650))
    assert await log.read("spam", wide, 1) == (1, [WHOLE])
