"""What the model server decides before it starts vLLM."""

from pathlib import Path

import pytest

from llm_server import plan

NO_FLAGS: frozenset[str] = frozenset()


def settings(*, gpu: bool = False, flags: frozenset[str] = NO_FLAGS, **said: str) -> plan.Settings:
    return plan.settings_from({"LLM_API_KEY": "secret", **said}, gpu=gpu, cpu_flags=flags)


def started(
    config: dict[str, object], *, gpu: bool = False, name: str = "org/model", **said: str
) -> list[str]:
    model = plan.Model(Path("/models/one"), name)
    return plan.arguments(settings(gpu=gpu, **said), model, config, gpu=gpu)


def value_of(command: list[str], option: str) -> str:
    return command[command.index(option) + 1]


def test_a_cpu_gets_a_small_model_and_a_gpu_a_larger_one() -> None:
    assert settings().model == "Qwen/Qwen2.5-0.5B-Instruct"
    assert settings(gpu=True).model == "Qwen/Qwen2.5-7B-Instruct"
    assert settings(LLM_MODEL="org/other").model == "org/other"


def test_nothing_is_compiled_on_a_cpu() -> None:
    assert "--enforce-eager" in started({})
    assert "--enforce-eager" not in started({}, gpu=True)


@pytest.mark.parametrize(
    ("flags", "dtype"), [(NO_FLAGS, "float32"), (frozenset({"avx2", "avx512_bf16"}), "auto")]
)
def test_a_cpu_without_bfloat16_computes_in_float32(flags: frozenset[str], dtype: str) -> None:
    assert settings(flags=flags).dtype == dtype


@pytest.mark.parametrize(
    ("config", "wanted", "given"),
    [
        ({"max_position_embeddings": 512}, "4096", "512"),
        ({"max_position_embeddings": 32768}, "4096", "4096"),
        ({"text_config": {"max_position_embeddings": 1024}}, "4096", "1024"),
        ({}, "2048", "2048"),
    ],
)
def test_the_context_is_never_longer_than_the_model_own(
    config: dict[str, object], wanted: str, given: str
) -> None:
    assert value_of(started(config, LLM_MAX_MODEL_LEN=wanted), "--max-model-len") == given


def test_without_a_key_of_its_own_it_is_not_started() -> None:
    with pytest.raises(plan.Refusal, match="LLM_API_KEY is empty"):
        plan.settings_from({}, gpu=False, cpu_flags=NO_FLAGS)


def test_a_number_that_is_none_is_named_in_one_sentence() -> None:
    with pytest.raises(plan.Refusal, match="LLM_PORT must be a whole number above zero, not 'eight'"):
        settings(LLM_PORT="eight")


def test_pickled_weights_are_refused() -> None:
    plan.refuse_pickles("org/model", ["config.json", "model-00001-of-00002.safetensors"])
    with pytest.raises(plan.Refusal, match="pickled"):
        plan.refuse_pickles("org/model", ["config.json", "pytorch_model.bin"])


def test_no_text_of_a_student_reaches_a_log_and_no_media_is_fetched() -> None:
    command = started({})
    for option in ("--no-enable-log-requests", "--disable-uvicorn-access-log", "--language-model-only"):
        assert option in command
    assert not {"--trust-remote-code", "--enable-log-outputs", "--allowed-local-media-path"} & set(command)


def test_the_local_model_is_never_asked_to_call_tools() -> None:
    assert "--tool-call-parser" in started({}, LLM_TOOL_CALL_PARSER="hermes")
    assert "--tool-call-parser" not in started({}, name=plan.LOCAL_NAME, LLM_TOOL_CALL_PARSER="hermes")


def test_keys_are_in_the_environment_and_not_in_the_process_list() -> None:
    assert "secret" not in started({})
    given = plan.environment(
        {"API_KEY": "the gateway's", "LLM_API_KEY": "secret", "PATH": "/bin"}, settings(), gpu=False
    )
    assert given["VLLM_API_KEY"] == "secret"
    assert "the gateway's" not in given.values()
    assert given["VLLM_NO_USAGE_STATS"] == "1"
    assert given["PATH"] == "/bin"


def test_a_key_has_no_repr() -> None:
    assert "secret" not in repr(settings())


def test_the_fallback_is_loud_and_says_what_to_do() -> None:
    text = plan.fallback_warning("org/model", "the hub is not reachable")
    assert len(text.splitlines()) >= 8
    for part in ("NOT SERVED", "org/model", plan.LOCAL_NAME, "LLM_MODEL=local"):
        assert part in text
