"""The gRPC door: the same services as over HTTP. Only server.py is imported before gRPC is asked for."""
