"""Every setting of the embeddings service, read once from the environment. Nothing else reads it."""

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

NO_HEADS = "none"
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Settings(BaseSettings):
    """Environment variables EMBEDDINGS_*; the gateway's and the model server's own are not looked at."""

    model_config = SettingsConfigDict(env_prefix="EMBEDDINGS_", env_ignore_empty=True, frozen=True)

    # The door.
    host: str = "127.0.0.1"
    port: int = Field(8081, ge=1, le=65535)
    api_key: SecretStr = SecretStr("")  # empty: no key is asked for, which is allowed on loopback only
    log_level: str = "INFO"
    max_body_bytes: int = Field(8 << 20, ge=1024)
    body_timeout_s: float = Field(20.0, gt=0)
    max_inputs: int = Field(2048, ge=1)  # texts in one request; OpenAI's bound

    # The encoder: the default wheel's, a folder in sentence-transformers layout, or a hub id.
    model: str = ""
    model_name: str = ""  # what callers name it; empty: from the model's own name
    model_revision: str = ""  # of a hub id: commit, tag or branch
    cache: Path = Path("state/models")  # ONNX files written from the weights
    precision: Literal["fp32", "int8"] = "fp32"  # int8 only starts where its measured fidelity holds
    max_tokens: int = Field(512, ge=8)  # of one text; the model's own bound where that is lower
    truncate: bool = False  # False: a longer text is refused; True: it is cut

    # The heads: a folder of them; empty: embeddings/heads beside the code; "none": no heads.
    heads: str = ""

    # Batching. One batch occupies one core.
    threads: int = Field(default_factory=_cores, ge=1)  # batches computed at once
    max_batch: int = Field(32, ge=1)  # texts
    # With padding; a single longer text is a batch of its own. More gained nothing on a CPU (the matrix
    # products are at the core's limit already) and makes everybody wait longer.
    max_batch_tokens: int = Field(256, ge=8)
    # How long a free core waits for company. At 0 work gathers only while every core is busy.
    max_wait_ms: float = Field(0.0, ge=0)
    max_queue: int = Field(4096, ge=1)  # texts waiting; more are refused with 503
    max_delay_ms: float = Field(75.0, gt=0)  # a request not begun by then is refused with 503

    @field_validator("log_level")
    @classmethod
    def known_level(cls, value: str) -> str:
        if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
        return value.upper()

    @field_validator("heads")
    @classmethod
    def heads_that_are_there(cls, value: str) -> str:
        if value not in ("", NO_HEADS) and not Path(value).expanduser().is_dir():
            raise ValueError(f"neither a folder that exists nor '{NO_HEADS}'")
        return value

    @model_validator(mode="after")
    def a_whole_request_fits_the_queue(self) -> "Settings":
        if self.max_queue < self.max_inputs:
            raise ValueError("EMBEDDINGS_MAX_QUEUE must be at least EMBEDDINGS_MAX_INPUTS")
        return self

    @model_validator(mode="after")
    def no_open_door_in_public(self) -> "Settings":
        if self.host not in LOOPBACK and not self.api_key.get_secret_value():
            raise ValueError("listening beyond loopback needs EMBEDDINGS_API_KEY")
        return self
