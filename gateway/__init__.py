"""The grading gateway: the guarded door in front of the models. Read pipeline.py first."""

import os

# ONNX Runtime tells its maker of each model that it loads, unless it is told not to before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
