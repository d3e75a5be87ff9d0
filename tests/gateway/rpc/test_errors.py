"""Every code at both doors, and what a refusal carries over gRPC."""

import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.errors import Code, GatewayError, InvalidHyperparameters, RateLimited
from gateway.rest.errors import HTTP
from gateway.rpc.errors import STATUS, refusal


@pytest.mark.parametrize("code", Code)
def test_every_code_has_its_place_at_both_doors(code: Code) -> None:
    status, rpc = HTTP[code].status, STATUS[code]
    ours = rpc in (StatusCode.UNAVAILABLE, StatusCode.INTERNAL)
    # A deadline is nobody's fault.
    if code not in (Code.BACKEND_TIMEOUT, Code.BODY_TIMEOUT, Code.DEADLINE_EXCEEDED):
        assert ours == (status >= 500), (status, rpc)
    # Clients of gRPC try UNAVAILABLE again by themselves: it must be worth it, as HTTP's clients are told.
    assert (rpc is StatusCode.UNAVAILABLE) <= HTTP[code].retry
    for pair in ((401, StatusCode.UNAUTHENTICATED), (403, StatusCode.PERMISSION_DENIED)):
        assert (status == pair[0]) == (rpc is pair[1])
    assert (status == 404) == (rpc is StatusCode.NOT_FOUND)


def details(error: GatewayError) -> tuple[status_pb2.Status, dict[str, object]]:
    _, _, metadata = refusal(error, "ab" * 16)
    status = status_pb2.Status.FromString(dict(metadata)["grpc-status-details-bin"])  # type: ignore[arg-type]
    found: dict[str, object] = {}
    for kind in (
        error_details_pb2.ErrorInfo,
        error_details_pb2.BadRequest,
        error_details_pb2.RetryInfo,
        error_details_pb2.RequestInfo,
    ):
        for packed in status.details:
            one = kind()
            if packed.Unpack(one):
                found[kind.__name__] = one
    return status, found


def test_details_name_the_field_and_the_pause() -> None:
    status, found = details(InvalidHyperparameters("'C' must be above 0.", param="hyperparameters.C"))
    assert (status.code, status.message) == (3, "'C' must be above 0.")
    assert found["ErrorInfo"].reason == "INVALID_HYPERPARAMETERS"  # type: ignore[attr-defined]
    assert found["RequestInfo"].request_id == "ab" * 16  # type: ignore[attr-defined]
    assert found["BadRequest"].field_violations[0].field == "hyperparameters.C"  # type: ignore[attr-defined]
    _, found = details(RateLimited("Too many.", retry_after=1.25))
    assert found["RetryInfo"].retry_delay.ToMilliseconds() == 1250  # type: ignore[attr-defined]
    assert "BadRequest" not in found


@example("\U0001f600" * 5000, "x" * 300)
@given(st.text(max_size=5000), st.text(max_size=300))
def test_whatever_is_said_fits_the_trailers(detail: str, param: str) -> None:
    error = GatewayError("The gateway failed.", param=param, detail=detail)
    _, words, metadata = refusal(error, "ab" * 16)
    # gRPC percent-encodes the words and writes the details as base64; clients take 8 KiB.
    size = 3 * len(words.encode()) + sum(
        len(name) + len(value) * (4 / 3 if isinstance(value, bytes) else 1) for name, value in metadata
    )
    assert size < 7000
    assert all(value.isascii() and value.isprintable() for _, value in metadata if isinstance(value, str))
