"""Fits: scikit-learn in a process of its own, and what it leaves behind as ONNX."""
