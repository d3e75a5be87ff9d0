"""The dashboard's requests: what is sent, and what becomes of answers that are not the gateway's."""

import json
import subprocess
import threading
from collections.abc import Iterator

import pytest

from tests.ui.fake_gateway import KEY, Asked, FakeGateway, refusal, served
from ui import client as client_module
from ui.client import Gateway, GatewayDown, Refused, as_curl


@pytest.fixture
def wire() -> Iterator[FakeGateway]:
    with served() as made:
        yield made


def client(wire: FakeGateway, timeout_s: float = 20.0) -> Gateway:
    return Gateway(wire.url, KEY, timeout_s)


def test_a_question_carries_the_key_in_its_header_and_only_what_was_said(wire: FakeGateway) -> None:
    wire.answers["GET", "/v1/grades"] = 200, {"data": []}
    assert client(wire).get("/v1/grades", rubric=None, limit=5) == {"data": []}
    [asked] = wire.asked
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.query == {"limit": "5"}


def test_a_body_keeps_its_letters_and_an_upload_its_bytes(wire: FakeGateway) -> None:
    wire.answers["POST", "/v1/mask"] = 200, {}
    wire.answers["POST", "/v1/datasets"] = 201, {"name": "a"}
    client(wire).post("/v1/mask", {"text": "Ёж 😀\0"}, headers={"cache-control": "no-cache"})
    assert client(wire).upload("/v1/datasets", b"\xff\x00", "text/csv", name="a") == ({"name": "a"}, True)
    masked, uploaded = wire.asked
    assert masked.json == {"text": "Ёж 😀\0"}
    assert masked.headers["cache-control"] == "no-cache"
    assert (uploaded.body, uploaded.headers["content-type"]) == (b"\xff\x00", "text/csv")


def test_a_refusal_is_read_in_both_of_the_gateways_shapes(wire: FakeGateway) -> None:
    openai = {"error": {"message": "No.", "type": "requests", "param": "n", "code": "rate_limit_exceeded"}}
    wire.answers["GET", "/v1/models"] = 429, openai, {"retry-after": "7"}
    wire.answers["GET", "/v1/grades"] = 400, refusal("invalid_request", "Wrong.", "since")
    with pytest.raises(Refused) as first:
        client(wire).get("/v1/models")
    with pytest.raises(Refused) as second:
        client(wire).get("/v1/grades")
    one, two = first.value, second.value
    assert (one.status, one.code, one.message, one.param, one.retry_after_s) == (
        429,
        "rate_limit_exceeded",
        "No.",
        "n",
        7.0,
    )
    assert (two.status, two.code, two.message, two.param, two.retry_after_s) == (
        400,
        "invalid_request",
        "Wrong.",
        "since",
        None,
    )


@pytest.mark.parametrize("details", [None, 5, {"field": "x"}, ["x", {}, {"field": None}]])
def test_a_refusal_with_odd_details_is_still_one(wire: FakeGateway, details: object) -> None:
    wire.answers["GET", "/x"] = (
        400,
        {"code": "c", "message": None, "details": details},
        {"retry-after": "soon"},
    )
    with pytest.raises(Refused) as caught:
        client(wire).get("/x")
    assert (caught.value.param, caught.value.message, caught.value.retry_after_s) == (None, "", None)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (502, b"<html>Bad gateway</html>"),
        (200, b"<html>Log in to the Wi-Fi</html>"),
        (200, b"\xff\xfe"),
        (200, b"[1]"),
        (500, b'"no"'),
        (404, b'{"detail": "Not Found"}'),
        (200, b""),
    ],
)
def test_what_is_not_the_gateways_answer_is_none(wire: FakeGateway, status: int, body: bytes) -> None:
    wire.answers["GET", "/v1/models"] = status, body, {"content-type": "text/html"}
    with pytest.raises(GatewayDown):
        client(wire).get("/v1/models")


def test_a_redirect_is_not_followed_with_the_key(wire: FakeGateway) -> None:
    with served() as elsewhere:
        elsewhere.answers["GET", "/v1/models"] = 200, {}
        wire.answers["GET", "/v1/models"] = 307, b"", {"location": f"{elsewhere.url}/v1/models"}
        with pytest.raises(GatewayDown):
            client(wire).get("/v1/models")
        assert not elsewhere.asked


def test_a_proxys_cookie_does_not_come_back_with_another_users_key(wire: FakeGateway) -> None:
    wire.answers["GET", "/v1/models"] = 200, {}, {"set-cookie": "session=first; Path=/"}
    client(wire).get("/v1/models")
    Gateway(wire.url, "another-key", 20.0).get("/v1/models")
    assert wire.asked[1].headers["authorization"] == "Bearer another-key"
    assert "cookie" not in wire.asked[1].headers


def test_silence_longer_than_the_time_limit_is_no_answer(wire: FakeGateway) -> None:
    done = threading.Event()

    def late(_: Asked) -> tuple[int, object]:
        done.wait(30)
        return 200, {}

    wire.answers["GET", "/v1/models"] = late
    try:
        with pytest.raises(GatewayDown):
            client(wire, timeout_s=0.2).get("/v1/models")
    finally:
        done.set()


def test_a_look_waits_less_than_what_a_model_is_asked(
    wire: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "_LOOK_S", 0.2)
    given_up = threading.Event()

    def late(_: Asked) -> tuple[int, object]:
        given_up.wait(30)
        return 200, {"answer": 1}

    wire.answers["GET", "/v1/status"] = wire.answers["POST", "/v1/mask"] = late
    with pytest.raises(GatewayDown):
        client(wire).get("/v1/status")
    threading.Timer(0.6, given_up.set).start()
    assert client(wire).post("/v1/mask", {}) == {"answer": 1}


def test_a_closed_door_is_no_answer_and_its_error_holds_no_address() -> None:
    with served() as gone:
        address = gone.url
    with pytest.raises(GatewayDown) as caught:
        Gateway(address, KEY, 5.0).get("/v1/models")
    assert caught.value.__suppress_context__
    assert not caught.value.args
    assert not Gateway(address, KEY, 5.0).is_up()


def test_a_request_to_copy_brings_a_shell_to_send_that_very_body() -> None:
    body = {"submission": 'it\'s $(id) `id` \\ "x"\nJSON\n\0 Ёж', "n": [1, None]}
    command = as_curl("http://gate.example/a b", "/v1/models/x:predict", body)
    assert KEY not in command
    stub = 'GATEWAY_KEY=mine; curl() { printf "%s\\n" "$@" >&2; cat; };\n'
    ran = subprocess.run(["bash", "-c", stub + command], capture_output=True, check=True, timeout=30)
    assert json.loads(ran.stdout) == body
    assert ran.stderr.decode().splitlines()[:3] == [
        "http://gate.example/a b/v1/models/x:predict",
        "-H",
        "Authorization: Bearer mine",
    ]
