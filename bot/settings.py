"""Every setting of the bot, read once from the environment. Nothing else reads it."""

import re

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_ADDRESS = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
_PROMPT = "You chat with a person. Answer their last message in its language, in one or two short sentences."


class Settings(BaseSettings):
    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, hide_input_in_errors=True)

    # The gateway.
    open_ai_api_key: SecretStr  # a key of the gateway's, of the role grader
    proxy_url: str = "http://127.0.0.1:38300/v1"  # with or without /v1
    llm_model_name: str = "model_identifier"  # the gateway's UNKNOWN_MODEL_FALLBACK takes any name
    classifier_model_name: str = "message-classifier"

    # The door.
    bot_host: str = "127.0.0.1"
    api_port: int = Field(6872, ge=1, le=65535)
    bot_log_level: str = "INFO"

    # Bounds.
    bot_timeout_s: float = Field(30.0, gt=0)  # of an answer, with its turn and every retry
    bot_connect_timeout_s: float = Field(2.0, gt=0)
    bot_retries: int = Field(3, ge=0, le=10)  # of a 429, a 5xx, a broken connection
    bot_most_open: int = Field(64, ge=1)  # questions to the gateway at once; more are refused with 503
    bot_most_waiting: int = Field(4, ge=0)  # messages of one dialogue behind the one that is being answered
    bot_max_body_bytes: int = Field(1 << 16, ge=1024)
    bot_max_tokens: int = Field(128, ge=1)  # of an answer
    bot_prompt: str = _PROMPT

    # What is remembered, in this process only.
    bot_dialogs: int = Field(1000, ge=1)  # the longest unused go first
    bot_dialog_age_s: float = Field(3600.0, gt=0)
    bot_turns: int = Field(16, ge=1)  # of a dialogue: a message and its answer; of a side: messages
    bot_turns_chars: int = Field(8000, ge=1)  # of either; the last one stays whatever its length

    @field_validator("proxy_url")
    @classmethod
    def openai_base(cls, value: str) -> str:
        value = value.rstrip("/")
        if not _ADDRESS.fullmatch(value):
            raise ValueError("must be http(s)://HOST[:PORT][/v1], without a user")
        return value if value.endswith("/v1") else f"{value}/v1"

    @field_validator("bot_log_level")
    @classmethod
    def known_level(cls, value: str) -> str:
        if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
        return value.upper()
