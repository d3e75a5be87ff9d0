"""What every registry does, by each tool's real client: MLflow on SQLite, ClearML's SDK on a stand-in."""

from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.adapters.registry.process import RegistryProcess
from gateway.training.facts import ModelVersion
from gateway.training.ports import WeightsRefused
from gateway.training.signature import signature_json
from gateway.training.worker_ports import RegistryTask
from tests.worker.registry import trained
from tests.worker.registry.benches import PROJECT, Bench, bench, file_of

pytestmark = [
    pytest.mark.timeout(400),  # a busy machine imports MLflow and makes its tables in a minute
    pytest.mark.asyncio(loop_scope="module"),
    # MLflow's client is imported here too, for what people do with it.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
    pytest.mark.filterwarnings("ignore::FutureWarning:mlflow"),
]


@pytest.fixture(scope="module", params=["mlflow", "clearml"])
def outside(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with bench(request.param, tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def registry(outside: Bench) -> AsyncIterator[RegistryProcess]:
    """For all tests: its start takes seconds. Each uses models of its own."""
    running = RegistryProcess(outside.place, PROJECT, 60, "c0ffee")
    yield running
    await running.close()


class Trainer:
    """Registers one training after the other."""

    def __init__(self, registry: RegistryProcess, folder: Path) -> None:
        self._registry = registry
        self._folder = folder
        self._jobs = count(100)

    async def __call__(self, model: str, promote: bool = True) -> ModelVersion:
        number = next(self._jobs)
        fitted = trained.fitted(self._folder / str(number), seed=number)
        return await self._registry.register(trained.job(number, model, promote), trained.data(), fitted)


@pytest.fixture(scope="module")
def train(registry: RegistryProcess, tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    return Trainer(registry, tmp_path_factory.mktemp("fits"))


async def of(registry: RegistryProcess, name: str) -> dict[int, ModelVersion]:
    return {version.version: version for version, _ in await registry.versions() if version.name == name}


async def where(registry: RegistryProcess, made: ModelVersion) -> Path:
    return next(
        file_of(where)
        for version, where in await registry.versions()
        if (version.name, version.version) == (made.name, made.version)
    )


async def test_a_version_tells_where_it_comes_from(registry: RegistryProcess, tmp_path: Path) -> None:
    fitted = trained.fitted(tmp_path / "fit")
    job = trained.job(1, "lineage")
    made = await registry.register(job, trained.data(), fitted)
    assert (made.name, made.version, made.champion) == ("lineage", 1, True)
    assert made.signature == trained.SIGNATURE
    assert made.metrics == {"test/accuracy": 0.9}  # what is no number is not told
    assert made.lineage is not None
    assert made.lineage.job_id == job.id
    assert made.lineage.dataset == "people@3"
    assert made.lineage.dvc_hash == "d" * 32
    assert made.lineage.git_commit == "c0ffee"
    assert made.lineage.model_class == "logistic_regression"
    assert made.lineage.hyperparameters == {"C": 0.5}
    assert await of(registry, "lineage") == {1: made}
    assert await registry.weights("lineage", 1) == (fitted.folder / "model.onnx").read_bytes()


async def test_a_job_is_registered_once(registry: RegistryProcess, outside: Bench, tmp_path: Path) -> None:
    job = trained.job(2, "once")
    assert await registry.registered(job.id) is None
    fitted = trained.fitted(tmp_path / "fit")
    made = await registry.register(job, trained.data(), fitted)
    assert await registry.register(job, trained.data(), fitted) == made
    assert await registry.registered(job.id) == made
    assert await of(registry, "once") == {1: made}
    assert outside.runs(job.id) in (["FINISHED"], ["completed"])


async def test_a_version_that_is_not_promoted_changes_no_champion(
    registry: RegistryProcess, outside: Bench, train: Trainer
) -> None:
    await train("shy", promote=False)
    assert outside.champions("shy") == []
    await train("shy")
    await train("shy", promote=False)
    found = await of(registry, "shy")
    assert [number for number in sorted(found) if found[number].champion] == [2]
    await registry.tell(RegistryTask(1, "promote", "shy", 3, found[3].sha256))
    assert outside.champions("shy") == [3]
    await registry.tell(RegistryTask(2, "promote", "shy", 1, found[1].sha256))
    assert outside.champions("shy") == [1]


async def test_a_champion_that_people_choose_is_seen(
    registry: RegistryProcess, outside: Bench, train: Trainer
) -> None:
    await train("chosen")
    await train("chosen")
    outside.crown("chosen", 1)
    found = await of(registry, "chosen")
    assert [found[1].champion, found[2].champion] == [True, False]


async def test_weights_that_are_not_the_registered_ones_are_refused(
    registry: RegistryProcess, train: Trainer
) -> None:
    made = await train("swapped")
    file = await where(registry, made)
    file.write_bytes(file.read_bytes() + b"more")
    with pytest.raises(WeightsRefused):
        await registry.weights("swapped", 1)
    file.unlink()
    with pytest.raises(WeightsRefused):
        await registry.weights("swapped", 1)
    with pytest.raises(WeightsRefused):
        await registry.weights("swapped", 2)


async def test_a_deleted_versions_number_does_not_come_back(
    registry: RegistryProcess, train: Trainer
) -> None:
    _, second = [await train("deleted") for _ in range(2)]
    for _ in range(2):  # told again after a crash
        await registry.tell(RegistryTask(1, "delete", "deleted", 2, second.sha256))
    assert set(await of(registry, "deleted")) == {1}
    assert (await train("deleted")).version == 3


async def test_a_model_is_gone_with_its_last_version(
    registry: RegistryProcess, outside: Bench, train: Trainer
) -> None:
    last = await train("last")
    gone = RegistryTask(1, "delete", "last", 1, last.sha256)
    await registry.tell(gone)
    assert await of(registry, "last") == {}
    await registry.tell(RegistryTask(2, "promote", "last", 1, last.sha256))  # too late, and nobody's fault
    assert await of(registry, "last") == {}
    # Told again after a crash, when the name has a model again.
    again = await train("last")
    await registry.tell(gone)
    assert await of(registry, "last") == {2: again}


async def test_of_two_models_that_had_one_number_the_one_that_was_meant_is_deleted(
    registry: RegistryProcess, train: Trainer
) -> None:
    """Somebody took the model away in the tool, with what it knew of numbers, and trained again."""
    made = await train("twice")
    await registry.tell(RegistryTask(1, "delete", "twice", 1, "e" * 64))
    assert await of(registry, "twice") == {1: made}
    await registry.tell(RegistryTask(1, "delete", "twice", 1, made.sha256))
    assert await of(registry, "twice") == {}


async def test_a_version_whose_file_is_gone_is_deleted_like_any_other(
    registry: RegistryProcess, train: Trainer
) -> None:
    made = await train("bare")
    (await where(registry, made)).unlink()
    await registry.tell(RegistryTask(1, "delete", "bare", 1, made.sha256))
    assert await of(registry, "bare") == {}


async def test_a_model_that_somebody_registered_is_adopted(
    registry: RegistryProcess, outside: Bench, train: Trainer, tmp_path: Path
) -> None:
    await train("mixed")
    sha256 = trained.write_model(tmp_path / "own.onnx", signature_json(trained.SIGNATURE), seed=7)
    outside.put("mixed", tmp_path / "own.onnx")
    found = await of(registry, "mixed")
    assert (found[2].sha256, found[2].signature, found[2].lineage) == (sha256, trained.SIGNATURE, None)
    assert not found[2].champion
    assert await registry.weights("mixed", 2) == (tmp_path / "own.onnx").read_bytes()
    # From now on it is held to that hash.
    trained.write_model(tmp_path / "own.onnx", signature_json(trained.SIGNATURE), seed=8)
    with pytest.raises(WeightsRefused):
        await registry.weights("mixed", 2)


async def test_what_cannot_be_served_is_left_out_and_counted(
    registry: RegistryProcess, outside: Bench, train: Trainer, tmp_path: Path
) -> None:
    await train("ours")
    before = len(await registry.versions())
    faults = registry.faults
    trained.write_model(tmp_path / "mute.onnx", None)
    (tmp_path / "pickled.onnx").write_bytes(b"\x80\x04cposix\nsystem\n")
    outside.put("mute", tmp_path / "mute.onnx")
    outside.put("pickled", tmp_path / "pickled.onnx")
    outside.put("absent", tmp_path / "absent.onnx")
    for _ in range(2):
        assert len(await registry.versions()) == before
        assert registry.faults == faults + 3
