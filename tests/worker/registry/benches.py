"""A registry under test, and what people do to it with the tool's own client."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from gateway.adapters.registry.places import ClearmlPlace, MlflowPlace, Place
from tests.worker.registry.clearml_standin import Standin, clearml_server

PROJECT = "grading"


class Bench(Protocol):
    place: Place

    def crown(self, name: str, version: int) -> None:
        """Another champion, chosen in the tool."""

    def champions(self, name: str) -> list[int]: ...

    def put(self, name: str, file: Path) -> None:
        """Somebody's own model."""

    def runs(self, job_id: str) -> list[str]:
        """States of the job's experiments, oldest first."""


class MlflowBench:
    def __init__(self, place: MlflowPlace) -> None:
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # read when it is imported
        from mlflow.tracking import MlflowClient

        self.place: Place = place
        self.client = MlflowClient(tracking_uri=place.tracking_uri)

    def crown(self, name: str, version: int) -> None:
        self.client.set_registered_model_alias(name, "champion", str(version))

    def champions(self, name: str) -> list[int]:
        alias = self.client.get_registered_model(name).aliases.get("champion")
        return [] if alias is None else [int(alias)]

    def put(self, name: str, file: Path) -> None:
        if not self.client.search_registered_models(f"name = '{name}'"):
            self.client.create_registered_model(name)
        self.client.create_model_version(name, file.as_uri())

    def runs(self, job_id: str) -> list[str]:
        experiment = self.client.get_experiment_by_name(PROJECT)
        found = self.client.search_runs(
            [experiment.experiment_id], f"tags.job_id = '{job_id}'", order_by=["attributes.start_time"]
        )
        return [run.info.status for run in found]


class ClearmlBench:
    """What its web interface does is done to the stand-in's rows."""

    def __init__(self, standin: Standin, place: ClearmlPlace) -> None:
        self.standin = standin
        self.place: Place = place

    def crown(self, name: str, version: int) -> None:
        for row in self.standin.rows["models"].values():
            if row["name"] == name:
                tags = [tag for tag in row["tags"] if tag != "champion"]
                row["tags"] = [*tags, "champion"] if f"version:{version}" in tags else tags

    def champions(self, name: str) -> list[int]:
        return [
            int(tag.removeprefix("version:"))
            for row in self.standin.rows["models"].values()
            if row["name"] == name and "champion" in row["tags"]
            for tag in row["tags"]
            if tag.startswith("version:")
        ]

    def put(self, name: str, file: Path) -> None:
        (project,) = (row["id"] for row in self.standin.rows["projects"].values() if row["name"] == PROJECT)
        made = {"name": name, "project": project, "uri": file.as_uri(), "framework": "ONNX"}
        self.standin.answer("models.create", json.dumps(made).encode())

    def runs(self, job_id: str) -> list[str]:
        rows = [row for row in self.standin.rows["tasks"].values() if job_id in row["tags"]]
        return [row["status"] for row in sorted(rows, key=lambda row: row["created"])]


@contextmanager
def bench(tool: str, folder: Path) -> Iterator[Bench]:
    if tool == "mlflow":
        yield MlflowBench(MlflowPlace(f"sqlite:///{folder}/mlflow.db", str(folder / "runs")))
        return
    with clearml_server() as standin:
        output = str(folder / "weights")
        yield ClearmlBench(standin, ClearmlPlace(standin.url, "http://web", "", "key", "secret", output))
        assert not standin.unknown


def file_of(where: str) -> Path:
    """Where the tool says that the weights lie."""
    return Path(unquote(urlsplit(where).path))
