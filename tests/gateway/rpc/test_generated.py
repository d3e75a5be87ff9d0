"""The generated code is what proto/ gives."""

from pathlib import Path

from scripts.protos import GENERATED, differences, generated


def test_the_generated_code_is_what_the_files_in_proto_give(tmp_path: Path) -> None:
    wanted = generated()
    assert differences(wanted, GENERATED) == []
    for name, code in wanted.items():
        (tmp_path / name).write_text(code)
    assert differences(wanted, tmp_path) == []
    (tmp_path / "models_pb2.py").write_text("# by hand")
    (tmp_path / "gone_pb2.py").write_text("")
    (tmp_path / "training_pb2.pyi").unlink()
    assert differences(wanted, tmp_path) == ["gone_pb2.py", "models_pb2.py", "training_pb2.pyi"]
