import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from embeddings import cache as cache_module
from embeddings import source
from embeddings.cache import onnx_file
from embeddings.errors import Unusable
from tests.embeddings import tiny


@pytest.fixture
def found(tmp_path: Path) -> source.Source:
    return source.read(tiny.folder(tmp_path / "tiny"), "tiny")


def test_a_file_is_written_once_and_then_believed(found: source.Source, tmp_path: Path) -> None:
    content, version = onnx_file(found, "fp32", tmp_path)
    file = tmp_path / "tiny-fp32/encoder.onnx"
    written = file.stat().st_mtime_ns
    assert onnx_file(found, "fp32", tmp_path) == (content, version)
    assert file.stat().st_mtime_ns == written
    assert file.read_bytes() == content
    assert sorted(f.name for f in file.parent.iterdir()) == ["encoder.onnx", "manifest.json"]


@pytest.mark.parametrize("harm", ["cut", "altered", "no file", "no manifest", "half a manifest", "old graph"])
def test_a_harmed_cache_is_written_anew(found: source.Source, tmp_path: Path, harm: str) -> None:
    content, _ = onnx_file(found, "fp32", tmp_path)
    file, manifest = tmp_path / "tiny-fp32/encoder.onnx", tmp_path / "tiny-fp32/manifest.json"
    (file.parent / "encoder.onnx.1.new").write_bytes(b"a killed builder's")
    if harm == "cut":
        file.write_bytes(content[: len(content) // 2])
    elif harm == "altered":
        file.write_bytes(content[:-50] + bytes([content[-50] ^ 1]) + content[-49:])
    elif harm == "no file":
        file.unlink()
    elif harm == "no manifest":
        manifest.unlink()
    elif harm == "half a manifest":
        manifest.write_bytes(manifest.read_bytes()[:40])
    else:
        manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "graph_version": 0}))
    assert onnx_file(found, "fp32", tmp_path)[0] == content
    assert file.read_bytes() == content
    assert sorted(f.name for f in file.parent.iterdir()) == ["encoder.onnx", "manifest.json"]


def test_new_weights_make_a_new_file_and_version(found: source.Source, tmp_path: Path) -> None:
    before = onnx_file(found, "fp32", tmp_path)
    save_file(tiny.weights(seed=9), found.folder / "model.safetensors")
    after = onnx_file(found, "fp32", tmp_path)
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_two_builders_at_once_make_one_good_file(found: source.Source, tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from embeddings import cache, source
found = source.read(Path({str(found.folder)!r}), "tiny")
print(cache.onnx_file(found, "fp32", Path({str(tmp_path)!r}))[1])
"""
    builders = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) for _ in range(3)]
    versions = {builder.communicate(timeout=60)[0] for builder in builders}
    assert len(versions) == 1
    assert versions.pop().decode().strip() == onnx_file(found, "fp32", tmp_path)[1]


def test_weights_that_lack_a_parameter_are_told(found: source.Source, tmp_path: Path) -> None:
    some = tiny.weights()
    del some["encoder.layer.1.output.dense.bias"]
    save_file(some, found.folder / "model.safetensors")
    with pytest.raises(Unusable, match=r"encoder\.layer\.1\.output\.dense\.bias"):
        onnx_file(found, "fp32", tmp_path)
    (found.folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(Unusable, match="no graph"):
        onnx_file(found, "fp32", tmp_path)


def test_a_cache_that_cannot_be_written_is_told(found: source.Source, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unusable, match="EMBEDDINGS_CACHE"):
        onnx_file(found, "fp32", tmp_path / "file")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_int8_starts_only_where_it_is_faithful(
    found: source.Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "LEAST_FIDELITY", 0.5)
    content, _ = onnx_file(found, "int8", tmp_path)
    assert content != onnx_file(found, "fp32", tmp_path)[0]
    measured = json.loads((tmp_path / "tiny-int8/manifest.json").read_text())["fidelity"]
    assert 0.9 < measured < 1
    monkeypatch.setattr(cache_module, "LEAST_FIDELITY", np.nextafter(measured, 1))
    # Measured once: a later start refuses by the manifest.
    with pytest.raises(Unusable, match="int8 is not offered"):
        onnx_file(found, "int8", tmp_path)
