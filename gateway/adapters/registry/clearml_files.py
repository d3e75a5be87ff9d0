"""The weights of ClearML's models: fetched, and read where somebody registered them by hand."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from shutil import copyfile, rmtree
from time import monotonic

from clearml import Model, StorageManager

from gateway.adapters.registry.clearml_project import ModelRow
from gateway.adapters.registry.entries import MODEL_FILE, SHA256, SIGNATURE, Refused
from gateway.adapters.registry.onnx_files import MOST_BYTES, told_by

_AGAIN_S = 600.0  # until a model that could not be read is looked at again


class ClearmlFiles:
    def __init__(self) -> None:
        self._refused: dict[str, float] = {}  # models, until when

    def told(self, model: ModelRow) -> Mapping[str, str] | None:
        """What a model's metadata lack: nothing, or hash and signature by its file. None: it cannot be
        served."""
        if SHA256 in model.metadata and SIGNATURE in model.metadata:
            return {}
        if self._refused.get(model.id, 0.0) > monotonic():
            return None
        try:
            told = self._told_by_file(model)
        except Exception:  # noqa: BLE001 - whatever is wrong with one model must not hide the others
            self._refused[model.id] = monotonic() + _AGAIN_S
            return None
        # What is registered stays: a file that was changed since must not become right.
        return {name: value for name, value in told.items() if name not in model.metadata}

    def copy(self, model: ModelRow, folder: Path) -> Path:
        """Raises Refused when there is no such file."""
        try:
            found = Path(Model(model.id).get_local_copy(raise_on_error=True, force_download=True))
        except ValueError:  # of the SDK, for whatever keeps it from the file
            raise Refused from None
        if not found.is_file():
            raise Refused
        # A file in a folder is not copied by the SDK, a download lies in its cache.
        return Path(copyfile(found, folder / MODEL_FILE))

    def _told_by_file(self, model: ModelRow) -> Mapping[str, str]:
        size = StorageManager.get_file_size_bytes(model.uri)
        if size is None or size > MOST_BYTES:
            raise Refused
        folder = Path(tempfile.mkdtemp(prefix="registry-"))
        try:
            return told_by(self.copy(model, folder))
        finally:
            rmtree(folder, ignore_errors=True)
