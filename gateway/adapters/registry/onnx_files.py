"""What an ONNX file says of itself. In the registry process only: the gateway's environment has no `onnx`."""

import hashlib
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from gateway.adapters.registry.entries import SHA256, SIGNATURE, Refused
from gateway.training.signature import read_signature

MOST_BYTES = 64 << 20  # of a file that somebody else registered and that is read to know what it is


def told_by(file: Path) -> dict[str, str]:
    """The tags that make somebody's version one of ours. Raises Refused when it cannot be served."""
    try:
        # Weights outside the file would be read from a path that the file names.
        model = onnx.load(str(file), load_external_data=False)
    except DecodeError:
        raise Refused from None
    if any(tensor.external_data for tensor in model.graph.initializer):
        raise Refused
    signature = next((one.value for one in model.metadata_props if one.key == SIGNATURE), "")
    try:
        read_signature(signature)
    except ValueError:
        raise Refused from None
    return {SIGNATURE: signature, SHA256: hashlib.sha256(file.read_bytes()).hexdigest()}
