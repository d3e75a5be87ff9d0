"""A release's images by digest: what Helm and kubectl are told."""

import io
import json
import re
from pathlib import Path

import pytest

from scripts.release import Refusal, collected, main, pinned, read, values

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "ghcr.io/course/grading-gateway"
NAMES = ("gateway", "worker", "embeddings", "ui", "bot", "predict", "llm")
LINES = {name: f"{name} {PREFIX}/{name}:1.2.3@sha256:{place:064x}" for place, name in enumerate(NAMES)}
LINES["llm-cpu"] = f"llm-cpu {PREFIX}/llm:1.2.3-cpu@sha256:{255:064x}"
LIST = "\n".join(LINES.values())
MANIFESTS = """\
kind: InferenceService
spec:
  predictor:
    containers:
      - name: kserve-container
        image: grading-gateway/llm:dev
---
      - image: "ghcr.io/example/grading-gateway/embeddings:0.1.0@sha256:00"
        imagePullPolicy: IfNotPresent
"""


def test_every_image_of_the_chart_is_named_by_digest() -> None:
    told = values(read(LIST))["images"]
    schema = json.loads((ROOT / "k8s/chart/values.schema.json").read_text())["properties"]["images"]
    assert told.keys() <= schema["properties"].keys()
    assert told["own"].keys() == schema["properties"]["own"]["properties"].keys()
    assert (told["prefix"], told["tag"]) == (PREFIX, "1.2.3")
    assert told["own"]["ui"] == {"tag": "1.2.3", "digest": f"sha256:{3:064x}"}


@pytest.mark.parametrize(("cpu", "name"), [(False, "llm"), (True, "llm-cpu")])
def test_manifests_are_passed_through_with_our_images_by_digest(cpu: bool, name: str) -> None:
    told = pinned(MANIFESTS, read(LIST), cpu=cpu)
    assert f"        image: {LINES[name].partition(' ')[2]}\n" in told
    assert f"      - image: {LINES['embeddings'].partition(' ')[2]}\n" in told
    rest = re.compile(r"image: .*")
    assert rest.sub("", told) == rest.sub("", MANIFESTS)


@pytest.mark.parametrize(
    "manifests", ["kind: Namespace\n", MANIFESTS + "  image: docker.io/library/redis:7\n"]
)
def test_manifests_without_our_images_or_with_others_are_refused(manifests: str) -> None:
    with pytest.raises(Refusal):
        pinned(manifests, read(LIST), cpu=False)


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(line for name, line in LINES.items() if name != "bot"),
        LIST + "\n" + LINES["bot"],
        LIST.replace("sha256:", "sha512:", 1),
        LIST.replace(f"{PREFIX}/ui", "docker.io/else/ui"),
        LIST + "\nnginx docker.io/library/nginx:1",
        "",
    ],
    ids=["one missing", "one twice", "no digest", "another place", "not ours", "empty"],
)
def test_a_list_that_is_not_whole_is_refused(text: str) -> None:
    with pytest.raises(Refusal):
        read(text)


def test_the_lines_of_the_jobs_make_the_list(tmp_path: Path) -> None:
    for name, line in LINES.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.txt").write_text(line + "\n")
    assert sorted(collected(tmp_path).splitlines()) == sorted(LINES.values())
    (tmp_path / "bot/bot.txt").unlink()
    with pytest.raises(Refusal, match="bot"):
        collected(tmp_path)


def test_the_commands_of_the_workflow(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "images.txt"
    file.write_text(LIST)
    assert main(["values", str(file)]) == 0
    assert json.loads(capsys.readouterr().out) == values(read(LIST))
    monkeypatch.setattr("sys.stdin", io.StringIO(MANIFESTS))
    assert main(["pin", str(file), "--cpu"]) == 0
    assert "1.2.3-cpu@sha256:" in capsys.readouterr().out
    assert main(["values", str(tmp_path / "none.txt")]) == 2
