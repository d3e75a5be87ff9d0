"""Model files that are made to hurt whoever loads them."""

import asyncio
import resource
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gateway.adapters.onnx_check import _messages, elements_of_a_row
from gateway.adapters.onnx_models import load
from gateway.adapters.onnx_trees import DEEPEST
from gateway.errors import ModelUnavailable
from tests.gateway.trained import content

# Loads the file at standard input as the gateway does, in a thread, with or without the look at it before.
_LOADS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from gateway.adapters import onnx_models
from gateway.errors import ModelUnavailable
if sys.argv[1] == "unseen":
    onnx_models.elements_of_a_row = lambda content: 1
threads = ThreadPoolExecutor(1)
try:
    threads.submit(onnx_models.load, sys.stdin.buffer.read(), threads).result()
except ModelUnavailable as refused:
    print(refused.message)
"""


def chain(levels: int) -> bytes:
    """A sound file of one tree: each branch has a leaf on its left and the next branch on its right."""
    model = _messages()["Model"].FromString(content("trees"))
    count = 2 * levels + 1
    leaf = [place % 2 == 1 or place == count - 1 for place in range(count)]
    leaves = [place for place in range(count) if leaf[place]]
    zeros = [0] * count
    told: dict[bytes, list[Any]] = {
        b"nodes_treeids": zeros,
        b"nodes_nodeids": list(range(count)),
        b"nodes_featureids": zeros,
        b"nodes_values": [float(-place) for place in range(count)],
        b"nodes_modes": [b"LEAF" if one else b"BRANCH_LEQ" for one in leaf],
        b"nodes_truenodeids": [0 if leaf[place] else place + 1 for place in range(count)],
        b"nodes_falsenodeids": [0 if leaf[place] else place + 2 for place in range(count)],
        b"nodes_missing_value_tracks_true": zeros,
        b"target_treeids": [0] * len(leaves),
        b"target_nodeids": leaves,
        b"target_ids": [0] * len(leaves),
        b"target_weights": [0.75] * len(leaves),
    }
    for attribute in model.graph.node[0].attribute:
        for field in ("ints", "floats", "strings"):
            if attribute.name in told and getattr(attribute, field):
                attribute.ClearField(field)
                getattr(attribute, field).extend(told[attribute.name])
    return bytes(model.SerializeToString())


def loaded_elsewhere(file: bytes, how: str, script: str = _LOADS) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", script, how],
        input=file,
        capture_output=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
    )


def test_a_tree_too_deep_for_onnx_runtime_ends_no_process() -> None:
    """Its levels are built by recursion: the file is sound, and would end whoever loads it."""
    deep = chain(200_000)
    assert loaded_elsewhere(deep, "unseen").returncode == -signal.SIGSEGV
    seen = loaded_elsewhere(deep, "seen")
    assert (seen.returncode, seen.stdout) == (0, b"The model file holds what no training writes.\n")


def test_the_deepest_tree_that_is_taken_is_loaded_on_a_small_stack() -> None:
    """Where the limit of stacks is `unlimited`, a thread of glibc has 2 MB."""
    with pytest.raises(ModelUnavailable, match="no training writes"):
        elements_of_a_row(chain(DEEPEST))
    small = f"import threading; threading.stack_size({1 << 20})\n{_LOADS}"
    ran = loaded_elsewhere(chain(DEEPEST - 1), "seen", small)
    assert (ran.returncode, ran.stdout) == (0, b"")


def varint(value: int) -> bytes:
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


BROKEN = {
    "a length of 2 GB": b"\x3a" + varint((1 << 31) - 1),
    "a length of 2^63": b"\x3a" + varint((1 << 63) - 1),
    "an endless varint": b"\x08" + b"\xff" * 10_000,
    "groups in groups": b"\x0b" * 100_000,
    "graphs in graphs": b"\x3a\x80\x80\x80\x01" * 1_000,
    "field zero": b"\x00\x00",
    "a field of wire type 7": b"\x3f",
    "nothing": b"",
    "a pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
    "a zip": b"PK\x03\x04" + bytes(100),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_model_is_refused_before_onnx_runtime(name: str) -> None:
    with pytest.raises(ModelUnavailable):
        elements_of_a_row(BROKEN[name])
    with pytest.raises(ModelUnavailable):
        elements_of_a_row(content("trees") + BROKEN[name] + b"\x01")


async def test_the_loop_goes_on_while_a_large_file_is_looked_at() -> None:
    """1,000 trees of 101 nodes: longer than a request takes, in steps that are shorter."""
    model = _messages()["Model"].FromString(chain(50))
    for attribute in model.graph.node[0].attribute:
        ints = list(attribute.ints)
        if attribute.name.endswith(b"_treeids"):
            count = len(ints)
            attribute.ints[:] = [tree for tree in range(1_000) for _ in range(count)]
        elif attribute.name != b"n_targets":
            for field in ("ints", "floats", "strings"):
                values = list(getattr(attribute, field))
                getattr(attribute, field)[:] = values * 1_000
    file = model.SerializeToString()
    loop, beats = asyncio.get_running_loop(), 0
    with ThreadPoolExecutor(1) as threads:
        elements_of_a_row(file)  # what is imported once
        looked = loop.run_in_executor(threads, elements_of_a_row, file)
        while not looked.done():
            await asyncio.sleep(0.001)
            beats += 1
        assert await looked == 2 + 1
    assert beats >= 4


def test_a_file_that_was_looked_at_is_still_loaded() -> None:
    with ThreadPoolExecutor(1) as threads:
        assert load(chain(50), threads).answered([(1.0,)])[0].label == 0
