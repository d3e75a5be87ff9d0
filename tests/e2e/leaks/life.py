"""A gateway's whole life under traffic with canaries in it, and all that was seen of it."""

import json
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.leaks import chats, edges, gradings
from tests.e2e.leaks.asks import CHAT, ESSAY, GRADE, KEPT, Ask, Traffic, bytes_of, said, submission
from tests.e2e.leaks.canaries import found_in
from tests.e2e.leaks.stage import Gateway, Servers, files, processes, rest_of, until, written_elsewhere

PAGES = ("/metrics", "/v1/status", "/v1/models", "/openapi.json", "/v2", "/v1/contracts", "/-/readyz")
MOODS = ("refuses", "fails", "talks nonsense", "breaks off")
DEATHS = (signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV)
NAMESAKES = {
    "one": "Меня зовут Аделаида. Растения выделяют кислород.",
    "other": "Меня зовут Евстафия. Растения выделяют кислород.",
}


@dataclass(frozen=True)
class Left:
    """What is left of a gateway that met everything."""

    places: Mapping[str, bytes]  # "place: detail" -> all that was there
    traffic: Traffic
    answers: Mapping[str, bytes]  # to each request, for its caller alone
    namesakes: Mapping[str, bytes]  # by key, to NAMESAKES
    limits: Mapping[str, str]  # of each process
    elsewhere: list[str]  # files that it wrote outside its folder
    exit_code: int

    def leaks(self, place: str) -> str:
        """What was found there and must not be: where it was planted, and where it is."""
        canaries = [
            one for one in self.traffic.canaries if place not in self.traffic.may_be_in.get(one.label, ())
        ]
        return "\n".join(
            f"{label!r} is in {name}"
            for name, haystack in self.places.items()
            if name.partition(":")[0] == place
            for label in found_in(haystack, canaries)
        )


def lived(folder: Path, servers: Servers) -> Left:
    """From its start to SIGTERM under load."""
    traffic = _everything(f"http://127.0.0.1:{servers.store.port}")
    gateway = Gateway(folder, servers)
    try:
        answers = {ask.label: gateway.exchange(bytes_of(ask, gateway.keys)) for ask in traffic.asks}
        namesakes = _namesakes(gateway)
        _until_graded(gateway)
        places = _shown(gateway, traffic)
        places |= _while_the_model_fails(gateway, servers, traffic)
        _client_leaves(gateway, servers)
        for death in DEATHS:
            _worker_dies(gateway, death)
        places |= {f"pages: {path}": gateway.get(path) for path in PAGES}
        places |= _by_kind(files(folder), " while it runs")
        family = gateway.family()
        places |= processes(family)
        limits = {str(one): Path(f"/proc/{one.pid}/limits").read_text() for one in family}
        elsewhere = written_elsewhere(family, folder)
        with load(gateway):
            gateway.process.send_signal(signal.SIGTERM)
            exit_code = gateway.process.wait(30)
    finally:
        gateway.end()
    places |= _by_kind(files(folder))
    places |= {
        "model server": bytes(servers.model.sent),
        "embeddings service": bytes(servers.embeddings.sent),
    }
    return Left(places, traffic, answers, namesakes, limits, elsewhere, exit_code)


def _everything(store: str) -> Traffic:
    """`store` is the address of one that has an artefact called `there`."""
    traffic = Traffic()
    for part in (
        *(chats.chats, chats.tools, chats.schemas),
        *(gradings.grades, gradings.programs, gradings.inference, gradings.batches),
        *(edges.heads, edges.refusals),
    ):
        part(traffic)
    gradings.artefacts(traffic, store)
    return traffic


def _by_kind(found: Mapping[str, bytes], when: str = "") -> dict[str, bytes]:
    kinds = {"output.log": "output", "store.db": "store", "store.db-wal": "store", "store.db-shm": "store"}
    return {f"{kinds.get(name, 'other files')}: {name}{when}": content for name, content in found.items()}


def _namesakes(gateway: Gateway) -> dict[str, bytes]:
    """Two callers whose submissions are one when they are masked."""
    bodies = {
        key: json.dumps({"submission": text, "contract": "v1.1"}).encode() for key, text in NAMESAKES.items()
    }
    return {
        key: gateway.exchange(bytes_of(Ask(key, "POST", GRADE, body, 200, key=key), gateway.keys))
        for key, body in bodies.items()
    }


def _until_graded(gateway: Gateway) -> None:
    def over() -> bool:
        batches = json.loads(gateway.get("/v1/batches").rpartition(b"\r\n\r\n")[2])["data"]
        return len(batches) == 3 and all(batch["ended_at"] for batch in batches)

    until(over, 30)


def _shown(gateway: Gateway, traffic: Traffic) -> dict[str, bytes]:
    """Every kept thing, to everybody who may ask."""
    ids = [
        one["id"]
        for one in json.loads(gateway.get("/v1/grades?limit=200").rpartition(b"\r\n\r\n")[2])["data"]
    ]
    assert len(ids) > 10
    batches = json.loads(gateway.get("/v1/batches").rpartition(b"\r\n\r\n")[2])["data"]
    comment = json.dumps({"comment": traffic.planted("comment of a review", KEPT)}).encode()
    review = Ask("review", "POST", f"/v1/reviews/{ids[-1]}", comment, 201, key="trainer")
    assert gateway.exchange(bytes_of(review, gateway.keys)).startswith(b"HTTP/1.1 201")
    paths = [
        *("/v1/grades?limit=200", "/v1/reviews", "/v1/reviews/agreement", "/v1/batches", "/v1/rubrics"),
        "/v1/rubrics/essay@1.0.0",
        *(f"/v1/grades/{grade}?audit=true" for grade in ids),
        *(f"/v1/grades/{grade}" for grade in ids),
        *(one["results"] for one in batches),
    ]
    whom = {"settings": "overseers", "trainer": "overseers", "other": "strangers", "one": "the caller, later"}
    return {
        f"{place}: {key}": b"\n".join(gateway.get(path, key) for path in paths) for key, place in whom.items()
    }


def _while_the_model_fails(gateway: Gateway, servers: Servers, traffic: Traffic) -> dict[str, bytes]:
    """What somebody else is told of it, by the same paths, at the same time."""
    told = {}
    bodies = [
        (CHAT, said(ESSAY)),
        (CHAT, said(ESSAY, stream=True)),
        (GRADE, submission(traffic, "failure", grader="llm")),
        ("/v1/batches", {"requests": [submission(traffic, "failure", grader="llm")]}),
    ]
    for mood in MOODS:
        servers.mood = mood
        for n, (path, body) in enumerate(bodies):
            ask = Ask(mood, "POST", path, json.dumps(body).encode(), 0, (b"cache-control: no-cache",))
            answer = gateway.exchange(bytes_of(ask, gateway.keys))
            # Only what the model says in a stream is the caller's own; no error quotes him.
            if "stream" not in body:
                told[f"errors: {mood} {n}"] = answer
            innocent = Ask(mood, "POST", CHAT, json.dumps(said("Hello!")).encode(), 0, key="other")
            told[f"strangers: {mood} {n} to another"] = gateway.exchange(bytes_of(innocent, gateway.keys))
    servers.mood = "echo"
    _until_well(gateway)
    return told


def _until_well(gateway: Gateway) -> None:
    """A model server that failed again and again is left alone for a while."""
    hello = Ask("well", "POST", CHAT, json.dumps(said("Hello!")).encode(), 0, key="other")
    until(lambda: gateway.exchange(bytes_of(hello, gateway.keys)).startswith(b"HTTP/1.1 200"), 30)


def _client_leaves(gateway: Gateway, servers: Servers) -> None:
    """In the middle of his question, and of the answer."""
    for path in (CHAT, GRADE):
        whole = bytes_of(Ask("leaves", "POST", path, ESSAY.encode(), 0), gateway.keys)
        with gateway.asking(whole[:-20]):
            pass
    servers.mood = "hangs"
    ask = Ask("leaves", "POST", CHAT, json.dumps(said(ESSAY, stream=True)).encode(), 200)
    with gateway.asking(bytes_of(ask, gateway.keys)) as client:
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
        assert gateway.in_flight()
    until(lambda: gateway.in_flight() == 0, 10)
    servers.mood = "echo"


def _worker_dies(gateway: Gateway, death: signal.Signals) -> None:
    """Deep in a text, by its own fault or not; another one takes its place."""
    [worker] = gateway.family()[1:]
    long = json.dumps(said(f"{death} {ESSAY}\n" * 100)).encode()
    used = sum(worker.cpu_times()[:2])
    with gateway.asking(bytes_of(Ask("long", "POST", CHAT, long, 503), gateway.keys)) as client:
        until(lambda: sum(worker.cpu_times()[:2]) > used + 0.05, 10)
        worker.send_signal(death)
        assert b"masking_unavailable" in rest_of(client)
    hello = bytes_of(Ask("after", "POST", CHAT, json.dumps(said(f"{death}")).encode(), 200), gateway.keys)
    until(lambda: gateway.exchange(hello).startswith(b"HTTP/1.1 200"), 30)


@contextmanager
def load(gateway: Gateway) -> Iterator[None]:
    """Chats and grades under way all the time, at every stage; some of each were answered."""
    bodies = [(CHAT, said(ESSAY)), (CHAT, said(ESSAY, stream=True)), (GRADE, {"submission": ESSAY})]
    anew = (b"cache-control: no-cache",)
    asks = [Ask("load", "POST", path, json.dumps(body).encode(), 200, anew) for path, body in bodies]
    over = threading.Event()
    answered = [0] * len(asks)

    def ask(number: int) -> None:
        raw = bytes_of(asks[number], gateway.keys)
        with suppress(OSError):  # the gateway is gone
            while not over.is_set():
                answered[number] += gateway.exchange(raw).startswith(b"HTTP/1.1 200")

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(asks)) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: min(answered) >= 2, 20)
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(40)
