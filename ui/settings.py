"""Every setting of the dashboard. Nothing else reads the environment."""

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    gateway_url: str = "http://127.0.0.1:38300"
    public_url: str = ""  # the gateway's address as people reach it, for requests to copy; empty: the same
    host: str = "127.0.0.1"
    port: int = 8501
    timeout_s: float = 65.0  # of an answer: a grade by a slow model takes its time; a look has 10 s at most
    max_upload_mb: int = 100  # as the gateway's DATASET_MAX_BYTES

    @property
    def shown_url(self) -> str:
        return self.public_url or self.gateway_url


def read_settings() -> Settings:
    """From the environment; what is empty there was not said. Raises ValueError naming the setting."""
    default = Settings()
    return Settings(
        gateway_url=_address("GATEWAY_URL", default.gateway_url),
        public_url=_address("GATEWAY_PUBLIC_URL", ""),
        host=_text("UI_HOST", default.host),
        port=int(_number("UI_PORT", default.port)),
        timeout_s=_number("UI_TIMEOUT_S", default.timeout_s),
        max_upload_mb=int(_number("UI_MAX_UPLOAD_MB", default.max_upload_mb)),
    )


def _text(name: str, default: str) -> str:
    return os.environ.get(name) or default


def _address(name: str, default: str) -> str:
    address = _text(name, default).rstrip("/")
    if address and not address.startswith(("http://", "https://")):
        raise ValueError(f"{name} must begin with http:// or https://")
    return address


def _number(name: str, default: float) -> float:
    text = os.environ.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{name} must be a number") from None
    if not 0 < value < 1e6:
        raise ValueError(f"{name} must be a number above 0")
    return value
