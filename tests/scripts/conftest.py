"""The gateway of the load tests, for what is tried on a deployed one."""

from tests.load.conftest import deployed

__all__ = ["deployed"]
