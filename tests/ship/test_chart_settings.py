"""What the chart tells its pods: settings that their services read, secrets that are made once, checksums."""

import ast
import hashlib
import json
import re
from typing import Any

import pytest

from tests.ship import charted
from tests.ship.charted import EVERY, ROOT, Object, merged, objects, objects_of, one


def fields(path: str, prefix: str = "") -> set[str]:
    """The settings of a service: fields of its class Settings."""
    tree = ast.parse((ROOT / path).read_text())
    (settings,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Settings"]
    named = [node.target for node in settings.body if isinstance(node, ast.AnnAssign)]
    return {prefix + name.id.upper() for name in named if isinstance(name, ast.Name)}


def said_in(path: str, names: str) -> set[str]:
    return set(re.findall(rf'"({names})"', (ROOT / path).read_text()))


# What the programs around ours read: MLflow and boto3, MinIO, PostgreSQL, Hugging Face, Python.
MLFLOW = {
    "MLFLOW_SERVER_ALLOWED_HOSTS",
    "MLFLOW_S3_ENDPOINT_URL",
    "MLFLOW_DISABLE_TELEMETRY",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION",
}
AWS = {"AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


def known(container: str) -> set[str]:
    gateway = fields("gateway/settings.py")
    names = {
        "gateway": gateway,
        "worker": gateway,
        "embeddings": fields("embeddings/settings.py", "EMBEDDINGS_"),
        "bot": fields("bot/settings.py"),
        "ui": said_in("ui/settings.py", "(?:GATEWAY|UI)_[A-Z_]+"),
        "llm": said_in("llm_server/plan.py", "LLM_[A-Z_]+")
        | {"HOME", "HF_HOME", "HF_TOKEN", "XDG_CACHE_HOME"},
        "mlflow": MLFLOW | AWS,
        "minio": {"HOME", "MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"},
        "bucket": {"S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", "MC_HOST_here"},
        "postgres": {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD", "PGDATA"},
        "smoke": {"AUTH_TOKEN", "PYTHONDONTWRITEBYTECODE"},
    }
    return names.get(container, set())


@pytest.mark.parametrize("name", EVERY)
def test_every_setting_is_one_that_the_service_reads(name: str) -> None:
    settings = one(objects(name), "ConfigMap", "grading-settings")["data"]
    for _, pod in charted.pods(objects(name)):
        for container in pod["spec"]["containers"]:
            said = [entry["name"] for entry in container.get("env", ())]
            read_whole = [source["configMapRef"]["name"] for source in container.get("envFrom", ())]
            said += [*settings] if read_whole == ["grading-settings"] else []
            assert set(said) <= known(container["name"]), container["name"]
            assert len(said) == len({*said}), "said twice"


def test_what_gateway_and_worker_share_is_told_without_secrets() -> None:
    settings = one(objects("whole"), "ConfigMap", "grading-settings")["data"]
    assert (
        settings["LLM_URL"] == "http://grading-llm-0.grading-llm:8080,http://grading-llm-1.grading-llm:8080"
    )
    assert settings["HOT_MODELS_BYTES"] == "134217728"
    assert settings["MODELS_URL"] == "s3://grading/trained"
    assert settings["S3_ENDPOINT_URL"] == "http://grading-minio:9000"
    secret = one(objects("whole"), "Secret", "grading-secrets")["stringData"]
    assert not {*settings.values()} & {*secret.values()}
    assert not {*settings} & {*secret}


@pytest.mark.parametrize(("name", "endpoint"), [("production", None), ("whole", "http://grading-minio:9000")])
def test_mlflow_is_told_no_empty_address(name: str, endpoint: str | None) -> None:
    """boto3 takes an empty one for an address, and every upload fails."""
    (container,) = one(objects(name), "Deployment", "grading-mlflow")["spec"]["template"]["spec"][
        "containers"
    ]
    said = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert said.get("MLFLOW_S3_ENDPOINT_URL") == endpoint


def secret_of(found: list[Object]) -> dict[str, str]:
    return one(found, "Secret", "grading-secrets")["stringData"]


def test_keys_that_nobody_said_are_made_and_are_no_two_alike() -> None:
    made = secret_of(objects("whole"))
    random = [
        value for name, value in made.items() if name not in ("DATABASE_URL", "REDIS_URL", "api_keys.json")
    ]
    assert len(random) == 7
    assert len({*random}) == 7
    assert all(re.fullmatch(r"[A-Za-z0-9]{40}", value) for value in random)
    assert made["POSTGRES_PASSWORD"] in made["DATABASE_URL"]
    assert secret_of(objects_of(charted.WHOLE))["API_KEY"] != made["API_KEY"]


def test_the_bot_has_a_key_of_its_own_that_may_only_grade() -> None:
    made = secret_of(objects("whole"))
    (bot,) = json.loads(made["api_keys.json"])["keys"]
    assert bot["role"] == "grader"
    assert bot["sha256"] == hashlib.sha256(made["OPEN_AI_API_KEY"].encode()).hexdigest()


def test_a_key_that_was_made_is_the_same_in_the_secret_and_in_the_checksum() -> None:
    found = objects("whole")
    read = json.dumps({"OPEN_AI_API_KEY": secret_of(found)["OPEN_AI_API_KEY"]}, separators=(",", ":"))
    annotations = one(found, "Deployment", "grading-bot")["spec"]["template"]["metadata"]["annotations"]
    assert annotations["checksum/secrets"] == hashlib.sha256(read.encode()).hexdigest()


def checksums(more: dict[str, Any], *, said: dict[str, str]) -> dict[str, dict[str, str]]:
    keys = {"API_KEY": "a", "LLM_API_KEY": "b", "EMBEDDINGS_API_KEY": "c", "OPEN_AI_API_KEY": "d"}
    values = merged(charted.PLAIN, {"secrets": {"values": keys | said}, "bot": {"enabled": True}})
    found = objects_of(merged(values, more))
    return {name: pod["metadata"].get("annotations", {}) for name, pod in charted.pods(found)}


@pytest.mark.parametrize(
    ("more", "said", "replaced"),
    [
        ({}, {}, set()),
        ({}, {"LLM_API_KEY": "new"}, {"grading-gateway", "grading-llm"}),
        ({}, {"OPEN_AI_API_KEY": "new"}, {"grading-bot"}),
        ({}, {"S3_SECRET_ACCESS_KEY": "new"}, {"grading-gateway", "grading-worker", "grading-mlflow"}),
        ({"settings": {"LOG_LEVEL": "DEBUG"}}, {}, {"grading-gateway", "grading-worker"}),
        ({"secrets": {"keys": [{"key_id": "ann", "role": "admin", "sha256": "0" * 64}]}}, {}, set()),
    ],
)
def test_a_changed_secret_or_setting_replaces_the_pods_that_read_it(
    more: dict[str, Any], said: dict[str, str], replaced: set[str]
) -> None:
    before, after = checksums({}, said={}), checksums(more, said=said)
    assert {name for name in before if before[name] != after[name]} == replaced
