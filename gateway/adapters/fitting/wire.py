"""What passes between an engine and the process that fits: lines of JSON, and never a pickle."""

import json
from pathlib import Path
from typing import Any

from gateway.training.facts import TableFormat, TrainingRequest
from gateway.training.ports import FitFailed, Fitted, Progress, Work
from gateway.training.signature import read_signature, signature_json

ALIVE = "{}"


def work_text(work: Work) -> str:
    request = {name: getattr(work.request, name) for name in TrainingRequest.__dataclass_fields__}
    return json.dumps(
        {
            "job_id": work.job_id,
            "request": {**request, "hyperparameters": dict(work.request.hyperparameters)},
            "data": str(work.data.resolve()),
            "format": work.format.value,
            "dvc_hash": work.dvc_hash,
            "folder": str(work.folder.resolve()),
            "threads": work.threads,
        }
    )


def read_work(text: str) -> Work:
    told: dict[str, Any] = json.loads(text)
    request = told["request"]
    return Work(
        **{
            **told,
            "request": TrainingRequest(**{**request, "features": tuple(request["features"])}),
            "data": Path(told["data"]),
            "format": TableFormat(told["format"]),
            "folder": Path(told["folder"]),
        }
    )


def progress_line(progress: Progress) -> str:
    return json.dumps({"progress": [progress.stage, progress.share, progress.message]})


def failed_line(failed: FitFailed) -> str:
    return json.dumps({"failed": [failed.code, failed.message]})


def fitted_line(fitted: Fitted) -> str:
    return json.dumps(
        {
            "fitted": {
                "sha256": fitted.sha256,
                "signature": signature_json(fitted.signature),
                "metrics": dict(fitted.metrics),
                "parameters": dict(fitted.parameters),
            }
        }
    )


def read_line(line: str, folder: Path) -> Progress | Fitted | None:
    """None: it only says that it is alive. `folder`: where the fit's files lie. Raises FitFailed where the
    line tells one, ValueError where it is no line of ours."""
    told: Any = json.loads(line)
    match told:
        case {"progress": [stage, share, message]}:
            return Progress(stage, share, message)
        case {"failed": [code, message]}:
            raise FitFailed(code, message)
        case {"fitted": {"sha256": sha256, "signature": text, "metrics": metrics, "parameters": parameters}}:
            return Fitted(folder, sha256, read_signature(text), metrics, parameters)
    if told == {}:
        return None
    raise ValueError("no line of a fit")
