"""The Dockerfiles as texts: what every image must have and must not, and how `make images` builds them.

What the built images do is tests/ship/test_engine_images.py's.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from scripts import images
from scripts.images import DOCKERFILES, NAMES, ROOT, Bases, Refusal

HADOLINT = Path(sys.executable).parent / "hadolint"
STANDIN = ROOT / "tests/ship/standins/vllm.Dockerfile"
BY_DIGEST = re.compile(r"docker\.io/[a-z0-9./-]+:[\w.-]+@sha256:[0-9a-f]{64}")
SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL")
SERVERS = [name for name in NAMES if name not in ("predict", "worker")]


class Instruction(NamedTuple):
    word: str
    rest: str


def instructions(name: str) -> list[Instruction]:
    lines = [line for line in dockerfile(name).splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [Instruction(*line.split(maxsplit=1)) for line in joined.splitlines() if line]


def dockerfile(name: str) -> str:
    return (DOCKERFILES / f"{name}.Dockerfile").read_text()


def of_word(name: str, word: str) -> list[str]:
    return [one.rest for one in instructions(name) if one.word == word]


def last_stage(name: str) -> list[Instruction]:
    every = instructions(name)
    start = max(place for place, one in enumerate(every) if one.word == "FROM")
    return every[start + 1 :]


def test_there_is_a_dockerfile_for_every_image_and_no_other() -> None:
    assert {file.name for file in DOCKERFILES.glob("*Dockerfile*")} == {
        f"{name}.Dockerfile" for name in NAMES
    }


def test_hadolint_finds_nothing() -> None:
    files = [*DOCKERFILES.glob("*.Dockerfile"), STANDIN]
    run = subprocess.run(
        [HADOLINT, "--config", ROOT / ".hadolint.yaml", *files], capture_output=True, text=True
    )
    assert (run.returncode, run.stdout) == (0, "")


@pytest.mark.parametrize("name", NAMES)
def test_the_base_is_a_version_by_digest_that_an_argument_may_replace(name: str) -> None:
    bases = of_word(name, "FROM")
    argument, base = Bases().of(name)
    assert BY_DIGEST.fullmatch(base)
    assert {one.split()[0] for one in bases} == {f"${{{argument}}}"}


def test_all_stand_on_the_same_python() -> None:
    assert len({Bases().of(name) for name in NAMES}) == 2, "one Python, one vLLM"
    assert BY_DIGEST.fullmatch(images.VLLM_CPU)
    assert images.VLLM_CPU.split(":")[1].startswith(Bases().of("llm")[1].split(":")[1].split("@")[0])


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_as_a_numbered_nobody_who_owns_only_the_state(name: str) -> None:
    users = of_word(name, "USER")
    assert users == ["10001:10001"]
    assert of_word(name, "VOLUME") == ["/app/state"]
    owned = [one.rest for one in instructions(name) if "10001" in one.rest and "chown" in one.rest]
    assert not owned, "code belongs to root"
    assert any("install -d -o 10001 -g 10001 /app/state" in one.rest for one in last_stage(name))


@pytest.mark.parametrize("name", NAMES)
def test_a_signal_reaches_the_program_itself(name: str) -> None:
    (entry,) = of_word(name, "ENTRYPOINT")
    assert entry.startswith('["python')
    assert all(one.startswith("[") for one in of_word(name, "CMD"))
    assert of_word(name, "STOPSIGNAL") == ["SIGTERM"]


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name: str) -> None:
    (labels,) = of_word(name, "LABEL")
    for one in ("description", "licenses", "revision", "title", "version"):
        assert f"org.opencontainers.image.{one}=" in labels
    assert f'title="grading-gateway/{name}"' in labels


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_is_asked_whether_it_lives_on_a_port_that_it_says(name: str) -> None:
    (check,) = of_word(name, "HEALTHCHECK")
    setting, path = re.findall(r'"([A-Z_]+)", "(/\S+)"', check)[0]
    port = re.search(rf"\b{setting}=(\d+)", " ".join(of_word(name, "ENV")))
    assert port
    assert port[1] in of_word(name, "EXPOSE")[0].split()
    assert path.startswith("/")
    assert "COPY docker/alive.py /opt/probe/" in dockerfile(name)


@pytest.mark.parametrize(("name", "check"), [("predict", "NONE"), ("worker", "/opt/worker_alive.py")])
def test_what_opens_no_port_says_how_it_is_watched(name: str, check: str) -> None:
    assert check in of_word(name, "HEALTHCHECK")[0]
    assert not of_word(name, "EXPOSE")


@pytest.mark.parametrize("name", [name for name in NAMES if name != "llm"])
def test_packages_come_by_hash_and_in_the_first_stage_only(name: str) -> None:
    runs = [run for run in of_word(name, "RUN") if "pip install" in run]
    assert len(runs) == 2
    assert all("--require-hashes" in run for run in runs)
    assert not [one for one in last_stage(name) if re.search(r"\bpip\b|\bapt\b|apt-get|\buv\b", one.rest)]
    locks = re.findall(r"-r (\S+?)\.txt", " ".join(runs))
    for lock in locks:
        text = (ROOT / f"requirements/{lock}.txt").read_text().replace("\\\n", " ")
        assert not [line for line in text.splitlines() if "==" in line and "--hash=sha256:" not in line]
    assert f"requirements/{locks[1]}.txt" in of_word(name, "LABEL")[0]


@pytest.mark.parametrize("name", NAMES)
def test_modes_are_given_in_the_build_and_not_by_the_umask_of_a_checkout(name: str) -> None:
    assert not [one.rest for one in last_stage(name) if one.word == "COPY" and "--from" not in one.rest]
    brought = {copied.split()[1] for copied in of_word(name, "COPY") if "--from" in copied} - {"/opt/venv"}
    (given,) = [run for run in of_word(name, "RUN") if "chmod -R u=rwX,go=rX" in run]
    assert brought <= {*given.split()}


@pytest.mark.parametrize("name", [name for name in NAMES if name != "llm"])
def test_onnx_runtime_reports_to_nobody(name: str) -> None:
    (lock,) = re.findall(r"-r (?!uv)(\S+?)\.txt", dockerfile(name))
    has_it = "\nonnxruntime==" in (ROOT / f"requirements/{lock}.txt").read_text()
    assert ("ORT_DISABLE_TELEMETRY=1" in of_word(name, "ENV")[0]) is has_it


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_fetched_from_an_address_and_nothing_secret_is_named(name: str) -> None:
    assert not of_word(name, "ADD")
    assert "://" not in dockerfile(name)
    said = [one for one in instructions(name) if one.word in ("ARG", "ENV")]
    assert not [one for one in said if SECRET.search(re.sub(r"=\S+", "", one.rest))]


@pytest.mark.parametrize("name", NAMES)
def test_the_classic_builder_can_build_it(name: str) -> None:
    assert "# syntax" not in dockerfile(name)
    assert not [one for one in instructions(name) if re.search(r"--mount|--link|--chmod|<<", one.rest)]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_copied_is_there_and_reaches_the_build(name: str) -> None:
    allowed = [line[1:] for line in ignored() if line.startswith("!")]
    for copied in of_word(name, "COPY"):
        if copied.startswith("--from"):
            continue
        for source in copied.split()[:-1]:
            assert (ROOT / source).exists()
            assert any(Path(source).match(one) or one.startswith(f"{source}/") for one in allowed), source


def ignored() -> list[str]:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_a_build_sees_nothing_but_what_is_named() -> None:
    first, *rest = ignored()
    assert first == "*"
    let_in = {line[1:].split("/")[0] for line in rest if line.startswith("!")}
    assert not let_in & {".env", ".git", "state", "tests", "data", ".venv"}
    assert {"**/__pycache__", "**/.*"} <= {*rest[-3:]}, "last, so that they hold inside of what is let in"


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IMAGE_PREFIX", "IMAGE_TAG"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("plain")
def test_a_build_is_told_base_version_and_commit() -> None:
    bases = Bases(python="another:1")
    command = images.build_command("gateway", bases, network="host", commit="abc")
    assert command[-3:] == ["--network", "host", "."]
    assert command[4:6] == ["--tag", "grading-gateway/gateway:dev"]
    arguments = {command[i + 1] for i, word in enumerate(command) if word == "--build-arg"}
    assert arguments == {"PYTHON_IMAGE=another:1", f"VERSION={images.version()}", "REVISION=abc"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", images.version())
    llm = images.build_command("llm", bases, network="", commit="")
    assert f"VLLM_IMAGE={Bases().of('llm')[1]}" in llm
    assert "--network" not in llm


def test_an_image_is_named_by_the_environment() -> None:
    assert images.tag("ui", {"IMAGE_PREFIX": "example.org/grading", "IMAGE_TAG": "1.2"}) == (
        "example.org/grading/ui:1.2"
    )
    assert images.tag("ui", {"IMAGE_PREFIX": "", "IMAGE_TAG": ""}) == "grading-gateway/ui:dev"


def test_an_unknown_image_and_a_missing_docker_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert images.main(["build", "nginx"]) == 2
    assert "no image nginx" in capsys.readouterr().err
    monkeypatch.setenv("PATH", "")
    assert images.main(["build", "bot"]) == 2
    assert capsys.readouterr().err == "images: docker is missing.\n"


def test_a_size_that_cannot_be_told_is_a_refusal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "docker").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    with pytest.raises(Refusal, match="not in this engine"):
        images.size("a:b")
