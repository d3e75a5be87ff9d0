"""The registry process's main: one tool, one call at a time, until the pipe closes. Dies with its parent."""

import json
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from gateway.adapters.crashes import leave_no_dump
from gateway.adapters.frames import receive, send
from gateway.adapters.lifeline import die_with
from gateway.adapters.registry.entries import Entry, Refused, Run

_ENDS = 5  # places at each end of a traceback: ours and theirs


class Tool(Protocol):
    """MLflow or ClearML, blocking. Any exception but Refused means that it could not be asked."""

    def register(self, run: Run) -> Entry: ...

    def registered(self, job_id: str) -> Entry | None: ...

    def versions(self) -> tuple[list[Entry], int]:
        """And how many versions cannot be served."""

    def weights(self, name: str, version: int, folder: Path) -> tuple[Path, str]:
        """A copy below the folder, and the hash that was registered. Raises Refused when the version or its
        file is not there."""

    def promote(self, name: str, version: int) -> None:
        """Nothing when the version is gone."""

    def delete(self, name: str, version: int, sha256: str) -> None:
        """Nothing when the version is gone, or is another one: not of that registered hash."""


def serve(parent: int) -> None:
    """Reads the start, then calls. `parent` must be alive for this one to live."""
    die_with(parent)
    leave_no_dump()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    calls = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # what a tool starts must not read our frames
    os.dup2(2, 1)  # a tool's print goes where it is counted
    start = receive(calls)
    if start is None:
        return
    try:
        tool = _opened(start)
    except Exception as error:  # noqa: BLE001 - the process's edge: the parent tells the type and the places
        send(answers, _failure(error))
        return
    downloads = Path(start["folder"]) / "downloads"
    send(answers, {"value": True})
    while (call := receive(calls)) is not None:
        send(answers, _answer(tool, call["call"], call["arguments"], downloads))


def _opened(start: Mapping[str, Any]) -> Tool:
    os.environ.update(start["environment"])
    # The tools are heavy and read the environment when they are imported: here, and one of them only.
    if start["tool"] == "mlflow":
        from gateway.adapters.registry.mlflow_registry import MlflowRegistry  # noqa: PLC0415

        return MlflowRegistry(start["project"], **start["options"])
    # What the SDK takes from a file only; CLEARML_CONFIG_FILE names it, and nobody's ~/clearml.conf is read.
    file = Path(start["folder"]) / "clearml.conf"
    file.write_text(json.dumps(start["configuration"]), encoding="utf-8")
    from gateway.adapters.registry.clearml_registry import ClearmlRegistry  # noqa: PLC0415

    return ClearmlRegistry(start["project"], **start["options"])


def _answer(tool: Tool, call: str, arguments: Sequence[Any], downloads: Path) -> dict[str, object]:
    try:
        return {"value": _called(tool, call, arguments, downloads)}
    except Refused:
        return {"refused": True}
    except Exception as error:  # noqa: BLE001 - the process's edge; a foreign text may hold names of the owner's
        return _failure(error)


def _called(tool: Tool, call: str, arguments: Sequence[Any], downloads: Path) -> object:
    match call, arguments:
        case "register", [dict(run)]:
            labels = tuple(run.pop("labels"))
            return asdict(tool.register(Run(**run | {"folder": Path(run["folder"]), "labels": labels})))
        case "registered", [str(job_id)]:
            made = tool.registered(job_id)
            return made and asdict(made)
        case "versions", []:
            entries, faults = tool.versions()
            return [[asdict(entry) for entry in entries], faults]
        case "weights", [str(name), int(version)]:
            file, sha256 = tool.weights(name, version, downloads)
            return [str(file), sha256]
        case "promote", [str(name), int(version)]:
            tool.promote(name, version)
        case "delete", [str(name), int(version), str(sha256)]:
            tool.delete(name, version, sha256)
        case _:
            raise ValueError("no such call")
    return None


def _failure(error: BaseException) -> dict[str, object]:
    """Its type and where it came from; never its words."""
    places = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{Path(code.co_filename).name}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    if len(places) > 2 * _ENDS:
        places = [*places[:_ENDS], "...", *places[-_ENDS:]]
    return {"failed": type(error).__name__, "places": places}
