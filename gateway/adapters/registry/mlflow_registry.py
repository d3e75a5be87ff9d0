"""MLflow: a database of its own (SQLite) or a server. Blocking, in the registry process only.

Files are logged as they are: a flavour's log_model would look for the environment's packages (18 s) and some
flavours pickle. A version's source is its run's model.onnx.
"""

import re
from collections.abc import Iterator, Mapping
from fcntl import LOCK_EX, flock
from pathlib import Path
from time import time
from typing import Any
from urllib.parse import urlsplit

from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from gateway.adapters.registry.entries import (
    CHAMPION,
    JOB_ID,
    MODEL_FILE,
    SHA256,
    SIGNATURE,
    Entry,
    Refused,
    Run,
)
from gateway.adapters.registry.mlflow_files import LONGEST_TAG, MlflowFiles

_OPEN = "registering"  # a version's tag until its alias is set and its run is closed: "promote" or "keep"
_EXPERIMENT = "experiment_id"
_LONGEST_RUN_TAG = 8_000
_PAGE = 500
_BATCH = 100  # parameters in a call, MLflow's own bound
_NO_METRIC_CHARACTERS = re.compile(r"[^/\w.\- :]")


class MlflowRegistry:
    """`artifact_location`: where a new experiment keeps its files; None: the server's choice."""

    def __init__(self, project: str, tracking_uri: str, artifact_location: str | None) -> None:
        self._project = project
        self._artifact_location = artifact_location
        self._tracking_uri = tracking_uri
        if (file := tracking_uri.removeprefix("sqlite:///")) != tracking_uri:
            _make_tables(Path(file), tracking_uri)
        self._client = MlflowClient(tracking_uri=tracking_uri)
        self._files = MlflowFiles(self._client, tracking_uri)

    def register(self, run: Run) -> Entry:
        made = self.registered(run.job_id)
        if made is not None:
            return made
        experiment = self._experiment()
        self._bury(experiment, run.job_id)
        tags = {name: value[:_LONGEST_RUN_TAG] for name, value in run.tags.items() if name != SIGNATURE}
        tags["mlflow.source.git.commit"] = run.tags["git_commit"]
        # Not the fluent API: it asks git, the user and the machine for more tags.
        started = self._client.create_run(experiment, run_name=f"{run.model} {run.job_id}", tags=tags).info
        try:
            self._fill(started.run_id, run)
            self._make(run, started.run_id, f"{started.artifact_uri}/{MODEL_FILE}", experiment)
        except BaseException:
            self._client.set_terminated(started.run_id, "FAILED")
            raise
        # The oldest wins where a worker that was thought dead registered the same job meanwhile.
        made = self.registered(run.job_id)
        if made is None:
            raise RuntimeError("the version is gone")
        return made

    def registered(self, job_id: str) -> Entry | None:
        found = self._client.search_model_versions(f"tags.{JOB_ID} = '{_quoted(job_id)}'", max_results=_PAGE)
        if not found:
            return None
        first, *others = sorted(found, key=lambda one: int(one.version))
        for other in others:
            self._delete_version(other.name, int(other.version))
        self._complete(first)
        version = self._client.get_model_version(first.name, first.version)
        tags = self._files.tags(version)
        if tags is None:
            raise Refused
        return self._entry(version, tags, CHAMPION in version.aliases)

    def versions(self) -> tuple[list[Entry], int]:
        champions = {
            model.name: int(model.aliases[CHAMPION])
            for model in self._paged(self._client.search_registered_models)
            if CHAMPION in model.aliases
        }
        entries, faults = [], 0
        for version in self._paged(self._client.search_model_versions):
            tags = self._files.tags(version)
            if tags is None:
                faults += 1
            else:
                champion = champions.get(version.name) == int(version.version)
                entries.append(self._entry(version, tags, champion))
        return entries, faults

    def weights(self, name: str, version: int, folder: Path) -> tuple[Path, str]:
        found = self._version(name, version)
        tags = found and self._files.tags(found)
        if not tags:
            raise Refused
        return self._files.copy(found, folder), tags[SHA256]

    def promote(self, name: str, version: int) -> None:
        try:
            self._client.set_registered_model_alias(name, CHAMPION, str(version))
        except MlflowException as error:
            if not _is_gone(error):
                raise

    def delete(self, name: str, version: int, sha256: str) -> None:
        """The registered model stays, without versions too: it knows which numbers were given."""
        found = self._version(name, version)
        if found is not None and found.tags.get(SHA256) == sha256:
            self._delete_version(name, version)

    def _version(self, name: str, version: int) -> Any | None:
        try:
            return self._client.get_model_version(name, str(version))
        except MlflowException as error:
            if _is_gone(error):
                return None
            raise

    def _delete_version(self, name: str, version: int) -> None:
        try:
            self._client.delete_model_version(name, str(version))
        except MlflowException as error:
            if not _is_gone(error):
                raise

    def _experiment(self) -> str:
        for _ in range(2):
            found = self._client.get_experiment_by_name(self._project)
            if found is not None:
                if found.lifecycle_stage != "active":  # somebody deleted it: MLflow keeps its name
                    self._client.restore_experiment(found.experiment_id)
                return str(found.experiment_id)
            try:
                return str(
                    self._client.create_experiment(self._project, artifact_location=self._artifact_location)
                )
            except MlflowException as error:  # another worker was quicker
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
        raise RuntimeError("the experiment comes and goes")

    def _bury(self, experiment: str, job_id: str) -> None:
        """Runs of this job whose worker died before there was a version."""
        query = f"tags.{JOB_ID} = '{_quoted(job_id)}' and attributes.status = 'RUNNING'"
        for left in self._client.search_runs([experiment], query):
            self._client.set_terminated(left.info.run_id, "KILLED")

    def _fill(self, run_id: str, run: Run) -> None:
        params = [Param(name, value) for name, value in run.parameters.items()]
        for start in range(0, len(params), _BATCH):
            self._client.log_batch(run_id, params=params[start : start + _BATCH])
        now = round(time() * 1000)
        metrics = [
            Metric(_NO_METRIC_CHARACTERS.sub("_", name), value, now, 0) for name, value in run.metrics.items()
        ]
        for start in range(0, len(metrics), _BATCH):
            self._client.log_batch(run_id, metrics=metrics[start : start + _BATCH])
        for file in (run.model_file, *run.papers):
            self._client.log_artifact(run_id, str(file))
        for plot in run.plots:
            self._client.log_artifact(run_id, str(plot), "plots")

    def _make(self, run: Run, run_id: str, source: str, experiment: str) -> None:
        try:
            self._client.create_registered_model(run.model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        tags = {name: value for name, value in run.tags.items() if len(value) <= LONGEST_TAG}
        tags |= {_OPEN: "promote" if run.promote else "keep", _EXPERIMENT: experiment}
        self._client.create_model_version(run.model, source, run_id, tags=tags)

    def _complete(self, version: Any) -> None:
        """What is left to do when the version is made; all of it may be done twice."""
        opened = version.tags.get(_OPEN)
        if opened is None:
            return
        if opened == "promote":
            self._client.set_registered_model_alias(version.name, CHAMPION, version.version)
        self._client.set_terminated(version.run_id, "FINISHED")
        self._client.delete_model_version_tag(version.name, version.version, _OPEN)

    def _entry(self, version: Any, tags: Mapping[str, str], champion: bool) -> Entry:
        return Entry(
            name=version.name,
            version=int(version.version),
            created_at=version.creation_timestamp / 1000,
            tags=tags,
            champion=champion,
            where=version.source or "",
            run_url=self._url(version),
        )

    def _url(self, version: Any) -> str | None:
        """A server's page; a database has none."""
        address = urlsplit(self._tracking_uri)
        experiment = version.tags.get(_EXPERIMENT)
        if address.scheme not in ("http", "https"):
            return None
        host = address.netloc.rpartition("@")[2]  # never a password
        base = f"{address.scheme}://{host}{address.path.rstrip('/')}/#"
        if version.run_id and experiment:
            return f"{base}/experiments/{experiment}/runs/{version.run_id}"
        return f"{base}/models/{version.name}/versions/{version.version}"

    @staticmethod
    def _paged(search: Any) -> Iterator[Any]:
        page = search(max_results=_PAGE)
        while True:
            yield from page
            if not page.token:
                return
            page = search(max_results=_PAGE, page_token=page.token)


def _make_tables(file: Path, tracking_uri: str) -> None:
    """MLflow makes the tables of a new file, and two workers that do it at once break each other."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_name(f"{file.name}.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        # The client's first look at runs is its making; the one at models is its first question.
        MlflowClient(tracking_uri=tracking_uri).search_registered_models(max_results=1)


def _quoted(text: str) -> str:
    return text.replace("'", "")


def _is_gone(error: MlflowException) -> bool:
    return bool(error.error_code == "RESOURCE_DOES_NOT_EXIST")
