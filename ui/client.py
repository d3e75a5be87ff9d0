"""The only network code of the dashboard: it asks the gateway, with the user's own key, and nobody else."""

import json
import shlex
from collections.abc import Mapping
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

_CONNECT_S = 3.0
_LOOK_S = 10.0  # of what asks no model: a gateway that stands still is told soon


class GatewayDown(Exception):
    """No answer, or one that is not the gateway's."""


class Refused(Exception):
    """The gateway's own refusal."""

    def __init__(self, status: int, error: Mapping[str, Any], retry_after_s: float | None = None) -> None:
        self.status = status
        self.code = str(error.get("code") or "")
        self.message = str(error.get("message") or "")
        details = error.get("details")
        fields = (
            [one.get("field") for one in details if isinstance(one, dict)]
            if isinstance(details, list)
            else []
        )
        named = error.get("param") or next((one for one in fields if one), None)
        self.param = None if named is None else str(named)
        self.retry_after_s = retry_after_s
        super().__init__(self.code)


class Gateway:
    """One user's gateway. Every method raises GatewayDown or Refused."""

    def __init__(self, url: str, key: str, timeout_s: float) -> None:
        self._url = url
        self._headers = {"authorization": f"Bearer {key}"}
        self._http = _connections(timeout_s)
        self._look = httpx.Timeout(min(timeout_s, _LOOK_S), connect=_CONNECT_S)

    def get(self, path: str, **query: Any) -> Any:
        """The JSON of a resource; what is None in the query is not asked for."""
        return self._json(self._ask("GET", path, params=_said(query), timeout=self._look))

    def post(self, path: str, body: Any, *, headers: Mapping[str, str] | None = None, **query: Any) -> Any:
        return self._json(self._ask("POST", path, json=body, params=_said(query), headers=headers or {}))

    def delete(self, path: str, **query: Any) -> None:
        self._ask("DELETE", path, params=_said(query))

    def upload(self, path: str, content: bytes, content_type: str, **query: Any) -> tuple[Any, bool]:
        """What became of the file, and whether it is new (201)."""
        headers = {"content-type": content_type}
        answer = self._ask("POST", path, content=content, params=_said(query), headers=headers)
        return self._json(answer), answer.status_code == httpx.codes.CREATED

    def text(self, path: str) -> str:
        """A resource that is no JSON."""
        return self._ask("GET", path).text

    def is_up(self) -> bool:
        """Whether anything answers there, whoever asks."""
        try:
            return self._http.get(f"{self._url}/-/healthz", timeout=_CONNECT_S).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def _ask(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **named: Any) -> Any:
        try:
            answer = self._http.request(
                method, self._url + path, headers={**self._headers, **(headers or {})}, **named
            )
        except (httpx.HTTPError, httpx.InvalidURL):
            raise GatewayDown from None  # the cause holds the address, and may hold the key
        if answer.is_success:
            return answer
        raise _refusal(answer)

    def _json(self, answer: httpx.Response) -> Any:
        try:
            told = answer.json()
        except ValueError:
            raise GatewayDown from None
        if not isinstance(told, dict):  # the gateway answers nothing else, so this is somebody else
            raise GatewayDown
        return told


def _refusal(answer: httpx.Response) -> Exception:
    try:
        body = answer.json()
    except ValueError:
        return GatewayDown()
    # Two bodies: OpenAI's on its own paths, and the one of everything else.
    error = body.get("error") if isinstance(body, dict) else None
    error = error if isinstance(error, dict) else body
    if not isinstance(error, dict) or "code" not in error:
        return GatewayDown()
    return Refused(answer.status_code, error, _seconds(answer.headers.get("retry-after")))


def _seconds(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _said(query: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}


@lru_cache(maxsize=4)
def _connections(timeout_s: float) -> httpx.Client:
    """Shared by all users: it holds no key, nor a cookie, which would be one user's in another's requests.
    Nothing is followed elsewhere with a key in hand."""
    timeout = httpx.Timeout(timeout_s, connect=_CONNECT_S)
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    return httpx.Client(timeout=timeout, follow_redirects=False, trust_env=False, cookies=no_cookies)


def as_curl(url: str, path: str, body: Any) -> str:
    """The request for a terminal; the key is the reader's own to fill in. The body is on a line of its own:
    an argument may have 128 KiB at most, and JSON on one line cannot end what the shell reads there."""
    return (
        f'curl {shlex.quote(url + path)} \\\n  -H "Authorization: Bearer $GATEWAY_KEY" \\\n'
        "  -H 'Content-Type: application/json' \\\n"
        f"  --data-binary @- <<'JSON'\n{json.dumps(body, ensure_ascii=False)}\nJSON"
    )
