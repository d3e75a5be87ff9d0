"""The procedures of a service, read from its descriptor: what the door needs to know of each."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

_WORD = re.compile(r"(?<!^)(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Procedure:
    """One method of a service."""

    path: str  # /package.Service/Method
    # Takes a message or an AsyncIterator of them, and the Call; gives an awaitable message, or a stream.
    behaviour: Callable[[Any, Any], Any]
    request: type[Message]
    takes_stream: bool
    gives_stream: bool
    public: bool  # asked without a key


def procedures(
    service: ServiceDescriptor, servicer: object, *, public: bool = False
) -> Mapping[str, Procedure]:
    """By path. Every method of the descriptor is one of the servicer's, in snake case."""
    found = {}
    for method in service.methods:
        path = f"/{service.full_name}/{method.name}"
        found[path] = Procedure(
            path,
            getattr(servicer, _WORD.sub("_", method.name).lower()),
            GetMessageClass(method.input_type),
            method.client_streaming,
            method.server_streaming,
            public,
        )
    return found
