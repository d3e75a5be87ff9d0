"""What is loaded: any deployed gateway, and what it says of itself."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

_WITHIN_S = 10.0


class Unreachable(Exception):
    """One sentence."""


@dataclass(frozen=True, slots=True)
class Target:
    chat_model: str
    encoder: str | None  # an embedding model, where one is served
    classifier: str | None  # the same
    max_body_bytes: int
    max_message_chars: int


def learned(url: str, key: str) -> Target:
    """From /v1/models and /v1/status. Raises Unreachable."""
    models = _get(url, "/v1/models", key)["data"]
    limits = _get(url, "/v1/status", key)["limits"]
    by_output = {one["output"]: one["id"] for one in reversed(models)}  # the first of each is taken
    if "text" not in by_output:
        raise Unreachable(f"The gateway at {url} serves no chat model now.")
    return Target(
        by_output["text"],
        by_output.get("embedding"),
        by_output.get("classification"),
        limits["max_body_bytes"],
        limits["max_message_chars"],
    )


def _get(url: str, path: str, key: str) -> Any:
    request = urllib.request.Request(url + path, headers={"authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=_WITHIN_S) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refusal:
        raise Unreachable(f"{url}{path} answered {refusal.code} to this key.") from None
    except (OSError, ValueError) as error:
        raise Unreachable(f"{url}{path} did not answer: {type(error).__name__}.") from None
