"""Trains the tagger of names and addresses that the gateway's masking runs, in the training environment."""

import os

# ONNX Runtime tells its maker of each model that it loads, unless it is told not to before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
