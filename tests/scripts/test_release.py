"""A release's images by digest: what Helm and kubectl are told."""

import io
import json
import re
from pathlib import Path

import pytest

from scripts.release import Refusal, collected, main, pinned, read, settled, undivided, values

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
        LIST.replace(f"ui {PREFIX}/ui", f"ui {PREFIX}/bot"),
        LIST.replace("ui:1.2.3", "ui:1.2.2"),
        LIST.replace("1.2.3-cpu", "1.2.3"),
        "",
    ],
    ids=[
        *("one missing", "one twice", "no digest", "another place", "not ours"),
        *("another's image", "another release", "not for a CPU", "empty"),
    ],
)
def test_a_list_that_is_not_whole_is_refused(text: str) -> None:
    with pytest.raises(Refusal):
        read(text)


def live(image: str, rolled_out: str, created: str) -> dict[str, object]:
    """A service as KServe tells it (kserve.models.V1beta1ComponentStatusSpec)."""
    seen = {"latestRolledoutRevision": rolled_out, "latestCreatedRevision": created}
    return {
        "spec": {"predictor": {"canaryTrafficPercent": 100, "containers": [{"image": image}]}},
        "status": {"components": {"predictor": seen}},
    }


@pytest.mark.parametrize(
    ("there", "is_settled"),
    [
        (live(LINES["llm"].partition(" ")[2], "llm-2", "llm-2"), True),
        (
            live(LINES["llm"].partition(" ")[2], "llm-1", "llm-2"),
            False,
        ),  # a canary, or one that was taken back
        (live(LINES["llm-cpu"].partition(" ")[2], "llm-2", "llm-2"), False),
        ({"spec": {"predictor": {"containers": [{"image": LINES["llm"].partition(" ")[2]}]}}}, False),
        ({}, False),
    ],
)
def test_a_model_that_has_all_questions_is_not_made_a_canary_again(
    there: dict[str, object], is_settled: bool
) -> None:
    assert settled(there, read(LIST)["llm"]) is is_settled
    assert undivided("  predictor:\n    canaryTrafficPercent: 10\n    maxReplicas: 4\n") == (
        "  predictor:\n    canaryTrafficPercent: 100\n    maxReplicas: 4\n"
    )


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
    there = tmp_path / "live.json"
    for told, share in (("", "10"), (json.dumps(live(LINES["llm"].partition(" ")[2], "2", "2")), "100")):
        there.write_text(told)
        monkeypatch.setattr("sys.stdin", io.StringIO(MANIFESTS + "    canaryTrafficPercent: 10\n"))
        assert main(["pin", str(file), "--live", str(there)]) == 0
        assert capsys.readouterr().out.endswith(f"canaryTrafficPercent: {share}\n")
    assert main(["values", str(file), "--release", "v1.2.3"]) == 0
    assert main(["values", str(file), "--release", "v1.2.4"]) == 2
    assert main(["values", str(tmp_path / "none.txt")]) == 2
