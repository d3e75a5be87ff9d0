"""`GET /v1/audit`, and the one place where the REST door writes down who changes what others use."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from urllib.parse import parse_qs, unquote

from fastapi import APIRouter, Query, Response

from gateway.audit import CANCELLED, DONE, Action, Audit, AuditQuery, Deed, entry_answer
from gateway.drift.asks import read_time
from gateway.rest.bodies import Message, Receive
from gateway.rest.door import App, Scope, Send
from gateway.rest.observe import Exchange
from gateway.rest.page import CallerOf, Json, Limit

ACTIONS: Mapping[tuple[str, str], Action] = {
    ("POST", "/v1/datasets"): Action.DATASET_UPLOAD,
    ("DELETE", "/v1/datasets/{name}"): Action.DATASET_DELETE,
    ("POST", "/v1/training-jobs"): Action.TRAINING_START,
    ("POST", "/v1/training-jobs/{id}:cancel"): Action.TRAINING_CANCEL,
    ("DELETE", "/v1/training-jobs/{id}"): Action.TRAINING_DELETE,
    ("POST", "/v1/models/{name}:retrain"): Action.MODEL_RETRAIN,
    ("POST", "/v1/models/{name}:promote"): Action.MODEL_PROMOTE,
    ("DELETE", "/v1/models/{name}"): Action.MODEL_DELETE,
    ("POST", "/v1/rubrics"): Action.RUBRIC_ADD,
    ("PUT", "/v1/rubrics/{id}"): Action.RUBRIC_REPLACE,
    ("POST", "/v1/rubrics/{id}:rescore"): Action.RUBRIC_RESCORE,
    ("POST", "/v1/reviews/{id}"): Action.GRADE_CORRECT,
    ("POST", "/v1/drift-references"): Action.REFERENCE_KEEP,
    ("DELETE", "/v1/drift-references/{id}"): Action.REFERENCE_FORGET,
}
# Writes that are not among them, and why: a test holds the two against every route.
THEIR_OWN = frozenset({
    ("POST", "/v1/embeddings"),  # asks a model
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/mask"),
    ("POST", "/v1/models/{name}:predict"),
    ("POST", "/v2/models/{name}/infer"),
    ("POST", "/predict"),
    ("POST", "/predict_scenario"),
    ("POST", "/v1/batches"),  # the caller's own
    ("POST", "/v1/batches/{id}:cancel"),
    ("POST", "/v1/drift-runs"),  # looks, and changes nothing
})  # fmt: skip


class Recorded:
    """The pages, with each action among them written down. Whoever may not do it is refused by the pages, and
    stands in the log of requests: of callers who oversee nothing there is no entry, so that they cannot fill
    the store."""

    def __init__(self, pages: App, audit: Audit) -> None:
        self._pages = pages
        self._audit = audit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange: Exchange | None = scope.get("state", {}).get("exchange")
        action = ACTIONS.get((exchange.method, exchange.route)) if exchange else None
        if exchange is None or exchange.caller is None or action is None or not exchange.caller.oversees:
            await self._pages(scope, receive, send)
            return
        what = _asked(exchange, scope["query_string"])
        # Held back until the entry is closed: whoever has their answer finds it there.
        answer: list[Message] = []
        async with self._audit.recorded(exchange.caller.key_id, action, what, exchange.request_id) as deed:
            await self._pages(scope, receive, _kept(answer, deed))
            deed.outcome = _outcome(exchange)
        for message in answer:
            await send(message)


def router(audit: Audit) -> APIRouter:
    """The routes over the audit."""
    routes = APIRouter(tags=["operations"])

    @routes.get("/v1/audit")
    async def entries(
        caller: CallerOf,
        action: Action | None = None,
        key_id: Annotated[str | None, Query(max_length=200)] = None,
        since: Annotated[str | None, Query(description="ISO 8601; without a time zone in UTC")] = None,
        after: str | None = None,
        limit: Limit = 50,
    ) -> Response:
        """Who changed what others use, newest first; `after` is the last id of the page before."""
        begun: datetime | None = None if since is None else read_time(since, "since")
        found = await audit.find(caller, AuditQuery(action, key_id, begun, after, limit + 1))
        data = [entry_answer(entry) for entry in found[:limit]]
        return Json({"object": "list", "data": data, "has_more": len(found) > limit})

    return routes


def _asked(exchange: Exchange, query_string: bytes) -> str | None:
    """What the address names: `name`, `name@version` or an id; None where only the body does."""
    query = parse_qs(query_string.decode("latin-1")) if query_string else {}
    if exchange.route == "/v1/datasets":
        return query.get("name", [""])[0] or None
    if "{" not in exchange.route:
        return None
    head, _, tail = exchange.route.partition("{")
    named = exchange.path[len(head) : len(exchange.path) - len(tail.partition("}")[2])]
    version = query.get("version", [""])[0]
    return f"{named}@{version}" if version.isascii() and version.isdigit() else named


def _kept(answer: list[Message], deed: Deed) -> Send:
    """Keeps the answer, a few kilobytes; what was made stands in its head."""

    async def kept(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers: dict[bytes, bytes] = dict(message.get("headers", ()))
            if where := headers.get(b"location") or headers.get(b"content-location"):
                deed.made(_made(where.decode("latin-1")))
        answer.append(message)

    return kept


def _made(address: str) -> str:
    """`/v1/datasets/name?version=2` -> `name@2`, `/v1/training-jobs/ID` -> `ID`."""
    path, _, query = address.partition("?")
    name = unquote(path.rpartition("/")[2])
    return f"{name}@{query.removeprefix('version=')}" if query else name


def _outcome(exchange: Exchange) -> str:
    if exchange.client_left:
        return CANCELLED
    return exchange.code.value if exchange.code else DONE
