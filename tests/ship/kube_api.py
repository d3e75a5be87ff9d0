"""A Kubernetes API on loopback for kubectl: some pods, any deployment, a list of what it was asked for."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PODS = "/api/v1/namespaces/my-namespace/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/my-namespace/deployments"


def pod(name: str, app: str, namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "uid": name, "labels": {"app": app}},
        "spec": {"containers": [{"name": app, "image": app}]},
        "status": {"phase": "Running"},
    }


def deployment(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "my-namespace", "labels": {"app": name}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": name, "image": name}]},
            },
        },
    }


def resource(name: str, kind: str, *verbs: str) -> dict[str, Any]:
    return {"name": name, "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": verbs}


DISCOVERY: dict[str, dict[str, Any]] = {
    "/version": {"major": "1", "minor": "32", "gitVersion": "v1.32.4"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [
            {
                "name": "apps",
                "versions": [{"groupVersion": "apps/v1", "version": "v1"}],
                "preferredVersion": {"groupVersion": "apps/v1", "version": "v1"},
            }
        ],
    },
    "/api/v1": {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [
            resource("pods", "Pod", "get", "list", "watch", "delete"),
            resource("pods/log", "Pod", "get"),
            resource("services", "Service", "get", "create"),
        ],
    },
    "/apis/apps/v1": {
        "kind": "APIResourceList",
        "groupVersion": "apps/v1",
        "resources": [
            resource("deployments", "Deployment", "get", "list", "watch", "patch"),
            resource("deployments/scale", "Scale", "get", "patch", "update"),
        ],
    },
}


@dataclass(frozen=True, slots=True)
class Asked:
    method: str
    path: str
    selector: str = ""
    tail: str = ""
    body: Any = None


@dataclass(slots=True)
class Cluster:
    """app1 has pods in two namespaces; beside them there is always a pod that is not meant."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    pods: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {
            f"{namespace}/{name}": pod(name, app, namespace)
            for namespace, name, app in (
                ("my-namespace", "app1-a", "app1"),
                ("my-namespace", "app1-b", "app1"),
                ("my-namespace", "app2-a", "app2"),
                ("my-namespace", "app2-b", "app2"),
                ("another", "app1-c", "app1"),
                ("another", "app2-c", "app2"),
            )
        }
    )

    def answer(self, asked: Asked) -> tuple[int, Any]:
        parts = asked.path.split("/")
        if asked.path in DISCOVERY:
            return 200, DISCOVERY[asked.path]
        if asked.path in (PODS, "/api/v1/pods"):
            return 200, {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": self._meant(asked)}
        if asked.path.startswith(PODS) and parts[-1] == "log":
            return 200, f"said by {parts[-2]}"
        if asked.path.startswith(PODS):
            found = self.pods.get(f"my-namespace/{parts[-1]}")
            if asked.method == "DELETE" and found:
                del self.pods[f"my-namespace/{parts[-1]}"]
            return (200, found) if found else (404, status(404, "NotFound"))
        if asked.path.startswith(DEPLOYMENTS) and parts[-1] == "scale":
            wanted = asked.body["spec"] if asked.body else {"replicas": 1}
            name = {"name": parts[-2], "namespace": "my-namespace"}
            return 200, {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": name, "spec": wanted}
        if asked.path.startswith(DEPLOYMENTS):
            return 200, deployment(parts[-1])
        if asked.path.endswith("/services") and asked.method == "POST":
            return 201, asked.body
        return 404, status(404, "NotFound")

    def _meant(self, asked: Asked) -> list[dict[str, Any]]:
        label, _, value = asked.selector.partition("=")
        return [
            one
            for one in self.pods.values()
            if asked.path == "/api/v1/pods" or one["metadata"]["namespace"] == "my-namespace"
            if not label or one["metadata"]["labels"].get(label) == value
        ]


def status(code: int, reason: str) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code}


@contextmanager
def serving(cluster: Cluster) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            body = json.loads(raw) if raw else None
            selector, tail = query.get("labelSelector", ""), query.get("tailLines", "")
            asked = Asked(self.command, url.path, selector, tail, body)
            if asked.path not in DISCOVERY:
                cluster.asked.append(asked)
            code, content = cluster.answer(asked)
            kind = "text/plain" if isinstance(content, str) else "application/json"
            answer = (content if isinstance(content, str) else json.dumps(content)).encode()
            self.send_response(code)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer  # noqa: N815 - names of http.server's

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    cluster.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
