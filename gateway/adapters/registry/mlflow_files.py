"""The files of MLflow's versions: found, fetched, and read where somebody registered them by hand."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any

import mlflow.artifacts
from mlflow.tracking import MlflowClient

from gateway.adapters.registry.entries import SHA256, SIGNATURE, Refused
from gateway.adapters.registry.onnx_files import MOST_BYTES, told_by

LONGEST_TAG = 90_000  # characters; MLflow refuses 100,000
_AGAIN_S = 600.0  # until a version that could not be read is looked at again

_Key = tuple[str, int, str]


class MlflowFiles:
    def __init__(self, client: MlflowClient, tracking_uri: str) -> None:
        self._client = client
        self._tracking_uri = tracking_uri
        # By name, version and registered hash.
        self._told: dict[_Key, Mapping[str, str]] = {}  # signatures, some of them too long for a tag
        self._refused: dict[_Key, float] = {}  # until when

    def tags(self, version: Any) -> Mapping[str, str] | None:
        """A version's tags with hash and signature. Where they lack, its file is read and they are kept there
        from then on. None: it cannot be served."""
        if SHA256 in version.tags and SIGNATURE in version.tags:
            return dict(version.tags)
        key = (version.name, int(version.version), version.tags.get(SHA256, ""))
        if key not in self._told:
            if self._refused.get(key, 0.0) > monotonic():
                return None
            try:
                self._told[key] = self._told_by_file(version)
            except Exception:  # noqa: BLE001 - whatever is wrong with one version must not hide the others
                self._refused[key] = monotonic() + _AGAIN_S
                return None
        return {**version.tags, **self._told[key]}

    def copy(self, version: Any, folder: Path, most_bytes: int | None = None) -> Path:
        """The one ONNX file of the version's source, a file or a folder; nothing else is fetched. Raises
        Refused when there is none, or not one, or it is too large."""
        uri = self._client.get_model_version_download_uri(version.name, version.version).rstrip("/")
        base, _, name = uri.rpartition("/") if uri.endswith(".onnx") else (uri, "", "")
        files = [
            one
            for one in mlflow.artifacts.list_artifacts(artifact_uri=base, tracking_uri=self._tracking_uri)
            if not one.is_dir and (_last(one.path) == name if name else one.path.endswith(".onnx"))
        ]
        if len(files) != 1:
            raise Refused
        if most_bytes is not None and (files[0].file_size is None or files[0].file_size > most_bytes):
            raise Refused
        folder.mkdir(parents=True, exist_ok=True)
        copy = mlflow.artifacts.download_artifacts(
            artifact_uri=f"{base}/{_last(files[0].path)}",
            dst_path=tempfile.mkdtemp(dir=folder),
            tracking_uri=self._tracking_uri,
        )
        return Path(copy)

    def _told_by_file(self, version: Any) -> Mapping[str, str]:
        folder = Path(tempfile.mkdtemp(prefix="registry-"))
        try:
            told = told_by(self.copy(version, folder, MOST_BYTES))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        # What is registered stays: a file that was changed since must not become right.
        told = {name: value for name, value in told.items() if name not in version.tags}
        for name, value in told.items():
            if len(value) <= LONGEST_TAG:
                self._client.set_model_version_tag(version.name, version.version, name, value)
        return told


def _last(path: str) -> str:
    return path.rpartition("/")[2]
