"""The wish to be answered once."""

import pytest

from gateway.errors import InvalidRequest
from gateway.rpc.calls import Call
from gateway.rpc.gen.training_pb2 import StartTrainingRequest


def asked(names: list[str]) -> StartTrainingRequest:
    message = StartTrainingRequest(model="m")
    for name in names:
        message.hyperparameters.update({name: 1})
    return message


def test_the_order_of_a_map_on_the_wire_makes_no_other_request() -> None:
    call = Call("id", "/s/M", {"idempotency-key": "again"})
    names = [f"parameter_{number}" for number in range(50)]
    there, back = asked(names), asked(names[::-1])
    once = call.once("start", there)
    assert once == call.once("start", back)
    assert once != call.once("retrain", there)
    assert once != call.once("start", asked(names[1:]))
    assert once is not None
    assert "again" not in (once.key, once.body_hash)
    assert Call("id", "/s/M", {}).once("start", there) is None


@pytest.mark.parametrize("key", ["", "x" * 256, "ключ"])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(InvalidRequest):
        Call("id", "/s/M", {"idempotency-key": key}).once("start", asked([]))
