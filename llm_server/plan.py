"""What to start, decided before it is started: pure functions from settings and facts to vLLM's arguments."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LOCAL_WEIGHTS = Path(__file__).resolve().parent / "local_model" / "weights"
LOCAL_NAME = "grading-gateway-local"
DEFAULT_ON_CPU = "Qwen/Qwen2.5-0.5B-Instruct"
DEFAULT_ON_GPU = "Qwen/Qwen2.5-7B-Instruct"

# What a model folder needs. No .bin, .pt, .pth: a pickle runs what its author wrote.
WANTED_FILES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken")

# Secrets of the gateway, and LOG_LEVEL, at which a library of vLLM's would start to talk.
NOT_FOR_VLLM = frozenset({"API_KEY", "METRICS_KEY", "LLM_API_KEY", "LOG_LEVEL"})


class Refusal(Exception):
    """Something only the person who starts it can mend, told in one sentence."""


@dataclass(frozen=True, slots=True)
class Settings:
    model: str
    revision: str | None
    host: str
    port: int
    api_key: str = field(repr=False)
    max_model_len: int
    dtype: str
    kv_cache_gib: int
    max_num_seqs: int | None
    tool_call_parser: str | None


@dataclass(frozen=True, slots=True)
class Model:
    folder: Path
    name: str  # what callers say in `model`


def whole(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name) or str(default)
    if not text.isdecimal() or int(text) < 1:
        raise Refusal(f"{name} must be a whole number above zero, not {text!r}.")
    return int(text)


def settings_from(environ: Mapping[str, str], *, gpu: bool, cpu_flags: frozenset[str]) -> Settings:
    key = environ.get("LLM_API_KEY", "")
    if not key:
        raise Refusal(
            "LLM_API_KEY is empty: the model server is not started without a key (`make run` makes one)."
        )
    return Settings(
        model=environ.get("LLM_MODEL") or (DEFAULT_ON_GPU if gpu else DEFAULT_ON_CPU),
        revision=environ.get("LLM_MODEL_REVISION") or None,
        host=environ.get("LLM_HOST") or "127.0.0.1",
        port=whole(environ, "LLM_PORT", 8000),
        api_key=key,
        max_model_len=whole(environ, "LLM_MAX_MODEL_LEN", 8192 if gpu else 4096),
        dtype=environ.get("LLM_DTYPE") or natural_dtype(gpu=gpu, cpu_flags=cpu_flags),
        kv_cache_gib=whole(environ, "LLM_KV_CACHE_GIB", 1),
        max_num_seqs=whole(environ, "LLM_MAX_NUM_SEQS", 64 if gpu else 8),
        tool_call_parser=environ.get("LLM_TOOL_CALL_PARSER") or None,
    )


def natural_dtype(*, gpu: bool, cpu_flags: frozenset[str]) -> str:
    """A CPU without bfloat16 arithmetic emulates it, slower than float32."""
    return "auto" if gpu or cpu_flags & {"avx512_bf16", "amx_bf16"} else "float32"


def refuse_pickles(model: str, files: Iterable[str]) -> None:
    if not any(name.endswith(".safetensors") for name in files):
        raise Refusal(
            f"{model} has no .safetensors weights, and pickled ones are not loaded: they can run any code. "
            "Choose a model with safetensors in LLM_MODEL."
        )


def longest(config: Mapping[str, Any], wanted: int) -> int:
    """Never beyond the positions that the model was trained with: there vLLM refuses to start."""
    own = config.get("max_position_embeddings") or (config.get("text_config") or {}).get(
        "max_position_embeddings"
    )
    return min(wanted, own) if isinstance(own, int) and own > 0 else wanted


def arguments(settings: Settings, model: Model, config: Mapping[str, Any], *, gpu: bool) -> list[str]:
    chosen = [
        *("--model", str(model.folder)),
        *("--served-model-name", model.name),
        *("--host", settings.host),
        *("--port", str(settings.port)),
        *("--max-model-len", str(longest(config, settings.max_model_len))),
        *("--max-num-seqs", str(settings.max_num_seqs)),
        *("--dtype", settings.dtype),
        *("--load-format", "safetensors"),
        "--language-model-only",  # no picture, sound or film is fetched or decoded for a caller
        "--no-enable-log-requests",  # students' texts reach no log
        "--disable-uvicorn-access-log",
        "--disable-fastapi-docs",
        *("--uvicorn-log-level", "warning"),
    ]
    if not gpu:
        chosen.append("--enforce-eager")  # compiling takes minutes and a C++ compiler
    if settings.tool_call_parser and model.name != LOCAL_NAME:  # the local model never learned to call tools
        chosen += ["--enable-auto-tool-choice", "--tool-call-parser", settings.tool_call_parser]
    return chosen


def environment(environ: Mapping[str, str], settings: Settings, *, gpu: bool) -> dict[str, str]:
    """What vLLM may see: its own key and not the gateway's; keys in the environment, not in `ps`."""
    kept = {name: value for name, value in environ.items() if name not in NOT_FOR_VLLM}
    kept |= {
        "VLLM_API_KEY": settings.api_key,
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "HF_HUB_OFFLINE": "1",  # the model lies on the disk by now: nothing more is asked of the hub
    }
    kept.setdefault("VLLM_LOGGING_LEVEL", "ERROR")  # its warnings here are about speed-ups that a CPU has not
    kept.setdefault("PYTHONWARNINGS", "ignore")  # vLLM warns of its own deprecations at every start
    if not gpu:
        kept["VLLM_CPU_KVCACHE_SPACE"] = str(settings.kv_cache_gib)
        # vLLM compiles a kernel for log-probabilities at the first request that asks for them: 9 s which the
        # first grade would pay, and a C++ compiler which a bare machine has not.
        kept["TORCHDYNAMO_DISABLE"] = "1"
    # Byte code that cannot be kept is compiled again at every start, in each of vLLM's four processes.
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept


def fallback_warning(model: str, reason: str) -> str:
    """Loud, because grades from this model are of another quality than those asked for."""
    lines = (
        "THE MODEL ASKED FOR IS NOT SERVED",
        f"LLM_MODEL={model} could not be fetched: {reason}.",
        f"Serving the small model of this repository instead, under the name {LOCAL_NAME}.",
        "It holds the answer formats and grades short answers crudely; it hardly holds a conversation.",
        "For the real one: make the model hub reachable (HF_ENDPOINT, HTTPS_PROXY), or name a local",
        "folder in LLM_MODEL, and start again. To silence this: LLM_MODEL=local.",
    )
    width = max(map(len, lines)) + 4
    return "\n".join(("!" * width, *(f"! {line:<{width - 4}} !" for line in lines), "!" * width))
