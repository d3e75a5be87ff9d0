"""Predictions by trained models: what an instance may be, and what happens while models come and go."""

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.adapters import onnx_models
from gateway.adapters.model_watch import ChampionWatch
from gateway.adapters.onnx_models import LoadedModel, OnnxPredictor, load
from gateway.domain import Caller, Role, Server
from gateway.drift.recorder import Unnoted
from gateway.errors import (
    Forbidden,
    InvalidRequest,
    ModelNotFound,
    ModelUnavailable,
    Overloaded,
    PayloadTooLarge,
    StoreUnavailable,
)
from gateway.grading.routing import GRADERS
from gateway.guards import Guards
from gateway.places import Rooms
from gateway.prediction import MAX_ROWS, Predictions, read_rows
from gateway.training.facts import ColumnType, Feature, ModelVersion, Signature
from tests.gateway.trained import MemoryShelf, MemoryWeights, content, version_of

CALLER = Caller("ann", Role.GRADER, 1000)
SIGNATURE = Signature(
    (
        Feature("amount", ColumnType.NUMBER),
        Feature("count", ColumnType.INTEGER),
        Feature("night", ColumnType.BOOLEAN),
        Feature("country", ColumnType.TEXT),
    ),
    "target",
    (False, True),
)


@pytest.fixture(scope="module")
def threads() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


class Served:
    """Predictions over models that a test may change."""

    def __init__(self, threads: Executor, *files: str, max_in_flight: int = 256) -> None:
        self.threads = threads
        self.weights = MemoryWeights(*files)
        self.shelf = MemoryShelf()
        self.predictor = OnnxPredictor(self.weights, 4, 1 << 20, threads)
        self.champions = ChampionWatch(self.shelf, self.predictor, 60.0)
        unasked: Any = None
        self.guards = Guards(
            unasked, unasked, unasked, {}, mask_personal_data=False, rooms=Rooms.of(max_in_flight)
        )
        self.predictions = Predictions(self.guards, self.shelf, self.champions, self.predictor, {}, Unnoted())

    async def champion(self, file: str, number: int = 1) -> ModelVersion:
        model = version_of(file, self.threads, number=number)
        self.shelf.put(model)
        await self.champions.look()
        return model


@pytest.fixture
def serve(threads: Executor) -> Callable[..., Served]:
    return lambda *files, **more: Served(threads, *files, **more)


FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
SOUND = {
    "amount": st.none() | FLOATS | st.integers(-(10**38), 10**38),
    "count": st.none() | st.integers(-(2**53), 2**53) | st.integers(-(2**53), 2**53).map(float),
    "night": st.none() | st.booleans(),
    "country": st.none() | st.text(),
}
UNSOUND = {
    "amount": st.sampled_from([math.nan, math.inf, 1e39, 10**39, True, "1", [1], {}]),
    "count": st.sampled_from([2**53 + 1, -1e16, 0.5, math.nan, math.inf, False, "1", []]),
    "night": st.sampled_from([0, 1, 0.0, "true", []]),
    "country": st.sampled_from([1, 1.0, True, ["a"], {}, "\ud800"]),
}


@pytest.fixture(scope="module")
def mixed(threads: Executor) -> LoadedModel:
    return load(content("mixed"), threads)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.fixed_dictionaries(SOUND), min_size=1, max_size=4), st.booleans())
def test_what_is_accepted_gets_a_finite_answer(
    mixed: LoadedModel, instances: list[dict[str, Any]], as_lists: bool
) -> None:
    told: list[Any] = [[one[name] for name in SOUND] for one in instances] if as_lists else instances
    predictions = asyncio.run(mixed.predict(read_rows(SIGNATURE, told)))
    for one in predictions:
        assert all(0.0 <= share <= 1.0 for share in one.probabilities.values())
        assert one.confidence == one.probabilities["true" if one.label else "false"]


@given(st.sampled_from(sorted(UNSOUND)), st.data())
def test_what_is_no_value_of_its_feature_is_refused(name: str, data: st.DataObject) -> None:
    sound = data.draw(st.fixed_dictionaries(SOUND))
    with pytest.raises(InvalidRequest) as told:
        read_rows(SIGNATURE, [sound, {**sound, name: data.draw(UNSOUND[name])}])
    assert told.value.param == "instances.1"
    assert told.value.detail == f"Feature: {name!r}."
    assert name not in told.value.message


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_no_instance_breaks_the_check(instance: Any) -> None:
    with contextlib.suppress(InvalidRequest):
        (row,) = read_rows(SIGNATURE, [instance])
        assert len(row) == 4


@pytest.mark.parametrize(
    ("instance", "detail"),
    [
        ({"amount": 1, "their secret column": 2}, "Feature: 'their secret column'."),
        ({"x" * 5_000: 2}, f"Feature: {'x' * 80!r}."),
        ({}, None),
        ([1, 2, True], None),
        ([1, 2, True, "a", 5], None),
        ("amount", None),
        (None, None),
    ],
)
def test_an_instance_of_another_form_is_refused(instance: Any, detail: str | None) -> None:
    with pytest.raises(InvalidRequest) as told:
        read_rows(SIGNATURE, [instance])
    assert told.value.detail == detail
    assert "secret" not in told.value.message


def test_what_lacks_is_not_known_and_integers_may_be_written_as_floats() -> None:
    assert read_rows(SIGNATURE, [{"count": 3.0}, [1, None, True, ""]]) == [
        (None, 3, None, None),
        (1.0, None, True, ""),
    ]


async def test_the_champion_answers_or_the_version_that_is_named(serve: Callable[..., Served]) -> None:
    served = serve("constant-1", "constant-2")
    one = await served.champion("constant-1", 1)
    await served.champion("constant-2", 2)
    served.shelf.known["payments", 1] = replace(one, champion=False)
    ask = served.predictions.predict
    assert (await ask(CALLER, "payments", None, [[0.0]])).predictions[0].label == "v2"
    told = await ask(CALLER, "payments", 1, [{"amount": 5}] * 2)
    assert (told.model, told.version, [one.label for one in told.predictions]) == (
        "payments",
        "1",
        ["v1", "v1"],
    )
    for name, version in (
        ("payments", 3),
        ("cards", None),
        ("../payments", None),
        ("Payments", 1),
        ("\0", 1),
    ):
        with pytest.raises(ModelNotFound):
            await ask(CALLER, name, version, [[0.0]])


async def test_no_trained_model_answers_to_a_graders_name(serve: Callable[..., Served]) -> None:
    """One that was put into the registry by hand may have it."""
    served = serve("constant-1")
    model = await served.champion("constant-1")
    for name in GRADERS:
        served.shelf.put(replace(model, name=name))
    await served.champions.look()
    assert [one.name for one in served.predictions.all()] == ["payments"]
    for name in GRADERS:
        for version in (None, 1):
            with pytest.raises(ModelNotFound):
                await served.predictions.predict(CALLER, name, version, [[0.0]])


async def test_a_model_that_was_made_since_the_last_look_answers(serve: Callable[..., Served]) -> None:
    served = serve("constant-1")
    served.shelf.put(version_of("constant-1", served.threads))
    assert served.predictions.served("payments") is None
    assert (await served.predictions.predict(CALLER, "payments", None, [[0.0]])).version == "1"


async def test_bounds_and_rights(serve: Callable[..., Served]) -> None:
    served = serve("constant-1", max_in_flight=1)
    await served.champion("constant-1")
    ask = served.predictions.predict
    assert len((await ask(CALLER, "payments", None, [[0.0]] * MAX_ROWS)).predictions) == MAX_ROWS
    with pytest.raises(PayloadTooLarge):
        await ask(CALLER, "payments", None, [[0.0]] * (MAX_ROWS + 1))
    with pytest.raises(InvalidRequest):
        await ask(CALLER, "payments", None, [])
    with pytest.raises(Forbidden):
        await ask(Caller("m", Role.METRICS, 10), "payments", None, [[0.0]])
    with pytest.raises(ModelNotFound):
        await served.predictions.pair(CALLER, "fraud", [[0.0]])
    with served.guards.place(CALLER, Server.HERE), pytest.raises(Overloaded):
        await ask(CALLER, "payments", None, [[0.0]])


async def test_a_store_of_weights_that_hangs_takes_no_place(
    serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_models, "_LOAD_WAIT_S", 0.05)
    served = serve("constant-1", "constant-2", max_in_flight=1)
    await served.champion("constant-1")
    served.weights.held.clear()
    served.shelf.put(version_of("constant-2", served.threads, name="cards"))
    ask = served.predictions.predict
    waiting = [asyncio.create_task(ask(CALLER, "cards", None, [[0.0]])) for _ in range(50)]
    async with asyncio.timeout(30):
        while not served.predictor._loading:
            await asyncio.sleep(0)
        assert served.guards.in_flight == 0
        assert (await ask(CALLER, "payments", None, [[0.0]])).predictions[0].label == "v1"
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(one, ModelUnavailable) and one.retry_after for one in outcomes)
    await served.predictor.close()


async def test_a_swap_under_load_drops_nobody_and_mixes_nothing(serve: Callable[..., Served]) -> None:
    served = serve("constant-1", "constant-2", "constant-3")
    await served.champion("constant-1", 1)
    over = asyncio.Event()
    seen: set[str] = set()

    async def ask(rows: int) -> None:
        while not over.is_set():
            told = await served.predictions.predict(CALLER, "payments", None, [[1.0]] * rows)
            assert {one.label for one in told.predictions} == {f"v{told.version}"}
            assert len(told.predictions) == rows
            seen.add(told.version)
            await asyncio.sleep(0)

    # One row is answered on the loop, 500 in a thread.
    asking = [asyncio.create_task(ask(1 if n % 2 else 500)) for n in range(100)]
    for number in (2, 3, 1, 2, 3):
        await asyncio.sleep(0.05)
        await served.champion(f"constant-{number}", number)
    await asyncio.sleep(0.05)
    over.set()
    await asyncio.gather(*asking)
    assert seen == {"1", "2", "3"}


async def test_deleting_while_predicting_ends_in_answers_or_404(serve: Callable[..., Served]) -> None:
    served = serve("constant-1")
    model = await served.champion("constant-1")
    under_way = [
        asyncio.create_task(served.predictions.predict(CALLER, "payments", None, [[1.0]] * 500))
        for _ in range(20)
    ]
    await asyncio.sleep(0)
    await served.shelf.delete("payments", None)
    await served.weights.delete(model.sha256)
    assert all(len(told.predictions) == 500 for told in await asyncio.gather(*under_way))
    served.predictor._hot.clear()  # others were asked since, and it is no longer in memory
    with pytest.raises(ModelNotFound):
        await served.predictions.predict(CALLER, "payments", None, [[1.0]])
    await served.champions.look()
    with pytest.raises(ModelNotFound):
        await served.predictions.predict(CALLER, "payments", None, [[1.0]])


async def test_weights_that_went_with_their_version_make_way_for_the_new_champion(
    serve: Callable[..., Served],
) -> None:
    served = serve("constant-2")
    # The watch saw version 1 before its weights went; version 2 is the champion meanwhile.
    one = version_of("constant-1", served.threads)
    served.champions._served["payments"] = one
    served.shelf.put(version_of("constant-2", served.threads, number=2))
    assert (await served.predictions.predict(CALLER, "payments", None, [[1.0]])).version == "2"


async def test_a_store_that_is_down_stops_only_what_needs_it(serve: Callable[..., Served]) -> None:
    served = serve("constant-1")
    await served.champion("constant-1")
    served.shelf.down = True
    ask = served.predictions.predict
    assert (await ask(CALLER, "payments", None, [[0.0]])).version == "1"
    assert (await ask(CALLER, "payments", 1, [[0.0]])).version == "1"
    with pytest.raises(StoreUnavailable):
        await ask(CALLER, "payments", 2, [[0.0]])


async def test_a_model_without_weights_is_unavailable_and_not_ready(serve: Callable[..., Served]) -> None:
    served = serve()
    await served.champion("constant-1")
    with pytest.raises(ModelUnavailable):
        await served.predictions.predict(CALLER, "payments", None, [[0.0]])
    assert not await served.predictions.ready("payments")
    assert served.predictions.facts() == {"champions": [], "more_champions": 0, "unavailable": 1}


async def test_the_status_names_a_hundred_champions_and_counts_the_others(
    serve: Callable[..., Served],
) -> None:
    served = serve("constant-1")
    model = version_of("constant-1", served.threads, number=7)
    for number in reversed(range(103)):
        served.shelf.put(replace(model, name=f"model-{number:03}"))
    await served.champions.look()
    facts = served.predictions.facts()
    assert facts["champions"] == [{"name": f"model-{number:03}", "version": 7} for number in range(100)]
    assert (facts["more_champions"], facts["unavailable"]) == (3, 0)
