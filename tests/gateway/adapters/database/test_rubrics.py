"""Rubrics: their versions sort as numbers, and none that is used changes."""

import asyncio

import pytest

from gateway.adapters.database.database import Database
from gateway.adapters.database.ledger import DatabaseLedger
from gateway.adapters.database.rubrics import DatabaseRubrics
from gateway.errors import Conflict, GatewayError, InvalidRequest, NotFound
from tests.gateway.adapters.database.facts import record, rubric


@pytest.fixture
def rubrics(database: Database) -> DatabaseRubrics:
    return DatabaseRubrics(database)


async def test_a_rubric_is_read_as_it_was_added(rubrics: DatabaseRubrics) -> None:
    added = await rubrics.add(rubric("1.2.3"), "teacher")
    assert (added.rubric, added.key_id, added.used) == (rubric("1.2.3"), "teacher", False)
    assert await rubrics.get("essay", "1.2.3") == added


async def test_without_a_version_the_newest_is_meant_by_numbers_not_by_letters(
    rubrics: DatabaseRubrics,
) -> None:
    for version in ("1.10.0", "1.9.0", "1.9.12", "0.99.99"):
        await rubrics.add(rubric(version), "teacher")
    assert (await rubrics.get("essay")).rubric.version == "1.10.0"


@pytest.mark.parametrize("version", [None, "1.0.1", "one", "1.0", "01.0.0", "9999999999.0.0"])
async def test_a_rubric_that_is_not_there_is_not_found(rubrics: DatabaseRubrics, version: str | None) -> None:
    await rubrics.add(rubric(name="essays"), "teacher")
    with pytest.raises(NotFound):
        await rubrics.get("essay", version)


async def test_a_version_is_added_once_even_with_the_same_content(rubrics: DatabaseRubrics) -> None:
    tries = await asyncio.gather(
        *(rubrics.add(rubric(), "teacher") for _ in range(5)), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in tries) == ["Conflict"] * 4 + ["RubricRecord"]


@pytest.mark.parametrize("version", ["1.0", "1.0.0-rc1", "v1.0.0", "1.0.00", "1.0.1234567890", "1.0.0\n"])
async def test_a_version_that_does_not_sort_is_refused(rubrics: DatabaseRubrics, version: str) -> None:
    for refused in (rubrics.add, rubrics.replace):
        with pytest.raises(InvalidRequest) as refusal:
            await refused(rubric(version), "teacher")
        assert refusal.value.param == "version"


async def test_an_unused_version_is_replaced_and_a_used_one_never(
    rubrics: DatabaseRubrics, ledger: DatabaseLedger
) -> None:
    with pytest.raises(NotFound):
        await rubrics.replace(rubric(), "teacher")
    await rubrics.add(rubric(), "teacher")
    replaced = await rubrics.replace(rubric(weight=3.0), "another")
    assert await rubrics.get("essay") == replaced
    assert (replaced.rubric, replaced.key_id) == (rubric(weight=3.0), "another")
    await ledger.keep(record(by=rubric(weight=3.0)))
    with pytest.raises(Conflict):
        await rubrics.replace(rubric(weight=4.0), "teacher")
    assert (await rubrics.get("essay")).rubric == rubric(weight=3.0)


async def test_a_rubric_is_not_replaced_while_a_grade_by_it_is_kept(
    rubrics: DatabaseRubrics, ledger: DatabaseLedger
) -> None:
    """Whoever comes first: a used version has the content that the grade was added up by."""
    for number in range(5):
        version = f"1.0.{number}"
        await rubrics.add(rubric(version), "teacher")
        _, replaced = await asyncio.gather(
            ledger.keep(record(number, by=rubric(version))),
            rubrics.replace(rubric(version, weight=9.0), "teacher"),
            return_exceptions=True,
        )
        now = await rubrics.get("essay", version)
        assert now.used == isinstance(replaced, GatewayError)
        assert now.rubric == rubric(version, weight=1.0 if now.used else 9.0)


async def test_pages_go_by_name_and_then_version(rubrics: DatabaseRubrics) -> None:
    """Names by code points in both engines, so that a page goes on where it ended."""
    names = ["Zoo", "essay", "essay-2", "\u0430\u0431\u0437\u0430\u0446"]
    for name in reversed(names):
        for version in ("2.0.0", "1.10.0", "1.9.0"):
            await rubrics.add(rubric(version, name), "teacher")
    expected = [f"{name}@{version}" for name in names for version in ("1.9.0", "1.10.0", "2.0.0")]
    after, seen = None, []
    while page := await rubrics.find(None, after, 5):
        seen += [found.rubric.id for found in page]
        after = seen[-1]
    assert seen == expected
    assert [found.rubric.id for found in await rubrics.find("essay", None, 9)] == expected[3:6]
    assert [found.rubric.id for found in await rubrics.find("essay", "essay@1.9.5", 9)] == expected[4:6]


async def test_what_is_no_rubric_cannot_be_gone_on_from(rubrics: DatabaseRubrics) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        await rubrics.find(None, "essay", 5)
    assert refusal.value.param == "after"
