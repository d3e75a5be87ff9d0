"""A place in which the commands of the pages work as they are typed: the gateway, its worker, the embeddings
service and the bot, with a stand-in for the model server alone (`chaos/upstream.py`)."""

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
KEY = "cu_prodml_hw_week13"  # the one that the pages show
PATIENCE_S = 420.0
_PORTS = ("PORT", "RPC_PORT", "LLM_PORT", "EMBEDDINGS_PORT", "API_PORT")
# Addresses of the pages, and whose they are.
_PLACES = {38300: "PORT", 50051: "RPC_PORT", 8081: "EMBEDDINGS_PORT", 6872: "API_PORT"}
# What the pages leave to their reader: ids of what was made just before. And an address that a program knows.
_LEFT_OPEN = (
    (re.compile(r"\bscripts\.grpc_client(?! --target)"), "scripts.grpc_client --target 127.0.0.1:50051"),
    (re.compile(r"job=job_\.\.\."), "job=$(newest /v1/training-jobs)"),
    (re.compile(r"\bgrade_[0-9a-f]{32}\b"), "$(newest /v1/grades)"),
    (re.compile(r"\bref_[0-9a-f]{32}\b|\$reference\b"), "$(newest /v1/drift-references)"),
    (re.compile(r"\$run\b"), "$(newest /v1/drift-runs)"),
)
# A refusal ends the script, and what was asked to be trained is waited for before the next command.
_PRELUDE = """
set -Eeuo pipefail
trap 'echo "failed: $BASH_COMMAND" >&2' ERR
export KEY=$API_KEY URL={url}
auth="Authorization: Bearer $KEY"
ask() {{ command curl --silent --show-error --fail-with-body --max-time 60 -H "$auth" "$URL$1"; }}
newest() {{ ask "$1" | python -c 'import json, sys; print(json.load(sys.stdin)["data"][0]["id"])'; }}
waiting() {{ ask "/v1/training-jobs?status=$1" | grep -q job_; }}
curl() {{
  command curl --silent --show-error --fail-with-body --max-time 60 "$@"
  echo
  while waiting queued || waiting running; do sleep 0.3; done
}}
"""


@dataclass(frozen=True, slots=True)
class Typed:
    """What became of a page's commands."""

    code: int
    said: str


class Place:
    """All of it in one folder; `close` ends every process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ends = ExitStack()
        self._ports = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
        self.url = self._at("PORT")
        self._environment = {**os.environ, **self._settings(), "PYTHONPATH": str(ROOT)}
        # `python` is the gateway's own, as in an activated environment; `python3` too.
        self._environment["PATH"] = f"{ROOT}/.venv/bin:{os.environ['PATH']}"
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._ends.close()

    def ask(self, path: str, body: Any = None) -> Any:
        """Raises HTTPError for a refusal."""
        raw = None if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
        request = urllib.request.Request(self.url + path, raw, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def type(self, page: str, lines: list[str]) -> "Typed":
        """The lines in one shell, in a folder of their own with the files that the pages speak of."""
        home = self._folder / page.replace("/", "-").removesuffix(".md")
        _furnish(home)
        script = _PRELUDE.format(url=self.url) + "\n".join(self._here(line) for line in lines)
        own = {"API_KEYS_FILE": str(home / "keys.json")}  # each page makes its `bot`
        typing = subprocess.Popen(
            ["bash", "-c", script], cwd=home, env=self._environment | own, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        try:
            said, _ = typing.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            _end(typing)
            said, _ = typing.communicate()
        return Typed(typing.returncode, said)

    def _here(self, line: str) -> str:
        for pattern, words in _LEFT_OPEN:
            line = pattern.sub(words, line)
        for port, name in _PLACES.items():
            line = re.sub(rf"\b(localhost|127\.0\.0\.1):{port}\b", f"127.0.0.1:{self._ports[name]}", line)
        return line

    def _settings(self) -> dict[str, str]:
        state = self._folder / "state"
        return {
            **{name: str(port) for name, port in self._ports.items()},
            "API_KEY": KEY,
            "API_KEYS_FILE": str(state / "keys.json"),
            "REQUESTS_PER_MINUTE": "100000",
            "UNKNOWN_MODEL_FALLBACK": "true",
            "LLM_URL": self._at("LLM_PORT"),
            "EMBEDDINGS_URL": self._at("EMBEDDINGS_PORT"),
            "EMBEDDINGS_CACHE": str(state / "models"),
            "OPEN_AI_API_KEY": KEY,
            "PROXY_URL": self._at("PORT"),
            "FRAUD_MODEL_URL": str(ROOT / "fraud/models/fraud.onnx"),
            "FRAUD_SCENARIO_MODEL_URL": str(ROOT / "fraud/models/fraud_scenario.onnx"),
            "DATABASE_URL": f"sqlite:///{state}/gateway.db",
            "TRAFFIC_PER_S": "500",
            "DATASETS_DIR": str(state / "datasets"),
            "TRAINING_DIR": str(state / "training"),
            "MODELS_URL": str(state / "trained"),
            "REPORTS_URL": str(state / "reports"),
            "MLFLOW_TRACKING_URI": f"sqlite:///{state}/mlflow.db",
            "MLFLOW_ARTIFACTS": str(state / "mlruns"),
            "DRIFT_EVERY_S": "0",
            "MODEL_POLL_S": "0.2",
            "REGISTRY_SYNC_S": "1",
        }

    def _start(self) -> None:
        (self._folder / "state").mkdir()
        board = self._folder / "board"
        self._begin(
            ".venv", "-m", "chaos.upstream", str(self._ports["LLM_PORT"]), str(board), "8", "0.01", "0.001"
        )
        self._begin(".venv-embeddings", "-m", "embeddings", "serve")
        self._begin(".venv", "-m", "gateway", "serve")
        self._begin(".venv-worker", "-m", "gateway", "worker")
        self._begin(".venv", "-m", "bot")
        until = time.monotonic() + PATIENCE_S
        while not self._ready():
            if time.monotonic() > until:
                raise TimeoutError(f"not ready within {PATIENCE_S} s: {self._folder}")
            time.sleep(0.3)

    def _ready(self) -> bool:
        try:
            self.ask("/-/readyz")
            return "spam" in self.ask("/v1/models")["models"] and bool(
                self.ask("/v1/status")["training"]["workers"]
            )
        except OSError:  # nobody listens yet, or a refusal
            return False

    def _begin(self, environment: str, *arguments: str) -> None:
        log = self._ends.enter_context((self._folder / "processes.log").open("ab"))
        process = subprocess.Popen(
            [ROOT / environment / "bin/python", *arguments], cwd=ROOT, env=self._environment,
            stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        self._ends.callback(_end, process)

    def _at(self, name: str) -> str:
        return f"http://127.0.0.1:{self._ports[name]}"


def _end(process: "subprocess.Popen[Any]") -> None:
    """With everything that it started."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
    except ProcessLookupError:
        process.wait()
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as open_:
        sockets = [open_.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def _furnish(home: Path) -> None:
    """The files that a reader of the pages has, and the project's environments."""
    (home / "state").mkdir(parents=True)
    (home / "state/notes").write_text("something\n")
    for environment in ROOT.glob(".venv*"):
        (home / environment.name).symlink_to(environment)
    answers = (
        "id,submission,question\n1,Oxygen.,What do plants give off?\n2,Sugar.,What do plants give off?\n"
    )
    rubric = {"name": "short", "criteria": [{"id": "CR1", "description": "Names oxygen.", "weight": 1.0}]}
    payments = "".join(f"{n % 7}.5,{n % 24},{int(n % 7 > 4)}\n" for n in range(200))
    files = {
        "answers.csv": answers,
        "rubric.json": json.dumps(rubric),
        "answer.txt": "My name is Anna Karev, anna@example.org.\n",
        "letter.txt": "Здравствуйте, Мария Сергеевна! Моя почта ivan.petrov@example.com.\n",
        "payments.csv": "amount,hour,fraud\n" + payments,
        "in.csv": "id,text\n1,You have won a prize!\n2,See you at the lecture.\n",
    }
    for name, text in files.items():
        (home / name).write_text(text, "utf-8")
