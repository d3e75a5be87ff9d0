"""What a row has to play with: an upstream, gateways, clients, all of them ended when the row is."""

import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import orjson

from chaos import asks
from chaos.board import Board, Field, Mode
from chaos.client import Client
from chaos.load import closed_loop
from chaos.processes import ROOT, START_S, NotThere, Process, free_port, python, until
from chaos.scale import Scale


class Upstream:
    """The model server's stand-in, and its board."""

    def __init__(self, folder: Path, scale: Scale) -> None:
        self.port = free_port()
        self.board = Board(folder / "board")
        numbers = map(str, (self.port, folder / "board", scale.slots, scale.prompt_s, scale.token_s))
        self.process = Process("upstream", python("-m", "chaos.upstream", *numbers), folder / "upstream.log")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self.process.start()
        client = Client(self.port)
        await until(lambda: _is(client, "/health", 200), START_S, "the upstream answers")
        client.close()

    async def break_by(self, fault: Mode | None) -> None:
        """By None it is killed."""
        if fault is None:
            self.process.kill()
            self.board[Field.WAITING] = 0
        else:
            self.board[Field.MODE] = fault

    async def heal(self) -> None:
        self.board[Field.MODE] = Mode.WELL
        if not self.process.is_running:
            await self.start()


class Gateway:
    """`python -m gateway serve`, and a client of its own for looking at it."""

    def __init__(self, name: str, folder: Path, settings: dict[str, str]) -> None:
        self.port = int(settings["PORT"])
        self.process = Process(name, python("-m", "gateway", "serve"), folder / f"{name}.log", settings)
        self.client = Client(self.port)

    async def start(self) -> None:
        self.process.start()
        await self.is_ready()

    async def is_ready(self, within_s: float = START_S) -> float:
        async def holds() -> bool:
            if not self.process.is_running:
                raise NotThere(f"{self.process.name} ended: {self.process.last_words()}")
            return await self.status_of("/-/readyz") == 200

        return await until(holds, within_s, f"{self.process.name} is ready")

    async def json(self, path: str) -> Any:
        """A page's body; {} where there is none."""
        status, body = await self.client.body(asks.get(path))
        return orjson.loads(body) if status == 200 else {}

    async def status_of(self, path: str) -> int:
        return (await self.client.body(asks.get(path)))[0]

    async def service(self, name: str) -> str:
        """As /v1/status tells it: up, down, off."""
        told = await self.json("/v1/status")
        return next((one["state"] for one in told.get("services", ()) if one["name"] == name), "unknown")

    async def metric(self, name: str) -> float:
        """The sum over its labels; 0 where it is not shown."""
        _, page = await self.client.body(asks.get("/metrics"))
        found = 0.0
        for line in page.decode().splitlines():
            head, _, value = line.rpartition(" ")
            if head.partition("{")[0] == name:
                found += float(value)
        return found


class Stage:
    """Use it as `async with`; what was started first ends last."""

    def __init__(self, folder: Path, scale: Scale) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.scale = scale
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "Stage":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def closes(self, process: Process) -> None:
        self._stack.push_async_callback(process.close)

    async def upstream(self) -> Upstream:
        made = Upstream(self.folder, self.scale)
        self.closes(made.process)
        await made.start()
        return made

    def gateway(self, upstream: Upstream, name: str = "gateway", **changes: str) -> Gateway:
        """Not started yet."""
        settings = {**self.settings(upstream, name), "PORT": str(free_port()), **changes}
        made = Gateway(name, self.folder, settings)
        self.closes(made.process)
        return made

    async def running_gateway(self, upstream: Upstream, name: str = "gateway", **changes: str) -> Gateway:
        made = self.gateway(upstream, name, **changes)
        await made.start()
        # The store opens after the door, and readiness is not about it.
        await until(lambda: _is(made.client, "/v1/grades?limit=1", 200), START_S, "the store is open")
        return made

    def settings(self, upstream: Upstream, name: str) -> dict[str, str]:
        """A gateway that masks by patterns; everything that it keeps lies in the row's folder."""
        mine = self.folder / name
        mine.mkdir(exist_ok=True)
        return {
            "RPC_PORT": "0",
            "API_KEY": asks.KEY,
            "API_KEYS_FILE": str(mine / "keys.json"),
            "REQUESTS_PER_MINUTE": "100000000",
            "LLM_URL": upstream.url,
            "LLM_TIMEOUT_S": "5",
            "MASK_NAMES": "false",
            "DATABASE_URL": f"sqlite:///{mine}/store.db",
            "DATASETS_DIR": str(self.folder / "datasets"),
            "MODELS_URL": str(self.folder / "models"),
            "REPORTS_URL": str(self.folder / "reports"),
            "TRAINING_DIR": str(mine / "training"),
            "FRAUD_MODEL_URL": str(ROOT / "fraud" / "models" / "fraud.onnx"),
        }

    async def capacity(self, upstream: Upstream) -> float:
        """C: good answers a second of the bare upstream with twice as many requests as slots under way."""
        client = Client(upstream.port)
        ask = asks.chat(random.Random(0))
        measured = await closed_loop(client, ask, 2 * self.scale.slots, self.scale.capacity_s)
        client.close()
        return measured

    def client(self, gateway: Gateway) -> Callable[[], Client]:
        client = Client(gateway.port)
        self._stack.callback(client.close)
        return lambda: client


async def _is(client: Client, path: str, status: int) -> bool:
    return (await client.body(asks.get(path)))[0] == status
