"""Which data a model is made of: DVC's own hash of a folder, so that a tag finds it in any remote."""

import hashlib
import json
import logging
from pathlib import Path

import yaml

log = logging.getLogger(__name__)


def folder_hash(folder: Path) -> str:
    """As DVC 3 names a folder: the md5 of a JSON list of its files' md5 and relative paths, and `.dir`."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    listed = [{"md5": _md5(file), "relpath": file.relative_to(folder).as_posix()} for file in files]
    listed.sort(key=lambda one: one["relpath"])
    content = json.dumps(listed, sort_keys=True).encode()
    return hashlib.md5(content, usedforsecurity=False).hexdigest() + ".dir"


def locked_hash(lock: Path, stage: str) -> str | None:
    """The md5 of the stage's first output in dvc.lock; None where the file or the stage is not there."""
    if not lock.is_file():
        return None
    stages = yaml.safe_load(lock.read_text(encoding="utf-8")).get("stages", {})
    outputs = stages.get(stage, {}).get("outs", [])
    return str(outputs[0]["md5"]) if outputs else None


def data_hash(name: str, folder: Path, lock: Path) -> str:
    """The hash of the rows that were prepared. A dvc.lock that says otherwise is of another run: what lies
    there counts, and the log says so."""
    there = folder_hash(folder)
    locked = locked_hash(lock, f"prepare-{name}")
    if locked not in (None, there):
        log.warning("dvc.lock names other data than %s holds: run `dvc repro`", folder)
    return there


def _md5(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
