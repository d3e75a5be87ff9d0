"""A Ray of two CPUs for each module, and a gateway's settings over fakes on loopback sockets."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.settings import Settings
from tests.gateway.batch.model import Model, environment

# Before Ray is imported: what its adapter sets as well.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_AUTH_MODE", "disabled")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield ray
    ray.shutdown()


@pytest.fixture
async def model() -> AsyncIterator[Model]:
    model = Model()
    async with model.running() as model.url:
        yield model


@pytest.fixture
def settings(model: Model, tmp_path: Path) -> Settings:
    return Settings(**{name.lower(): value for name, value in environment(model, tmp_path).items()})
