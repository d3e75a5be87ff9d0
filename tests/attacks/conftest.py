"""The gateway of tests/gateway, for the attacks on it."""

from tests.gateway.conftest import migrated, running, start

__all__ = ["migrated", "running", "start"]
