"""Canaries around a request: headers, queries, paths, and in what is refused."""

import gzip
import json
from collections.abc import Sequence

from tests.e2e.leaks.asks import CHAT, ESSAY, GRADE, Ask, Traffic, said


def heads(traffic: Traffic) -> None:
    """What surrounds a body: headers, queries, paths."""
    planted = traffic.planted
    names = ["user-agent", "referer", "cookie", "x-request-id", "x-forwarded-for", "traceparent", "baggage"]
    headers = [f"{name}: {planted(name)}, Вержбицкая".encode() for name in names]
    traffic.post("headers", CHAT, said("Hello!"), 200, *headers)
    traffic.get("headers of a page", "/v1/models", 200, *headers)
    for n, (path, status) in enumerate(
        [
            ("/v1/grades?submission_id={}", 200),
            ("/v1/grades?since={}", 400),
            ("/v1/grades?model={}&rubric={}&grader={}", 200),
            ("/v1/grades?after={}", 400),
            ("/v1/grades/{}", 404),
            ("/v1/reviews?submission_id={}", 200),
            ("/v1/batches?after={}", 404),
            ("/v1/batches/{}/results", 404),
            ("/v1/rubrics?name={}", 200),
            ("/v1/rubrics/{}", 404),
            ("/v1/models/{}", 404),
            ("/v2/models/{}/versions/{}", 404),
            ("/v1/contracts/{}", 404),
            ("/students/{}/Вержбицкая?q={}", 400),
            ("/students/{}/verzhbitskaya?q={}", 404),
            ("/metrics?student={}", 200),
        ]
    ):
        target = path.format(*(planted(f"path {n}") for _ in range(path.count("{}"))))
        if path.startswith("/metrics"):
            traffic.asks.append(Ask(path, "GET", target, b"", status, key="metrics"))
        else:
            traffic.get(path, target.encode(), status)
    traffic.get("percent", "/v1/%D0%92%D0%B5%D1%80%D0%B6%D0%B1%D0%B8%D1%86%D0%BA%D0%B0%D1%8F", 404)
    socket = (b"upgrade: websocket", b"connection: upgrade", b"sec-websocket-version: 13")
    key = b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="
    traffic.get("web socket", f"/{planted('web socket')}?q=Ashworth", 404, *socket, key)


def refusals(traffic: Traffic) -> None:
    planted = traffic.planted
    bodies: Sequence[tuple[str, bytes, int, tuple[bytes, ...]]] = [
        ("broken JSON", json.dumps(said(f"{ESSAY} {planted('broken JSON')}")).encode()[:-3], 400, ()),
        ("too large", f"{ESSAY} {planted('too large')} ".encode() * 900, 413, ()),
        ("gzip", gzip.compress(ESSAY.encode()), 415, (b"content-encoding: gzip",)),
        ("not UTF-8", f"Вержбицкая {planted('not UTF-8')}".encode("cp1251"), 400, ()),
        (
            "half a pair",
            b'{"model": "x", "messages": [{"role": "user", "content": "\\ud800 Ashworth"}]}',
            400,
            (),
        ),
        ("unknown field", json.dumps(said("?", **{planted("unknown field"): 1})).encode(), 400, ()),
        ("wrong role", json.dumps({"model": "x", "messages": [{"role": planted("role")}]}).encode(), 400, ()),
        ("regex", json.dumps(said("?", guided_regex=planted("regex"))).encode(), 400, ()),
        ("deep", b'{"x": ' * 99 + b'"Ashworth"' + b"}" * 99, 400, ()),
    ]
    for path in (CHAT, GRADE, "/v1/embeddings", "/v1/batches", "/v1/mask"):
        for label, body, status, headers in bodies:
            if path == CHAT or label in ("broken JSON", "too large", "not UTF-8"):
                traffic.post(f"{label} to {path}", path, body, status, *headers)
    unknown = {"submission": ESSAY, planted("unknown field of a grade"): 1}
    traffic.post("unknown field of a grade", GRADE, unknown, 400)
    traffic.post("unknown type of task", GRADE, {"submission": ESSAY, "task_type": planted("task_type")}, 400)
    traffic.post("wrong key", CHAT, said(ESSAY), 401, key=planted("wrong key"))
    traffic.post("wrong key and no JSON", GRADE, ESSAY.encode(), 401, key=planted("wrong key"))
    traffic.asks.append(Ask("method", "PATCH", "/v1/Ashworth", ESSAY.encode(), 404))
    traffic.asks.append(Ask("no method", "ASHWORTH", f"/{planted('no method')}", b"", 400))
    traffic.get("no path", f"{planted('no path')} Ashworth", 400)
    traffic.get("no header", "/v1/models", 400, f"Ashworth {planted('no header')}".encode())
