"""The embeddings service: sentence vectors (and heads on top of them) over ONNX Runtime, in its own process.

A request's life: rest/door.py (key, body) -> rest/ (one file a protocol) -> models.py (the table) ->
encoder.py (text -> tokens) -> batching.py (who is computed together) -> encoder.py (tokens -> vectors) ->
of a head: classification.py, or comparison.py with grading.py. A head's folder: manifest.py, loading.py.
"""

import os

VERSION = "0.1.0"

# ONNX Runtime tells its maker of each model that it loads, unless it is told not to before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
