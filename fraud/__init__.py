"""The fraud pair from nothing: card payments are simulated, described by 15 features, and two models learn.

Read in this order: simulator, features, signals, examples, export, train, measures, evaluate. It runs in the
worker's environment."""

import os

# ONNX Runtime tells its maker of each model that it loads, unless it is told not to before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
