"""For tests that train, track and version for real: the worker's environment."""
