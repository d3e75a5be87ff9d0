"""A stand-in for ClearML's API server on loopback: what the SDK calls, kept in memory. In tests only.

Written from what the real SDK sends; it says nothing about how the real server behaves beyond that. An
endpoint that it does not know answers 400 and is remembered, so that a test can tell.
"""

import base64
import json
import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Fields = dict[str, Any]

_RANGE = {
    *("page", "page_size", "only_fields", "order_by", "system_tags"),
    *("allow_public", "search_hidden", "shallow_search"),
}


class Standin:
    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Fields]] = {"projects": {}, "tasks": {}, "models": {}}
        self.events: list[Fields] = []
        self.calls: Counter[str] = Counter()
        self.unknown: set[str] = set()
        self.hold = threading.Event()  # until it is set ...
        self.hold.set()
        self.held = ""  # ... this endpoint is not answered; empty: none is
        self.waiting = threading.Event()  # somebody waits for that
        self.url = ""
        self._lock = threading.RLock()
        self._ticks = 0

    def named(self, kind: str, name: str) -> list[Fields]:
        return [row for row in self.rows[kind].values() if row["name"] == name]

    @contextmanager
    def holding(self, endpoint: str = "") -> Iterator[None]:
        """Silence."""
        self.held = endpoint
        self.waiting.clear()
        self.hold.clear()
        try:
            yield
        finally:
            self.hold.set()

    def answer(self, endpoint: str, body: bytes) -> tuple[int, Fields]:
        if not self.hold.is_set() and self.held in ("", endpoint):
            self.waiting.set()
            self.hold.wait()
        with self._lock:
            self.calls[endpoint] += 1
            service, _, action = endpoint.partition(".")
            if endpoint == "events.add_batch":
                lines = [json.loads(line) for line in body.splitlines() if line.strip()]
                self.events += [event for event in lines if "type" in event]
                return 200, {"added": len(lines), "errors": 0}
            asked: Fields = json.loads(body) if body.strip() else {}
            asked.pop("method", None)
            if endpoint == "auth.login":
                return 200, {"token": _token()}
            handler = getattr(self, f"_{service}_{action}", None) or getattr(self, f"_any_{action}", None)
            if handler is None or (service not in self.rows):
                self.unknown.add(endpoint)
                return 400, {}
            try:
                return 200, handler(service, asked)
            except KeyError:
                return 400, {}

    # Any entity.

    def _any_create(self, kind: str, asked: Fields) -> Fields:
        self._ticks += 1
        now = _now(self._ticks)
        row = {
            "id": uuid.uuid4().hex,
            "created": now,
            "last_update": now,
            "tags": [],
            "system_tags": [],
        } | asked
        self.rows[kind][row["id"]] = row
        return {"id": row["id"], "created": True}

    def _any_get_by_id(self, kind: str, asked: Fields) -> Fields:
        one = kind.removesuffix("s")
        return {one: self.rows[kind][asked[one]]}

    def _any_get_all(self, kind: str, asked: Fields) -> Fields:
        found = [row for row in self.rows[kind].values() if _matches(row, asked)]
        for field in reversed(asked.get("order_by") or []):
            found.sort(key=lambda row: str(row.get(field.lstrip("-"), "")), reverse=field.startswith("-"))
        size = asked.get("page_size")
        if size:
            start = (asked.get("page") or 0) * size
            found = found[start : start + size]
        return {kind: found}

    def _any_get_all_ex(self, kind: str, asked: Fields) -> Fields:
        return self._any_get_all(kind, asked)

    def _any_edit(self, kind: str, asked: Fields) -> Fields:
        one = kind.removesuffix("s")
        row = self.rows[kind][asked[one]]
        row |= {name: value for name, value in asked.items() if name not in (one, "force")}
        return {"updated": 1, "fields": {}}

    def _any_update(self, kind: str, asked: Fields) -> Fields:
        return self._any_edit(kind, asked)

    def _any_delete(self, kind: str, asked: Fields) -> Fields:
        one = kind.removesuffix("s")
        self.rows[kind].pop(asked[one])
        return {"deleted": True}

    # Tasks.

    def _tasks_create(self, kind: str, asked: Fields) -> Fields:
        parts: Fields = {name: {} for name in ("execution", "hyperparams", "output", "runtime", "script")}
        models: Fields = {"input": [], "output": []}
        return self._any_create(
            kind, parts | {"status": "created", "last_iteration": 0, "models": models} | asked
        )

    def _status(self, asked: Fields, status: str) -> Fields:
        self.rows["tasks"][asked["task"]]["status"] = status
        return {"updated": 1, "fields": {"status": status}, "started": 1}

    def _tasks_started(self, _: str, asked: Fields) -> Fields:
        return self._status(asked, "in_progress")

    def _tasks_completed(self, _: str, asked: Fields) -> Fields:
        return self._status(asked, "completed")

    def _tasks_stopped(self, _: str, asked: Fields) -> Fields:
        return self._status(asked, "stopped")

    def _tasks_failed(self, _: str, asked: Fields) -> Fields:
        return self._status(asked, "failed")

    def _tasks_ping(self, *_: Any) -> Fields:
        return {}

    def _tasks_set_requirements(self, *_: Any) -> Fields:
        return {"updated": 1, "fields": {}}

    def _tasks_add_or_update_artifacts(self, _: str, asked: Fields) -> Fields:
        execution = self.rows["tasks"][asked["task"]]["execution"]
        kept = {one["key"]: one for one in execution.get("artifacts") or []}
        kept |= {one["key"]: one for one in asked["artifacts"]}
        execution["artifacts"] = list(kept.values())
        return {"updated": 1}

    def _tasks_edit_hyper_params(self, _: str, asked: Fields) -> Fields:
        params = self.rows["tasks"][asked["task"]]["hyperparams"]
        for one in asked["hyperparams"]:
            params.setdefault(one["section"], {})[one["name"]] = one
        return {"updated": 1}

    def _tasks_add_or_update_model(self, _: str, asked: Fields) -> Fields:
        models = self.rows["tasks"][asked["task"]]["models"]
        models[asked["type"]].append({"name": asked["name"], "model": asked["model"]})
        return {"updated": 1}

    # Models.

    def _models_create(self, kind: str, asked: Fields) -> Fields:
        return self._any_create(kind, {"ready": False, "metadata": {}} | asked)

    def _models_set_ready(self, _: str, asked: Fields) -> Fields:
        self.rows["models"][asked["model"]]["ready"] = True
        return {"updated": 1}

    def _models_add_or_update_metadata(self, _: str, asked: Fields) -> Fields:
        row = self.rows["models"][asked["model"]]
        told = {one["key"]: one for one in asked["metadata"]}
        row["metadata"] = told if asked.get("replace_metadata") else row["metadata"] | told
        return {"updated": 1}


def _matches(row: Fields, asked: Fields) -> bool:
    if not _tagged(row["tags"], asked.get("tags")):
        return False
    if any(tag.startswith("-") and tag[1:] in row["system_tags"] for tag in asked.get("system_tags") or []):
        return False
    for name, wanted in asked.items():
        if name in _RANGE or name == "tags" or wanted is None:
            continue
        have: Any = row
        for part in name.split("."):
            have = have.get(part) if isinstance(have, dict) else None
        if name == "name":
            fits = re.search(wanted, have) is not None
        elif isinstance(wanted, list):
            fits = not wanted or have in wanted
        else:
            fits = have == wanted
        if not fits:
            return False
    return True


def _tagged(have: list[str], wanted: list[str] | None) -> bool:
    if not wanted:
        return True
    if wanted[0] == "__$all":
        return set(wanted[1:]) <= set(have)
    return bool(set(wanted) & set(have))


def _now(tick: int) -> str:
    return datetime.fromtimestamp(1_790_000_000 + tick, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f+00:00")


def _token() -> str:
    def part(fields: Fields) -> str:
        return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")

    claims = {
        "exp": int(time.time()) + 86_400,
        "iat": int(time.time()),
        "api_version": "2.31",
        "server_version": "2.0.0",
        "feature_set": "basic",
        "identity": {"user": "u", "company": "c", "role": "user"},
    }
    return ".".join((part({"alg": "HS256", "typ": "JWT"}), part(claims), part({})))


class _Door(BaseHTTPRequestHandler):
    standin: Standin
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for the SDK to confirm its head

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        endpoint = self.path.partition("?")[0].rpartition("/")[2]
        code, data = self.standin.answer(endpoint, body)
        meta = {
            "id": uuid.uuid4().hex,
            "trx": uuid.uuid4().hex,
            "endpoint": {"name": endpoint, "requested_version": "2.31", "actual_version": "2.31"},
            "result_code": code,
            "result_subcode": 0,
            "result_msg": "OK" if code == 200 else "not here",
            "error_stack": "",
        }
        answer = json.dumps({"meta": meta, "data": data}).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = _serve  # noqa: N815 - http.server's names

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def clearml_server() -> Iterator[Standin]:
    standin = Standin()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Door", (_Door,), {"standin": standin}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    standin.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield standin
    finally:
        standin.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()
