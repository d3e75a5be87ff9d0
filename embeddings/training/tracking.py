"""One MLflow run a training: parameters, figures, pictures, the model, dvc.lock, the hash of the data.

A SQLite file and a folder under state/ unless MLFLOW_TRACKING_URI names a server. The run is written when the
evaluation is done: what is in MLflow is whole, and a stage that DVC took from its cache makes no second run.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import time

from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from embeddings.errors import Unusable
from embeddings.training import provenance
from embeddings.training.config import Config
from embeddings.training.evaluation import Figure
from embeddings.training.settings import Settings

LOCK = Path("dvc.lock")
_LONGEST = 500  # characters of a parameter


def log_run(
    config: Config, settings: Settings, figures: Mapping[str, Mapping[str, Figure]], lock: Path = LOCK
) -> str:
    """Writes the run; returns its id. Raises Unusable when MLflow cannot be reached: the stage's files are
    written by then, and running it again logs them."""
    folder = settings.training_folder(config.name)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        client = MlflowClient(tracking_uri=_uri(settings))
        run = client.create_run(_experiment(client, config, settings), run_name=config.name).info.run_id
        try:
            _fill(client, run, config, folder, figures, lock)
        except BaseException:
            client.set_terminated(run, "FAILED")
            raise
        client.set_terminated(run, "FINISHED")
    except (MlflowException, OSError) as error:
        raise Unusable(f"the run could not be written to MLflow ({type(error).__name__})") from error
    return str(run)


def _fill(
    client: MlflowClient,
    run: str,
    config: Config,
    folder: Path,
    figures: Mapping[str, Mapping[str, Figure]],
    lock: Path,
) -> None:
    client.set_tag(run, "dvc_data_hash", provenance.data_hash(config.name, folder / "prepared", lock))
    client.set_tag(run, "kind", config.kind)
    params = [Param(name, value[:_LONGEST]) for name, value in flattened(config.model_dump(mode="json"))]
    client.log_batch(run, params=params)
    client.log_batch(run, metrics=[*_epochs(folder / "model/history.json"), *_final(figures)])
    client.log_artifacts(run, str(folder / "model"), "model")
    client.log_artifacts(run, str(folder / "evaluation"), "evaluation")
    for file in (folder / "metrics.json", folder / "prepared/statistics.csv", lock):
        if file.is_file():
            client.log_artifact(run, str(file))


def _uri(settings: Settings) -> str:
    settings.training_state_dir.mkdir(parents=True, exist_ok=True)
    return settings.mlflow_tracking_uri or f"sqlite:///{settings.training_state_dir.resolve()}/mlflow.db"


def _experiment(client: MlflowClient, config: Config, settings: Settings) -> str:
    found = client.get_experiment_by_name(config.tracking.experiment)
    if found:
        return str(found.experiment_id)
    # A server knows its own place for files; the SQLite file has none.
    place = (
        None if settings.mlflow_tracking_uri else (settings.training_state_dir / "mlflow").resolve().as_uri()
    )
    return str(client.create_experiment(config.tracking.experiment, artifact_location=place))


def flattened(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """`{"head": {"hidden": 8}}` -> ("head.hidden", "8")."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flattened(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value if isinstance(value, str) else json.dumps(value)


def _epochs(history: Path) -> list[Metric]:
    now = round(time() * 1000)
    return [
        Metric(name, value, now, epoch["number"])
        for epoch in json.loads(history.read_text(encoding="utf-8"))
        for name, value in epoch.items()
        if name != "number"
    ]


def _final(figures: Mapping[str, Mapping[str, Figure]]) -> list[Metric]:
    now = round(time() * 1000)
    values = {
        f"{part}/{name}{suffix}": value
        for part, found in figures.items()
        for name, one in found.items()
        for suffix, value in (("", one.value), ("_low", one.low), ("_high", one.high))
    }
    # A figure that is not defined (nan) is not logged.
    return [Metric(name, value, now, 0) for name, value in values.items() if value == value]
