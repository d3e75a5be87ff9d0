from tests.gateway.conftest import migrated, start

__all__ = ["migrated", "start"]  # a gateway over real sockets
