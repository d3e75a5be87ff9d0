"""Trained models in this process, by ONNX Runtime: loaded, kept hot, asked.

A file is foreign until it has been loaded: 24,000 files with some bytes changed ended no process. What no
training writes is refused before ONNX Runtime sees it, which also reads no other files and ends in time.
"""

import asyncio
import hashlib
import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any

from gateway.adapters.onnx_check import elements_of_a_row
from gateway.errors import InvalidRequest, ModelUnavailable
from gateway.prediction import label_text
from gateway.training.facts import Cell, ColumnType, ModelVersion, Prediction, Signature
from gateway.training.ports import Weights
from gateway.training.signature import read_signature

log = logging.getLogger(__name__)
_ON_LOOP_S = 0.0003  # what is done sooner than this is done on the event loop: a thread's turn costs 0.1 ms
_WARM_UP_S = 5.0  # a file that needs more for two rows is refused
_NO_FOLDER = os.devnull  # where a file's data would be looked for when it says that they lie in others
_TOLERANCE = 1e-3  # of probabilities: float32 sums leave 0..1 by some 1e-6
_AT_ONCE = 4 << 20  # elements that a run makes, of eight bytes at most: wide rows are run a few at a time
_REFUSED_S = 5.0  # how long a file that could not be loaded is not asked for again
_LOAD_WAIT_S = 5.0  # how long a model that is being loaded is waited for, by all who ask for it
_LOADS = 4  # at once: each holds its file in memory, and a session of five times that


class LoadedModel:
    """Implements LoadedFile. A request under way keeps it alive, whatever takes its place."""

    def __init__(
        self, session: Any, signature: Signature, content: bytes, elements: int, threads: Executor
    ) -> None:
        # load() has imported it in a thread (0.2 s), and knows how many `elements` are made of a row.
        import numpy as np  # noqa: PLC0415

        self._numpy = np
        self._session = session
        self._threads = threads
        self._row_s = 0.0
        self._at_once = max(1, _AT_ONCE // max(1, elements))  # rows
        self.signature = signature
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.size = len(content)  # of the file
        self._names = [label_text(label) for label in signature.labels]
        kinds = [feature.type for feature in signature.features]
        self._numbers = [place for place, kind in enumerate(kinds) if kind is not ColumnType.TEXT]
        self._texts = [place for place, kind in enumerate(kinds) if kind is ColumnType.TEXT]

    async def predict(self, rows: Sequence[Sequence[Cell]]) -> list[Prediction]:
        if len(rows) * self._row_s < _ON_LOOP_S:
            return self.answered(rows)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.answered, rows)

    def warm_up(self) -> None:
        """Runs it as it will be run, and takes its time. Raises ModelUnavailable, ONNX Runtime's errors."""
        import onnxruntime  # noqa: PLC0415 - as above

        row = ["" if one.type is ColumnType.TEXT else 0.0 for one in self.signature.features]
        options = onnxruntime.RunOptions()
        timer = threading.Timer(_WARM_UP_S, setattr, (options, "terminate", True))
        timer.daemon = True
        timer.start()
        try:
            self._run([row, row], options)
        finally:
            timer.cancel()
        times = []
        for _ in range(3):
            began = time.perf_counter()
            self._predictions(*self._run([row], None))
            times.append(time.perf_counter() - began)
        self._row_s = min(times)

    def answered(self, rows: Sequence[Sequence[Cell]]) -> list[Prediction]:
        """predict(), here and now. Raises ModelUnavailable, InvalidRequest."""
        few = self._at_once
        try:
            parts = [self._run(rows[at : at + few], None) for at in range(0, len(rows), few)]
        except ModelUnavailable:
            raise
        except Exception:  # noqa: BLE001 - ONNX Runtime's errors have no other base, and quote the file
            raise ModelUnavailable("The model failed.") from None
        labels, probabilities = map(self._numpy.concatenate, zip(*parts, strict=True))
        finite = self._numpy.isfinite(probabilities).all(axis=1)
        if not finite.all():
            place = f"instances.{int(finite.argmin())}"
            raise InvalidRequest(f"The model has no finite answer to '{place}'.", param=place)
        return self._predictions(labels, probabilities)

    def _run(self, rows: Sequence[Sequence[Cell]], options: Any) -> tuple[Any, Any]:
        """The labels' places int64 [n], probabilities float32 [n, labels]. Raises ModelUnavailable."""
        np = self._numpy
        feed = {}
        if self._numbers:
            # A None becomes a NaN.
            feed["numbers"] = np.array([[row[at] for at in self._numbers] for row in rows], np.float32)
        if self._texts:
            feed["texts"] = np.array([[row[at] or "" for at in self._texts] for row in rows], object)
        labels, probabilities = self._session.run(("label", "probabilities"), feed, options)
        if (
            labels.shape != (len(rows),)
            or probabilities.shape != (len(rows), len(self._names))
            or labels.min() < 0
            or labels.max() >= len(self._names)
            or (probabilities < -_TOLERANCE).any()
            or (probabilities > 1 + _TOLERANCE).any()
        ):
            raise ModelUnavailable("The model answers with something else than its signature says.")
        return labels, probabilities.clip(0.0, 1.0)

    def _predictions(self, labels: Any, probabilities: Any) -> list[Prediction]:
        kinds, names = self.signature.labels, self._names
        # A float32 has some 7 digits; as a double it would be told with 17.
        shares = [[float(f"{share:.6g}") for share in row] for row in probabilities.tolist()]
        return [
            Prediction(kinds[label], row[label], dict(zip(names, row, strict=True)))
            for label, row in zip(labels.tolist(), shares, strict=True)
        ]


def load(content: bytes, threads: Executor) -> LoadedModel:
    """The model of a file, warm. Blocks for a second at most (the first time for ONNX Runtime's own start).
    Raises ModelUnavailable for what is no model, or another than the contract of Signature says."""
    elements = elements_of_a_row(content)
    import onnxruntime  # noqa: PLC0415 - 0.2 s: not before the first model

    onnxruntime.set_default_logger_severity(4)  # errors are raised; what would be printed quotes the file
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", _NO_FOLDER)
    try:
        session = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
        signature = read_signature(session.get_modelmeta().custom_metadata_map["signature"])
        _check_contract(session, signature)
        model = LoadedModel(session, signature, content, elements, threads)
        model.warm_up()
    except ModelUnavailable:
        raise
    except (KeyError, ValueError):
        raise ModelUnavailable("The model file has no signature that can be read.") from None
    except Exception:  # noqa: BLE001 - ONNX Runtime's errors have no other base, and quote what is in the file
        raise ModelUnavailable("The model file cannot be loaded.") from None
    return model


def _check_contract(session: Any, signature: Signature) -> None:
    texts = sum(feature.type is ColumnType.TEXT for feature in signature.features)
    widths = {
        ("numbers", "tensor(float)"): len(signature.features) - texts,
        ("texts", "tensor(string)"): texts,
    }
    inputs = {(one.name, one.type): one.shape[1:] for one in session.get_inputs()}
    outputs = {(one.name, one.type) for one in session.get_outputs()}
    told = {("label", "tensor(int64)"), ("probabilities", "tensor(float)")}
    if inputs != {name: [width] for name, width in widths.items() if width} or outputs != told:
        raise ModelUnavailable("The model file's inputs or outputs are not what its signature says.")


class OnnxPredictor:
    """Implements Predictor: the models that were asked last are in memory, as many as both bounds allow, and
    one at least."""

    def __init__(self, weights: Weights, hot_models: int, hot_bytes: int, threads: Executor) -> None:
        """`hot_bytes`: of the models' files; in memory a forest takes four to six times its file. `threads`
        run what would hold up the event loop; theirs is whoever made them."""
        self._weights = weights
        self._hot_models = hot_models
        self._hot_bytes = hot_bytes
        self._threads = threads
        self._turns = asyncio.Semaphore(_LOADS)
        self._hot: OrderedDict[str, LoadedModel] = OrderedDict()  # by sha256, the one asked last at the end
        # And until when (the loop's time) each is waited for.
        self._loading: dict[str, tuple[asyncio.Task[LoadedModel], float]] = {}
        self.pushed_out = 0
        self._refused: dict[str, tuple[str, float]] = {}  # why, and until when it is not tried again

    async def close(self) -> None:
        """Ends what is being loaded."""
        loading = [task for task, _ in self._loading.values()]
        for task in loading:
            task.cancel()
        await asyncio.gather(*loading, return_exceptions=True)

    async def load(self, model: ModelVersion) -> LoadedModel:
        hot = self._hot.get(model.sha256)
        if hot is None:
            hot = await self._loaded(model.sha256)
        else:
            self._hot.move_to_end(model.sha256)
        if hot.signature != model.signature:
            raise ModelUnavailable("The model's signature is not the one that was registered.")
        return hot

    async def _loaded(self, sha256: str) -> LoadedModel:
        """Loaded once, however many wait for it; who stops waiting does not stop it. All of them wait until
        the same moment, so that a store that hangs does not gather requests."""
        why, until = self._refused.get(sha256, ("", 0.0))
        wait_s = until - time.monotonic()
        if wait_s > 0:
            raise ModelUnavailable(why, retry_after=wait_s)
        task, until = self._loading.get(sha256) or self._begun(sha256)
        try:
            async with asyncio.timeout_at(until):
                return await asyncio.shield(task)
        except TimeoutError:
            raise ModelUnavailable("The model is still being loaded.", retry_after=_LOAD_WAIT_S) from None

    def _begun(self, sha256: str) -> tuple["asyncio.Task[LoadedModel]", float]:
        task = asyncio.create_task(self._load(sha256), name="model loading")
        task.add_done_callback(lambda done: self._over(sha256, done))
        self._loading[sha256] = task, asyncio.get_running_loop().time() + _LOAD_WAIT_S
        return self._loading[sha256]

    async def _load(self, sha256: str) -> LoadedModel:
        async with self._turns:
            content = await self._weights.get(sha256)
            return await asyncio.to_thread(load, content, self._threads)

    def _over(self, sha256: str, task: "asyncio.Task[LoadedModel]") -> None:
        del self._loading[sha256]
        if task.cancelled():
            return
        fault = task.exception()
        if fault is None:
            self._refused.pop(sha256, None)
            self._hot[sha256] = task.result()
            while len(self._hot) > 1 and self._crowded():
                self._hot.popitem(last=False)
                self.pushed_out += 1
        elif isinstance(fault, ModelUnavailable):
            log.warning("a model cannot be loaded: %s", fault.message)
            now = time.monotonic()
            self._refused = {one: told for one, told in self._refused.items() if told[1] > now}
            self._refused[sha256] = fault.message, now + _REFUSED_S

    def _crowded(self) -> bool:
        held = sum(model.size for model in self._hot.values())
        return len(self._hot) > self._hot_models or held > self._hot_bytes
