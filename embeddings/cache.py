"""ONNX files written once from the weights, and believed only while their manifest says so.

`CACHE/NAME-PRECISION/encoder.onnx` beside `manifest.json`, which is written last: sha256 of every source file
and of the ONNX file, and the number of the graph's version. Anything that does not agree (a half-written
file, an altered one, other weights, a newer program) is written anew.
"""

import contextlib
import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from embeddings.errors import Unusable
from embeddings.source import Source

log = logging.getLogger(__name__)

GRAPH_VERSION = 1  # a change in graph.py or quantize.py needs a new number
LEAST_FIDELITY = 0.99  # cosine to fp32, the worst of the probe texts


def onnx_file(source: Source, precision: str, cache: Path) -> tuple[bytes, str]:
    """The encoder as an ONNX file, from the cache or written into it now, and its version: the first 12
    digits of its sha256. Raises Unusable."""
    digests = source.digests()
    folder = cache / f"{source.name}-{precision}"
    found = _cached(folder, digests)
    if found is None:
        with _building(folder):
            # Another process may have been first.
            found = _cached(folder, digests) or _built(source, precision, cache, folder, digests)
    content, manifest = found
    _refuse_unfaithful(manifest)
    return content, str(manifest["onnx"])[:12]


def _cached(folder: Path, digests: dict[str, str]) -> tuple[bytes, dict[str, Any]] | None:
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        content = (folder / "encoder.onnx").read_bytes()
    except (OSError, ValueError):
        return None
    if not isinstance(manifest, dict) or manifest.get("graph_version") != GRAPH_VERSION:
        return None
    if manifest.get("source") != digests or manifest.get("onnx") != hashlib.sha256(content).hexdigest():
        return None
    return content, manifest


def _built(
    source: Source, precision: str, cache: Path, folder: Path, digests: dict[str, str]
) -> tuple[bytes, dict[str, Any]]:
    began = time.monotonic()
    fidelity = None
    if precision == "int8":
        # Imported here: onnx and its quantizer serve the building only.
        from embeddings.quantize import fidelity_of, int8_of  # noqa: PLC0415

        exact, _ = onnx_file(source, "fp32", cache)
        content = int8_of(source, exact)
        fidelity = fidelity_of(source, exact, content)
    else:
        content = _fp32_of(source)
    manifest = {
        "graph_version": GRAPH_VERSION,
        "source": digests,
        "onnx": hashlib.sha256(content).hexdigest(),
        "fidelity": fidelity,
    }
    _write(folder / "encoder.onnx", content)
    _write(folder / "manifest.json", json.dumps(manifest, indent=1).encode())
    log.info("encoder written into the cache in %.1f s", time.monotonic() - began)
    return content, manifest


def _fp32_of(source: Source) -> bytes:
    # Imported here: a start from the cache needs neither.
    from safetensors import SafetensorError  # noqa: PLC0415
    from safetensors.numpy import load_file  # noqa: PLC0415

    from embeddings.graph import MissingWeight, Shape, encoder  # noqa: PLC0415

    shape = Shape(source.layers, source.heads, source.eps, source.pooling, source.first_position)
    try:
        graph = encoder(shape, load_file(source.folder / "model.safetensors"))
        content: bytes = graph.SerializeToString()
        return content
    except (MissingWeight, SafetensorError) as error:
        raise Unusable(f"no graph can be made of the model's weights: {error}") from None
    except ValueError:
        raise Unusable("the model is larger than an ONNX file of one part may be (2 GB)") from None


def _refuse_unfaithful(manifest: dict[str, Any]) -> None:
    fidelity = manifest.get("fidelity")
    if fidelity is not None and fidelity < LEAST_FIDELITY:
        raise Unusable(
            f"EMBEDDINGS_PRECISION=int8 is not offered for this model: its cosine to fp32 falls to "
            f"{fidelity:.3f}, the least allowed is {LEAST_FIDELITY}"
        )


def _write(file: Path, content: bytes) -> None:
    """Whole or not at all, also when the machine stops."""
    new = file.with_name(f"{file.name}.{os.getpid()}.new")
    with new.open("wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    new.replace(file)


@contextlib.contextmanager
def _building(folder: Path) -> Iterator[None]:
    """One builder at a time; what a killed one left behind is removed."""
    # Imported here: not there on Windows, where two builders would only do the work twice.
    import fcntl  # noqa: PLC0415

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise Unusable(f"EMBEDDINGS_CACHE cannot be written ({error.strerror})") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in folder.glob("*.new"):
            left.unlink()
        yield
    finally:
        os.close(lock)
