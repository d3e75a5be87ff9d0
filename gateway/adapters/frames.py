"""What crosses the pipe to a child process: a four-byte length and JSON in ASCII.

ASCII also carries a caller's lone surrogates. No pickle: what comes back may be foreign.
"""

import asyncio
import json
import struct
from typing import Any, BinaryIO

_LENGTH = struct.Struct(">I")


def frame(message: object) -> bytes:
    body = json.dumps(message).encode("ascii")
    return _LENGTH.pack(len(body)) + body


def send(pipe: BinaryIO, message: object) -> None:
    data = memoryview(frame(message))
    while data:
        data = data[pipe.write(data) :]


def receive(pipe: BinaryIO) -> Any:
    """None when the pipe is closed."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    return json.loads(pipe.read(_LENGTH.unpack(head)[0]))


async def received(stream: asyncio.StreamReader) -> Any:
    """Raises IncompleteReadError, which is an EOFError, when the pipe is closed."""
    (length,) = _LENGTH.unpack(await stream.readexactly(_LENGTH.size))
    return json.loads(await stream.readexactly(length))
