"""How every ONNX graph of the service is run: on one core."""

import onnxruntime


def on_one_core(content: bytes) -> onnxruntime.InferenceSession:
    """A core for each batch: several batches at once give more texts a second than one batch on several
    cores, and no thread spins while it waits for the others. Raises ONNX Runtime's errors."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
