"""Every setting of the gateway, read once from the environment. Nothing else reads it.

Over 250 lines: one setting below the other, so that there is one place to look for a name and its bounds.
"""

import re
from functools import cached_property
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from gateway.adapters import artifact_policy
from gateway.adapters.masking_file import Policies, read_masking_file
from gateway.adapters.objects import S3
from gateway.adapters.presidio.pool import AnalyzerPool
from gateway.adapters.presidio.process import Lists
from gateway.grading.opinion import SecondOpinion
from gateway.grading.routing import Choices, read_choices

COURSE_KEY = "cu_prodml_hw_week13"  # printed in the course's materials, so it protects nothing
_HTTP = re.compile(r"https?://[^\s/?#]+(?:/[^\s?#]*)?")
_DATABASE = re.compile(r"sqlite:///(?!:memory:)[^?]+|postgres(?:ql)?://.+")
_REDIS = re.compile(r"rediss?://(?:[^\s/@]*@)?[^\s/?#@]+(?:/\d+)?")
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Settings(BaseSettings):
    # An address with a password in it must not be quoted by an error.
    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False
    )

    # The door.
    host: str = "127.0.0.1"
    port: int = Field(38300, ge=1, le=65535)
    api_key: SecretStr | None = None  # one admin key, for a first start; more live in api_keys_file
    api_keys_file: Path = Path("state/api_keys.json")
    metrics_key: SecretStr | None = None  # may read /metrics and nothing else
    allow_demo_key: bool = False  # beyond loopback the course's key is refused unless this says otherwise
    requests_per_minute: int = Field(6000, ge=1)  # for keys that do not say their own
    tokens_per_minute: int = Field(0, ge=0)  # the same; of prompts and completions; 0: no such limit
    max_parallel: int = Field(0, ge=0)  # the same; requests at the models at once; 0: no such limit
    redis_url: SecretStr = SecretStr("")  # where processes share the limits; empty: each counts for itself
    redis_timeout_s: float = Field(0.1, gt=0)  # then a request is let in uncounted
    max_in_flight: int = Field(256, ge=1)  # requests at each server at once, at most; more are shed with 503
    adaptive_limit: bool = True  # fewer than max_in_flight when a server's answers grow slower
    adaptive_tolerance: float = Field(2.0, gt=1)  # slower than unloaded by this factor is too slow
    adaptive_least: int = Field(4, ge=1)  # places that a slow server keeps
    batch_share: float = Field(0.5, gt=0, le=1)  # of the places, those that batches may take
    log_level: str = "INFO"

    max_connections: int = Field(4096, ge=1)  # at once; a further one is closed
    header_timeout_s: float = Field(10.0, gt=0)  # from a connection's or a request's first byte to its body
    max_header_bytes: int = Field(32_768, ge=1024)
    keep_alive_s: float = Field(5.0, gt=0)  # of a connection on which nothing is asked
    write_timeout_s: float = Field(30.0, gt=0)  # how long a client may take nothing of its answer
    drain_delay_s: float = Field(0.0, ge=0)  # from "not ready" to the closed door, for a balancer to see it
    drain_s: float = Field(20.0, gt=0)  # then, for answers under way
    metrics_port: int = Field(0, ge=0, le=65535)  # /metrics and probes without a key, on `host`; 0: none
    workers: int = Field(1, ge=1, le=64)  # processes that share the port

    # What a request may be.
    max_body_bytes: int = Field(1 << 20, ge=1024)
    body_timeout_s: float = Field(20.0, gt=0)
    max_messages: int = Field(256, ge=1)
    max_message_chars: int = Field(200_000, ge=1)
    max_json_depth: int = Field(32, ge=4)
    max_completion_tokens: int = Field(4096, ge=1)
    max_n: int = Field(4, ge=1)
    max_schema_bytes: int = Field(16_384, ge=256)
    max_instances: int = Field(32, ge=1)

    # The model server.
    llm_url: str = "http://127.0.0.1:8000"  # of several replicas by commas
    llm_api_key: SecretStr = SecretStr("")
    llm_timeout_s: float = Field(60.0, gt=0)  # a whole answer, or the silence between two streamed events
    llm_connect_timeout_s: float = Field(2.0, gt=0)
    breaker_failures: int = Field(5, ge=1)  # in a row, of a server; then it is left alone
    breaker_open_s: float = Field(1.0, gt=0)  # at first; doubled as it goes on failing
    breaker_open_max_s: float = Field(5.0, gt=0)
    probe_every_s: float = Field(0.25, gt=0)  # of a server that is left alone, or silent while asked
    probe_timeout_s: float = Field(0.35, gt=0)
    retry_budget: float = Field(0.2, ge=0, le=1)  # retries for each request, at most
    unknown_model_fallback: bool = False  # True: an unknown model name means the served model

    # The embeddings service; without an address there is none.
    embeddings_url: str = ""
    embeddings_api_key: SecretStr = SecretStr("")
    embeddings_timeout_s: float = Field(10.0, gt=0)  # of a call by a grader, from its turn on

    # The store.
    database_url: SecretStr = SecretStr("sqlite:///state/gateway.db")
    database_timeout_s: float = Field(5.0, gt=0)  # of a transaction
    audit_days: int = Field(365, ge=1, le=3660)  # who changed what is forgotten after

    # Masking.
    mask_personal_data: bool = True  # False only for a model that may see everything
    mask_names: bool = True  # False: no NER model is loaded; names are found by rules and lists only
    mask_spacy_model: str = ""  # a spaCy pipeline's name or folder that finds names too; empty: none
    mask_workers: int = Field(1, ge=1)
    mask_timeout_s: float = Field(10.0, gt=0, lt=60)
    mask_cache_size: int = Field(20_000, ge=0)  # findings remembered, about 300 bytes each; 0: none
    masking_file: Path | None = None  # allow and deny lists, student ids, policies: TOML
    unmask_replies: bool = True  # a caller may choose by request: header X-Unmask: true | false

    # Grading.
    review_below_confidence: float = Field(0.6, ge=0, le=1)
    grade_seed: int = 0
    grade_fallback: bool = True  # True: a request that names no `grader` means `auto`
    grade_concurrency: int = Field(16, ge=1)  # model calls of graders at once; more wait their turn
    grade_embeddings_concurrency: int = Field(3, ge=1)  # calls of the embeddings service by graders at once
    grade_samples: int = Field(1, ge=1, le=9)  # replies of the model for each criterion
    grade_watch: bool = True  # False: words to the grader are neither looked for nor taken out
    grade_second_opinion: SecondOpinion = SecondOpinion.CHECK  # of the embedding grader on the model's grades
    grade_disagreement: float = Field(0.5, ge=0, le=1)  # shares of the maximum further apart are for a person
    grade_routes: str = ""  # of grader-auto: text=llm|embedding|cascade, code=..., classification=...
    grade_lease_s: float = Field(15.0, gt=0)  # what a dead process was grading is another's after this

    # Batches.
    batch_concurrency: int = Field(4, ge=0)  # items at once; 0: this process takes batches in and grades none
    batch_most_open: int = Field(10, ge=1)  # of one key

    # Submissions by reference.
    artifact_hosts: str = ""  # host, host:port or *.example.org, by commas, by https; empty: none is fetched
    artifact_http_hosts: str = ""  # those of them that may be asked by http too
    artifact_private_hosts: str = ""  # exact names of those that may lie on a private address
    artifact_max_bytes: int = Field(1 << 20, ge=1)
    artifact_timeout_s: float = Field(10.0, gt=0)  # from waiting for a place to the last byte
    artifact_read_timeout_s: float = Field(3.0, gt=0)  # the longest silence
    artifact_concurrency: int = Field(8, ge=1)
    # binary/octet-stream is what S3 says of an object that was stored without a type.
    artifact_content_types: str = (
        "text/*,application/json,application/x-*,application/octet-stream,binary/octet-stream"
    )

    # Data sets and classical models. Gateway and worker read the same.
    datasets_dir: Path = Path("state/datasets")  # shared by gateway and worker; DVC's workspace
    datasets_remote: str = ""  # s3://bucket/prefix or a folder: where DVC pushes; empty: nowhere
    dataset_max_bytes: int = Field(100 << 20, ge=1024)
    dataset_max_columns: int = Field(1000, ge=2)
    dataset_upload_timeout_s: float = Field(600.0, gt=0)
    dataset_checks: int = Field(1, ge=1)  # uploads that are read at once, each in a process of its own
    models_url: str = "state/trained"  # ONNX files by their hash: a folder or s3://bucket/prefix
    s3_endpoint_url: str = ""  # empty: Amazon's
    s3_access_key_id: str = ""
    s3_secret_access_key: SecretStr = SecretStr("")
    s3_region: str = "us-east-1"
    training_most_open: int = Field(20, ge=1)  # jobs of one key that are not over
    model_poll_s: float = Field(2.0, gt=0)  # how soon a new champion is served
    hot_models: int = Field(32, ge=1)  # loaded at once
    hot_models_bytes: int = Field(512 << 20, ge=1)  # of their files; in memory four to six times that
    fraud_model_url: str = ""  # an ONNX file: a path or s3://bucket/key; empty: /predict answers 404
    fraud_scenario_model_url: str = ""

    # Drift of the live traffic.
    traffic_per_s: float = Field(5.0, ge=0, le=1000)  # observations noted, at most, drawn evenly; 0: none
    traffic_embeddings_per_s: float = Field(
        0.5, ge=0, le=1000
    )  # of them whose masked text is embedded; 0: none
    traffic_days: int = Field(30, ge=1, le=3660)  # then the worker deletes them; references stay
    reports_url: str = "state/reports"  # drift reports: a folder or s3://bucket/prefix

    # The worker (`gateway worker`).
    # A comparison of each model with its reference; 0: on demand.
    drift_every_s: float = Field(3600.0, ge=0, le=366 * 86_400)
    drift_window_h: float = Field(24.0, gt=0, le=366 * 24)  # of traffic that is compared
    drift_timeout_s: float = Field(300.0, gt=0)  # of a comparison
    evidently_url: str = ""  # where reports are shown too, http://127.0.0.1:8502; empty: nowhere
    evidently_project: str = "grading-gateway"
    training_engine: Literal["local", "ray"] = "local"
    training_workers: int = Field(1, ge=1)  # fits at once
    training_threads: int = Field(1, ge=1)  # of each fit
    training_timeout_s: float = Field(3600.0, gt=0)  # of a fit
    training_memory_mb: int = Field(4096, ge=1024)  # of a fit, 300 of them taken when it begins
    training_lease_s: float = Field(30.0, gt=0)  # what a dead worker was doing is another's after this
    training_dir: Path = Path("state/training")  # scratch, emptied by the worker
    ray_address: str = ""  # empty: a Ray of its own
    registry: Literal["mlflow", "clearml"] = "mlflow"
    registry_project: str = "grading-gateway"
    git_commit: str = ""  # of this code, where it runs without its repository
    registry_timeout_s: float = Field(120.0, gt=0)  # of one call; then its process is replaced
    registry_sync_s: float = Field(10.0, gt=0)  # how soon a champion chosen in the registry is seen
    mlflow_tracking_uri: SecretStr = SecretStr("sqlite:///state/mlflow.db")
    mlflow_artifacts: str = "state/mlruns"  # a folder or s3://bucket/prefix; a server decides by itself
    clearml_api_host: str = ""
    clearml_web_host: str = ""
    clearml_files_host: str = ""
    clearml_access_key: str = ""
    clearml_secret_key: SecretStr = SecretStr("")
    clearml_output_uri: str = ""  # for weights: s3://bucket/prefix or a folder; empty: its file server

    # Traces.
    otel_exporter_otlp_endpoint: str = ""  # a collector, http://127.0.0.1:4318; empty: no traces
    otel_service_name: str = "grading-gateway"
    otel_traces_share: float = Field(1.0, ge=0, le=1)  # of requests whose caller traces nothing

    # gRPC.
    rpc_port: int = Field(50051, ge=0, le=65535)  # on `host`; 0: no gRPC
    rpc_max_bytes: int = Field(4 << 20, ge=1024)  # of one message

    @field_validator("log_level")
    @classmethod
    def known_level(cls, value: str) -> str:
        if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
        return value.upper()

    @field_validator("artifact_hosts", "artifact_http_hosts")
    @classmethod
    def hosts(cls, value: str) -> str:
        artifact_policy.host_rules(value)
        return value

    @field_validator("artifact_private_hosts")
    @classmethod
    def exact_hosts(cls, value: str) -> str:
        artifact_policy.host_names(value)
        return value

    @field_validator("artifact_content_types")
    @classmethod
    def content_types(cls, value: str) -> str:
        artifact_policy.content_types(value)
        return value

    @field_validator("masking_file", mode="before")
    @classmethod
    def an_empty_name_is_none(cls, value: str | Path | None) -> str | Path | None:
        return value or None

    @field_validator("database_url")
    @classmethod
    def known_database(cls, value: SecretStr) -> SecretStr:
        # The driver's own parser takes half a second to load, which the door's start need not wait for.
        if not _DATABASE.fullmatch(value.get_secret_value()):
            raise ValueError("must be sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/NAME")
        return value

    @field_validator("redis_url")
    @classmethod
    def known_redis(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and not _REDIS.fullmatch(value.get_secret_value()):
            raise ValueError("must be redis://[USER:PASSWORD@]HOST[:PORT][/NUMBER], or rediss:// with TLS")
        return value

    @field_validator("evidently_url", "otel_exporter_otlp_endpoint")
    @classmethod
    def an_address_or_none(cls, value: str) -> str:
        if value and not _is_http(value):
            raise ValueError("must be http://HOST:PORT or https://HOST:PORT, with a path or none")
        return value

    @field_validator("llm_url", "embeddings_url")
    @classmethod
    def addresses(cls, value: str, info: ValidationInfo) -> str:
        listed = addresses_of(value)
        if not all(map(_is_http, listed)) or (info.field_name == "llm_url" and not listed):
            raise ValueError("must be http://HOST:PORT or https://HOST:PORT, of several servers by commas")
        return value

    @field_validator("grade_routes")
    @classmethod
    def known_routes(cls, value: str) -> str:
        read_choices(value)
        return value

    @model_validator(mode="after")
    def reachable_clearml(self) -> "Settings":
        if self.registry == "clearml" and not (
            self.clearml_api_host and (self.clearml_output_uri or self.clearml_files_host)
        ):
            raise ValueError("REGISTRY=clearml needs CLEARML_API_HOST, and CLEARML_OUTPUT_URI or _FILES_HOST")
        return self

    @cached_property
    def _masking(self) -> tuple[Lists, Policies]:
        return read_masking_file(self.masking_file)

    @model_validator(mode="after")
    def usable_masking_file(self) -> "Settings":
        self._masking  # noqa: B018 - read once, here
        return self

    @property
    def masking_policies(self) -> Policies:
        """What is personal in the texts of each task."""
        return self._masking[1]

    def analyzer_pool(self) -> AnalyzerPool:
        """A pool that finds personal data; whoever starts it closes it."""
        lists, _ = self._masking
        return AnalyzerPool(
            self.mask_workers,
            self.mask_names,
            lists,
            self.mask_spacy_model,
            timeout_s=self.mask_timeout_s,
        )

    @property
    def s3(self) -> S3:
        """How S3 is reached."""
        secret = self.s3_secret_access_key.get_secret_value()
        return S3(self.s3_endpoint_url, self.s3_access_key_id, secret, self.s3_region)

    @property
    def choices(self) -> Choices:
        """What grader-auto does with each task type."""
        return read_choices(self.grade_routes)

    @property
    def demonstration_key(self) -> str | None:
        """The course's key when it is the one in use."""
        in_use = self.api_key is not None and self.api_key.get_secret_value() == COURSE_KEY
        return COURSE_KEY if in_use else None

    @model_validator(mode="after")
    def no_demonstration_key_in_public(self) -> "Settings":
        if self.demonstration_key and self.host not in LOOPBACK and not self.allow_demo_key:
            raise ValueError(
                "API_KEY is the demonstration key from the course's materials: listening beyond loopback "
                "needs another (or ALLOW_DEMO_KEY=true on a closed network)"
            )
        return self


def addresses_of(listed: str) -> list[str]:
    return [one.strip() for one in listed.split(",") if one.strip()]


def _is_http(address: str) -> bool:
    try:
        found = urlsplit(address)
        return bool(_HTTP.fullmatch(address) and found.hostname) and found.port != 0
    except ValueError:  # of a port that is none
        return False
