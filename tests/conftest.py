"""Lets `pytest -m integration` run as it is typed: the other folders want environments of their own."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if config.option.markexpr.strip() != "integration" or collection_path.parent != HERE:
        return None
    return True if collection_path.is_dir() and collection_path.name != "integration" else None
