"""Tensors on the wire: what is written is read, and what is broken is refused."""

import math
import struct
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidRequest
from gateway.open_inference import Tensor
from gateway.rpc.gen.open_inference_grpc_pb2 import ModelInferRequest, ModelInferResponse
from gateway.rpc.tensors import read_inputs, write_outputs

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "BOOL": st.booleans(),
    "INT32": st.integers(-(2**31), 2**31 - 1),
    "INT64": st.integers(-(2**63), 2**63 - 1),
    "FP32": st.floats(width=32, allow_nan=False),
    "FP64": st.floats(allow_nan=False),
    "BYTES": st.text(),
}


@given(st.data(), st.sampled_from(sorted(VALUES)), st.booleans())
def test_what_is_written_is_read(data: st.DataObject, datatype: str, raw: bool) -> None:
    values = data.draw(st.lists(VALUES[datatype], min_size=1))
    response = ModelInferResponse()
    write_outputs([Tensor("x", datatype, (len(values), 1), values)], response, raw=raw)
    (output,) = response.outputs
    asked = ModelInferRequest(raw_input_contents=response.raw_output_contents)
    asked.inputs.add(
        name="x", datatype=output.datatype, shape=output.shape, contents=None if raw else output.contents
    )
    (tensor,) = read_inputs(asked)
    assert (tensor.datatype, tensor.shape, list(tensor.data)) == (datatype, (len(values), 1), values)


@given(
    st.lists(st.binary(max_size=40), max_size=3),
    st.lists(
        st.tuples(
            st.sampled_from([*VALUES, "FP16", "BF16", "UINT8", "UINT64", "", "fp32"]),
            st.lists(st.integers(-2, 2**62), max_size=10),
        ),
        max_size=3,
    ),
)
def test_any_bytes_are_read_or_refused(raw: list[bytes], inputs: list[tuple[str, list[int]]]) -> None:
    asked = ModelInferRequest(raw_input_contents=raw)
    for datatype, shape in inputs:
        asked.inputs.add(name="x", datatype=datatype, shape=shape)
    with suppress(InvalidRequest):
        assert all(len(one.data) == math.prod(one.shape) for one in read_inputs(asked))


def test_raw_numbers_are_little_endian() -> None:
    asked = ModelInferRequest(raw_input_contents=[struct.pack("<2d", 1.5, -2.0), b"\x01\x00\x00\x00a"])
    asked.inputs.add(name="amount", datatype="FP64", shape=[2])
    asked.inputs.add(name="country", datatype="BYTES", shape=[1])
    assert [list(one.data) for one in read_inputs(asked)] == [[1.5, -2.0], ["a"]]


@pytest.mark.parametrize(
    ("datatype", "shape", "raw"),
    [
        ("FP64", [2], b"\0" * 8),
        ("FP64", [1], b"\0" * 9),
        ("BYTES", [1], b"\x05\0\0\0a"),
        ("BYTES", [1], b"\x01\0"),
        ("BYTES", [2], b"\x01\0\0\0a"),
        ("BYTES", [1], b"\x01\0\0\0\xff"),
        ("BF16", [1], b"\0\0"),
        ("INT64", [-1], b""),
        ("INT64", [1] * 9, b"\0" * 8),
    ],
)
def test_contents_that_do_not_fit_are_refused(datatype: str, shape: list[int], raw: bytes) -> None:
    asked = ModelInferRequest(raw_input_contents=[raw])
    asked.inputs.add(name="x", datatype=datatype, shape=shape)
    with pytest.raises(InvalidRequest):
        read_inputs(asked)


def test_contents_in_the_wrong_field_or_in_both_places_are_refused() -> None:
    asked = ModelInferRequest()
    asked.inputs.add(name="x", datatype="FP32", shape=[1]).contents.fp64_contents.append(1.0)
    with pytest.raises(InvalidRequest):
        read_inputs(asked)
    asked = ModelInferRequest(raw_input_contents=[b"\0" * 4])
    asked.inputs.add(name="x", datatype="FP32", shape=[1]).contents.fp32_contents.append(1.0)
    with pytest.raises(InvalidRequest):
        read_inputs(asked)
