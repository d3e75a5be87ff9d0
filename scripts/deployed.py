"""A deployed gateway as `make smoke` asks it: HTTP of the standard library, nothing else."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

PATIENCE_S = 30.0  # with a silence
_MOST_BYTES = 8 << 20


class Wrong(Exception):
    """An answer that is not what it should be. The text is ours."""


class Away(Wrong):
    """Nobody answered, or said that it cannot now: asking again may help."""


class Absent(Exception):
    """The deployment has no such thing."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            raise Wrong("the answer is no JSON") from None


class Instance:
    """A deployed gateway, over a new connection for each request."""

    def __init__(self, url: str, token: str, rpc: str) -> None:
        parts = urlsplit(url)
        self.secure = parts.scheme == "https"
        self.rpc = rpc
        self._host, self._port, self._path = parts.hostname or "", parts.port, parts.path.rstrip("/")
        self._token = token

    def ask(self, method: str, path: str, body: Any = None, *, key: str | None = None, **more: str) -> Answer:
        """`key`: another one, or an empty text for none; `more`: headers. Raises Away."""
        kind = http.client.HTTPSConnection if self.secure else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=PATIENCE_S)
        headers = {name.replace("_", "-"): value for name, value in more.items()}
        if token := self._token if key is None else key:
            headers["authorization"] = f"Bearer {token}"
        raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        if raw is not None:
            headers["content-type"] = "application/json"
        try:
            connection.request(method, self._path + path, raw, headers)
            answer = connection.getresponse()
            told = answer.read(_MOST_BYTES)
        except ssl.SSLError as error:
            raise Wrong(f"TLS: {error.reason}") from None
        except (OSError, http.client.HTTPException) as error:
            raise Away(f"no answer: {type(error).__name__}") from None
        finally:
            connection.close()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, told)

    def told(self, method: str, path: str, body: Any = None, **more: str) -> Any:
        """The JSON of a 200. Raises Wrong, Away."""
        return well(self.ask(method, path, body, **more)).json()

    def model(self, output: str) -> str:
        """The name of the first model with that output. Raises Absent."""
        for one in self.told("GET", "/v1/models")["data"]:
            if one.get("output") == output:
                return str(one["id"])
        raise Absent(f"no model with the output {output} is listed")


def well(answer: Answer) -> Answer:
    """A 200. Raises Wrong, Away."""
    if answer.status != 200:
        raise (Away if answer.status in (502, 503, 504) else Wrong)(refusal(answer))
    return answer


def refusal(answer: Answer) -> str:
    """The status and the code; messages may hold what somebody else wrote."""
    try:
        said = json.loads(answer.body)
        code = said["error"]["code"] if isinstance(said.get("error"), dict) else said["code"]
    except (ValueError, TypeError, KeyError, AttributeError):
        return f"status {answer.status}"
    return f"status {answer.status}, code {ascii(code)[:60]}"
