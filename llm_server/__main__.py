"""`python -m llm_server`, in vLLM's environment: find the model, then become vLLM (exec: no supervisor)."""

import json
import os
import sys
from importlib import metadata
from pathlib import Path
from typing import NoReturn

from llm_server import plan

HUB_TIMEOUT_S = 10


def has_gpu_build() -> bool:
    """The environment was made for a GPU or for a CPU: the community's CPU build has a name of its own, the
    official one says so behind its version (`+cpu`, vLLM's setup.py)."""
    try:
        return not metadata.version("vllm").endswith("cpu")
    except metadata.PackageNotFoundError:
        return False


def cpu_flags() -> frozenset[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.split(":", 1)[1].split() for line in lines if line.startswith("flags")), []))


def find(settings: plan.Settings) -> plan.Model:
    """A folder as it is, a hub's model by download or from the cache, else the small local one."""
    if settings.model == "local":
        return plan.Model(plan.LOCAL_WEIGHTS, plan.LOCAL_NAME)
    folder = Path(settings.model).expanduser()
    if folder.is_dir():
        plan.refuse_pickles(settings.model, [entry.name for entry in folder.iterdir()])
        return plan.Model(folder, folder.resolve().name)
    if settings.model.startswith((".", "/", "~")):
        raise plan.Refusal(f"LLM_MODEL names the folder {settings.model}, which does not exist.")
    try:
        return plan.Model(fetch(settings), settings.model)
    except ConnectionError as unreachable:
        print(plan.fallback_warning(settings.model, str(unreachable)), file=sys.stderr, flush=True)
        return plan.Model(plan.LOCAL_WEIGHTS, plan.LOCAL_NAME)


def fetch(settings: plan.Settings) -> Path:
    """ConnectionError: the hub is out of reach and the model is not in its cache either."""
    # The names of the hub's limits must be set before its client is imported.
    os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", str(HUB_TIMEOUT_S))
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import HfApi, errors, snapshot_download  # noqa: PLC0415 - see above

    def fetched(*, cached: bool) -> Path:
        return Path(
            snapshot_download(
                settings.model,
                revision=settings.revision,
                allow_patterns=list(plan.WANTED_FILES),
                local_files_only=cached,
            )
        )

    try:
        info = HfApi().model_info(settings.model, revision=settings.revision, timeout=HUB_TIMEOUT_S)
        plan.refuse_pickles(settings.model, [file.rfilename for file in info.siblings or []])
        print(f"llm_server: fetching {settings.model} (kept for the next start)", flush=True)
        return fetched(cached=False)
    except errors.GatedRepoError:
        raise plan.Refusal(f"{settings.model} asks for its licence to be accepted: set HF_TOKEN.") from None
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.HFValidationError):
        raise plan.Refusal(f"LLM_MODEL={settings.model}: the hub knows no such model or revision.") from None
    except plan.Refusal:
        raise
    except Exception as failure:  # noqa: BLE001 - the hub's client raises what its HTTP library raises
        reason = type(failure).__name__
    try:
        return fetched(cached=True)
    except OSError:
        raise ConnectionError(f"the hub is not reachable ({reason})") from None


def become_vllm(chosen: list[str], environ: dict[str, str]) -> NoReturn:
    # `vllm serve` looks for a package named vllm, which the CPU build is not; the module works for both.
    os.execve(sys.executable, [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *chosen], environ)


def main() -> int:
    gpu = has_gpu_build()
    try:
        settings = plan.settings_from(os.environ, gpu=gpu, cpu_flags=cpu_flags())
        model = find(settings)
        config_file = model.folder / "config.json"
        if not config_file.is_file():
            raise plan.Refusal(f"{model.folder} holds no model: config.json is missing.")
        chosen = plan.arguments(settings, model, json.loads(config_file.read_text()), gpu=gpu)
    except plan.Refusal as refusal:
        print(f"llm_server: {refusal}", file=sys.stderr)
        return 2
    print(f"llm_server: starting vLLM with {model.name} ({'GPU' if gpu else 'CPU'})", flush=True)
    become_vllm(chosen, plan.environment(os.environ, settings, gpu=gpu))


if __name__ == "__main__":
    raise SystemExit(main())
