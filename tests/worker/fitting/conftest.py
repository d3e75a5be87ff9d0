"""One thread: two on a busy machine wait for each other, and gradient boosting takes minutes for seconds."""

from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    import sklearn.ensemble  # noqa: F401 - its OpenMP is limited only when it is loaded

    with threadpool_limits(1):
        yield
