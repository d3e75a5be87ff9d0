"""A model server for gateways in other processes, and rows for it."""

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.fakes import FakeUpstream, completion


class Model(FakeUpstream):
    """Gives each submission a level of its own, the same at each asking."""

    def __init__(self) -> None:
        super().__init__()
        self.graded: list[str] = []  # the word that each asked submission begins with
        self.url = ""
        self.reply = self._level
        self.pause_s = 0.0

    async def _level(self, _: web.Request, body: Any) -> web.StreamResponse:
        asked = body["messages"][-1]["content"]
        if "row-" not in asked:  # the gateway asks whether the model is there
            return web.json_response(completion("{}"))
        name = "row-" + asked.split("row-", 1)[1].split()[0]
        self.graded.append(name)
        await asyncio.sleep(self.pause_s)
        level = hashlib.sha256(name.encode()).digest()[0] % 5
        return web.json_response(completion(json.dumps({"evidence": "", "comment": name, "level": level})))


def environment(model: Model, folder: Path) -> dict[str, str]:
    """Of a gateway in another process."""
    return {
        "LLM_URL": model.url,
        "API_KEY": "k",
        "API_KEYS_FILE": str(folder / "keys.json"),
        "DATABASE_URL": f"sqlite:///{folder}/gateway.db",
        "MASK_NAMES": "false",
        "GRADE_LEASE_S": "2",  # how long what a killed process was grading is waited for
    }


def write_rows(path: Path, count: int) -> None:
    rows = "".join(f"{n},row-{n} is what I think\n" for n in range(count))
    path.write_text(f"id,submission\n{rows}")
