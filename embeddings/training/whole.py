"""Folders and files that are written whole or not at all: to a new name, fsync, then replaced."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """An empty folder to fill, which becomes `target` when the block ends well; else `target` stays as it
    was. Between an exchange's two renames there is no `target`: a reader may miss it, but never see half."""
    target.parent.mkdir(parents=True, exist_ok=True)
    new, old = target.with_name(f".{target.name}.new"), target.with_name(f".{target.name}.old")
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)
    new.mkdir()
    try:
        yield new
        for file in new.rglob("*"):
            if file.is_file():
                _synced(file)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    if target.exists():
        target.rename(old)
    new.rename(target)
    _synced(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def _synced(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """A new name to write to, which becomes `target` when the block ends well."""
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f".{target.name}.new")
    try:
        yield new
        _synced(new)
        new.replace(target)
        _synced(target.parent)
    finally:
        new.unlink(missing_ok=True)
