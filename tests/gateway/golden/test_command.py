"""`gateway golden` as a person runs it, against a loopback server that grades well, badly or not at all."""

import argparse
import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.commands import golden
from gateway.golden import asking, runs
from gateway.golden.cases import load
from gateway.settings import Settings
from tests.fakes import listening
from tests.gateway.golden import pseudo
from tests.gateway.golden.pseudo import SET, Fault, pseudo_run

CASES = load(SET)
KEY = "golden-key"
JsonObject = dict[str, Any]


class FakeGateway:
    """Grades as a pseudo-grader does, in the shape of contract v1.1."""

    def __init__(self) -> None:
        self.bodies: list[JsonObject] = []
        self.busy: dict[str, list[tuple[int, str | None]]] = {}  # submission -> refusals before it is graded
        self.answers: Callable[[JsonObject], JsonObject] = lambda answer: answer
        self.under_way = self.most_under_way = 0
        self.grade_as(pseudo.none)

    def grade_as(self, fault: Fault, seed: int = 1) -> None:
        outcomes = pseudo_run(CASES, seed, fault).by_id
        self.outcomes = {
            (case.request["submission"], case.request["question"]): outcomes[case.id] for case in CASES
        }

    def running(self) -> Any:
        app = web.Application()
        app.router.add_get("/v1/status", self._for_the_key(self._status))
        app.router.add_post("/v1/models/{name}:predict", self._for_the_key(self._predict))
        return listening(app)

    @staticmethod
    def _for_the_key(handler: Callable[[web.Request], Awaitable[web.Response]]) -> Any:
        async def guarded(request: web.Request) -> web.Response:
            if request.headers["authorization"] != f"Bearer {KEY}":
                return web.json_response({"code": "unauthenticated"}, status=401)
            return await handler(request)

        return guarded

    @staticmethod
    async def _status(_: web.Request) -> web.Response:
        return web.json_response({"service": "gateway", "version": "1.2.3"})

    async def _predict(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.bodies.append(body)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        if self.busy.get(body["submission"]):
            status, after = self.busy[body["submission"]].pop(0)
            headers = {} if after is None else {"retry-after": after}
            return web.json_response({"code": "overloaded"}, status=status, headers=headers)
        outcome = self.outcomes[body["submission"], body["question"]]
        if outcome.error:
            return web.json_response({"code": outcome.error, "message": "..."}, status=502)
        most = (body.get("metadata") or {}).get("max_score", 10)
        used = body.get("rubric") or {"name": "x", "version": "1.0.0", "criteria": [{"id": "CR1"}]}
        criteria, rubric = used["criteria"], f"{used['name']}@{used['version']}"
        assert outcome.share is not None
        answer = {
            "id": "grade_" + "0" * 32,
            "score": outcome.share * most,
            "max_score": most,
            "comments": "",
            "details": {
                "criteria": [
                    {"id": one["id"], "points": outcome.share, "max_points": 1.0} for one in criteria
                ]
            },
            "grader": request.match_info["name"],
            "versions": {"model": "pseudo@1", "prompt": "none", "rubric": rubric, "contract": "v1.1"},
            "confidence": 0.9,
            "needs_review": False,
            "review_reasons": [],
            "label": outcome.label,
            "cached": False,
        }
        return web.json_response(self.answers(answer))


@pytest.fixture
async def served() -> AsyncIterator[tuple[FakeGateway, str]]:
    gateway = FakeGateway()
    async with gateway.running() as url:
        yield gateway, url


async def command(*arguments: str, key: str | None = KEY) -> int:
    parser = argparse.ArgumentParser()
    golden.add(parser.add_subparsers())
    options = parser.parse_args(["golden", *arguments])
    settings = Settings(api_key=key)
    code: int = await asyncio.to_thread(options.run, options, settings)
    return code


@pytest.fixture
def own_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The set in a folder where baselines may be written, and a working directory of our own."""
    folder = tmp_path / "golden_set"
    folder.mkdir()
    for room in ("cases", "rubrics"):
        (folder / room).symlink_to(SET / room)
    monkeypatch.chdir(tmp_path)
    return folder


def content(name: str) -> str:
    return Path(name).read_text(encoding="utf-8")


def put(name: str, data: JsonObject) -> None:
    Path(name).write_text(json.dumps(data), encoding="utf-8")


async def test_a_good_grader_passes_and_a_spoilt_one_does_not(
    served: tuple[FakeGateway, str], own_set: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway, url = served
    target = ("--url", url, "--grader", "grader-embedding")
    assert await command("check", *target) == 2
    assert "is missing" in capsys.readouterr().err, "there is no baseline yet"
    assert await command("run", *target, "--out", "first.json") == 0
    assert await command("accept", "first.json") == 0
    assert (own_set / "baselines" / "grader-embedding.json").exists()
    gateway.grade_as(pseudo.none, seed=2)
    assert await command("check", *target) == 0
    capsys.readouterr()
    gateway.grade_as(pseudo.stern, seed=3)
    assert await command("check", *target, "--report", "out.html") == 1
    told = capsys.readouterr().out
    assert "WORSE: mean error" in told
    assert content("out.html").startswith("<!doctype html>")
    assert await command("compare", "first.json", "state/golden/grader-embedding.json") == 1
    assert await command("compare", "state/golden/grader-embedding.json", "first.json") == 0


async def test_a_run_holds_every_case_its_versions_and_no_text(
    served: tuple[FakeGateway, str], own_set: Path
) -> None:
    gateway, url = served
    gateway.grade_as(pseudo.refuses_russian)
    assert await command("run", "--url", f"{url}/", "--grader", "grader-llm", "--out", "run.json") == 0
    run = runs.read(Path("run.json"))
    assert [outcome.id for outcome in run.outcomes] == [case.id for case in CASES]
    assert (run.grader, run.gateway, run.versions["model"]) == ("grader-llm", "1.2.3", ["pseudo@1"])
    assert {outcome.error for outcome in run.outcomes} == {None, "backend_error"}
    kettle = run.by_id["moon-drop/same-time"]
    assert kettle.criteria == {"CR1": kettle.share}
    written = content("run.json")
    assert not any(
        case.request["submission"][:40] in written for case in CASES if len(case.request["submission"]) > 40
    )
    assert {body["grader"] for body in gateway.bodies} == {"llm"}, "a fallback would be another grader"
    assert 1 < gateway.most_under_way <= 4


async def test_only_busy_is_asked_again_and_as_late_as_it_says(
    served: tuple[FakeGateway, str],
) -> None:
    gateway, url = served
    waited: list[float] = []

    async def wait(seconds: float) -> None:
        waited.append(seconds)

    cases = [case for case in CASES if "copied-question" in case.tags]
    first, second, third = (case.request["submission"] for case in cases)
    gateway.busy = {first: [(429, "7"), (503, None)], second: [(503, "900")] * 9, third: [(504, "1")]}
    target = asking.Target(url, "grader-llm", KEY, concurrency=1)
    run = await asking.ask(target, cases, wait)
    assert [outcome.error for outcome in run.outcomes] == [None, "overloaded", "overloaded"]
    assert waited == [7, 1, 30, 30, 30]
    assert len(gateway.bodies) == 3 + 4 + 1


@pytest.mark.parametrize(
    "broken",
    [
        lambda answer: {**answer, "score": answer["max_score"] + 1},
        lambda answer: {**answer, "score": "high"},
        lambda answer: {**answer, "max_score": 0},
        lambda answer: {**answer, "grader": "grader-llm"},
        lambda answer: {**answer, "details": None},
        lambda answer: {name: value for name, value in answer.items() if name != "confidence"},
        lambda answer: {**answer, "versions": {}},
    ],
)
async def test_an_answer_that_breaks_its_contract_is_an_error(
    served: tuple[FakeGateway, str], broken: Callable[[JsonObject], JsonObject]
) -> None:
    gateway, url = served
    gateway.answers = broken
    run = await asking.ask(asking.Target(url, "grader-embedding", KEY), CASES[:2])
    assert [outcome.error for outcome in run.outcomes] == ["bad_answer", "bad_answer"]


class Breaking(FakeGateway):
    """Hangs up, after the first case only when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.stop = asyncio.Event()

    async def _predict(self, request: web.Request) -> web.Response:
        if (await request.json())["submission"] == CASES[0].request["submission"]:
            await self.stop.wait()
        assert request.transport is not None
        request.transport.abort()
        return web.Response()


async def test_a_slow_answer_and_a_broken_connection_are_errors_of_their_case() -> None:
    gateway = Breaking()
    async with gateway.running() as url:
        run = await asking.ask(asking.Target(url, "grader-llm", KEY, timeout_s=0.3), CASES[:2])
        gateway.stop.set()
    assert [outcome.error for outcome in run.outcomes] == ["timeout", "unreachable"]


async def test_what_cannot_be_used_is_told_with_exit_code_2(
    served: tuple[FakeGateway, str],
    own_set: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, url = served
    asked = ("run", "--grader", "grader-llm", "--out", "run.json", "--url")

    async def told(*arguments: str, **options: Any) -> str:
        assert await command(*arguments, **options) == 2
        return capsys.readouterr().err

    assert "refuses the key" in await told(*asked, url, key="another")
    assert "set API_KEY" in await told(*asked, url, key=None)
    assert "set OTHER_KEY" in await told(*asked, url, "--key-env", "OTHER_KEY")
    monkeypatch.setenv("OTHER_KEY", KEY)
    assert await command(*asked, url, "--key-env", "OTHER_KEY", "--only", "zero-width", key=None) == 0
    capsys.readouterr()
    assert "no gateway answers" in await told(*asked, "http://127.0.0.1:9")
    assert "no case has this tag" in await told(*asked, url, "--only", "nothing")
    assert "whole set" in await told("accept", "run.json")
    assert "cannot be read" in await told("compare", "run.json", "nowhere.json")
    put("text.json", {})
    assert "is not a run" in await told("compare", "run.json", "text.json")
    other = json.loads(content("run.json"))
    other["outcomes"] = other["outcomes"][:1]
    put("less.json", other)
    assert "different cases" in await told("compare", "run.json", "less.json")
    other["outcomes"][0]["digest"] = "0" * 16
    put("old.json", other)
    assert "another golden set" in await told("compare", "run.json", "old.json")
    assert "no cases" in await told(*asked, url, "--set", "elsewhere")


async def test_only_a_tag_is_compared_with_that_part_of_the_baseline(
    served: tuple[FakeGateway, str], own_set: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway, url = served
    target = ("--url", url, "--grader", "grader-llm")
    assert await command("run", *target, "--out", "run.json") == 0
    assert await command("accept", "run.json") == 0
    gateway.grade_as(pseudo.gullible)
    gateway.bodies.clear()
    assert await command("check", *target, "--only", "attack") == 1
    assert len(gateway.bodies) == sum("attack" in case.tags for case in CASES)
    assert "newly over-scored" in capsys.readouterr().out
